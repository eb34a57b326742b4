"""The note of what was pushed: read back, for its own target only."""

from __future__ import annotations

from tfmlm.hub.delivery import Target
from tfmlm.hub.record import RECORD, last_push, note_target, read_record, write_record
from tfmlm.hub.remote import LastPush, PushReport

HERE = Target("http://hub", "ada/model", "hf_secretsecret")


def test_it_is_read_back_for_the_same_target_only(tmp_path):
    assert read_record(tmp_path) == {} and last_push(tmp_path, HERE) is None
    write_record(tmp_path, HERE, PushReport("c1", {"a": "1", "b": "2"}), None)
    assert last_push(tmp_path, HERE) == LastPush("c1", {"a": "1", "b": "2"})
    for other in (
        Target("http://hub2", "ada/model", ""),
        Target("http://hub", "ada/other", ""),
        Target("http://hub", "ada/model", "", "dev"),
    ):
        assert last_push(tmp_path, other) is None
    assert "hf_secret" not in (tmp_path / RECORD).read_text()


def test_a_kept_file_stays_known_as_we_last_wrote_it(tmp_path):
    last = LastPush("c1", {"README.md": "ours", "a": "1", "gone": "3"})
    report = PushReport("c2", {"README.md": "by hand", "a": "2"}, kept=("README.md",))
    write_record(tmp_path, HERE, report, last)
    assert last_push(tmp_path, HERE) == LastPush("c2", {"README.md": "ours", "a": "2", "gone": "3"})


def test_the_target_is_known_before_the_first_push(tmp_path):
    note_target(tmp_path, HERE)
    assert read_record(tmp_path)["repo_id"] == "ada/model" and last_push(tmp_path, HERE) is None
    write_record(tmp_path, HERE, PushReport("c1", {"a": "1"}), None)
    note_target(tmp_path, HERE)
    assert last_push(tmp_path, HERE) == LastPush("c1", {"a": "1"})


def test_a_broken_record_is_none(tmp_path):
    for content in ("", "[1]", "{", '{"commit": 3}'):
        (tmp_path / RECORD).write_text(content)
        assert last_push(tmp_path, HERE) is None
