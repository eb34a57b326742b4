"""Shared sessions: one for each content, and nothing else is shared."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import tfmlm
from tests import sessions
from tests.export.exported import bert
from tfmlm.errors import UserError

TEXT = "Paris is the [MASK] of France."


def test_the_same_files_share_a_session_and_others_do_not(tmp_path: Path) -> None:
    copy = shutil.copytree(bert().path, tmp_path / "copy" / "1")
    alone = tfmlm.load(bert().path)
    with sessions.shared():
        first, second = tfmlm.load(bert().path), tfmlm.load(copy)
        assert first._session is second._session is not alone._session
        assert (first.path, second.path) == (bert().path, copy)
        assert tfmlm.load(bert().path, threads=1)._session is not first._session
        first.close()
        assert second(TEXT) == alone(TEXT)

        record = copy / "assets.extra" / "tfmlm.json"
        values = json.loads(record.read_text(encoding="utf-8"))
        values["defaults"]["top_k"] = 2
        record.write_text(json.dumps(values), encoding="utf-8")
        assert (tfmlm.load(copy).top_k, second.top_k, first.top_k) == (2, 5, 5)
        record.write_text("{", encoding="utf-8")
        with pytest.raises(UserError, match="broken"):
            tfmlm.load(copy)
    with_another = tfmlm.load(bert().path)
    assert with_another._session is not first._session
    with_another.close()


def test_a_graph_that_was_changed_is_loaded_anew(tmp_path: Path) -> None:
    copy = shutil.copytree(bert().path, tmp_path / "copy" / "1")
    with sessions.shared():
        tfmlm.load(copy)
        (copy / "saved_model.pb").write_bytes(b"\x00")
        with pytest.raises(UserError, match="cannot load the SavedModel"):
            tfmlm.load(copy)
    assert len(sessions._kept) <= sessions.MOST
