"""What `tfmlm fill` can ask: exports, checkpoint folders, and servers."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

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


#: Looks at the texts once the mask token is known, before a model is loaded.
Look = Callable[[str], None]


def open_target(
    target: str, revision: str | None, look: Look, *, allow_untrained_head: bool = False
) -> Filler:
    """Finds out what a target is.

    Args:
        target: an export folder, a checkpoint folder, a model's name on the Hub, or a server.
        revision: branch, tag or commit of a model on the Hub.
        look: called with the mask token, where it can be known, before a model is loaded.
        allow_untrained_head: whether a checkpoint may lack weights of its masked-LM head.

    Raises:
        UserError: it is none of those that `fill` knows.
    """
    if "://" in target:
        from tfmlm.client import connect

        return ServerTarget(connect(target))
    folder = Path(target)
    from tfmlm.checkpoint.load import may_be_hub_name

    if may_be_hub_name(target) or (folder / "config.json").exists():
        from tfmlm.checkpoint.opened import open_checkpoint

        opened = open_checkpoint(
            target,
            None if folder.is_dir() else revision,
            allow_untrained_head=allow_untrained_head,
            look=look,
        )
        return CheckpointFills(opened)
    if not folder.is_dir():
        raise UserError(
            f"no folder {target}; give an export folder, a checkpoint folder, a model's name on "
            "the Hub, http://host:port/v1/models/NAME or grpc://host:port/NAME"
        )
    return ExportTarget(folder, look)


class ExportTarget:
    """An export folder, or one version of it."""

    def __init__(self, folder: Path, look: Look) -> None:
        from tfmlm.export import load
        from tfmlm.export.loader import find_version, read_record

        version = find_version(folder)
        look(read_record(version)["tokenizer"]["mask_token"])
        self._loaded = load(version)

    def fill_each(
        self,
        texts: Iterable[str],
        top_k: int | None,
        targets: Sequence[str] | None,
        *,
        errors: str,
        on_rows: Callable[[int], None],
    ) -> Iterator[Any]:
        """Fills any number of texts; those with targets in slices."""
        options: dict[str, Any] = {"errors": errors, "on_rows": on_rows}
        if targets is None:
            yield from self._loaded.fill_each(texts, top_k, **options)
            return
        source, before = iter(texts), 0
        while some := list(itertools.islice(source, _SENT)):
            # What is whole follows from the texts alone: the model is not run for it.
            exact = self._loaded.fill_arrays(some, None, targets, ["target_exact"])["target_exact"]
            try:
                answers = self._loaded.fill_each(some, top_k, targets, **options)
                for answer, whole in zip(answers, exact.tolist(), strict=True):
                    yield _marked(answer, targets, whole)
            except UserError as error:
                raise _moved(error, before) from None
            before += len(some)


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
            filled = masks[0] if len(masks) == 1 else masks
            yield filled if targets is None else _marked(filled, targets, answer.target_exact)


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
        from tfmlm.client.results import require_masks

        source, before = iter(texts), 0
        while some := list(itertools.islice(source, _SENT)):
            answers = self._client.answers(some, top_k, targets)
            if errors == "raise":
                try:
                    require_masks(some, answers)
                except UserError as error:
                    raise _moved(error, before) from None
            for answer in answers:
                fills = answer.fills
                if targets is not None and answer.target_exact is not None:
                    fills = _marked(fills, targets, answer.target_exact)
                yield fills
            before += len(some)
            on_rows(len(some))


def _marked(answer: Any, targets: Sequence[str], exact: Sequence[bool]) -> Any:
    """A text's answer with the word that each item stands for, and whether it is all of it."""
    from tfmlm.client.targets import marked

    if answer and isinstance(answer[0], list):
        return [marked(items, targets, exact) for items in answer]
    return marked(answer, targets, exact)


def _moved(error: UserError, before: int) -> UserError:
    """An error that counts the texts of a slice, counting all texts."""
    found = re.match(r"text (\d+)", str(error))
    if found is None:
        return error
    return type(error)(f"text {int(found[1]) + before}{str(error)[found.end() :]}")
