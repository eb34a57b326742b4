"""Run by a Python that has torch and transformers 5: models that it saves, and their logits.

python version5_models.py ROOT NAME SETTINGS.json...
    For each file of settings, with `model_type` among them: a model of random weights in
    ROOT/<stem>, with the tokenizer of ROOT/NAME. Prints by stem the inputs that the tokenizer gives
    the model for the text in ROOT/text.txt, and the logits.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

root, text = Path(sys.argv[1]), (Path(sys.argv[1]) / "text.txt").read_text(encoding="utf-8")
tokenizer = AutoTokenizer.from_pretrained(root / sys.argv[2])
found = {}
for number, file in enumerate(map(Path, sys.argv[3:])):
    settings = json.loads(file.read_text())
    torch.manual_seed(number)
    config = CONFIG_MAPPING[settings.pop("model_type")](**settings)
    model = AutoModelForMaskedLM.from_config(config, attn_implementation="eager").eval()
    for parameter in model.parameters():
        mean = 1.0 if bool((parameter == 1).all()) else 0.0
        torch.nn.init.normal_(parameter.data, mean, 0.15)
    model.save_pretrained(root / file.stem)
    tokenizer.save_pretrained(root / file.stem)
    inputs = tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs, return_dict=True).logits
    names = {name: value.tolist() for name, value in inputs.items()}
    found[file.stem] = {"inputs": names, "logits": logits.tolist()}
print(json.dumps(found))
