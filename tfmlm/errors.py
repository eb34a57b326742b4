"""Errors that a user can act on, each with the exit code of the command line."""

from __future__ import annotations


class TfmlmError(Exception):
    """Base of all errors raised on purpose. The message is one line that says what to do."""

    exit_code = 1


class UserError(TfmlmError):
    """The call, a file, or a setting is wrong; nothing was done."""

    exit_code = 2


class UnsupportedTokenizerError(UserError):
    """A tokenizer has a component that cannot be compiled exactly.

    Args:
        path: where the component is in `tokenizer.json`, such as `normalizer.normalizers[2]`.
        received: what stands there.
        supported: what could stand there.
    """

    def __init__(self, path: str, received: str, supported: str = "") -> None:
        self.path = path
        self.received = received
        self.supported = supported
        message = f"tokenizer component {path} is not supported in the graph: {received}"
        if supported:
            message += f"; supported: {supported}"
        super().__init__(message)


class RunFailedError(TfmlmError):
    """The run started and could not be finished."""

    exit_code = 1


class NotDeliveredError(TfmlmError):
    """The work is done and saved, but something (a push) was not delivered."""

    exit_code = 3
