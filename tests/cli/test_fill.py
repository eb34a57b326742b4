"""`tfmlm fill` on an export and on the checkpoint it came from."""

from __future__ import annotations

import json

import pytest

from tests.export.exported import bert, bert_checkpoint, loaded_bert, masked_texts
from tests.serve.fixtures import serving
from tfmlm.cli.main import main

pytestmark = pytest.mark.usefixtures("one_session_an_export")

TEXT = "Paris is the [MASK] of France."
TWO = "[MASK] is [MASK]."


def run(capsys, *arguments):
    code = main(["fill", *map(str, arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_table(capsys):
    code, out, err = run(capsys, bert().path, TEXT, TWO)
    assert (code, err) == (0, "")
    assert TEXT in out
    assert "mask 2 of 2" in out
    for item in loaded_bert()(TEXT):
        assert item["token_str"] in out


def test_export_and_checkpoint_give_the_same(tmp_path, capsys):
    texts = [*masked_texts(6, "[MASK]", seed=6), TWO, "play[MASK]", "word " * 600 + "[MASK]"]
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(" ".join(t.split()) for t in texts))
    for flags in ([], ["--top_k", 2], ["--targets", "dog,ing,Paris,embeddings"]):
        answers = []
        for target in (bert().path.parent, bert_checkpoint()):
            code, out, err = run(capsys, target, "--file", file, "--json", *flags)
            assert code == 0, err
            answers.append(json.loads(out))
        export, checkpoint = answers
        assert [row["text"] for row in export] == [row["text"] for row in checkpoint]
        for one, other in zip(export, checkpoint, strict=True):
            for mask, same in zip(one["masks"], other["masks"], strict=True):
                assert [i["token"] for i in mask] == [i["token"] for i in same]
                assert [i["sequence"] for i in mask] == [i["sequence"] for i in same]
                assert [i["score"] for i in mask] == pytest.approx(
                    [i["score"] for i in same], abs=1e-5
                )


def test_json_is_what_the_pipeline_gives(capsys):
    code, out, _ = run(capsys, bert().path, TEXT, "--json", "--top_k", 2)
    assert code == 0
    assert json.loads(out) == [{"text": TEXT, "masks": [loaded_bert()(TEXT, top_k=2)]}]


def test_plot(tmp_path, capsys):
    picture = tmp_path / "words.png"
    code, out, err = run(capsys, bert().path, "A $x [MASK] $", TWO, "--plot", picture)
    assert code == 0
    assert err == f"{picture}\n"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000


def test_errors_ignored_and_files_of_more_texts_than_are_read_ahead(tmp_path, capsys):
    texts = ["a [MASK]", "none", "[MASK] b", TWO] * 1100
    file = tmp_path / "texts.txt"
    file.write_text("\n".join(texts) + "\n\n")
    flags = ["--errors", "ignore", "--top_k", 1, "--json"]
    code, out, err = run(capsys, bert().path, "--file", file, *flags)
    assert (code, err) == (0, "")
    answers = json.loads(out)
    assert out == json.dumps(answers, indent=2, ensure_ascii=False) + "\n"
    assert [row["text"] for row in answers] == texts
    assert [len(row["masks"]) for row in answers] == [1, 0, 1, 2] * 1100
    expected = loaded_bert()(texts[:4], top_k=1, errors="ignore")
    tokens = [[items[0]["token"] for items in row["masks"]] for row in answers[-4:]]
    assert tokens[0] == [expected[0][0]["token"]]
    assert tokens[3] == [items[0]["token"] for items in expected[3]]
    code, out, err = run(capsys, bert_checkpoint(), *texts[:4], *flags)
    assert [len(row["masks"]) for row in json.loads(out)] == [1, 0, 1, 2]
    code, _, err = run(capsys, bert().path, "--file", file)
    assert code == 2
    assert f"line 2 of {file} holds no [MASK]: 'none'" in err
    code, out, _ = run(capsys, bert().path, "none", "--errors", "ignore")
    assert code == 0
    assert "not filled" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["EXPORT"], "no text"),
        (["EXPORT", "nothing to fill"], "holds no [MASK]"),
        (["CHECKPOINT", "nothing to fill"], "holds no [MASK]"),
        (["EXPORT", TEXT, "--top_k", "0"], "--top_k is 0"),
        (["EXPORT", TEXT, "--targets", " , "], "--targets is empty"),
        (["EXPORT", TEXT, "--plot", "words.txt"], "ends in .png"),
        (["EXPORT", TEXT, "--plot", "/no/such/folder/words.png"], "there is no folder"),
        (["EXPORT", "--file", "missing.txt"], "cannot read missing.txt"),
        (["/no/such/folder", TEXT], "no folder /no/such/folder"),
        (["grpc://host:1/", TEXT], "or grpc://host:port/NAME. Received"),
    ],
)
def test_wrong_calls(capsys, arguments, message):
    places = {"EXPORT": str(bert().path), "CHECKPOINT": str(bert_checkpoint())}
    code, out, err = run(capsys, *(places.get(a, a) for a in arguments))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert message in err


