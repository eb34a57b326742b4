"""Loading: what PyTorch wrote, what is broken, what is not there."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.small_models import small_config, small_model
from tfmlm.checkpoint.load import load_model, load_model_and_report
from tfmlm.checkpoint.save import pytorch_state, save_model
from tfmlm.errors import UserError


@pytest.fixture(scope="module")
def pytorch_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT folder in PyTorch's layout: kernels transposed, PyTorch's names, `format: pt`."""
    folder = tmp_path_factory.mktemp("pytorch")
    model = small_model("bert")
    small_config("bert").save_pretrained(folder)
    save_file(pytorch_tensors(model), folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def pytorch_tensors(model) -> dict[str, np.ndarray]:
    """The names and layout of torch's BertForMaskedLM, written down here by hand."""
    tensors = {}
    for weight in model.weights:
        name = weight.name.split("/", 1)[1].removesuffix(":0").replace("/", ".")
        value = weight.numpy()
        name = name.replace("mlm___cls", "cls").replace("layer_._", "layer.")
        if name.endswith("kernel"):
            name, value = name.removesuffix("kernel") + "weight", value.T
        name = name.replace("gamma", "weight").replace("beta", "bias")
        name = (
            name.removesuffix(".embeddings") + ".weight"
            if name.endswith("_embeddings.embeddings")
            else name
        )
        tensors[name] = np.ascontiguousarray(value)
    return tensors


def test_pytorch_safetensors_load_without_torch(pytorch_checkpoint: Path) -> None:
    code = (
        "import sys, tfmlm, numpy as np\n"
        "from transformers import TFAutoModelForMaskedLM\n"
        "assert 'torch' not in sys.modules\n"
        "m = TFAutoModelForMaskedLM.from_pretrained(sys.argv[1])\n"
        "np.savez(sys.argv[2], *[w.numpy() for w in m.weights])\n"
    )
    output = pytorch_checkpoint / "weights.npz"
    subprocess.run([sys.executable, "-c", code, str(pytorch_checkpoint), str(output)], check=True)
    loaded = np.load(output)
    for weight, name in zip(small_model("bert").weights, loaded.files, strict=True):
        np.testing.assert_array_equal(loaded[name], weight.numpy())


def test_sharded_pytorch_safetensors_load(pytorch_checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(pytorch_checkpoint / "config.json", tmp_path)
    tensors = load_file(pytorch_checkpoint / "model.safetensors")
    names = sorted(tensors)
    shards = {"model-00001-of-00002.safetensors": names[::2]}
    shards["model-00002-of-00002.safetensors"] = names[1::2]
    for shard, members in shards.items():
        save_file({n: tensors[n] for n in members}, tmp_path / shard, metadata={"format": "pt"})
    index = {"metadata": {}, "weight_map": {n: s for s, ns in shards.items() for n in ns}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    model, report = load_model_and_report(tmp_path)
    assert report.missing == ()
    for weight, expected in zip(model.weights, small_model("bert").weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())


def written(folder: Path, checkpoint: Path, tensors: dict[str, np.ndarray]) -> Path:
    """The checkpoint with other weights."""
    folder.mkdir(exist_ok=True)
    shutil.copy(checkpoint / "config.json", folder)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def tensors_of(checkpoint: Path) -> dict[str, np.ndarray]:
    return load_file(checkpoint / "model.safetensors")


def test_a_bare_encoder_is_trained_and_refused_elsewhere(
    pytorch_checkpoint: Path, tmp_path: Path
) -> None:
    tensors = tensors_of(pytorch_checkpoint)
    encoder = {n.removeprefix("bert."): t for n, t in tensors.items() if n.startswith("bert.")}
    written(tmp_path, pytorch_checkpoint, {**encoder, "classifier.weight": np.zeros(3, "f")})
    _, report = load_model_and_report(tmp_path)
    assert len(report.missing) == 5
    assert report.missing_head == report.missing
    assert all(name.startswith("cls.predictions") for name in report.missing)
    with pytest.raises(UserError) as refusal:
        load_model(tmp_path)
    message = str(refusal.value)
    assert "no trained masked-LM head: the checkpoint lacks cls.predictions.bias" in message
    assert "classifier, which is another head" in message
    assert f"`tfmlm train --model_name_or_path {tmp_path}`" in message
    assert "--allow_untrained_head" in message
    assert "\n" not in message
    model = load_model(tmp_path, allow_untrained_head=True)
    np.testing.assert_array_equal(
        model.bert.embeddings.weight, tensors["bert.embeddings.word_embeddings.weight"]
    )


def test_a_head_of_another_shape(pytorch_checkpoint: Path, tmp_path: Path) -> None:
    tensors = tensors_of(pytorch_checkpoint)
    tensors["cls.predictions.transform.dense.weight"] = np.zeros([16, 32], np.float32)
    written(tmp_path, pytorch_checkpoint, tensors)
    with pytest.raises(UserError, match=r"lacks cls.predictions.transform.dense.weight \(of anoth"):
        load_model(tmp_path)
    assert load_model(tmp_path, allow_untrained_head=True)


def test_an_encoder_that_lacks_a_weight(pytorch_checkpoint: Path, tmp_path: Path) -> None:
    tensors = tensors_of(pytorch_checkpoint)
    del tensors["bert.encoder.layer.1.output.dense.weight"]
    written(tmp_path, pytorch_checkpoint, tensors)
    with pytest.raises(UserError, match=r"encoder's weights .*such as bert.encoder.layer.1.output"):
        load_model(tmp_path, allow_untrained_head=True)


@pytest.mark.parametrize(
    ("prefix", "bare"),
    [("_orig_mod.", False), ("module.", False), ("model.", False), ("module._orig_mod.", False)]
    + [("model.module.", False), ("model.model.", False)]
    + [("module.", True), ("model._orig_mod.", True)],
)
def test_wrappers_are_taken_off(
    prefix: str, bare: bool, pytorch_checkpoint: Path, tmp_path: Path, capfd: Any
) -> None:
    tensors = tensors_of(pytorch_checkpoint)
    if bare:
        tensors = {n.removeprefix("bert."): t for n, t in tensors.items()}
    written(tmp_path, pytorch_checkpoint, {prefix + n: t for n, t in tensors.items()})
    model = load_model(tmp_path, allow_untrained_head=bare)
    for name, value in tensors_of(pytorch_checkpoint).items():
        if not bare or name.startswith("bert."):
            np.testing.assert_array_equal(pytorch_state(model)[name], value)
    (line,) = [x for x in capfd.readouterr().err.splitlines() if "names of the weights" in x]
    assert all(f"{part}." in line for part in prefix.rstrip(".").split("."))


def renamed(name: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        name = name.replace(old, new)
    return name


@pytest.mark.parametrize(
    ("architecture", "names"),
    [
        ("bert", {"cls.predictions.bias": "cls.predictions.decoder.bias"}),
        ("roberta", {"lm_head.bias": "lm_head.decoder.bias"}),
        ("deberta-v2", {"cls.predictions.transform": "lm_predictions.lm_head"}),
        (
            "deberta",
            {
                "cls.predictions.transform": "lm_predictions.lm_head",
                "cls.predictions.bias": "lm_predictions.lm_head.bias",
            },
        ),
    ],
)
def test_heads_under_other_names(architecture: str, names: dict[str, str], tmp_path: Path) -> None:
    model = small_model(architecture)
    save_model(model, tmp_path)
    tensors = {renamed(n, names): t for n, t in tensors_of(tmp_path).items()}
    assert tensors.keys() != tensors_of(tmp_path).keys()
    written(tmp_path / "renamed", tmp_path, tensors)
    again = load_model(tmp_path / "renamed")
    for weight, expected in zip(again.weights, model.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), expected.numpy())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers(
    value: float, pytorch_checkpoint: Path, tmp_path: Path
) -> None:
    tensors = tensors_of(pytorch_checkpoint)
    tensors["bert.encoder.layer.0.output.dense.weight"][3, 5] = value
    written(tmp_path, pytorch_checkpoint, tensors)
    for load in (load_model, load_model_and_report):
        with pytest.raises(UserError, match=r"layer.0.output.dense.weight are not all numbers"):
            load(tmp_path)


def broken(kind: str, checkpoint: Path, folder: Path) -> Path:
    shutil.copytree(checkpoint, folder, dirs_exist_ok=True)
    weights, config = folder / "model.safetensors", folder / "config.json"
    if kind == "cut":
        weights.write_bytes(weights.read_bytes()[:-1000])
    elif kind == "config":
        config.write_text("{ not json")
    elif kind == "type":
        config.write_text(json.dumps({"model_type": "gpt2"}))
    elif kind == "shape":
        config.write_text(json.dumps({**json.loads(config.read_text()), "vocab_size": 77}))
    elif kind == "no config":
        config.unlink()
    elif kind == "no weights":
        weights.unlink()
    elif kind == "pickled":
        weights.unlink()
        (folder / "pytorch_model.bin").write_bytes(b"\x80")
    elif kind == "other":
        save_file({"a.bias": np.zeros(3, "float32")}, weights, metadata={"format": "pt"})
    return folder


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("cut", "weights file is broken"),
        ("config", "JSON"),
        ("type", "no masked LM in TensorFlow"),
        ("shape", "shapes"),
        ("no config", "no config.json"),
        ("no weights", "no file named"),
        ("pickled", "pytorch_model.bin"),
        ("other", "another architecture"),
    ],
)
def test_broken_checkpoints_say_what_is_wrong(
    kind: str, message: str, pytorch_checkpoint: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        load_model(broken(kind, pytorch_checkpoint, tmp_path / "broken"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "no folder ./nowhere"),
        ("bert-base-uncased", "HF_HUB_OFFLINE"),
        (__file__, "is a file"),
    ],
)
def test_models_that_are_not_there(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_model(name)


CODE = """
from pathlib import Path
Path({mark!r}).touch()
from transformers import BertConfig as Config, BertTokenizerFast as Tokenizer
"""


def test_code_of_a_checkpoint_is_neither_run_nor_asked_about(tmp_path: Path) -> None:
    """At a terminal transformers would ask whether to run it, and wait for an answer."""
    mark = tmp_path / "it ran"
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "code.py").write_text(CODE.format(mark=str(mark)))
    config = {"model_type": "its own", "auto_map": {"AutoConfig": "code.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer_config.json").write_text(
        json.dumps(
            {
                "tokenizer_class": "Tokenizer",
                "auto_map": {"AutoTokenizer": [None, "code.Tokenizer"]},
            }
        )
    )
    script = (
        "import sys, tfmlm\n"
        "from tfmlm.errors import UserError\n"
        "graph = tfmlm.GraphTokenizer.from_pretrained\n"
        "for load in (tfmlm.load_model, tfmlm.load_tokenizer, graph):\n"
        "    try:\n"
        "        load(sys.argv[1])\n"
        "    except UserError as error:\n"
        "        print('refused:', error)\n"
    )
    read, write = pty.openpty()  # a terminal, at which nobody answers
    done = subprocess.run(
        [sys.executable, "-c", script, folder],
        stdin=write,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    os.close(read)
    os.close(write)
    assert done.stdout.count("refused:") == 3, done.stdout + done.stderr
    assert "[y/N]" not in done.stdout + done.stderr
    assert "which is never run" in done.stdout and not mark.exists()
