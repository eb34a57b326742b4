"""Answers from an export folder, without transformers."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tfmlm.errors import RunFailedError, UserError
from tfmlm.export import columns
from tfmlm.export.answers import pipeline_items, refuse_unfilled
from tfmlm.export.runs import Limits, Weight, in_order
from tfmlm.export.session.library import RESOURCE_EXHAUSTED, TensorFlowError
from tfmlm.export.session.session import Call, Session
from tfmlm.export.session.tensors import DTYPES
from tfmlm.export.versions import RECORD, latest_version
from tfmlm.files import read_json

Result = TypeVar("Result")


def load(path: str | os.PathLike[str], *, threads: int | None = None) -> LoadedFillMask:
    """Loads an export: a version folder, or an export folder, of which the latest version is used.

    Args:
        path: the folder.
        threads: threads for TensorFlow in this process, by default one for each processor.

    Raises:
        UserError: there is no export of `tfmlm`.
    """
    return LoadedFillMask(find_version(path), threads)


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
        return read_json(path)
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

    def __init__(
        self, version_folder: Path, threads: int | None = None, optimized: bool = True
    ) -> None:
        """Loads a version folder.

        Args:
            version_folder: the folder of the SavedModel.
            threads: of the session; all cores by default.
            optimized: whether TensorFlow optimizes the graph, as it does in a server. Where each
                signature is asked once that takes most of the time.
        """
        self.path = version_folder
        self.record = read_record(version_folder)
        self._threads = threads or 0
        self._calls: dict[tuple[str, tuple[str, ...]], Call] = {}
        self._open(optimized)

    def _open(self, optimized: bool) -> None:
        try:
            self._session = Session(self.path, self._threads, optimized)
        except (TensorFlowError, OSError, ValueError) as error:
            raise UserError(
                f"cannot load the SavedModel in {self.path} ({str(error)[:200]}); export again"
            ) from error
        self._signatures = self._session.signatures

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.path}: {self.record['model']['architecture']}, "
            f"mask token {self.mask_token}, top_k {self.top_k}, "
            f"signatures {', '.join(self.signatures)}>"
        )

    @property
    def signatures(self) -> list[str]:
        """Names of the signatures."""
        return sorted(self._signatures)

    def definition(self, signature: str) -> Any:
        """The `SignatureDef` of a signature.

        Raises:
            UserError: there is no such signature.
        """
        if signature not in self._signatures:
            reason = (
                ""
                if self.record["tokenizer"]["in_graph"]
                else (": it takes token ids only, because its tokenizer has no graph")
            )
            raise UserError(
                f"{self.path} has no signature {signature}{reason}; "
                f"its signatures: {', '.join(self.signatures)}"
            )
        return self._signatures[signature]

    @property
    def mask_token(self) -> str:
        """What stands for a masked word in a text."""
        return self.record["tokenizer"]["mask_token"]

    @property
    def top_k(self) -> int:
        """Words for each mask where their number is not given."""
        return self.record["defaults"]["top_k"]

    def __call__(
        self,
        texts: Any,
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
        *,
        errors: str = "raise",
        batch_size: int | None = None,
    ) -> Any:
        """Fills masks, in the shapes of transformers' fill-mask pipeline.

        Args:
            texts: one text, or any number in an iterable or column (see `export.columns.rows`),
                each with at least one mask token. They are run in batches of like length.
            top_k: words for each mask; the export's number by default.
            targets: score these words alone.
            errors: `raise`, or `ignore` for an empty list where a text has no mask, is over the
                byte limit, or is no text.
            batch_size: most texts of a run of the model; by default as many as their tokens allow.

        Returns:
            For one text with one mask: a list of `{"score", "token", "token_str", "sequence"}`,
            best first; with several masks a list of such lists, one for each mask; for several
            texts a list of what one text gives.

        Raises:
            UserError: a text that cannot be filled is named by its number (unless `errors` is
                `ignore`), or an argument is of no use.
        """
        filled = self.fill_each(texts, top_k, targets, errors=errors, batch_size=batch_size)
        items = list(filled)
        return items[0] if columns.one_text(texts) else items

    def close(self) -> None:
        """Frees the memory that the session holds; nothing can be asked any more."""
        self._session.close()
        self._calls.clear()

    fill = __call__

    def fill_each(
        self,
        texts: Any,
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
        *,
        errors: str = "raise",
        batch_size: int | None = None,
        on_rows: Callable[[int], None] | None = None,
    ) -> Iterator[Any]:
        """What calling gives for each text, one after the other; texts are read as it goes.

        `on_rows` is told how many more texts are done with. The other arguments and errors are
        those of a call.
        """
        if errors not in ("raise", "ignore"):
            raise UserError(f"errors must be 'raise' or 'ignore'. Received: {errors!r}")
        limit = None if targets is None else top_k
        names = ("status", "mask_count", *ITEM_OUTPUTS)
        source = _Numbered(texts, errors == "raise")

        def read(outputs: dict[str, np.ndarray], batch: list[bytes]) -> list[tuple[str, Any]]:
            statuses = [status.decode() for status in outputs["status"]]
            return list(zip(statuses, pipeline_items(outputs, limit), strict=True))

        limits = Limits().with_settings(None, batch_size)
        call = self.text_call(names, top_k, targets)
        answers = self.in_order(source, call, read, limits, on_rows)
        return self._items(answers, source, errors)

    def _items(
        self, answers: Iterator[tuple[str, Any] | None], source: _Numbered, errors: str
    ) -> Iterator[Any]:
        for number, answer in enumerate(answers, start=1):
            text = source.take()
            if errors == "raise" and answer is not None:
                refuse_unfilled(number, source.single, text, answer[0], self.mask_token)
            yield [] if answer is None else answer[1]

    def text_call(
        self,
        outputs: Sequence[str],
        top_k: int | None,
        targets: str | Sequence[str] | None,
    ) -> TextCall:
        """How texts are asked for `top_k` words at each mask, or for `targets`.

        Raises:
            UserError: the export has no such signature, or an argument is of no use.
        """
        if top_k is not None and (
            isinstance(top_k, bool) or not isinstance(top_k, int | np.integer) or top_k < 1
        ):
            raise UserError(f"top_k must be an integer of at least 1. Received: {top_k!r}")
        if targets is not None:
            words = [targets] if isinstance(targets, str | bytes) else list(targets)
            raw = [word for word in columns.rows(words) if isinstance(word, bytes) and word]
            if not raw or len(raw) != len(words):
                raise UserError(
                    "targets is empty; give at least one word"
                    if not any(words)
                    else f"targets must be non-empty strings. Received: {words!r}"
                )
            call = TextCall("fill_mask_targets", tuple(outputs), {"targets": raw}, len(raw))
        elif top_k is None or top_k == self.top_k:
            call = TextCall("serving_default", tuple(outputs), {}, self.top_k)
        else:
            k = min(int(top_k), self.record["defaults"]["max_top_k"])
            call = TextCall("fill_mask_top_k", tuple(outputs), {"top_k": np.int32(k)}, k)
        self.definition(call.signature)
        return call

    def in_order(
        self,
        texts: Iterable[bytes | None],
        call: TextCall,
        read: Callable[[dict[str, np.ndarray], list[bytes]], Sequence[Result]],
        limits: Limits,
        on_rows: Callable[[int], None] | None = None,
    ) -> Iterator[Result | None]:
        """Results of any number of texts, in their order, None for None; memory is bounded.

        Args:
            texts: UTF-8 bytes.
            call: the signature, its other inputs and the outputs to compute.
            read: the results of a run: of the outputs' arrays and the run's texts.
            limits: bounds of a run.
            on_rows: told after each run how many more texts are done with.
        """

        def run(batch: list[bytes]) -> Sequence[Result]:
            return read(
                self.predict(call.signature, {"text": batch, **call.inputs}, call.outputs), batch
            )

        def weigh(batch: list[bytes]) -> list[Weight]:
            return self._weights(batch, call, limits)

        return in_order(texts, weigh, run, limits, on_rows)

    def _weights(self, texts: list[bytes], call: TextCall, limits: Limits) -> list[Weight]:
        """Tokens in the encoder and places in the answer of each text.

        Where all fit into one run for certain, a bound is enough; else the graph counts.
        """
        longest = self.record["defaults"]["max_length"]
        limit = self.record["defaults"]["max_text_bytes"]
        mask, mask_id = self.mask_token.encode(), self.record["tokenizer"]["mask_token_id"]
        columns_ = min(max(map(len, texts)) + 2, longest)
        if len(texts) * columns_ <= limits.max_tokens:
            return [call.weight(columns_, text.count(mask)) for text in texts]
        weights = [Weight(0)] * len(texts)
        order = sorted(
            (i for i, t in enumerate(texts) if len(t) <= limit), key=lambda i: len(texts[i])
        )
        while order:
            rows = min(max(_TOKENIZED // (len(texts[order[-1]]) + 2), 1), len(order))
            chosen, order = order[-rows:], order[:-rows]
            tokens = self.predict("tokenize", {"text": [texts[i] for i in chosen]})
            lengths = tokens["attention_mask"].sum(axis=1)
            masks = (tokens["input_ids"] == mask_id).sum(axis=1)
            for index, length, count in zip(chosen, lengths, masks, strict=True):
                weights[index] = call.weight(min(int(length), longest), int(count))
        return weights

    def fill_arrays(
        self,
        texts: Any,
        top_k: int | None = None,
        targets: str | Sequence[str] | None = None,
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """The outputs of the text signatures as arrays; one `top_k` or list of targets for all.

        All texts are one run of the model, as one request of a server is.
        """
        call = self.text_call(outputs or (), top_k, targets)
        rows = list(_Numbered(texts, True))
        return self.predict(call.signature, {"text": rows, **call.inputs}, outputs)

    def predict(
        self,
        signature: str,
        inputs: dict[str, Any],
        outputs: Sequence[str] | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
            signature: its name.
            inputs: arrays by name; strings as bytes or str. One value (one text, one `top_k`, one
                list of targets) stands for all rows.
            outputs: names of the outputs to compute, all by default.

        Returns:
            Arrays by name; strings as bytes.

        Raises:
            UserError: there is no such signature, input or output, or an input's shape is not what
                the signature takes.
        """
        definition = self.definition(signature)
        names = tuple(outputs if outputs is not None else sorted(definition.outputs))
        for given, known, what in (
            (inputs, definition.inputs, "input"),
            (names, definition.outputs, "output"),
        ):
            wrong = [name for name in given if name not in known]
            if wrong:
                raise UserError(
                    f"signature {signature} has no {what} {', '.join(wrong)}; "
                    f"it has {', '.join(sorted(known))}"
                )
        key = (signature, names)
        call = self._calls.get(key)
        if call is None:
            call = self._session.call(signature, sorted(definition.inputs), names)
            self._calls[key] = call
        arrays = _arrays(signature, definition, inputs)
        try:
            return dict(zip(names, call(arrays), strict=True))
        except TensorFlowError as error:
            if error.code != RESOURCE_EXHAUSTED:
                raise RunFailedError(f"TensorFlow failed: {str(error)[:500]}") from error
            raise RunFailedError(
                f"no memory for a run of {len(arrays[0])} rows; ask for fewer at a time "
                "(batch_size or max_tokens)"
            ) from None


