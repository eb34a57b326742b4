"""`tfmlm evaluate`: the same number every time, and calls that are wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.training import small
from tfmlm.checkpoint.save import save_model
from tfmlm.cli.main import main


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    save_model(small.model(), folder)
    small.tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(small.lines()[:60]), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


def evaluate(capfd: pytest.CaptureFixture, *flags: object) -> tuple[int, str, str]:
    code = main(["evaluate", *map(str, flags)])
    captured = capfd.readouterr()
    return code, captured.out, captured.err


def test_same_figures_whatever_the_batch_size(
    checkpoint: Path, text: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    common = ["--model_name_or_path", checkpoint, "--validation_file", text]
    common += ["--max_seq_length", 32, "--json"]
    figures = []
    for flags in (["--output_dir", tmp_path], ["--per_device_eval_batch_size", 3], []):
        code, out, _ = evaluate(capfd, *common, *flags)
        assert code == 0
        figures.append(json.loads(out))
    assert figures[2] == figures[0]
    assert figures[1] == pytest.approx(figures[0], rel=1e-6)
    assert set(figures[0]) == {
        "eval_accuracy",
        "eval_loss",
        "eval_masked_tokens",
        "eval_samples",
        "eval_top5_accuracy",
        "perplexity",
    }
    assert json.loads((tmp_path / "eval_results.json").read_text()) == figures[0]


def test_figures_are_printed_for_people_too(
    checkpoint: Path, text: Path, capfd: pytest.CaptureFixture
) -> None:
    flags = ["--model_name_or_path", checkpoint, "--validation_file", text, "--line_by_line"]
    code, out, _ = evaluate(capfd, *flags, "--max_eval_samples", 10, "--whole_word_mask")
    assert code == 0
    assert [line.rsplit(maxsplit=1)[0] for line in out.splitlines()] == [
        "held-out loss",
        "perplexity",
        "masked accuracy",
        "top-5 accuracy",
        "masked tokens",
    ]


def test_a_bar_counts_batches_where_somebody_looks(
    checkpoint: Path, text: Path, capfd: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tfmlm.progress.shown", lambda: True)
    flags = ["--model_name_or_path", checkpoint, "--validation_file", text, "--line_by_line"]
    code, _, err = evaluate(
        capfd, *flags, "--max_eval_samples", 10, "--per_device_eval_batch_size", 4
    )
    assert code == 0
    assert re.search(r"Evaluating .*3/3 batches .*loss \d", err), err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--validation_file", "{text}"], "no model"),
        (["--model_name_or_path", "{model}"], "no text"),
        (["--model_name_or_path", "{text}", "--validation_file", "{text}"], "is a file"),
        (["--model_name_or_path", "{model}", "--validation_file", "{model}/none.txt"], "no file"),
        (
            ["--model_name_or_path", "{model}", "--validation_file", "{text}"]
            + ["--max_seq_length", "65"],
            "positions for 64",
        ),
        (
            ["--model_name_or_path", "{model}", "--validation_file", "{text}"]
            + ["--output_dir", "{text}"],
            "is a file",
        ),
        (
            ["--model_name_or_path", "{model}", "--validation_file", "{text}"]
            + ["--mlm_probability", "0"],
            "mlm_probability is 0",
        ),
    ],
)
def test_wrong_call_is_one_line(
    flags: list[str],
    message: str,
    checkpoint: Path,
    text: Path,
    capfd: pytest.CaptureFixture,
) -> None:
    code, out, err = evaluate(capfd, *(f.format(text=text, model=checkpoint) for f in flags))
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
