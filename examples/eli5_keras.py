"""Fine-tune DistilRoBERTa on ELI5 as in the Hugging Face guide, as a Keras script.

python examples/eli5_keras.py --model distilroberta-base --dataset eli5_category \
    --split "train[:5000]" --hub_model_id my_eli5_mlm_model
"""

import argparse
import math

import local
import tensorflow as tf
from datasets import load_dataset
from transformers import FillMaskPipeline

import tfmlm

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="name on the Hub, or a checkpoint folder")
parser.add_argument("--dataset", help="name on the Hub, or a JSON file with answers.text")
parser.add_argument("--split", default="train")
parser.add_argument("--epochs", type=int, default=3)
parser.add_argument("--learning_rate", type=float, default=2e-5)
parser.add_argument("--output_dir", default=str(local.FOLDER / "my_eli5_mlm_model"))
parser.add_argument("--hub_model_id", help="push to this repository of the Hub")
args = parser.parse_args()

name = args.model or local.small_model("roberta")
source = args.dataset or local.questions_and_answers()
if source.endswith((".json", ".jsonl")):
    eli5 = load_dataset("json", data_files=source, split=args.split)
else:
    eli5 = load_dataset(source, split=args.split)
eli5 = eli5.train_test_split(test_size=0.2, seed=0)

tf.random.set_seed(0)
tokenizer = tfmlm.load_tokenizer(name)
model = tfmlm.load_model(name)
data = {"text_column": "answers.text", "max_length": 128, "batch_size": 16}
train = tfmlm.prepare_dataset(model, tokenizer, eli5["train"], **data)
test = tfmlm.prepare_dataset(model, tokenizer, eli5["test"], shuffle=False, **data)

optimizer, _ = tfmlm.create_optimizer(args.learning_rate, len(train) * args.epochs)
callbacks = []
if args.hub_model_id:
    push = tfmlm.PushToHub(args.output_dir, tokenizer=tokenizer, hub_model_id=args.hub_model_id)
    callbacks.append(push)
model.compile(optimizer=optimizer)  # transformers' own loss, plain Keras
model.fit(train, validation_data=test, epochs=args.epochs, callbacks=callbacks, verbose=2)

trainer = tfmlm.MaskedLMTrainer(model)  # weighs every masked token alike
trainer.compile(optimizer)
loss = trainer.evaluate(test, verbose=0, return_dict=True)["loss"]
print(f"Perplexity: {math.exp(loss):.2f}")

trainer.save_pretrained(args.output_dir)
tokenizer.save_pretrained(args.output_dir)
pipeline = FillMaskPipeline(model=model, tokenizer=tokenizer, framework="tf")
for answer in pipeline(f"The Milky Way is a {tokenizer.mask_token} galaxy.", top_k=3):
    print(f"{answer['score']:.4f} {answer['sequence']}")
