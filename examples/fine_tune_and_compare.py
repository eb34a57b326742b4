"""Fine-tune on a small corpus for three epochs, and compare what the model fills in.

python examples/fine_tune_and_compare.py --model distilroberta-base --text my.txt
"""

import argparse
from pathlib import Path

import local
import tensorflow as tf
from transformers import FillMaskPipeline

import tfmlm
from tfmlm.score import plot_comparison

EVERYDAY = (
    "I am going to the {mask} to buy some bread.",
    "The weather is {mask} today.",
    "She put the {mask} on the table.",
    "We had {mask} for dinner.",
    "He opened the {mask} and went in.",
    "You can {mask} this at home.",
    "My favourite {mask} is blue.",
    "The train was {mask} again this morning.",
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="name on the Hub, or a checkpoint folder")
parser.add_argument("--text", help="text file, a sentence a line")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--learning_rate", type=float, default=5e-5)
parser.add_argument("--output_dir", default=str(local.FOLDER / "fine-tuned"))
args = parser.parse_args()

name = args.model or local.small_model()
text = args.text or local.text_file("small_corpus.txt", 400, skip=3000)
lines = Path(text).read_text(encoding="utf-8").splitlines()
tf.random.set_seed(0)
model, tokenizer = tfmlm.load_model(name), tfmlm.load_tokenizer(name)

folder = Path(args.output_dir)
questions = [sentence.format(mask=tokenizer.mask_token) for sentence in EVERYDAY]
pipeline = FillMaskPipeline(model=model, tokenizer=tokenizer, framework="tf")
before = pipeline(questions, top_k=5)

held_out = len(lines) // 10
train = tfmlm.prepare_dataset(model, tokenizer, lines[held_out:], line_by_line=True, batch_size=16)
test = tfmlm.prepare_dataset(
    model, tokenizer, lines[:held_out], line_by_line=True, batch_size=16, shuffle=False
)
optimizer, _ = tfmlm.create_optimizer(args.learning_rate, len(train) * args.epochs)
trainer = tfmlm.MaskedLMTrainer(model)
trainer.compile(optimizer)
history = trainer.fit(train, validation_data=test, epochs=args.epochs, verbose=0).history
for epoch, (loss, held) in enumerate(zip(history["loss"], history["val_loss"], strict=True), 1):
    print(f"epoch {epoch}: loss {loss:.4f}, held-out loss {held:.4f}")

trainer.save_pretrained(folder)
tokenizer.save_pretrained(folder)
after = pipeline(questions, top_k=5)  # the same model, after training

for question, old, new in zip(questions, before, after, strict=True):
    print(f"\nInput:         {question}")
    print(f"Output before: {old[0]['sequence']}")
    print(f"Output after:  {new[0]['sequence']}")
plot_comparison(questions, before, after, folder / "comparison.png")
print(f"\n{folder / 'comparison.png'}")
