"""Run by a Python that has torch: PyTorch's side of the comparison of random configs.

python pytorch_random.py make SPECS.json ROOT
    SPECS is a list of [name, family, settings]. ROOT/name becomes a checkpoint of random weights
    with `inputs.npz` and PyTorch's `logits.npy` beside them. Prints, by name, why PyTorch cannot.
python pytorch_random.py read ROOT NAME...
    Reads ROOT/NAME/saved and writes its logits of the same inputs to ROOT/NAME/again.npy. Prints,
    by name, which weights PyTorch missed.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoModelForMaskedLM
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

EAGER = {"attn_implementation": "eager"}


def logits(folder, inputs):
    model, info = AutoModelForMaskedLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True, **EAGER
    )
    with torch.no_grad():
        tensors = {k: torch.tensor(v) for k, v in inputs.items()}
        found = model.eval()(**tensors, return_dict=True).logits
    return found.numpy(), info["missing_keys"]


def example(settings, family, pad, seed):
    generator = np.random.default_rng(seed)
    ids = generator.integers(8, 99, (2, 16))
    ids[:, 3] = settings.get("mask_token_id", 8)
    mask = np.ones_like(ids)
    # Not in ESM: PyTorch 4.57 counts padding among the tokens that token_dropout scales by.
    if not settings.get("token_dropout"):
        mask[1, 11:] = 0
        ids[1, 11:] = 0 if pad is None else pad
    inputs = {"input_ids": ids, "attention_mask": mask}
    if settings.get("type_vocab_size", 0) > 1 and family != "mpnet":
        inputs["token_type_ids"] = generator.integers(0, settings["type_vocab_size"], ids.shape)
    return inputs


def make(specs, root):
    failed = {}
    for number, (name, family, settings) in enumerate(specs):
        torch.manual_seed(number)
        if "pruned_heads" in settings:
            pruned = {int(k): v for k, v in settings["pruned_heads"].items()}
            settings["pruned_heads"] = pruned
        dtype = settings.pop("torch_dtype", "float32")
        try:
            config = CONFIG_MAPPING[family](**settings)
            model = AutoModelForMaskedLM.from_config(config, **EAGER)
            for parameter in model.parameters():
                mean = 1.0 if bool((parameter == 1).all()) else 0.0
                torch.nn.init.normal_(parameter.data, mean, 0.15)
            folder = root / name
            model.to(getattr(torch, dtype)).save_pretrained(folder)
            inputs = example(settings, family, getattr(config, "pad_token_id", None), number)
            found, missing = logits(folder, inputs)
            assert not missing, missing
            np.savez(folder / "inputs.npz", **inputs)
            np.save(folder / "logits.npy", found)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {error}"[:300]
    return failed


def read(root, names):
    missed = {}
    for name in names:
        inputs = dict(np.load(root / name / "inputs.npz"))
        found, missing = logits(root / name / "saved", inputs)
        np.save(root / name / "again.npy", found)
        if missing:
            missed[name] = sorted(missing)
    return missed


if sys.argv[1] == "make":
    print(json.dumps(make(json.loads(Path(sys.argv[2]).read_text()), Path(sys.argv[3]))))
else:
    print(json.dumps(read(Path(sys.argv[2]), sys.argv[3:])))
