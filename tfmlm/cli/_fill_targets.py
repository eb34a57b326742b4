"""What `tfmlm fill` can ask: exports, checkpoint folders, and servers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from tfmlm.errors import UserError


class Filler(Protocol):
    """Anything that fills masks in the shapes of transformers' fill-mask pipeline."""

    def fill(
        self, texts: Sequence[str], top_k: int | None, targets: Sequence[str] | None
    ) -> list[Any]:
        """For each text a list of items, or a list of lists if it has several masks."""


def open_target(target: str, revision: str | None = None) -> Filler:
    """Finds out what a target is; `revision` is a branch, tag or commit of a model on the Hub.

    Raises:
        UserError: it is none of those that `fill` knows.
    """
    scheme = urlsplit(target).scheme
    if scheme in ("http", "https"):
        from tfmlm.client import RestClient

        return RestClient(target)
    if scheme == "grpc":
        parts = urlsplit(target)
        name = parts.path.strip("/")
        if not parts.netloc or not name or "/" in name:
            raise UserError(f"target {target}: give grpc://host:port/NAME")
        from tfmlm.client import GrpcClient

        return GrpcClient(parts.netloc, name)
    folder = Path(target)
    if _is_hub_name(target) and not folder.parent.exists():
        return CheckpointTarget(target, revision)
    if not folder.is_dir():
        raise UserError(
            f"no folder {target}; give an export folder, a checkpoint folder, user/model, "
            "http://host:port/v1/models/NAME or grpc://host:port/NAME"
        )
    if not (folder / "config.json").exists():
        from tfmlm.export import load

        return load(folder)
    return CheckpointTarget(target)


def _is_hub_name(target: str) -> bool:
    """Whether it may be `user/model` on the Hub; a folder of that name comes first."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", target) is not None


class CheckpointTarget:
    """A checkpoint without an export: a folder, or a model's name on the Hub."""

    def __init__(self, source: str, revision: str | None = None) -> None:
        from tfmlm.checkpoint.frame import frame_of
        from tfmlm.checkpoint.load import load_model, load_tokenizer
        from tfmlm.export.checking.filler import CheckpointFiller
        from tfmlm.export.lengths import choose_max_length

        model, tokenizer = load_model(source, revision), load_tokenizer(source, revision)
        if not tokenizer.is_fast:
            raise UserError(f"{source} has no fast tokenizer, which tfmlm fill needs")
        length = choose_max_length(model, tokenizer, None, len(frame_of(tokenizer)))
        self._filler = CheckpointFiller(model, tokenizer, length)

    def fill(
        self, texts: Sequence[str], top_k: int | None, targets: Sequence[str] | None
    ) -> list[Any]:
        """Fills the texts one by one."""
        from tfmlm.export.answers import require_masks

        answers = [self._filler.fill(text, top_k, targets) for text in texts]
        require_masks(texts, [a.status for a in answers], self._filler.mask_token)
        limit = top_k if targets is not None else None
        masks = [[items[:limit] for items in a.items] for a in answers]
        return [m[0] if len(m) == 1 else m for m in masks]
