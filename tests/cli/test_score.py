"""`tfmlm score` as a user runs it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from matplotlib import image

from tests.serve.fixtures import serving
from tests.small_run import roberta, roberta_export
from tfmlm.cli.main import main
from tfmlm.score import open_scorer

pytestmark = pytest.mark.usefixtures("one_session_an_export")

GOOD, BAD = "Return the value of the argument.", "argument the of value the Return."


def test_json_table_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "more.txt").write_text(f"{BAD}\n\n", encoding="utf-8")
    picture = tmp_path / "map.png"
    arguments = ["score", str(roberta_export()), GOOD, "--file", str(tmp_path / "more.txt")]
    assert main([*arguments, "--json", "--plot", str(picture)]) == 0
    output = json.loads(capsys.readouterr().out)
    assert [t["text"] for t in output["texts"]] == [GOOD, BAD]
    expected = open_scorer(roberta()).score([GOOD, BAD])
    for found, one in zip(output["texts"], expected, strict=True):
        assert [t["token"] for t in found["tokens"]] == one.token
        assert [t["score"] for t in found["tokens"]] == pytest.approx(one.score, abs=2e-5)
        assert found["pseudo_perplexity"] == pytest.approx(one.pseudo_perplexity, rel=1e-4)
        assert found["status"] == "ok"
    total = sum(one.pseudo_log_likelihood for one in expected)
    assert output["token_count"] == sum(one.token_count for one in expected)
    assert output["pseudo_perplexity"] == pytest.approx(
        math.exp(-total / output["token_count"]), rel=1e-4
    )
    assert image.imread(picture).ndim == 3
    # What the words stand for does not change with their order; the model knows the usual one.
    assert output["texts"][0]["pseudo_perplexity"] < output["texts"][1]["pseudo_perplexity"]

    assert main(arguments) == 0
    printed = capsys.readouterr().out
    for one in expected:
        assert f"pseudo-perplexity {one.pseudo_perplexity:.2f}" in printed
    assert "2 texts" in printed


def test_errors_ignored(capsys: pytest.CaptureFixture[str]) -> None:
    for target in (roberta_export(), roberta()):
        arguments = ["score", str(target), GOOD, "<mask>", GOOD, "--errors", "ignore"]
        assert main([*arguments, "--json"]) == 0
        output = json.loads(capsys.readouterr().out)
        assert [t["status"] for t in output["texts"]] == ["ok", "empty", "ok"]
        assert output["texts"][1]["pseudo_perplexity"] is None
        assert output["token_count"] == 2 * output["texts"][0]["token_count"]
        assert output["pseudo_perplexity"] == pytest.approx(
            output["texts"][0]["pseudo_perplexity"], rel=1e-4
        )
        assert main(arguments) == 0
        assert "'<mask>' is not scored: empty" in capsys.readouterr().out


def test_a_long_text_is_said_to_be_cut(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", str(roberta()), "the value " * 200]) == 0
    captured = capsys.readouterr()
    assert "the text is longer than the model takes: its first 126 tokens" in captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no text; give texts, or --file"),
        (["a", "--plot", "map.gif"], "ends in .png"),
        (["a", "--file", "absent.txt"], "cannot read absent.txt"),
        (["<mask>"], "holds no token to score"),
    ],
)
def test_errors_are_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["score", str(roberta_export()), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert len(captured.err.splitlines()) == 1


def test_servers_are_asked(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(f"{GOOD}\n\n{BAD}\n", encoding="utf-8")
    arguments = ["--file", str(tmp_path / "texts.txt"), "--json"]
    assert main(["score", str(roberta_export()), *arguments]) == 0
    expected = json.loads(capsys.readouterr().out)
    with serving(model_base_path=str(roberta_export())) as server:
        for target in (server.model(), f"grpc://{server.grpc}/mlm"):
            assert main(["score", target, *arguments]) == 0
            found = json.loads(capsys.readouterr().out)
            for one, other in zip(found["texts"], expected["texts"], strict=True):
                assert [t["token"] for t in one["tokens"]] == [t["token"] for t in other["tokens"]]
                assert [t["score"] for t in one["tokens"]] == pytest.approx(
                    [t["score"] for t in other["tokens"]], abs=1e-4
                )
            (tmp_path / "bad.txt").write_text(f"{GOOD}\n\n<mask>\n", encoding="utf-8")
            assert main(["score", target, "--file", str(tmp_path / "bad.txt")]) == 2
            assert f"line 3 of {tmp_path / 'bad.txt'} holds no token" in capsys.readouterr().err


def test_blank_texts_are_refused_before_a_model_is_loaded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["score", str(roberta()), GOOD, " "]) == 2
    assert "text 2 holds no token to score: ' '" in capsys.readouterr().err
