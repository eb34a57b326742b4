"""The guides' scripts, each run with the models and texts that they make for themselves."""

from __future__ import annotations

import importlib
import re
import runpy
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.small_run import bert, protein, roberta

pytestmark = pytest.mark.usefixtures("one_session_an_export", "one_export_a_checkpoint")

EXAMPLES = Path(__file__).parents[2] / "examples"
Run = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all of them run, with the small models already there."""
    folder = tmp_path_factory.mktemp("examples")
    small = {"bert": bert(), "roberta": roberta(), "protein": protein()}
    for name, checkpoint in small.items():
        shutil.copytree(checkpoint, folder / "tfmlm-examples" / f"small-{name}")
    return folder


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a script in this process and returns what it prints."""
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def script(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [name, *arguments])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capfd.readouterr().out

    return script


def test_what_a_masked_lm_sees(run: Run) -> None:
    printed = run("what_a_masked_lm_sees.py")
    rows = re.findall(r"^(\S+) +(\d+), (\d+) +(\d+), (\d+) +1, 1$", printed, re.MULTILINE)
    assert [row[0] for row in rows].count("[SEP]") == 3
    assert [row[0] for row in rows].count("[CLS]") == 2
    assert all(row[1] == row[2] and row[3] == row[4] for row in rows)
    assert {row[3] for row in rows} == {"0", "1"}


def test_fill_one_mask(run: Run) -> None:
    printed = run("fill_one_mask.py", "--model", "tfmlm-examples/small-roberta")
    assert "a state-of-the-art <mask> in natural language" in printed
    rows = printed.split("pipeline")[1].strip().splitlines()
    assert len(rows) == 5
    for row in rows:
        scores = [float(s) for s in re.findall(r"\d\.\d{5}", row)]
        assert scores == pytest.approx([scores[0]] * 3, abs=2e-5)


def test_fine_tune_and_compare(run: Run, folder: Path) -> None:
    printed = run("fine_tune_and_compare.py", "--learning_rate", "1e-3")
    losses = [float(x) for x in re.findall(r"held-out loss (\S+)", printed)]
    assert len(losses) == 3
    assert losses[-1] < losses[0]
    for line in ("Input: ", "Output before: ", "Output after: "):
        assert printed.count(line) == 8
    result = folder / "tfmlm-examples" / "fine-tuned"
    assert {"comparison.png", "model.safetensors"} <= {p.name for p in result.iterdir()}


def test_eli5(run: Run, folder: Path) -> None:
    printed = run("eli5_keras.py")
    assert printed.count("val_loss") == 3
    assert float(re.findall(r"Perplexity: (\S+)", printed)[0]) < 1000
    answers = re.findall(r"^0\.\d{4} The Milky Way is a.* galaxy\.$", printed, re.MULTILINE)
    assert len(answers) == 3
    names = {p.name for p in (folder / "tfmlm-examples" / "my_eli5_mlm_model").iterdir()}
    assert {"model.safetensors", "tokenizer.json"} <= names


def test_pretrain_from_scratch(run: Run) -> None:
    printed = run("pretrain_from_scratch.py", "--epochs", "2", "--hidden_size", "32")
    before, after = re.findall(r"held-out loss: (\S+) before, (\S+) after", printed)[0]
    assert float(after) < float(before)
    assert len(re.findall(r"^0\.\d{4} Return the", printed, re.MULTILINE)) == 5


def test_checkpoint_to_serving(run: Run) -> None:
    printed = run("checkpoint_to_serving.py")
    assert "fill_mask_top_k" in printed
    stable, canary = re.findall(r"RestClient, \w+: \[(.*)\]", printed)
    assert len(stable.split("', '")) == 5
    assert len(canary.split("', '")) == 3
    assert stable.startswith(canary)
    assert f"GrpcClient, canary: [{canary}]" in printed


def test_two_machines(run: Run, folder: Path) -> None:
    printed = run("two_machines.py", "--max_steps", "2")
    assert re.search(r"two workers, perplexity \d+\.\d\d", printed)
    assert (folder / "tfmlm-examples" / "two-machines" / "model.safetensors").exists()


def test_reading_the_results(run: Run, folder: Path) -> None:
    printed = run("reading_the_results.py")
    assert len(re.findall(r"^(?:before|after) +\d+\.\d\d", printed, re.MULTILINE)) == 6
    pictures = folder / "tfmlm-examples" / "pictures"
    names = {p.name for p in pictures.glob("*.png")}
    assert names == {"words.png", "surprise_before.png", "surprise_after.png", "comparison.png"}
    assert "training curves: tfmlm-examples/small-bert/training.png" in printed


def test_protein_model(run: Run, folder: Path) -> None:
    printed = run("protein_model.py")
    chain, loop = map(float, re.findall(r"pseudo-perplexity (\d+\.\d\d)", printed))
    assert 1 < chain < 20 and loop > 1  # twenty residues are twenty guesses
    answer = r"[A-Z] 0\.\d{3}"
    rows = re.findall(rf"^([A-Z])(\d+) +({answer}, {answer}, {answer})$", printed, re.M)
    assert "".join(row[0] for row in rows) == "WGGDGFYAMDY"
    assert [int(row[1]) for row in rows] == list(range(99, 110))
    assert (folder / "tfmlm-examples" / "protein" / "loop.png").stat().st_size > 5000


def test_local_material(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scripts fall back on: trained once (by `bert()`), then found."""
    written = (bert() / "model.safetensors").stat().st_mtime_ns
    monkeypatch.chdir(bert().parents[1])
    monkeypatch.syspath_prepend(str(EXAMPLES))
    local = importlib.import_module("local")
    assert Path(local.small_model("bert")).resolve() == bert().resolve()
    assert (bert() / "model.safetensors").stat().st_mtime_ns == written
    assert len(local.sentences(50)) == 50
    assert len(set(local.free_ports(2))) == 2


def test_every_script_is_run_here_or_beside() -> None:
    tests = "".join(p.read_text(encoding="utf-8") for p in Path(__file__).parent.glob("test_*.py"))
    scripts = {p.name for p in EXAMPLES.glob("*.py")} - {"local.py"}
    assert {name for name in scripts if f'"{name}"' not in tests} == set()
