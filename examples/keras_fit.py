"""A plain Keras script: fine-tune a masked LM on a text file, then export it for TF Serving.

python examples/keras_fit.py --model distilroberta-base --text my.txt --output_dir my_model
"""

import argparse
from pathlib import Path

import tfmlm  # first: it selects Keras 2, which transformers needs

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", required=True, help="name on the Hub, or a checkpoint folder")
parser.add_argument("--text", required=True, help="text file, a paragraph a line")
parser.add_argument("--output_dir", required=True)
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--batch_size", type=int, default=16)
args = parser.parse_args()

lines = Path(args.text).read_text(encoding="utf-8").splitlines()
held_out = max(1, len(lines) // 20)
tokenizer = tfmlm.load_tokenizer(args.model)

with tfmlm.get_strategy("auto").scope():
    model = tfmlm.load_model(args.model)
    train = tfmlm.prepare_dataset(model, tokenizer, lines[held_out:], batch_size=args.batch_size)
    test = tfmlm.prepare_dataset(
        model, tokenizer, lines[:held_out], batch_size=args.batch_size, shuffle=False
    )
    optimizer, schedule = tfmlm.create_optimizer(5e-5, len(train) * args.epochs)
    trainer = tfmlm.MaskedLMTrainer(model)  # logits at masked positions only; model.fit works too
    trainer.compile(optimizer)
    trainer.fit(train, validation_data=test, epochs=args.epochs)

trainer.save_pretrained(args.output_dir)
tokenizer.save_pretrained(args.output_dir)
path = tfmlm.export_saved_model(model, tokenizer, Path(args.output_dir) / "export")
for answer in tfmlm.load(path).fill(f"This is a {tokenizer.mask_token}."):
    print(f"{answer['score']:.3f} {answer['sequence']}")
