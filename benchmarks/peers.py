"""Speed of filling masks on a CPU: the export against OpenVINO and onnxruntime at their strongest.

Strings go in, the five best words come out. Every process gets the same weights (an encoder of
6×384 with BERT's vocabulary), two threads, and the same texts; they take turns, as in
benchmarks/fill_mask.py, whose texts, turns and medians these are. The peers compute the head at
masked positions only. OpenVINO has the tokenizer in its own graph and runs in float32 and in what
it chooses by itself; onnxruntime runs behind the fast tokenizer, its graph fused by its own
optimizer for transformers, in float32 and in int8 (dynamic, weights per channel); the scales of the
export's int8 are fixed. The peers are installed in an environment of their own, kept in the user's
cache folder.

Before anything is timed, all engines fill the same texts, and it is counted how many of their best
words are those of PyTorch in float32.

    python -m benchmarks.peers [--seconds 15] [--json peers.json] [--markdown]
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PINS = (
    "torch==2.13.0",
    "transformers==4.57.6",
    "openvino==2026.4.1",
    "openvino-tokenizers==2026.4.1.0",
    "onnx==1.23.2",
    "onnxruntime==1.32.0",
)
#: Kinds of worker: name in the table.
KINDS = {
    "export": "export float32",
    "bf16": "export bfloat16",
    "bf16_frozen": "export bfloat16, frozen weights",
    "int8": "export int8",
    "openvino": "OpenVINO float32",
    "openvino_default": "OpenVINO's default",
    "onnx": "onnxruntime optimized",
    "onnx_int8": "onnxruntime int8",
}
REFERENCE = "torch"
OURS = ("export", "bf16", "bf16_frozen", "int8")
TEXTS = ("20 words", "5-200 words")
BATCHES = (1, 8, 32)
K = 5
THREADS = 2
#: Texts whose best words are compared.
COMPARED = 64

Fill = Callable[[list[str]], list[list[str]]]


# ------------------------------------------------------------------------------- workers


def work(kind: str, folder: str) -> None:
    """Answers JSON lists of texts from standard input with seconds and each text's best words."""
    start = time.perf_counter()
    makers = {"torch": _torch, "openvino": _openvino, "openvino_default": _openvino_default}
    makers |= {"onnx": _onnx, "onnx_int8": _onnx_int8}
    fill = makers.get(kind, _export)(folder)
    print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
    for line in sys.stdin:
        batch = json.loads(line)
        start = time.perf_counter()
        words = fill(batch)
        seconds = time.perf_counter() - start
        status = Path("/proc/self/status").read_text()
        peak = int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) / 1024
        print(json.dumps({"seconds": seconds, "peak_mb": peak, "words": words}), flush=True)


def _export(folder: str) -> Fill:
    import tfmlm

    export = tfmlm.load(folder)
    return lambda batch: [[fill["token_str"] for fill in row] for row in export(batch, top_k=K)]


def _at_masks(folder: str, attention: str) -> Any:
    """The model as a module that gives scores and ids of the best words at every mask."""
    import torch
    from transformers import AutoModelForMaskedLM, AutoTokenizer

    model = AutoModelForMaskedLM.from_pretrained(folder, attn_implementation=attention).eval()
    mask_id = AutoTokenizer.from_pretrained(folder).mask_token_id

    class AtMasks(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any, token_type_ids: Any) -> Any:
            hidden = self.model.bert(
                input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
            )[0]
            rows, columns = (input_ids == mask_id).nonzero(as_tuple=True)
            logits = self.model.cls(hidden[rows, columns])
            scores, ids = torch.nn.functional.softmax(logits, -1).topk(K)
            return scores, ids

    return AtMasks().eval()


def _example(folder: str) -> dict[str, Any]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    example = tokenizer(["a [MASK] text", "[MASK]"], return_tensors="pt", padding=True)
    return {name: example[name] for name in ("input_ids", "attention_mask", "token_type_ids")}


def _vocabulary(folder: str) -> list[str]:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    return tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))


