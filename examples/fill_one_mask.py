"""Fill one mask by hand, then with tfmlm, with transformers' pipeline, and with the SavedModel.

python examples/fill_one_mask.py --model distilroberta-base --word technique
"""

import argparse

import local
import tensorflow as tf
from transformers import FillMaskPipeline

import tfmlm

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="name on the Hub, or a checkpoint folder")
parser.add_argument(
    "--sentence",
    default="Transformers are a state-of-the-art technique in natural language processing.",
)
parser.add_argument("--word", default="technique", help="the word to mask")
args = parser.parse_args()

name = args.model or local.small_model()
model, tokenizer = tfmlm.load_model(name), tfmlm.load_tokenizer(name)

# By hand: mask, run the model, take the logits at the mask, decode the best.
text = args.sentence.replace(args.word, tokenizer.mask_token, 1)
inputs = tokenizer(text, return_tensors="tf")
position = tf.where(inputs["input_ids"][0] == tokenizer.mask_token_id)[0, 0]
logits = model(inputs).logits[0, position]
best = int(tf.argmax(logits))
print("input:  ", text)
print("output: ", text.replace(tokenizer.mask_token, tokenizer.decode([best]).strip()))

scores, ids = tf.math.top_k(tf.nn.softmax(logits), k=5)
by_hand = [(tokenizer.decode([i]), float(s)) for i, s in zip(ids, scores, strict=True)]

# The same with the export, the pipeline, and what `tfmlm fill` does on a checkpoint folder.
path = tfmlm.export_saved_model(model, tokenizer, local.FOLDER / "fill_one_mask")
saved_model = tfmlm.load(path).fill(text, top_k=5)
pipeline = FillMaskPipeline(model=model, tokenizer=tokenizer, framework="tf")(text, top_k=5)

print(f"\n{'by hand':<26}{'SavedModel, tfmlm fill':<26}{'pipeline':<26}")
for (word, score), ours, theirs in zip(by_hand, saved_model, pipeline, strict=True):
    row = [(word, score), *((item["token_str"], item["score"]) for item in (ours, theirs))]
    print("".join(f"{word.strip():<18}{score:.5f} " for word, score in row))
    assert word == ours["token_str"] == theirs["token_str"]
    assert abs(score - ours["score"]) < 1e-5 and abs(score - theirs["score"]) < 1e-5
