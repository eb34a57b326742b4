"""How many texts other tokenizers cut differently from the fast tokenizer of bert-base-uncased.

Covers: the graph of this package; TF Text's FastBertTokenizer (transformers' TFBertTokenizer);
OpenVINO's and onnxruntime-extensions' tokenizers, which run in a graph beside the model; nanotoken,
which runs in Python. Each peer is installed in an environment of its own (kept in the user's cache
folder) and gets the same texts as bytes: real text in many languages, Greek, masks in the text,
control characters, words over 100 characters, invalid UTF-8. The reference is the Rust tokenizer on
the text decoded with replacement characters. A text counts as different if its ids differ in any
place, or if the peer fails on it.

    python -m benchmarks.tokenizer_peers [--texts 1000] [--peer nanotoken ...] [--json FILE]
"""

from __future__ import annotations

import argparse
import base64
import importlib.metadata
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

#: What each peer is installed from; the releases that the figures are of.
ENVIRONMENTS = {
    "openvino": ("openvino==2026.4.1", "openvino-tokenizers==2026.4.1.0", "transformers==4.57.6"),
    "onnxruntime-extensions": (
        "onnxruntime-extensions==0.15.2",
        "onnxruntime==1.32.0",
        "onnx==1.23.2",
        "transformers==4.57.6",
    ),
    "nanotoken": ("nanotoken==0.1.0", "tokenizers==0.22.2"),
}
#: Peers of this environment.
HERE = ("tfmlm", "tf-text")
PEERS = (*HERE, *ENVIRONMENTS)

Encode = Callable[[bytes], Sequence[int]]


def tfmlm_graph(folder: str) -> Encode:
    import tfmlm

    graph = tfmlm.GraphTokenizer.from_pretrained(folder)
    return lambda text: graph.tokenize([text])[0].numpy().tolist()


def tf_text(folder: str) -> Encode:
    import tfmlm  # noqa: F401, I001
    import tensorflow as tf
    from transformers import AutoTokenizer, TFBertTokenizer

    tokenizer = TFBertTokenizer.from_tokenizer(AutoTokenizer.from_pretrained(folder))
    return lambda text: tokenizer(tf.constant([text]), truncation=False)["input_ids"][0].numpy()


def openvino(folder: str) -> Encode:
    from openvino import Core
    from openvino_tokenizers import convert_tokenizer
    from transformers import AutoTokenizer

    fast = AutoTokenizer.from_pretrained(folder, model_max_length=10**6)
    model = Core().compile_model(convert_tokenizer(fast), "CPU")
    return lambda text: model([text])["input_ids"][0]


def onnxruntime_extensions(folder: str) -> Encode:
    import numpy as np
    import onnxruntime
    from onnxruntime_extensions import gen_processing_models, get_library_path
    from transformers import BertTokenizer

    vocabulary = Path(folder) / "vocab.txt"
    slow = BertTokenizer(str(vocabulary), do_lower_case=True)
    model, _ = gen_processing_models(slow, pre_kwargs={})
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(get_library_path())
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    name = session.get_inputs()[0].name
    return lambda text: session.run(
        ["input_ids"], {name: np.array([text.decode("utf-8", "replace")], dtype=object)}
    )[0].ravel()


def nanotoken(folder: str) -> Encode:
    from nanotoken import Tokenizer

    tokenizer = Tokenizer(str(Path(folder) / "tokenizer.json"))
    return lambda text: tokenizer.encode(text.decode("utf-8", "replace"))


def texts_by_class(count: int) -> dict[str, list[bytes]]:
    """The texts of each class, the same at every run."""
    from tests.real_data import english_texts, multilingual_texts

    draw = random.Random(0)
    english = [text for text in english_texts() if 30 < len(text) < 400]
    with_the = [text for text in english if " the " in text]
    greek = [t for t in multilingual_texts() if any("\u0370" <= c < "\u0400" for c in t)]

    def inserted(text: str, piece: str) -> str:
        place = draw.randrange(len(text) + 1)
        return text[:place] + piece + text[place:]

    controls = [chr(c) for c in (*range(32), *range(0x7F, 0xA0), 0xAD, 0x200B, 0x200E, 0xFEFF)]
    classes = {
        "many languages": list(multilingual_texts(count)),
        "Greek": greek[:count],
        "`[MASK]` in the text": [
            draw.choice(with_the).replace(" the ", " [MASK] ", 1) for _ in range(count)
        ],
        "control characters": [
            inserted(draw.choice(english), draw.choice(controls)) for _ in range(count)
        ],
        "words over 100 characters": [
            inserted(draw.choice(english), "".join(draw.choices("abcdeéü", k=n)))
            for n in (draw.randrange(90, 140) for _ in range(count))
        ],
    }
    encoded = {name: [t.encode() for t in texts] for name, texts in classes.items()}
    invalid = []
    for _ in range(count):
        text = draw.choice(english).encode()
        place = draw.randrange(len(text))
        noise = bytes(draw.choices(range(0x80, 0x100), k=draw.randrange(1, 4)))
        invalid.append(text[:place] + noise + text[place:])
    return {**encoded, "invalid UTF-8": invalid}