def _torch(folder: str) -> Fill:
    import torch
    from transformers import AutoTokenizer

    torch.set_num_threads(THREADS)
    module, words = _at_masks(folder, "sdpa"), _vocabulary(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def fill(batch: list[str]) -> list[list[str]]:
        with torch.inference_mode():
            _, ids = module(**tokenizer(batch, return_tensors="pt", padding=True))
        return [[words[i] for i in row] for row in ids.tolist()]

    return fill


def _openvino(folder: str, precision: str = "f32") -> Fill:
    import openvino
    import openvino_tokenizers  # noqa: F401  (its operations, for every Core made from here on)

    path, words = Path(folder) / "strings.xml", _vocabulary(folder)
    core = openvino.Core()
    settings: dict[str, Any] = {"INFERENCE_NUM_THREADS": THREADS, "PERFORMANCE_HINT": "LATENCY"}
    if precision:
        settings["INFERENCE_PRECISION_HINT"] = precision
    if not path.exists():
        _write_openvino(folder, path)
    compiled = core.compile_model(core.read_model(path), "CPU", settings)
    output = len(compiled.outputs) - 1

    def fill(batch: list[str]) -> list[list[str]]:
        return [[words[i] for i in row] for row in compiled(batch)[output].tolist()]

    return fill


def _openvino_default(folder: str) -> Fill:
    return _openvino(folder, precision="")


def _write_openvino(folder: str, path: Path) -> None:
    import openvino
    from openvino_tokenizers import connect_models, convert_tokenizer
    from transformers import AutoTokenizer

    model = openvino.convert_model(_at_masks(folder, "sdpa"), example_input=_example(folder))
    tokenizer = convert_tokenizer(AutoTokenizer.from_pretrained(folder))
    joined = connect_models(tokenizer, model)
    for operation in joined.get_ops():
        # the CPU plugin refuses a setting of the tokenizer that is read and never written
        if operation.get_type_name() == "ReadValue":
            operation.output(0).replace(operation.input_value(0))
    openvino.save_model(joined, path, compress_to_fp16=False)


def _onnx(folder: str, name: str = "optimized.onnx") -> Fill:
    import onnxruntime
    from transformers import AutoTokenizer

    path, words = Path(folder) / name, _vocabulary(folder)
    if not path.exists():
        _write_onnx(folder)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    names = [entry.name for entry in session.get_inputs()]
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def fill(batch: list[str]) -> list[list[str]]:
        inputs = tokenizer(batch, return_tensors="np", padding=True)
        _, ids = session.run(["scores", "ids"], {name: inputs[name] for name in names})
        return [[words[i] for i in row] for row in ids.tolist()]

    return fill


def _onnx_int8(folder: str) -> Fill:
    return _onnx(folder, "int8.onnx")


def _write_onnx(folder: str) -> None:
    """The graph as exported, fused by onnxruntime's own optimizer, and in int8."""
    import onnx
    import torch
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers import optimizer
    from transformers import AutoConfig

    config, example = AutoConfig.from_pretrained(folder), _example(folder)
    plain, fused = Path(folder) / "plain.onnx", Path(folder) / "optimized.onnx"
    torch.onnx.export(
        _at_masks(folder, "eager"),
        tuple(example.values()),
        str(plain),
        input_names=list(example),
        output_names=["scores", "ids"],
        dynamic_axes={name: {0: "batch", 1: "tokens"} for name in example}
        | {name: {0: "masks"} for name in ("scores", "ids")},
        opset_version=17,
        dynamo=False,
    )
    optimized = optimizer.optimize_model(
        str(plain),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
        opt_level=1,
    )
    print(f"fused: {optimized.get_fused_operator_statistics()}", file=sys.stderr)
    optimized.save_model_to_file(str(fused))
    quantize_dynamic(
        fused,
        Path(folder) / "int8.onnx",
        per_channel=True,
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


# ------------------------------------------------------------------------------- the run


def peers_python() -> str:
    """The interpreter of the peers' environment."""
    from benchmarks.peer_environment import python_with

    return python_with("-".join(("fill-mask", *(pin.split("==")[1] for pin in PINS))), PINS)


def processor() -> str:
    """The processor's name and what it has for small number types."""
    found = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    name = re.search(r"model name\s*:\s*(.*)", found)
    flags = set(re.findall(r"\b(avx512_bf16|avx512_vnni|amx_bf16|amx_int8)\b", found))
    return " ".join([name[1] if name else platform.machine(), *sorted(flags)])


def best_words(python: str, kind: str, folder: Path, texts: Sequence[str]) -> list[str]:
    """The best word of each text, one text a request."""
    from benchmarks.fill_mask import Worker

    worker = Worker(python, kind, folder, __file__)
    found = []
    for text in texts:
        worker.run([text])
        found.append(worker.answer["words"][0][0])
    worker.close()
    return found


def markdown(report: dict[str, Any]) -> str:
    """A row for each setting: milliseconds of the float32 export, ratios of all others."""
    kinds = [kind for kind in KINDS if kind in report["load_seconds"]]
    lines = [
        "| texts | batch | " + " | ".join(KINDS[kind] for kind in kinds) + " |",
        "|---" * (2 + len(kinds)) + "|",
    ]
    for name, batch, figures in report["settings"]:
        cells = [f"{figures['export']:.2f} ms"]
        cells += [f"{figures[kind] / figures['export']:.2f}" for kind in kinds[1:]]
        lines.append(f"| {name} | {batch} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--texts", nargs="+", default=list(TEXTS), choices=list(TEXTS))
    parser.add_argument("--batches", nargs="+", default=list(BATCHES), type=int)
    parser.add_argument("--size", default="6x384", choices=["2x128", "6x384", "12x768"])
    parser.add_argument("--seconds", type=float, default=15, help="for each setting")
    parser.add_argument("--work_dir", type=Path, help="models and exports are kept here")
    parser.add_argument("--prepare", action="store_true", help="make and compare, time nothing")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        report = measure(args, args.work_dir or Path(temporary))
    if args.markdown:
        print(markdown(report))
    text = json.dumps(report, indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n", encoding="utf-8")


def measure(args: argparse.Namespace, work_dir: Path) -> dict[str, Any]:
    """All workers of one model size: their best words compared, then in turns."""
    from benchmarks.fill_mask import Worker, commit, make_export, one_setting, texts
    from tests.real_data import bert_uncased_dir

    checkpoint = work_dir / args.size
    kinds = ["export", *(kind for kind in args.kinds if kind != "export")]
    places: dict[str, tuple[str, Path]] = {}
    for kind in kinds:
        if kind in OURS:
            export = make_export(args.size, work_dir, bert_uncased_dir(), kind)
            places[kind] = (sys.executable, export)
        else:
            places[kind] = (peers_python(), checkpoint)
    compared = texts("5-200 words", COMPARED)
    wanted = best_words(peers_python(), REFERENCE, checkpoint, compared)
    report: dict[str, Any] = {"processor": processor(), "commit": commit(), "pins": PINS}
    report["best_words_as_pytorchs"] = {}
    for kind, (python, folder) in places.items():
        found = best_words(python, kind, folder, compared)
        same = sum(a == b for a, b in zip(found, wanted, strict=True))
        report["best_words_as_pytorchs"][kind] = f"{same} of {COMPARED}"
        print(f"{KINDS[kind]}: {same} of {COMPARED} best words are PyTorch's", file=sys.stderr)
    if args.prepare:
        return report | {"load_seconds": {}, "settings": []}
    workers = {
        kind: Worker(python, kind, folder, __file__) for kind, (python, folder) in places.items()
    }
    report["load_seconds"] = {kind: worker.load_seconds for kind, worker in workers.items()}
    report["settings"], report["after_a_pause"] = [], []
    for name in args.texts:
        for batch in args.batches:
            rows = texts(name, batch * max(4, 32 // batch))
            batches = [rows[i : i + batch] for i in range(0, len(rows), batch)]
            at_work, first = one_setting(workers, batches, args.seconds)
            report["settings"].append([name, batch, at_work])
            report["after_a_pause"].append([name, batch, first])
            shown = ", ".join(f"{kind} {value:.2f} ms" for kind, value in at_work.items())
            print(f"{name}, batch {batch}: {shown}", file=sys.stderr, flush=True)
    report["peak_mb"] = {kind: worker.peak_mb for kind, worker in workers.items()}
    for worker in workers.values():
        worker.close()
    return report


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "--worker":
        work(sys.argv[2], sys.argv[3])
    else:
        main()
