"""What a masked LM sees of a sentence, and of a pair: from Hugging Face and from the graph.

python examples/what_a_masked_lm_sees.py --model bert-base-uncased
"""

import argparse

import local
import tensorflow as tf

import tfmlm

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", help="name on the Hub, or a checkpoint folder")
parser.add_argument("--sentence", default="Transformers are a state-of-the-art technique.")
parser.add_argument("--second", default="They read the whole sentence at once.")
args = parser.parse_args()

name = args.model or local.small_model()
huggingface = tfmlm.load_tokenizer(name)
graph = tfmlm.GraphTokenizer.from_tokenizer(huggingface)

for title, texts in (
    ("one sentence", (args.sentence,)),
    ("a pair of sentences", (args.sentence, args.second)),
):
    expected = huggingface(*texts)
    found = graph(*([text] for text in texts))
    print(f"\n{title}: {' | '.join(texts)}")
    print(f"{'token':<16}" + "".join(f"{key + ' HF, graph':>26}" for key in expected))
    tokens = huggingface.convert_ids_to_tokens(expected["input_ids"])
    for place, token in enumerate(tokens):
        cells = (f"{expected[key][place]}, {found[key][0, place].numpy()}" for key in expected)
        print(f"{token:<16}" + "".join(f"{cell:>26}" for cell in cells))
    for key, values in expected.items():
        tf.debugging.assert_equal(found[key][0], values)

print("\ndecoded:", graph.decode(graph.tokenize([args.sentence]))[0].numpy().decode())
print("The ids of the graph are those of the Hugging Face tokenizer.")