def test_file_that_is_no_text(tmp_path, capsys):
    file = tmp_path / "texts.bin"
    file.write_bytes(b"\xff\xfe\x00")
    code, _, err = run(capsys, bert().path, "--file", file)
    assert code == 2
    assert "not a UTF-8 text file" in err


@pytest.fixture(scope="module")
def server():
    with serving(model_base_path=str(bert().path.parent)) as address:
        yield address


def _targets(server):
    return [bert().path, bert_checkpoint(), server.model()]


def test_a_target_of_several_pieces_is_not_another_word(server, tmp_path, capsys):
    """`embeddings` is em ##bed ##ding ##s for BERT, `zzzq` z ##z ##z ##q."""
    words = ["list", "zzzq", "Paris", "embeddings"]
    picture = tmp_path / "words.svg"
    answers = []
    for target in [*_targets(server), f"grpc://{server.grpc}/mlm"]:
        flags = ["--targets", ",".join(words), "--plot", picture]
        code, out, err = run(capsys, target, TEXT, TWO, *flags)
        assert code == 0, err
        assert "zzzq (by its first piece, z)" in out
        assert " list " in out
        drawn = picture.read_text(encoding="utf-8")
        assert "zzzq (z…)" in drawn and "embeddings (em…)" in drawn
        code, out, err = run(capsys, target, TEXT, TWO, "--targets", ",".join(words), "--json")
        assert code == 0, err
        answers.append(json.loads(out))
        for mask in [mask for row in answers[-1] for mask in row["masks"]]:
            exact = {item["target"]: item["target_exact"] for item in mask}
            assert exact == {"list": True, "paris": True, "zzzq": False, "embeddings": False} or (
                exact == {"list": True, "Paris": True, "zzzq": False, "embeddings": False}
            )
    for other in answers[1:]:
        assert [[i["target"] for m in row["masks"] for i in m] for row in other] == [
            [i["target"] for m in row["masks"] for i in m] for row in answers[0]
        ]


def test_errors_of_a_file_count_its_lines(server, tmp_path, capsys):
    file = tmp_path / "texts.txt"
    lines = ["", TEXT, "", *[TEXT] * 300, "nothing here", ""]
    file.write_text("\n".join(lines))
    for target in _targets(server):
        code, out, err = run(capsys, target, TEXT, "--file", file)
        assert code == 2
        assert f"line 304 of {file} h" in err  # holds no …, has no mask token
    code, _, err = run(capsys, bert().path, "nothing", TEXT)
    assert "text 1 holds no [MASK]" in err
    file.write_bytes(b"good [MASK]\n" * 3000 + b"bad \xff\n")
    assert "(line 3001: " in run(capsys, bert().path, "--file", file)[2]


def test_probabilities_are_per_cents(capsys):
    _, out, _ = run(capsys, bert().path, TEXT, "--top_k", 50)
    assert out.count(" %") == 50
    assert "e-0" not in out