def worker(peer: str, folder: str, texts_file: str, start: int, results_file: str) -> None:
    """Appends a line of ids for each text from `start` on, so that a crash tells which text did."""
    makers = {
        "tfmlm": tfmlm_graph,
        "tf-text": tf_text,
        "openvino": openvino,
        "onnxruntime-extensions": onnxruntime_extensions,
        "nanotoken": nanotoken,
    }
    encode = makers[peer](folder)
    texts = [base64.b64decode(line) for line in json.loads(Path(texts_file).read_text())]
    with Path(results_file).open("a", encoding="ascii") as results:
        for text in texts[start:]:
            try:
                ids: list[int] | None = [int(i) for i in encode(text)]
            except Exception:
                ids = None
            results.write(json.dumps(ids) + "\n")
            results.flush()


def encoded_by(peer: str, folder: Path, texts: Sequence[bytes]) -> list[list[int] | None]:
    """Ids of each text; None where the peer failed or its process died."""
    with tempfile.TemporaryDirectory() as scratch:
        texts_file, results_file = Path(scratch) / "texts.json", Path(scratch) / "ids.jsonl"
        texts_file.write_text(json.dumps([base64.b64encode(text).decode() for text in texts]))
        results_file.touch()
        found: list[list[int] | None] = []
        while len(found) < len(texts):
            command = [python_of(peer), __file__, "--worker", peer, str(folder)]
            command += [str(texts_file), str(len(found)), str(results_file)]
            done = subprocess.run(command, capture_output=True, text=True)
            before = len(found)
            found = [json.loads(line) for line in results_file.read_text().splitlines()]
            if len(found) < len(texts):
                if before == len(found) == 0:
                    raise RuntimeError(f"{peer} cannot start: {done.stderr[-2000:]}")
                with results_file.open("a") as results:  # the text on which the process died
                    results.write("null\n")
                found.append(None)
        return found


def python_of(peer: str) -> str:
    """The interpreter that has the peer."""
    from benchmarks.peer_environment import python_with

    if peer in HERE:
        return sys.executable
    requirements = ENVIRONMENTS[peer]
    return python_with(requirements[0].replace("==", "-"), requirements)


def version_of(peer: str) -> str:
    names = {"tfmlm": "tfmlm", "tf-text": "tensorflow-text"}
    return importlib.metadata.version(names[peer]) if peer in HERE else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--texts", type=int, default=1000, help="texts of each class")
    parser.add_argument("--peer", action="append", choices=PEERS, help="only these")
    parser.add_argument("--json", type=Path, help="write the counts here")
    arguments = parser.parse_args()

    from transformers import AutoTokenizer

    from tests.real_data import bert_uncased_dir

    classes = texts_by_class(arguments.texts)
    with tempfile.TemporaryDirectory() as scratch:
        fast = AutoTokenizer.from_pretrained(bert_uncased_dir())
        fast.save_pretrained(scratch)
        backend = fast.backend_tokenizer
        backend.no_truncation()
        backend.no_padding()
        texts = [text for group in classes.values() for text in group]
        wanted = [backend.encode(text.decode("utf-8", "replace")).ids for text in texts]
        counts: dict[str, dict[str, Any]] = {}
        for peer in arguments.peer or PEERS:
            found = encoded_by(peer, Path(scratch), texts)
            counts[peer] = {}
            place = 0
            for name, group in classes.items():
                rows = range(place, place + len(group))
                counts[peer][name] = sum(found[row] != wanted[row] for row in rows)
                place += len(group)
    print("| different from the fast tokenizer | " + " | ".join(counts) + " |")
    print("|---" * (len(counts) + 1) + "|")
    for name, group in classes.items():
        cells = " | ".join(f"{counts[peer][name]:,}" for peer in counts)
        print(f"| {name} ({len(group):,}) | {cells} |")
    pins = ", ".join(pins[0] for peer, pins in ENVIRONMENTS.items() if peer in counts)
    print(f"\ntensorflow-text {version_of('tf-text')}, {pins}")
    if arguments.json:
        arguments.json.write_text(json.dumps(counts, indent=1))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        worker(sys.argv[2], sys.argv[3], sys.argv[4], int(sys.argv[5]), sys.argv[6])
    else:
        main()
