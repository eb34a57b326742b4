"""Pretrain a masked LM from nothing but text: tokenizer, config, training, export.

python examples/pretrain_from_scratch.py --text my_language.txt --epochs 40
"""

import argparse
from pathlib import Path

import local
import tensorflow as tf
from tokenizers import ByteLevelBPETokenizer
from transformers import RobertaConfig, RobertaTokenizerFast, TFRobertaForMaskedLM

import tfmlm

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--text", help="text file in the new language or domain, a paragraph a line")
parser.add_argument("--vocab_size", type=int, default=1500)
parser.add_argument("--hidden_size", type=int, default=64)
parser.add_argument("--layers", type=int, default=2)
parser.add_argument("--epochs", type=int, default=4)
parser.add_argument("--output_dir", default=str(local.FOLDER / "from-scratch"))
args = parser.parse_args()
text = args.text or local.text_file("language.txt", 1500)
folder = Path(args.output_dir)
folder.mkdir(parents=True, exist_ok=True)

# 1. The tokenizer: byte-level BPE knows every character of every language.
special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
bpe = ByteLevelBPETokenizer()
bpe.train(text, vocab_size=args.vocab_size, min_frequency=2, special_tokens=special)
bpe.save_model(str(folder))
tokenizer = RobertaTokenizerFast.from_pretrained(folder, model_max_length=128)

# 2. The config: the shape of a RoBERTa that has not learned anything yet.
config = RobertaConfig(
    vocab_size=len(tokenizer),
    hidden_size=args.hidden_size,
    num_hidden_layers=args.layers,
    num_attention_heads=max(args.hidden_size // 32, 1),
    intermediate_size=4 * args.hidden_size,
    max_position_embeddings=130,
    type_vocab_size=1,
    initializer_range=0.05,
)
tf.random.set_seed(0)
model = TFRobertaForMaskedLM(config)
model.build_in_name_scope()

# 3. Training.
lines = Path(text).read_text(encoding="utf-8").splitlines()
held_out = len(lines) // 20
options = {"line_by_line": True, "max_length": 48, "batch_size": 64}
train = tfmlm.prepare_dataset(model, tokenizer, lines[held_out:], **options)
test = tfmlm.prepare_dataset(model, tokenizer, lines[:held_out], shuffle=False, **options)
steps = len(train) * args.epochs
optimizer, _ = tfmlm.create_optimizer(3e-3, steps, num_warmup_steps=steps // 10)
trainer = tfmlm.MaskedLMTrainer(model)
trainer.compile(optimizer)
first = trainer.evaluate(test, verbose=0, return_dict=True)["loss"]
trainer.fit(train, epochs=args.epochs, verbose=2)
last = trainer.evaluate(test, verbose=0, return_dict=True)["loss"]
print(f"held-out loss: {first:.3f} before, {last:.3f} after")

# 4. A checkpoint for PyTorch and TensorFlow, and an export for TF Serving.
trainer.save_pretrained(folder)
tokenizer.save_pretrained(folder)
path = tfmlm.export_saved_model(model, tokenizer, folder / "export")
for answer in tfmlm.load(path).fill("Return the <mask> of the argument."):
    print(f"{answer['score']:.4f} {answer['sequence']}")
