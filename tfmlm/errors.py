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
        component: the path of the whole component, if `path` is that of a setting in it, and its
            type, such as `("normalizer.normalizers[2]", "Replace")`.
    """

    def __init__(
        self,
        path: str,
        received: str,
        supported: str = "",
        component: tuple[str, str] | None = None,
    ) -> None:
        self.path = path
        self.received = received
        self.supported = supported
        self.component = component
        name = path
        if component is not None:
            where, kind = component
            name = f"{where} ({kind})"
            received = received if where == path else f"{path}: {received}"
        message = f"tokenizer component {name} is not supported in the graph: {received}"
        if supported:
            message += f"; supported: {supported}"
        super().__init__(message)


class RunFailedError(TfmlmError):
    """The run started and could not be finished."""

    exit_code = 1


class NotDeliveredError(TfmlmError):
    """The work is done and saved, but something (a push) was not delivered."""

    exit_code = 3
