"""What `tfmlm fill` can ask: exports, checkpoint folders, and servers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from tfmlm.errors import UserError

if TYPE_CHECKING:
    from tfmlm.checkpoint.opened import OpenedCheckpoint

#: Texts whose answers a server's client is asked for at a time.
_SENT = 256


class Filler(Protocol):
    """Anything that fills masks in the shapes of transformers' fill-mask pipeline."""

    def fill_each(
        self,
        texts: Iterable[str],
        top_k: int | None,
        targets: Sequence[str] | None,
        *,
        errors: str,
        on_rows: Callable[[int], None],
    ) -> Iterator[Any]:
        """Yields for each text a list of items, or a list of lists if it has several masks.

        Args:
            errors: `raise`, or `ignore` for an empty list where a text cannot be filled.
            on_rows: told how many more texts are done with.
        """


def open_target(
    target: str, revision: str | None = None, *, allow_untrained_head: bool = False
) -> Filler:
    """Finds out what a target is.

    Args:
        target: an export folder, a checkpoint folder, a model's name on the Hub, or a server.
        revision: branch, tag or commit of a model on the Hub.
        allow_untrained_head: whether a checkpoint may lack weights of its masked-LM head.

    Raises:
        UserError: it is none of those that `fill` knows.
    """
    scheme = urlsplit(target).scheme
    if scheme in ("http", "https"):
        from tfmlm.client import RestClient

        return ServerTarget(RestClient(target))
    if scheme == "grpc":
        parts = urlsplit(target)
        name = parts.path.strip("/")
        if not parts.netloc or not name or "/" in name:
            raise UserError(f"target {target}: give grpc://host:port/NAME")
        from tfmlm.client import GrpcClient

        return ServerTarget(GrpcClient(parts.netloc, name))
    folder = Path(target)
    on_hub = _is_hub_name(target) and not folder.parent.exists()
    if on_hub or (folder / "config.json").exists():
        from tfmlm.checkpoint.opened import open_checkpoint

        revision = revision if on_hub else None
        opened = open_checkpoint(target, revision, allow_untrained_head=allow_untrained_head)
        return CheckpointFills(opened)
    if not folder.is_dir():
        raise UserError(
            f"no folder {target}; give an export folder, a checkpoint folder, user/model, "
            "http://host:port/v1/models/NAME or grpc://host:port/NAME"
        )
    from tfmlm.export import load

    return load(folder)


def _is_hub_name(target: str) -> bool:
    """Whether it may be `user/model` on the Hub; a folder of that name comes first."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", target) is not None


class CheckpointFills:
    """A checkpoint without an export."""

    def __init__(self, opened: OpenedCheckpoint) -> None:
        from tfmlm.export.checking.filler import CheckpointFiller

        self._filler = CheckpointFiller(opened.model, opened.tokenizer, opened.max_length)

    def fill_each(
        self,
        texts: Iterable[str],
        top_k: int | None,
        targets: Sequence[str] | None,
        *,
        errors: str,
        on_rows: Callable[[int], None],
    ) -> Iterator[Any]:
        """Fills the texts one by one."""
        from tfmlm.export.answers import refuse_unfilled

        limit = top_k if targets is not None else None
        for number, text in enumerate(texts, start=1):
            answer = self._filler.fill(text, top_k, targets)
            if errors == "raise":
                raw = text.encode("utf-8", "replace")
                refuse_unfilled(number, False, raw, answer.status, self._filler.mask_token)
            masks = [items[:limit] for items in answer.items]
            on_rows(1)
            yield masks[0] if len(masks) == 1 else masks


class ServerTarget:
    """A server, asked for some texts at a time."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def fill_each(
        self,
        texts: Iterable[str],
        top_k: int | None,
        targets: Sequence[str] | None,
        *,
        errors: str,
        on_rows: Callable[[int], None],
    ) -> Iterator[Any]:
        """Sends the texts in slices, whose batches are the client's."""
        source = iter(texts)
        while some := list(itertools.islice(source, _SENT)):
            yield from self._client.fill(some, top_k, targets, errors=errors)
            on_rows(len(some))
