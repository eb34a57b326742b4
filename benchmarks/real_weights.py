"""A real pretrained masked LM, head included, from PyTorch's file to a server.

    TFMLM_TORCH_PYTHON=/path/to/python python benchmarks/real_weights.py [--folder FOLDER]
        [--parts logits accuracy fine_tuning serving]

The model is AntiBERTy (Ruffolo, Gray and Sulam, 2021; BERT 8×512, 25 tokens, trained on natural
antibody sequences) of the PyPI package `antiberty==0.1.3` (MIT licence), which is downloaded and
opened, not installed. TFMLM_TORCH_PYTHON names a Python with torch and transformers 4.57, which
converts `pytorch_model.bin` to a checkpoint folder: safetensors, and a tokenizer that takes
residues separated by spaces. Printed is:

`logits`: the largest difference of our logits from PyTorch's over whole sequences.

`accuracy`: every residue of the antibodies in `examples/antibodies.fasta` (variable domains of
eight drugs, as in the Protein Data Bank) masked in turn: how often the best answer is the true
residue, by PyTorch's fill-mask pipeline and by the export, in how many places both have the same
best answer, and how often the most frequent residue of these very chains would be right. CDR-H3 is
what stands between `YYC` and `WG.G` of a heavy chain.

`fine_tuning`: `tfmlm evaluate` before and after `tfmlm train` on 500 nanobodies (camels' antibodies
of one chain), on 200 others that share no CDR3 with them. They are entries of public databases
(`INDI_…`) among the test sequences of the PyPI package `abnativ==2.0.9` (CC BY-NC-SA 4.0: read
here, not passed on). Whether AntiBERTy has seen some of them is not known; its loss before says how
well it knows their like.

`serving`: `tfmlm serve` in a process of its own, the same texts over REST and gRPC and from the
export in this process: answers alike, milliseconds of one text.

About eight minutes on two cores. With `--folder` checkpoint and export are kept there.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import platform
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

PARTS = ("logits", "accuracy", "fine_tuning", "serving")
ANTIBERTY = (
    "antiberty==0.1.3",
    "30d910992b190013871bac49cdc032e01a19339f7d2b958ab99b0eb44638352a",
)
NANOBODIES = (
    "abnativ==2.0.9",
    "85582a5e801430b110d3770d6d76e9e8e6958b7378a83b531cda0d1a7cb77756",
)
ANTIBODIES = Path(__file__).parents[1] / "examples" / "antibodies.fasta"
TRAIN, HELD_OUT = 500, 200
THREADS = 2


def chains() -> dict[str, str]:
    """Sequences by name, such as `trastuzumab heavy`."""
    records = ANTIBODIES.read_text(encoding="ascii").split(">")[1:]
    return {record.split(",")[0]: "".join(record.split("\n")[1:]).strip() for record in records}


def spaced(sequence: str) -> str:
    """What the tokenizer takes: residues separated by spaces."""
    return " ".join(sequence)


def masked_in_turn(sequence: str) -> list[str]:
    """A text for each residue, with that one masked."""
    residues = list(sequence)
    return [
        " ".join([*residues[:place], "[MASK]", *residues[place + 1 :]])
        for place in range(len(residues))
    ]


def nanobodies() -> list[str]:
    """TRAIN + HELD_OUT nanobodies, no two with the same CDR3, spread over the package's file."""
    from packages import fetch

    with zipfile.ZipFile(fetch(*NANOBODIES, "--no-binary", ":none:")) as wheel:
        text = wheel.read("abnativ/model/percentiles/test_vhh_v2_abnativ_seq_scores.csv").decode()
    found: dict[str, str] = {}
    for row in csv.DictReader(io.StringIO(text)):
        loop = re.search(r"C(\w{3,})WG\wGT", row["input_seq"][80:])
        if row["seq_id"].startswith("INDI_") and loop:
            found.setdefault(loop[1], row["input_seq"])
    count = TRAIN + HELD_OUT
    return list(found.values())[:: len(found) // count][:count]


# ---------------------------------------------------------------------- in PyTorch's process


def convert(package: str, folder: str) -> None:
    """Makes a checkpoint folder of the package's weights and vocabulary."""
    import torch
    from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast

    trained = Path(package) / "antiberty" / "trained_models"
    weights = torch.load(
        trained / "AntiBERTy_md_smooth" / "pytorch_model.bin", map_location="cpu", weights_only=True
    )
    config = BertConfig.from_pretrained(trained / "AntiBERTy_md_smooth")
    model = BertForMaskedLM(config)
    absent, unused = model.load_state_dict(weights, strict=False)
    # Beside the masked-LM head the model was trained with three of its own on the pooled output.
    others = r"cls\.(species|chain|graft)\.|bert\.pooler\.|bert\.embeddings\.position_ids$"
    if absent or not all(re.match(others, name) for name in unused):
        raise SystemExit(f"weights do not fit: {absent} are missing, {unused} are not used")
    model.save_pretrained(folder)
    tokenizer = BertTokenizerFast(
        vocab_file=str(trained / "vocab.txt"), do_lower_case=False, model_max_length=512
    )
    tokenizer.save_pretrained(folder)


def torch_logits(folder: str, texts: str, result: str) -> None:
    """Writes logits [texts, tokens, 25] and ids [texts, tokens] of a JSON list of texts."""
    import numpy as np
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    inputs = tokenizer(json.loads(Path(texts).read_text()), padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    np.savez(result, logits=logits.numpy(), **{k: v.numpy() for k, v in inputs.items()})


def torch_fill(folder: str, texts: str, result: str) -> None:
    """Writes the pipeline's best answers to a JSON list of texts, and the seconds it took."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer, FillMaskPipeline

    torch.set_num_threads(THREADS)
    model = AutoModelForMaskedLM.from_pretrained(folder).eval()
    fill = FillMaskPipeline(
        model=model, tokenizer=AutoTokenizer.from_pretrained(folder), framework="pt", device=-1
    )
    asked = json.loads(Path(texts).read_text())
    begun = time.perf_counter()
    answers = [(best[0]["token_str"], best[0]["score"]) for best in fill(asked, batch_size=32)]
    found = {"answers": answers, "seconds": time.perf_counter() - begun}
    Path(result).write_text(json.dumps(found))


def in_torch(call: Callable[..., None], *arguments: str | Path) -> None:
    """Runs one of the functions above in PyTorch's environment."""
    python = os.environ.get("TFMLM_TORCH_PYTHON")
    if not python:
        raise SystemExit("set TFMLM_TORCH_PYTHON to a Python with torch and transformers 4.57")
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    command = [python, __file__, "--work", call.__name__, *map(str, arguments)]
    subprocess.run(command, check=True, env={**variables, "TRANSFORMERS_VERBOSITY": "error"})


# ------------------------------------------------------------------------------- the parts


def tfmlm(*arguments: str | Path) -> str:
    """Runs a command of tfmlm in a process of its own; returns what it prints."""
    command = [sys.executable, "-m", "tfmlm", *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def make_checkpoint(folder: Path) -> Path:
    """The checkpoint folder of the package's model."""
    from packages import fetch, unpack

    checkpoint = folder / "antiberty"
    if not (checkpoint / "config.json").exists():
        with tempfile.TemporaryDirectory() as name:
            unpack(fetch(*ANTIBERTY), "antiberty/trained_models/", Path(name))
            in_torch(convert, name, checkpoint)
    return checkpoint


def make_export(folder: Path) -> Path:
    """The folder of the export, with one version."""
    export = folder / "served" / "antiberty"
    if not export.exists():
        tfmlm("export", "--model_name_or_path", folder / "antiberty", "--export_dir", export)
    return export


def logits(folder: Path) -> None:
    """Logits of whole sequences against PyTorch's."""
    import numpy as np
    import tensorflow as tf

    from tfmlm import load_model

    texts, result = folder / "texts.json", folder / "logits.npz"
    texts.write_text(json.dumps([spaced(s) for s in chains().values()]), encoding="ascii")
    in_torch(torch_logits, folder / "antiberty", texts, result)
    expected = np.load(result)
    names = ("input_ids", "attention_mask", "token_type_ids")
    model = load_model(str(folder / "antiberty"))
    found = model({name: tf.constant(expected[name], tf.int32) for name in names}).logits.numpy()
    real = expected["attention_mask"] == 1
    difference = np.abs(found - expected["logits"])[real].max()
    largest = np.abs(expected["logits"][real]).max()
    print(
        f"logits of {real.sum():,} tokens: at most {difference:.1e} from PyTorch's "
        f"(the largest is {largest:.1f})",
        flush=True,
    )


def accuracy(folder: Path) -> None:
    """Every residue masked in turn, by the export and by PyTorch's pipeline."""
    import tfmlm

    sequences = chains()
    asked = [text for sequence in sequences.values() for text in masked_in_turn(sequence)]
    truth = "".join(sequences.values())
    texts, result = folder / "masked.json", folder / "filled.json"
    texts.write_text(json.dumps(asked), encoding="ascii")
    in_torch(torch_fill, folder / "antiberty", texts, result)
    theirs = json.loads(result.read_text())
    fill = tfmlm.load(str(make_export(folder)))
    begun = time.perf_counter()
    answers = [
        best[0]
        for start in range(0, len(asked), 32)
        for best in fill(asked[start : start + 32], top_k=1)
    ]
    seconds = time.perf_counter() - begun
    ours = [answer["token_str"] for answer in answers]
    other = [word for word, _ in theirs["answers"]]
    scores = zip(answers, theirs["answers"], strict=True)
    difference = max(abs(answer["score"] - score) for answer, (_, score) in scores)
    print("| masked in turn | residues | most frequent residue | PyTorch | export | same answer |")
    print("|---|---|---|---|---|---|")
    for name, places in regions(sequences).items():
        print(row(name, places, truth, other, ours))
    print(
        f"scores at most {difference:.1e} apart; {theirs['seconds']:.0f} s in PyTorch's pipeline, "
        f"{seconds:.0f} s by the export",
        flush=True,
    )


def regions(sequences: dict[str, str]) -> dict[str, list[int]]:
    """Places in all sequences, one after another, by what they are part of."""
    found: dict[str, list[int]] = {"heavy chains": [], "light chains": [], "CDR-H3 loops": []}
    begin = 0
    for name, sequence in sequences.items():
        places = range(begin, begin + len(sequence))
        found[f"{name.split()[1]} chains"] += places
        loop = re.search(r"YYC(\w+)WG\wG", sequence)
        if loop and name.endswith("heavy"):
            found["CDR-H3 loops"] += places[slice(*loop.span(1))]
        begin += len(sequence)
    return {**found, "all": list(range(begin))}


def row(
    name: str, places: Sequence[int], truth: str, other: Sequence[str], ours: Sequence[str]
) -> str:
    """One row of the table."""
    count = len(places)
    residue, most = Counter(truth[p] for p in places).most_common(1)[0]
    hits = [sum(answer[p] == truth[p] for p in places) for answer in (other, ours)]
    same = sum(other[p] == ours[p] for p in places)
    cells = [f"{hit} ({hit / count:.1%})" for hit in hits]
    return (
        f"| {name} | {count} | {most} ({most / count:.1%}, {residue}) | {cells[0]} | {cells[1]} "
        f"| {same} |"
    )


def fine_tuning(folder: Path) -> None:
    """Held-out loss before and after some epochs on nanobodies."""
    texts = [f"{spaced(sequence)}\n" for sequence in nanobodies()]
    random.Random(0).shuffle(texts)
    held_out, train = folder / "held_out.txt", folder / "nanobodies.txt"
    held_out.write_text("".join(texts[:HELD_OUT]), encoding="ascii")
    train.write_text("".join(texts[HELD_OUT:]), encoding="ascii")
    tuned = folder / "tuned"
    common = ["--validation_file", held_out, "--line_by_line", "--max_seq_length", "160"]
    evaluate = ["evaluate", "--json", *common, "--model_name_or_path"]
    before = json.loads(tfmlm(*evaluate, folder / "antiberty"))
    begun = time.perf_counter()
    settings = ["--num_train_epochs", "3", "--learning_rate", "5e-5", "--warmup_ratio", "0.1"]
    settings += ["--per_device_train_batch_size", "16", "--overwrite_output_dir"]
    source = ["--model_name_or_path", folder / "antiberty", "--train_file", train]
    tfmlm("train", *source, *common, *settings, "--output_dir", tuned)
    seconds = time.perf_counter() - begun
    after = json.loads(tfmlm(*evaluate, tuned))
    print(f"{HELD_OUT} held-out nanobodies, {TRAIN} to learn from:")
    print("| | held-out loss | perplexity | accuracy | top 5 |")
    print("|---|---|---|---|---|")
    for name, figures in (("as published", before), ("after 3 epochs", after)):
        print(
            f"| {name} | {figures['eval_loss']:.4f} | {figures['perplexity']:.3f} | "
            f"{figures['eval_accuracy']:.3f} | {figures['eval_top5_accuracy']:.3f} |"
        )
    print(f"training took {seconds:.0f} s, its start included", flush=True)


@contextlib.contextmanager
def server(export: Path) -> Iterator[dict[str, str]]:
    """Addresses of a server of the export, in a process of its own."""
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [s.getsockname()[1] for s in (one, two)]
    command = [sys.executable, "-m", "tfmlm", "serve", "--json"]
    command += [f"--port={ports[0]}", f"--rest_api_port={ports[1]}"]
    command += ["--model_name=antiberty", f"--model_base_path={export.resolve()}"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        addresses = json.loads(process.stdout.readline())
        yield {"rest": addresses["rest"], "grpc": f"127.0.0.1:{ports[0]}"}
    finally:
        process.terminate()
        process.wait()


def serving(folder: Path) -> None:
    """The same answers over REST, over gRPC and from the export in this process."""
    from tfmlm import client, load

    export = make_export(folder)
    texts = masked_in_turn(chains()["trastuzumab heavy"])[:32]
    local = load(str(export))
    expected = [[best["token_str"] for best in filled] for filled in local(texts)]
    with server(export) as addresses:
        clients = {
            "REST": client.RestClient(f"{addresses['rest']}/v1/models/antiberty"),
            "gRPC": client.GrpcClient(addresses["grpc"], "antiberty"),
        }
        for name, caller in clients.items():
            with caller:
                found = [[best.token_str for best in filled] for filled in caller.fill(texts)]
                if found != expected:
                    raise SystemExit(f"{name} answers otherwise than the export")
                times = []
                for text in texts:
                    begun = time.perf_counter()
                    caller.fill(text)
                    times.append(time.perf_counter() - begun)
            print(
                f"{name}: {len(texts)} texts, five answers each, equal to the export's; "
                f"{1000 * statistics.median(times):.1f} ms a text",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="See the module's text.")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--folder", type=Path, help="keep checkpoint and export here")
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.work:
        globals()[args.work[0]](*args.work[1:])
        return
    with contextlib.ExitStack() as stack:
        folder = args.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        versions = [f"{p} {version(p)}" for p in ("tensorflow", "transformers")]
        print(f"{_processor()}, {os.cpu_count()} cores; {', '.join(versions)}")
        make_checkpoint(folder)
        for part in args.parts:
            globals()[part](folder)


def _processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.processor()


if __name__ == "__main__":
    main()