@dataclasses.dataclass(frozen=True)
class TextCall:
    """A signature that takes texts, with everything that is the same for all of them.

    Attributes:
        signature: its name.
        outputs: names of the outputs to compute.
        inputs: the other inputs, one row that stands for all.
        candidates: words at each mask.
        per_token: whether the answer has a place for each token of a text, not for each mask.
    """

    signature: str
    outputs: tuple[str, ...]
    inputs: dict[str, Any]
    candidates: int
    per_token: bool = False

    def weight(self, tokens: int, masks: int) -> Weight:
        """What a text of so many tokens and masks asks of a run."""
        if self.per_token:
            return Weight(tokens, tokens)
        if not masks:
            return Weight(0)
        places = masks * self.candidates
        # A sequence is decoded for each candidate.
        return Weight(tokens, places * tokens // 8 if "sequence" in self.outputs else places)


class _Numbered:
    """The rows of a column as bytes or None, and each text again when its answer is there."""

    def __init__(self, texts: Any, refuse: bool) -> None:
        self.single = columns.one_text(texts)
        self._rows = columns.rows(texts)
        self._refuse = refuse
        self._waiting: collections.deque[bytes | None] = collections.deque()

    def __iter__(self) -> Iterator[bytes | None]:
        for number, row in enumerate(self._rows, start=1):
            if self._refuse and not isinstance(row, bytes):
                which = "the text" if self.single else f"text {number}"
                raise UserError(f"{which} {columns.describe(row)}")
            text = row if isinstance(row, bytes) else None
            self._waiting.append(text)
            yield text

    def take(self) -> bytes:
        """The text of the next answer."""
        return self._waiting.popleft() or b""


ITEM_OUTPUTS = ("score", "token", "token_str", "sequence")
#: Ids, padding included, that `tokenize` gives at a time.
_TOKENIZED = 2**18


def _arrays(signature: str, definition: Any, inputs: dict[str, Any]) -> list[np.ndarray]:
    """The inputs in the order of their names, in the signature's types and ranks."""
    arrays: dict[str, np.ndarray] = {}
    shared: list[str] = []
    rows = None
    for name, info in sorted(definition.inputs.items()):
        if name not in inputs:
            raise UserError(f"signature {signature} needs the input {name}")
        array = _typed(signature, name, inputs[name], DTYPES[info.dtype])
        rank = len(info.tensor_shape.dim)
        if array.ndim == rank - 1:
            shared.append(name)
        elif array.ndim != rank:
            raise UserError(
                f"input {name} of signature {signature} has {rank} dimensions, the first for the "
                f"rows. Received: shape {list(array.shape)}"
            )
        elif rows is None or rows == array.shape[0]:
            rows = array.shape[0]
        else:
            raise UserError(f"the inputs of signature {signature} have different numbers of rows")
        arrays[name] = array
    for name in shared:
        array = arrays[name][np.newaxis]
        arrays[name] = np.repeat(array, 1 if rows is None else rows, axis=0)
    return [arrays[name] for name in sorted(arrays)]


def _typed(signature: str, name: str, value: Any, dtype: np.dtype[Any]) -> np.ndarray:
    """An input as an array of the signature's type; strings as objects, which keep NUL bytes."""
    try:
        if dtype.kind == "O":
            array = np.asarray(value, dtype=object)
            if any(not isinstance(item, str | bytes) for item in array.flat):
                raise ValueError("not strings, or rows of different lengths")
            return array
        given = np.asarray(value)
        array = given.astype(dtype)
        if not np.array_equal(array, given):
            raise ValueError(f"not of type {dtype.name}")
        return array
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"input {name} of signature {signature}: {error}") from None
