"""`tfmlm.load`: what it finds, what it refuses, and what it does not import."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tfmlm
from tests.export.exported import bert, loaded_bert
from tfmlm.errors import UserError


def test_no_transformers_in_the_process():
    script = (
        "import sys, tfmlm; fill = tfmlm.load(sys.argv[1]);"
        "print(fill('A [MASK].', top_k=1)[0]['token']);"
        "assert not {'transformers', 'tokenizers', 'datasets'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(bert().path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) == loaded_bert()("A [MASK].")[0]["token"]


def test_latest_version_of_a_folder(tmp_path):
    (tmp_path / "1").symlink_to(bert().path)
    (tmp_path / "9").symlink_to(bert().path)
    assert tfmlm.load(tmp_path).path == tmp_path / "9"
    assert tfmlm.load(str(tmp_path / "1")).path == tmp_path / "1"


def test_nothing_to_load(tmp_path):
    with pytest.raises(UserError, match="no export folder"):
        tfmlm.load(tmp_path / "none")
    with pytest.raises(UserError, match="holds no SavedModel"):
        tfmlm.load(tmp_path)
    (tmp_path / "1").mkdir()
    with pytest.raises(UserError, match="holds no SavedModel"):
        tfmlm.load(tmp_path)
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"\x00")
    with pytest.raises(UserError, match="no export of tfmlm"):
        tfmlm.load(tmp_path)
    (tmp_path / "1" / "assets.extra").mkdir()
    (tmp_path / "1" / "assets.extra" / "tfmlm.json").write_text("{")
    with pytest.raises(UserError, match="broken"):
        tfmlm.load(tmp_path)
    (tmp_path / "1" / "assets.extra" / "tfmlm.json").write_text("{}")
    with pytest.raises(UserError, match="cannot load the SavedModel"):
        tfmlm.load(tmp_path)


@pytest.mark.parametrize(
    ("texts", "targets", "message"),
    [
        ("no mask", None, r"the text holds no \[MASK\]"),
        (["a [MASK]", "none"], None, r"text 2 holds no \[MASK\]: 'none'"),
        ("[MASK]" + "x" * 70_000, None, "byte limit"),
        ("a [MASK]", [], "targets is empty"),
        ("a [MASK]", "", "targets is empty"),
    ],
)
def test_refusals(texts, targets, message):
    with pytest.raises(UserError, match=message):
        loaded_bert()(texts, targets=targets)


def test_one_target_as_a_string():
    assert [i["token_str"] for i in loaded_bert()("a [MASK]", targets="dog")] == ["dog"]
