"""A real export behind the server: its answers are those of the export itself, by every way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.serve.fixtures import Address, serving
from tests.serve.test_splitting import assert_parts_are_the_whole
from tfmlm.client import GrpcClient, RestClient

SERVING = Path(__file__).parents[2] / "serving"
TEXTS = [
    "paris is the [MASK] of france .",
    "the [MASK] of the [MASK] !",
    "Ünï [MASK], \x01 [MASK]x",
    "the " * 60 + "[MASK]",
]
pytestmark = pytest.mark.usefixtures("one_session_an_export")


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A very small BERT with random weights, exported."""
    import tensorflow as tf
    import transformers

    import tfmlm

    folder = tmp_path_factory.mktemp("export")
    words = [
        "[PAD]",
        "[UNK]",
        "[CLS]",
        "[SEP]",
        "[MASK]",
        ".",
        ",",
        "!",
        "the",
        "of",
        "is",
        "paris",
    ]
    words += ["france", "capital", "heart", "a", "b", "##x", "##s", "uni", "city", "river"]
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = transformers.BertTokenizerFast(str(folder / "vocab.txt"))
    tf.keras.utils.set_random_seed(1)
    model = transformers.TFBertForMaskedLM(
        transformers.BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=40,
            initializer_range=0.5,
        )
    )
    model(model.dummy_inputs)
    tfmlm.export_saved_model(model, tokenizer, folder / "mlm")
    return folder / "mlm"


@pytest.fixture(scope="module", params=[False, True], ids=["single", "batching"])
def address(request: pytest.FixtureRequest, export: Path) -> Any:
    options: dict[str, Any] = {}
    if request.param:
        file = SERVING / "config" / "batching.config"
        options = {"enable_batching": True, "batching_parameters_file": str(file)}
    with serving(model_base_path=str(export), **options) as found:
        yield found


def assert_same(got: Any, want: Any) -> None:
    if isinstance(want, dict):
        assert dict(got) == {**want, "score": pytest.approx(want["score"], rel=1e-4, abs=1e-7)}
        return
    assert len(got) == len(want)
    for g, w in zip(got, want, strict=True):
        assert_same(g, w)


def test_both_clients_give_what_the_export_gives(address: Address, export: Path) -> None:
    import tfmlm

    local = tfmlm.load(export)
    for client in (GrpcClient(address.grpc, "mlm"), RestClient(address.model())):
        with client:
            assert_same(client.fill(TEXTS), local(TEXTS))
            assert_same(client.fill(TEXTS, top_k=2), local(TEXTS, top_k=2))
            words = ["heart", "capital", "nowhere"]
            assert_same(client.fill(TEXTS[0], targets=words), local(TEXTS[0], targets=words))
            statuses = [answer.status for answer in client.answers([*TEXTS, "none"])]
            assert statuses == ["ok", "ok", "ok", "truncated", "no_mask"]


def test_the_smoke_script_passes(address: Address) -> None:
    done = subprocess.run(
        [sys.executable, str(SERVING / "smoke.py"), address.model(), "--grpc", address.grpc],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_fill_uses_the_clients(address: Address, capfd: Any) -> None:
    from tfmlm.cli.main import main

    for target in (address.model(), f"grpc://{address.grpc}/mlm"):
        assert main(["fill", target, TEXTS[0], "--top_k", "2", "--json"]) == 0
        assert '"token_str"' in capfd.readouterr().out


def test_a_large_request_is_run_in_parts(export: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert_parts_are_the_whole(export / "1", monkeypatch)
