"""The pictures one would put in a paper: words, surprise, training, before and after.

python examples/reading_the_results.py --before distilroberta-base --after my_model
"""

import argparse
from pathlib import Path

import local
from transformers import FillMaskPipeline

import tfmlm
from tfmlm.cli.main import main
from tfmlm.score import corpus_pseudo_perplexity, open_scorer, plot_comparison, plot_heat_map

SENTENCES = (
    "The function returns the value of the argument.",
    "The argument returns the function of the value.",
)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--before", help="checkpoint folder of the one model")
parser.add_argument("--after", help="checkpoint folder of the other, fine-tuned one")
parser.add_argument("--output_dir", default=str(local.FOLDER / "pictures"))
args = parser.parse_args()
before = args.before or local.small_model()
after = args.after or before
folder = Path(args.output_dir)
folder.mkdir(parents=True, exist_ok=True)
mask = tfmlm.load_tokenizer(before).mask_token

# 1. Probability bars: what the command `tfmlm fill --plot` draws.
texts = [f"If the file does not exist, an {mask} is raised.", f"This function {mask} a value."]
main(["fill", after, *texts, "--plot", str(folder / "words.png")])

# 2. Every word masked in turn: which ones does the model find surprising?
for name, model in (("before", before), ("after", after)):
    scored = open_scorer(model).score(SENTENCES)
    plot_heat_map(scored, folder / f"surprise_{name}.png")
    for one in scored:
        print(f"{name:<7}{one.pseudo_perplexity:9.2f}  {one.text}")
    print(f"{name:<7}{corpus_pseudo_perplexity(scored):9.2f}  both")

# 3. Two models side by side.
answers = []
for folder_of_model in (before, after):
    model, tokenizer = tfmlm.load_model(folder_of_model), tfmlm.load_tokenizer(folder_of_model)
    pipeline = FillMaskPipeline(model=model, tokenizer=tokenizer, framework="tf")
    answers.append(pipeline(texts, top_k=5))
plot_comparison(texts, *answers, folder / "comparison.png", labels=("before", "after"))

# 4. Training curves: `tfmlm train` leaves them in the checkpoint folder.
curves = Path(after) / "training.png"
print("training curves:", curves if curves.exists() else "none: tfmlm train did not make it")
print("pictures:", ", ".join(sorted(p.name for p in folder.glob("*.png"))))
