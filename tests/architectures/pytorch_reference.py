"""Run by a Python that has torch: checkpoints with random weights, and what PyTorch makes of them.

python pytorch_reference.py CASES.json FOLDER

CASES holds a list of {"name", "model_type", "config": {...}, "tokens": T, "lengths": [...]}. For
each, FOLDER/NAME becomes a checkpoint saved by PyTorch (sharded if the case has "shard"), and
FOLDER/NAME.npz its inputs, its logits [rows, T, vocabulary] by eager attention in float32, and the
gradient of its loss by every weight, under `grad:` and the weight's name.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from transformers import AutoConfig, AutoModelForMaskedLM

cases, root = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
for number, case in enumerate(cases):
    torch.manual_seed(number)
    rng = np.random.default_rng(number)
    config = AutoConfig.for_model(case["model_type"], **case["config"])
    model = AutoModelForMaskedLM.from_config(config, attn_implementation="eager")
    with torch.no_grad():
        for weight in model.parameters():
            norm = bool((weight == 1).all())
            weight.copy_(torch.randn(weight.shape) * 0.1 + norm)
    model.eval()
    rows = len(case["lengths"])
    ids = rng.integers(6, config.vocab_size, (rows, case["tokens"]))
    mask = (np.arange(case["tokens"])[None] < np.array(case["lengths"])[:, None]).astype("int64")
    labels = np.where((rng.random(ids.shape) < 0.3) & (mask == 1), ids, -100)
    labels[:, 0] = ids[:, 0]
    ids[mask == 0] = config.pad_token_id
    batch = {"input_ids": ids, "attention_mask": mask, "labels": labels}
    tensors = {name: torch.tensor(value) for name, value in batch.items()}
    loss = model(**tensors).loss
    loss.backward()
    with torch.no_grad():  # with labels, sparse prediction leaves logits out
        logits = model(tensors["input_ids"], tensors["attention_mask"]).logits
    gradients = {f"grad:{name}": w.grad.numpy() for name, w in model.named_parameters()}
    model.save_pretrained(
        root / case["name"], **({"max_shard_size": "40KB"} if case.get("shard") else {})
    )
    np.savez(
        root / f"{case['name']}.npz",
        logits=logits.numpy(),
        loss=loss.detach().numpy(),
        **batch,
        **gradients,
    )
