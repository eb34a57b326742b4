"""Answers from an export folder, without transformers."""

from __future__ import annotations

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm.errors import UserError
from tfmlm.export.answers import pipeline_items, require_masks
from tfmlm.export.versions import RECORD, latest_version


def load(path: str | os.PathLike[str]) -> LoadedFillMask:
    """Loads an export: a version folder, or an export folder, of which the latest version is used.

    Raises:
        UserError: there is no export of `tfmlm`.
    """
    return LoadedFillMask(find_version(path))


def find_version(path: str | os.PathLike[str]) -> Path:
    """The version folder at or below `path`.

    Raises:
        UserError: neither holds a SavedModel.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise UserError(f"no export folder {folder}; make one with tfmlm export")
    if (folder / "saved_model.pb").exists():
        return folder
    version = latest_version(folder)
    if version is None or not (folder / str(version) / "saved_model.pb").exists():
        raise UserError(f"folder {folder} holds no SavedModel; make one with tfmlm export")
    return folder / str(version)


def read_record(version_folder: Path) -> dict[str, Any]:
    """The export's `tfmlm.json`.

    Raises:
        UserError: the SavedModel is not one of tfmlm, or the record is broken.
    """
    path = version_folder / "assets.extra" / RECORD
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"{version_folder} is no export of tfmlm: it holds no assets.extra/{RECORD}"
        ) from None
    except ValueError as error:
        raise UserError(f"{path} is broken ({error}); export again") from None


class LoadedFillMask:
    """A SavedModel in a session, as TF Serving holds it.

    Calling it gives the shapes of transformers' fill-mask pipeline; `predict` gives the arrays of
    a signature.
    """

    def __init__(self, version_folder: Path) -> None:
        self.path = version_folder
        self.record = read_record(version_folder)
        import tensorflow as tf
        import tensorflow_text  # noqa: F401  (registers the ops of TF Text)

        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        try:
            with self._graph.as_default(), _without_deprecation_notes():
                meta = tf.compat.v1.saved_model.load(
                    self._session, [tf.saved_model.SERVING], str(version_folder)
                )
        except (tf.errors.OpError, OSError, RuntimeError) as error:
            raise UserError(
                f"cannot load the SavedModel in {version_folder} ({str(error)[:200]}); export again"
            ) from error
        self._signatures = {
            name: signature
            for name, signature in meta.signature_def.items()
            if not name.startswith("__")
        }
        self._calls: dict[tuple[str, tuple[str, ...]], Any] = {}

    @property
    def signatures(self) -> list[str]:
        """Names of the signatures."""
        return sorted(self._signatures)

    def definition(self, signature: str) -> Any:
        """The `SignatureDef` of a signature."""
        return self._signatures[signature]

    @property
    def mask_token(self) -> str:
        """What stands for a masked word in a text."""
        return self.record["tokenizer"]["mask_token"]

    def __call__(
        self,
        texts: str | Sequence[str],
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
    ) -> Any:
        """Fills masks, in the shapes of transformers' fill-mask pipeline.

        Args:
            texts: one text or several, each with at least one mask token.
            top_k: words for each mask; the export's number by default.
            targets: score these words alone.

        Returns:
            For one text with one mask: a list of `{"score", "token", "token_str", "sequence"}`,
            best first; with several masks a list of such lists, one for each mask; for several
            texts a list of what one text gives.

        Raises:
            UserError: a text without a mask or over the byte limit, or an empty list of targets.
        """
        single = isinstance(texts, str)
        rows = [texts] if isinstance(texts, str) else list(texts)
        if not rows:
            return []
        outputs = self.fill_arrays(rows, top_k, targets, ("status", "mask_count", *ITEM_OUTPUTS))
        require_masks(rows, outputs["status"], self.mask_token)
        items = pipeline_items(outputs, None if targets is None else top_k)
        return items[0] if single else items

    fill = __call__

    def fill_arrays(
        self,
        texts: Sequence[str],
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """The outputs of the text signatures as arrays; one `top_k` or list of targets for all."""
        inputs: dict[str, Any] = {"text": [t.encode("utf-8", "replace") for t in texts]}
        signature = "serving_default"
        if targets is not None:
            words = [targets] if isinstance(targets, str) else list(targets)
            if not any(words):
                raise UserError("targets is empty; give at least one word")
            signature = "fill_mask_targets"
            inputs["targets"] = [[w.encode("utf-8", "replace") for w in words]] * len(texts)
        elif top_k is not None:
            signature = "fill_mask_top_k"
            inputs["top_k"] = np.full([len(texts)], np.clip(top_k, -1, 2**31 - 1), np.int32)
        if signature not in self._signatures:
            raise UserError(
                f"{self.path} takes token ids only (fill_mask_ids): its tokenizer has no graph"
            )
        return self.predict(signature, inputs, outputs)

    def predict(
        self,
        signature: str,
        inputs: dict[str, Any],
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature: its name.
            inputs: arrays by name; strings as bytes or str.
            outputs: names of the outputs to compute, all by default.

        Returns:
            Arrays by name; strings as bytes.
        """
        definition = self._signatures[signature]
        names = tuple(outputs if outputs is not None else sorted(definition.outputs))
        key = (signature, names)
        call = self._calls.get(key)
        if call is None:
            feeds = [definition.inputs[name].name for name in sorted(definition.inputs)]
            fetches = [definition.outputs[name].name for name in names]
            with self._graph.as_default():
                call = self._calls[key] = self._session.make_callable(
                    [self._graph.get_tensor_by_name(f) for f in fetches],
                    [self._graph.get_tensor_by_name(f) for f in feeds],
                )
        arrays = [_array(inputs[name]) for name in sorted(definition.inputs)]
        return dict(zip(names, call(*arrays), strict=True))


@contextlib.contextmanager
def _without_deprecation_notes() -> Iterator[None]:
    """Loading into a session is what TF Serving does; TensorFlow's note against it helps nobody."""
    logger = logging.getLogger("tensorflow")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


ITEM_OUTPUTS = ("score", "token", "token_str", "sequence")


def _array(value: Any) -> np.ndarray:
    array = np.asarray(value)
    return array.astype(object) if array.dtype.kind in "SU" else array
