"""A protein model: what an antibody's residues tell about each other, from checkpoint to export.

python examples/protein_model.py --model antiberty
"""

import argparse
from dataclasses import replace
from pathlib import Path

import local

import tfmlm
from tfmlm.score import open_scorer, plot_heat_map

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="checkpoint folder whose tokens are residues")
parser.add_argument("--chain", default="trastuzumab heavy", help="name in antibodies.fasta")
parser.add_argument("--loop", default="WGGDGFYAMDY", help="the part of it to look at")
parser.add_argument("--output_dir", default=str(local.FOLDER / "protein"))
args = parser.parse_args()
name = args.model or local.protein_model()
folder = Path(args.output_dir)
folder.mkdir(parents=True, exist_ok=True)

# 1. Residues separated by spaces are the words of this language.
sequence = local.antibodies()[args.chain]
begin = sequence.index(args.loop)
places = slice(begin, begin + len(args.loop))

# 2. How much does each residue surprise the model, given all the others?
[chain] = open_scorer(name).score([" ".join(sequence)])
loop = replace(
    chain,
    token_str=chain.token_str[places],
    score=chain.score[places],
    token_count=len(args.loop),
)
print(f"{args.chain}: pseudo-perplexity {chain.pseudo_perplexity:.2f}")
print(f"loop {args.loop}: pseudo-perplexity {loop.pseudo_perplexity:.2f}")
plot_heat_map([chain, loop], folder / "loop.png")

# 3. What would it put there? Asked of the export, as a server would be.
fill = tfmlm.load(tfmlm.export_saved_model(name, None, folder / "export"))
for place in range(places.start, places.stop):
    masked = [*sequence[:place], "[MASK]", *sequence[place + 1 :]]
    best = fill(" ".join(masked), top_k=3)
    expected = ", ".join(f"{answer['token_str']} {answer['score']:.3f}" for answer in best)
    print(f"{sequence[place]}{place + 1:<4} {expected}")
print("picture:", folder / "loop.png")
