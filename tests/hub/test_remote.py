"""What a push sends on top of what is there, and the comparison afterwards."""

from __future__ import annotations

from tfmlm.hub.folder import LocalFile
from tfmlm.hub.remote import HubFailure, LastPush, Plan, RemoteState, compare, make_plan


def file(path: str, content: str = "new") -> LocalFile:
    return LocalFile(path, f"/{path}", 3, f"sha-{content}", f"blob-{content}")


def plan(files, names, last=None, **options):
    return make_plan(files, RemoteState("head", names), last, **options)


def test_only_what_differs_is_sent():
    files = [file("a"), file("b"), file("c")]
    made = plan(files, {"a": "sha-new", "b": "blob-new", "c": "blob-old", "d": "x"})
    assert [f.path for f in made.send] == ["c"] and not made.kept and not made.replaced


def test_without_a_record_nothing_counts_as_somebodys_edit():
    made = plan([file("README.md"), file("a")], {"README.md": "blob-x", "a": "blob-x"})
    assert len(made.send) == 2 and not made.kept and not made.replaced


def test_somebodys_card_is_kept_and_other_files_are_replaced_and_named():
    last = LastPush("c", {"README.md": "blob-old", "a": "blob-old", "b": "blob-old"})
    there = {"README.md": "blob-hand", "a": "blob-hand", "b": "blob-old"}
    made = plan([file("README.md"), file("a"), file("b")], there, last)
    assert made.kept == ("README.md",) and made.replaced == ("a",)
    assert [f.path for f in made.send] == ["a", "b"]


def test_a_card_that_somebody_deleted_is_sent():
    last = LastPush("c", {"README.md": "blob-old"})
    assert [f.path for f in plan([file("README.md")], {}, last).send] == ["README.md"]


def test_a_card_that_we_never_pushed_is_replaced():
    last = LastPush("c", {"a": "blob-new"})
    made = plan([file("README.md")], {"README.md": "blob-template"}, last)
    assert made.replaced == ("README.md",) and len(made.send) == 1


def test_skipped_files_are_not_sent_and_are_missing_with_their_reason():
    files = [file("README.md"), file("a")]
    made = plan(files, {}, skip=["README.md"])
    assert [f.path for f in made.send] == ["a"]
    report = compare(files, RemoteState("h", {"a": "sha-new"}), made, {"README.md": "refused"})
    assert report.missing == {"README.md": "refused"}
    assert report.names == {"a": "sha-new"} and report.sent == ("a",)


def test_every_difference_from_the_head_is_missing():
    files = [file("a"), file("b"), file("README.md")]
    done = Plan(tuple(files[:2]), kept=("README.md",))
    report = compare(files, RemoteState("h", {"a": "sha-old", "README.md": "x"}), done, {})
    assert report.missing == {"a": "another content is on the Hub", "b": "not on the Hub"}
    assert report.sent == () and report.names == {"README.md": "x"}


def test_plans_add_up():
    both = Plan((file("a"),), ("x",), ()).then(Plan((file("a"), file("b")), ("x",), ("a",)))
    assert [f.path for f in both.send] == ["a", "b"]
    assert both.kept == ("x",) and both.replaced == ("a",)


def test_which_failures_are_for_good():
    assert HubFailure("token", "").permanent and HubFailure("rejected", "").permanent
    assert not HubFailure("server", "").permanent and not HubFailure("stalled", "").permanent
