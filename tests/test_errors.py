"""Errors: each is of one base, with the exit code of its kind; what a message names."""

from __future__ import annotations

import pytest

from tfmlm import errors


def test_every_error_says_its_exit_code() -> None:
    codes = {
        kind.__name__: kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.TfmlmError)
    }
    assert codes == {
        "TfmlmError": 1,
        "RunFailedError": 1,
        "UserError": 2,
        "UnsupportedTokenizerError": 2,
        "NotDeliveredError": 3,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("decoder", "Foo"), "decoder is not supported in the graph: Foo"),
        (
            ("decoder", "Foo", "ByteLevel"),
            "decoder is not supported in the graph: Foo; supported: ByteLevel",
        ),
        (
            ("decoder", "Foo", "", ("decoder", "Bar")),
            "decoder (Bar) is not supported in the graph: Foo",
        ),
        (
            ("normalizer.pattern", "a+", "strings", ("normalizer", "Replace")),
            "normalizer (Replace) is not supported in the graph: normalizer.pattern: a+; "
            "supported: strings",
        ),
    ],
)
def test_a_component_that_cannot_be_compiled_is_named(arguments: tuple, message: str) -> None:
    error = errors.UnsupportedTokenizerError(*arguments)
    assert str(error) == f"tokenizer component {message}"
    assert (error.path, error.received) == arguments[:2]
