"""Run by a Python that has torch: logits of PyTorch's AutoModelForMaskedLM for checkpoint folders.

python pytorch_logits.py INPUTS.npz OUTPUTS.npz FOLDER...

INPUTS holds `input_ids` and `attention_mask`; OUTPUTS gets the logits by the folders' names, and
for each the keys that PyTorch found missing or unexpected.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForMaskedLM

inputs_file, outputs_file, *folders = sys.argv[1:]
inputs = {k: torch.tensor(v) for k, v in np.load(inputs_file).items()}
logits, problems = {}, {}
for folder in folders:
    try:
        model, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    except RuntimeError as error:
        problems[Path(folder).name] = [str(error)]
        continue
    model.eval()
    with torch.no_grad():
        logits[Path(folder).name] = model(**inputs).logits.numpy()
    problems[Path(folder).name] = [
        *(f"missing {key}" for key in info["missing_keys"]),
        *(f"unexpected {key}" for key in info["unexpected_keys"]),
        *(f"mismatched {key}" for key in info["mismatched_keys"]),
    ]
np.savez(outputs_file, **logits)
print(json.dumps(problems))
