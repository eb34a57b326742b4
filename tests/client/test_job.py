"""The steps of a call, driven by hand: no server, no waiting."""

from __future__ import annotations

from typing import Any

import pytest

from tfmlm.client.errors import ServingError
from tfmlm.client.job import FillJob, Pause, Predict
from tfmlm.client.settings import Retries
from tfmlm.errors import UserError

NOW = Retries(attempts=2, backoff=0.5)


def reply(request: Predict) -> dict[str, Any]:
    """One mask a text, one candidate a mask, named after the text."""
    texts = request.inputs["text"]
    n = len(texts)
    return {
        "score": [[[0.5]]] * n,
        "token": [[[3]]] * n,
        "token_str": [[[text]] for text in texts],
        "sequence": [[[text]] for text in texts],
        "mask_count": [1] * n,
        "status": ["ok"] * n,
    }


def drive(
    job: FillJob, size: int, outcomes: list[Any] | None = None
) -> tuple[list[Any], list[Any]]:
    """All steps and the answers; `outcomes` come first, then real replies."""
    outcomes = list(outcomes or [])
    steps = job.steps(size, NOW, "here")
    seen, outcome = [], None
    while True:
        try:
            step = steps.send(outcome)
        except StopIteration as end:
            return seen, end.value
        seen.append(step)
        outcome = None
        if isinstance(step, Predict):
            outcome = outcomes.pop(0) if outcomes else reply(step)


def texts_sent(steps: list[Any]) -> list[list[str]]:
    return [step.inputs["text"] for step in steps if isinstance(step, Predict)]


def unavailable() -> ServingError:
    return ServingError("UNAVAILABLE", "later", "here")


def test_texts_are_split_into_batches_in_order() -> None:
    texts = [f"t{i}" for i in range(7)]
    steps, answers = drive(FillJob(texts), 3)
    assert texts_sent(steps) == [texts[:3], texts[3:6], texts[6:]]
    assert [a.fills[0].token_str for a in answers] == texts


def test_no_texts_make_no_request() -> None:
    job = FillJob([])
    steps, answers = drive(job, 3)
    assert (steps, job.result(answers)) == ([], [])


def test_the_servers_limit_makes_batches_smaller_and_loses_nothing() -> None:
    texts = [f"t{i}" for i in range(9)]
    refusal = ServingError(
        "INVALID_ARGUMENT", "Task size 4 is larger than maximum input batch size 2", "here"
    )
    first = reply(Predict("", {"text": texts[:4]}))
    steps, answers = drive(FillJob(texts), 4, [first, refusal])
    assert texts_sent(steps) == [texts[:4], texts[4:8], texts[4:6], texts[6:8], texts[8:]]
    assert [a.fills[0].token_str for a in answers] == texts


def test_an_unavailable_server_is_asked_again_after_growing_pauses() -> None:
    steps, answers = drive(FillJob("x"), 4, [unavailable(), unavailable()])
    pauses = [step.seconds for step in steps if isinstance(step, Pause)]
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1.0
    assert answers[0].fills[0].token_str == "x"


def test_attempts_are_bounded_and_counted_anew_for_each_batch() -> None:
    with pytest.raises(ServingError, match="UNAVAILABLE"):
        drive(FillJob("x"), 4, [unavailable()] * 3)
    good = reply(Predict("", {"text": ["a"]}))
    steps, _ = drive(FillJob(["a", "b"]), 1, [unavailable(), unavailable(), good, unavailable()])
    assert texts_sent(steps) == [["a"], ["a"], ["a"], ["b"], ["b"]]


def test_other_errors_are_raised_at_once() -> None:
    with pytest.raises(ServingError, match="here: NOT_FOUND: no such model") as info:
        drive(FillJob("x"), 4, [ServingError("NOT_FOUND", "no such\nmodel", "here")])
    assert info.value.exit_code == 2
    assert unavailable().exit_code == 1


def test_signatures_and_inputs() -> None:
    (step,), _ = drive(FillJob(["a", "b"], top_k=[1, 3]), 4)
    assert (step.signature, step.inputs["top_k"]) == ("fill_mask_top_k", [1, 3])
    (step,), _ = drive(FillJob(["a", "b"], targets="one"), 4)
    assert (step.signature, step.inputs["targets"]) == ("fill_mask_targets", [["one"], ["one"]])
    (step,), _ = drive(FillJob(["a", "b"], targets=[["one"], ["one", "two"]]), 4)
    assert step.inputs["targets"] == [["one", ""], ["one", "two"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"texts": [1]}, "texts must be strings. Received: int"),
        ({"texts": "a\ud800"}, "lone surrogate at character 1"),
        ({"texts": "a", "top_k": 0}, "top_k must be an integer of at least 1. Received: 0"),
        ({"texts": "a", "top_k": True}, "top_k must be"),
        ({"texts": ["a", "b"], "top_k": [1]}, "1 values of top_k for 2 texts"),
        ({"texts": "a", "targets": []}, "targets must be non-empty strings"),
        ({"texts": "a", "targets": ["x", ""]}, "targets must be non-empty strings"),
        ({"texts": ["a", "b"], "targets": [["x"]]}, "1 values of targets for 2 texts"),
        ({"texts": "a", "errors": "maybe"}, "errors must be 'raise' or 'ignore'"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        FillJob(**arguments)
