"""Run by a Python that has transformers 5: tokenizers that it saves, and their ids.

python version5_tokenizers.py ROOT NAME...
    Loads the tokenizer of ROOT/NAME, adds a special token and saves it in ROOT/NAME-5. Prints by
    name the ids of the texts in ROOT/texts.json.
"""

import json
import sys
from pathlib import Path

from transformers import AutoTokenizer

root, texts = Path(sys.argv[1]), json.loads((Path(sys.argv[1]) / "texts.json").read_text())
ids = {}
for name in sys.argv[2:]:
    tokenizer = AutoTokenizer.from_pretrained(root / name)
    tokenizer.add_special_tokens({"extra_special_tokens": ["<extra>"]})
    tokenizer.save_pretrained(root / f"{name}-5")
    ids[name] = tokenizer(texts)["input_ids"]
print(json.dumps(ids))
