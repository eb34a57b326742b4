"""Writes a checkpoint and its tokenizer as a SavedModel for TF Serving."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tfmlm._version import __version__
from tfmlm.checkpoint.frame import frame_of, skipped_ids
from tfmlm.checkpoint.limits import require_ids, vocabulary_size, window_length
from tfmlm.checkpoint.unwrapped import unwrapped
from tfmlm.collector import seldom_collected
from tfmlm.errors import RunFailedError, UnsupportedTokenizerError, UserError
from tfmlm.export.checking.validate import validate_export
from tfmlm.export.contract import DEFAULT_MAX_TEXT_BYTES, DEFAULT_TOP_K
from tfmlm.export.encoder.bfloat16 import bfloat16_copy
from tfmlm.export.encoder.int8 import int8_predictor
from tfmlm.export.encoder.packed import PackedPredictor
from tfmlm.export.encoder.packed_modernbert import PackedModernBert
from tfmlm.export.encoder.packed_parts import is_packable
from tfmlm.export.encoder.padding import EqualLengths, padding_is_neutral
from tfmlm.export.encoder.predictor import ModelPredictor, TokenTypes
from tfmlm.export.graph.fill_mask import FillMask
from tfmlm.export.graph.settings import ExportSettings
from tfmlm.export.graph.signatures import build_signatures
from tfmlm.export.graph.vocabulary import Vocabulary
from tfmlm.export.samples import sample_texts
from tfmlm.export.versions import RECORD, new_version
from tfmlm.export.writing.fastest import fastest_export
from tfmlm.export.writing.inline import rewrite_saved_model
from tfmlm.export.writing.servable_ops import oldest_release, operations
from tfmlm.export.writing.warmup import FILE as WARMUP_FILE
from tfmlm.export.writing.warmup import write_warmup
from tfmlm.files import require_space, write_json
from tfmlm.progress import say, shown

#: Increased when a reader of the record has to know.
RECORD_FORMAT = 1
SELF_TESTS = ("quick", "full")
OPS = ("core", "text")
DTYPES = {
    "float32": "float32",
    "fp32": "float32",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
    "int8": "int8",
    "auto": "auto",  # the fastest of the three on this machine
}
#: Least share of masks with the checkpoint's best word; in bfloat16 it is only measured.
MIN_AGREEMENT = {"float32": 0.0, "bfloat16": 0.0, "int8": 0.95, "auto": 0.95}
#: Most warm-up texts that set the scales of int8, and most by which these are judged.
_CALIBRATING, _JUDGING = 1_000, 200
_PACKAGES = (
    "tensorflow",
    "tensorflow-text",
    "tf-keras",
    "transformers",
    "tokenizers",
    "numpy",
)


@seldom_collected()
def export_saved_model(
    model: Any,
    tokenizer: Any,
    export_dir: str | os.PathLike[str],
    top_k: int = DEFAULT_TOP_K,
    max_length: int | None = None,
    version: int | None = None,
    warmup_texts: Sequence[str] | None = None,
    *,
    max_text_bytes: int = DEFAULT_MAX_TEXT_BYTES,
    max_top_k: int | None = None,
    dtype: str = "float32",
    min_agreement: float | None = None,
    self_test: str = "quick",
    ops: str = "core",
    allow_untrained_head: bool = False,
    progress: Callable[[str], None] | None = None,
) -> str:
    """Exports a masked LM with its tokenizer in the graph to `export_dir/<version>/`.

    The export is compared with the checkpoint before servers can see it.

    Args:
        model: a TF masked LM of transformers, what wraps one (a `MaskedLMTrainer`), or the folder
            or name of a checkpoint.
        tokenizer: its tokenizer, or the folder or name of one; None: beside the checkpoint.
        export_dir: the folder that holds the versions, as a server is given it.
        top_k: words for each mask where a request does not say.
        max_length: most tokens of a text with special tokens; longer texts are cut to a window
            around their first mask. What the model and its tokenizer take by default.
        version: number of the version, the next free one by default.
        warmup_texts: texts with masks that a server answers before it takes requests; samples in
            several scripts and lengths by default.
        max_text_bytes: longer texts are not read.
        max_top_k: most words for each mask that a request may ask for, the vocabulary by default.
        dtype: `float32`; `bfloat16` for weights and encoder in half the size; or `int8` for weights
            in a quarter and matrix products in 8-bit integers, whose scales the warm-up texts set,
            at most 1,000 of them; or `auto`, whichever of these answers soonest on this machine, of
            those that keep `min_agreement`.
        min_agreement: refuses an export whose best word is the checkpoint's at fewer masks, from
            0 to 1; by default 0.95 with `int8` and `auto`, and no bound otherwise. With `int8` and
            warm-up texts given, every fifth of these, which sets no scale, is what counts.
        self_test: how the tokenizer's graph is compared with the fast tokenizer: `quick`, some
            80,000 texts, or `full`, every code point in every context, which takes minutes.
        ops: `core`, TensorFlow's own operations alone, so that TensorFlow loads the export by
            itself; or `text`: a WordPiece by an operation of TF Text, which is faster and which
            TensorFlow Serving has built in.
        allow_untrained_head: whether a checkpoint that is loaded may lack weights of its masked-LM
            head, which are then random.
        progress: called with what is done next; by default it is said on a terminal and in a
            notebook.

    Returns:
        Path of the version folder.

    Raises:
        UserError: a setting is wrong, or the folder cannot be written.
        RunFailedError: the export does not give what the checkpoint and its tokenizer give, or the
            disk is full; or its best words are the checkpoint's more rarely than asked for.
    """
    tell = progress or _tell
    if dtype not in DTYPES:
        raise UserError(f"dtype {dtype!r} is unknown; choose float32, bfloat16, int8 or auto")
    if min_agreement is None:
        min_agreement = MIN_AGREEMENT[DTYPES[dtype]]
    if not 0 <= min_agreement <= 1:
        raise UserError(f"min_agreement is {min_agreement}; it is a share from 0 to 1")
    if self_test not in SELF_TESTS:
        raise UserError(f"self_test {self_test!r} is unknown; choose quick or full")
    if ops not in OPS:
        raise UserError(f"ops {ops!r} is unknown; choose core or text")
    _check_positive(top_k=top_k, max_text_bytes=max_text_bytes, max_top_k=max_top_k)
    model, tokenizer = _loaded(model, tokenizer, tell, allow_untrained_head)
    if dtype == "auto":

        def export(folder: Path, number_type: str) -> str:
            return export_saved_model(
                model,
                tokenizer,
                folder,
                top_k,
                max_length,
                warmup_texts=warmup_texts,
                max_text_bytes=max_text_bytes,
                max_top_k=max_top_k,
                dtype=number_type,
                min_agreement=0.0 if number_type == "float32" else min_agreement,
                self_test=self_test,
                ops=ops,
                progress=progress,
            )

        longest = window_length(model.config, tokenizer, max_length, len(frame_of(tokenizer)))
        asked = _warmup_texts(warmup_texts, tokenizer.mask_token, longest)
        return fastest_export(export, export_dir, version, asked, tell)
    with new_version(export_dir, version) as target:
        require_space(Path(export_dir), _size_of_weights(model, DTYPES[dtype]), "the export")
        frame = frame_of(tokenizer)
        settings = _settings(
            model,
            tokenizer,
            top_k=top_k,
            max_top_k=max_top_k,
            max_text_bytes=max_text_bytes,
            max_length=window_length(model.config, tokenizer, max_length, len(frame)),
            prefix_ids=frame.before,
            suffix_ids=frame.behind,
        )
        texts = _warmup_texts(warmup_texts, tokenizer.mask_token, settings.max_length)
        tell("building the tokenizer's graph")
        graph, refusal = _tokenizer_graph(tokenizer, ops)
        tested = None
        if graph is not None:
            tell("testing the tokenizer's graph")
            tested = _tokenizer_test(graph, self_test)
        types = TokenTypes.of(model, tokenizer)
        judging: list[str] = []
        if DTYPES[dtype] == "int8":
            tell("setting the scales of int8")
            calibrating, judging = _divided(texts, warmup_texts is not None)
            rows = _token_rows(tokenizer, calibrating, settings.max_length)
            predictor: Any = int8_predictor(model, types, rows, settings.mask_id)
        else:
            predictor = _predictor(model, types, DTYPES[dtype], settings)
        vocabulary = Vocabulary.of(tokenizer, settings.vocab_size) if graph is not None else None
        fill = FillMask(predictor, settings, graph, vocabulary)
        tell("writing the SavedModel")
        names = _save(fill, target.folder)
        extra = target.folder / "assets.extra"
        extra.mkdir(exist_ok=True)
        requests = write_warmup(
            extra / WARMUP_FILE, names, texts, settings.max_length, settings.mask_id
        )
        record = _record(model, tokenizer, settings, graph, refusal, DTYPES[dtype])
        record["tokenizer"]["self_test"] = tested
        record["signatures"] = names
        record["warmup_requests"] = requests
        record["oldest_tf_serving"] = oldest_release(operations(target.folder))
        write_json(extra / RECORD, record)
        tell("comparing the export with the checkpoint")
        record["self_test"] = validate_export(target.folder, model, tokenizer)
        share = record["self_test"]["top1_agreement"]
        if judging:
            share = validate_export(target.folder, model, tokenizer, judging)["top1_agreement"]
            record["self_test"]["warmup_top1_agreement"] = share
        _require_agreement(share, min_agreement, DTYPES[dtype])
        write_json(extra / RECORD, record)
        return str(target.publish())


def _divided(texts: list[str], are_own: bool) -> tuple[list[str], list[str]]:
    """Texts that set the scales, and texts of one's own that judge them: of many every fifth."""
    if not are_own:
        return texts, []
    if len(texts) <= 20:
        return texts, texts
    others = [text for number, text in enumerate(texts) if number % 5]
    return others[:_CALIBRATING], texts[::5][:_JUDGING]


def _token_rows(tokenizer: Any, texts: Sequence[str], max_length: int) -> list[np.ndarray]:
    """Ids int32 [tokens] of each text in its frame, cut behind."""
    read = tokenizer(list(texts), truncation=True, max_length=max_length, verbose=False)
    return [np.array(row, np.int32) for row in read["input_ids"]]


def _require_agreement(share: float, least: float, dtype: str) -> None:
    """Raises: RunFailedError: the export's best words are the checkpoint's too rarely."""
    if share < least:
        raise RunFailedError(
            f"the best word is the checkpoint's at {share:.2%} of the masks compared, less than "
            f"min_agreement {least:.2%}; give texts like yours as warm-up texts, a lower "
            f"min_agreement, or another dtype than {dtype}"
        )


def _size_of_weights(model: Any, dtype: str) -> int:
    """Bytes that an export holds at least."""
    import tensorflow as tf

    return sum(v.shape.num_elements() for v in model.weights) * tf.as_dtype(dtype).size


def _tell(message: str) -> None:
    if shown():
        say(f"{message} …")


def _check_positive(**numbers: int | None) -> None:
    for name, number in numbers.items():
        if number is not None and number < 1:
            raise UserError(f"{name} is {number}; it must be at least 1")


def _loaded(
    model: Any, tokenizer: Any, tell: Callable[[str], None], allow_untrained_head: bool
) -> tuple[Any, Any]:
    from tfmlm.checkpoint.load import load_model, load_tokenizer

    if tokenizer is None and not isinstance(model, (str, os.PathLike)):
        raise UserError("give the model's tokenizer")
    source = tokenizer if tokenizer is not None else model
    if isinstance(model, (str, os.PathLike)):
        tell(f"loading {model}")
        model = load_model(model, allow_untrained_head=allow_untrained_head)
    model = unwrapped(model)
    if isinstance(source, (str, os.PathLike)):
        tokenizer = load_tokenizer(source)
    if getattr(tokenizer, "mask_token_id", None) is None:
        raise UserError("the tokenizer has no mask token; choose a masked LM's tokenizer")
    if not model.built:
        model.build_in_name_scope()
    return model, tokenizer


def _settings(model: Any, tokenizer: Any, max_top_k: int | None, **given: Any) -> ExportSettings:
    require_ids(model.config, tokenizer)
    size = vocabulary_size(model.config)
    pad = tokenizer.pad_token_id
    unknown = tokenizer.unk_token_id
    pad = 0 if pad is None else pad
    return ExportSettings(
        vocab_size=size,
        mask_id=tokenizer.mask_token_id,
        pad_id=pad,
        unk_id=pad if unknown is None else unknown,
        special_ids=skipped_ids(tokenizer),
        max_top_k=size if max_top_k is None else max_top_k,
        **given,
    )


def _warmup_texts(texts: Sequence[str] | None, mask_token: str, max_length: int) -> list[str]:
    if texts is None:
        return sample_texts(mask_token, longest=max(8, max_length // 2))
    lines = [text for text in texts if text.strip()]
    if not lines or not any(mask_token in text for text in lines):
        raise UserError(f"none of the warm-up texts holds {mask_token}")
    return lines


def _tokenizer_graph(tokenizer: Any, ops: str) -> tuple[Any, str | None]:
    """The tokenizer as a graph, or None and why not."""
    from tfmlm.tokenizer_graph import GraphTokenizer

    try:
        return GraphTokenizer.from_tokenizer(tokenizer, ops=ops), None
    except UnsupportedTokenizerError as error:
        return None, str(error)


#: Results by fingerprint and mode: a graph follows from tokenizer.json and what is installed.
_tested: dict[tuple[str, str, str], dict[str, Any]] = {}


def _tokenizer_test(graph: Any, mode: str) -> dict[str, Any]:
    """Counts of a comparison with the fast tokenizer, made once a process.

    Raises:
        RunFailedError: the graph differs.
    """
    from tfmlm.tokenizer_graph.selftest import self_test

    key = (graph.fingerprint, graph.ops, mode)
    if key not in _tested:
        result = self_test(graph, mode)
        result.raise_if_failed()
        _tested[key] = {k: v for k, v in result.to_json().items() if k != "examples"}
    return _tested[key]


def _predictor(
    model: Any, token_types: TokenTypes | None, dtype: str, settings: ExportSettings
) -> Any:
    # Rows that are packed touch each other nowhere; in bfloat16 padding would not seem neutral.
    packed = model.config.model_type == "modernbert" or is_packable(model)
    neutral = packed or padding_is_neutral(ModelPredictor(model, token_types), settings)
    if dtype == "bfloat16":
        model = bfloat16_copy(model)
    if model.config.model_type == "modernbert":
        return PackedModernBert(model)
    if packed:
        return PackedPredictor(model, token_types)
    predictor = ModelPredictor(model, token_types)
    return predictor if neutral else EqualLengths(predictor)


def _save(fill: FillMask, folder: Path) -> list[str]:
    import tensorflow as tf

    # Traced before it is saved: TensorFlow keeps no trace of before for a function that it saves,
    # and the tokenizer's was made for its test.
    signatures = {
        name: function.get_concrete_function() for name, function in build_signatures(fill).items()
    }
    tf.saved_model.save(fill, str(folder), signatures=signatures)
    rewrite_saved_model(folder)
    return sorted(signatures)


def _record(
    model: Any,
    tokenizer: Any,
    settings: ExportSettings,
    graph: Any,
    refusal: str | None,
    dtype: str,
) -> dict[str, Any]:
    return {
        "format": RECORD_FORMAT,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "versions": {
            "tfmlm": __version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in _PACKAGES},
        },
        "model": {
            "architecture": type(model).__name__,
            "model_type": model.config.model_type,
            "vocab_size": settings.vocab_size,
            "parameters": int(sum(v.shape.num_elements() for v in model.variables)),
            "dtype": dtype,
        },
        "tokenizer": {
            "class": type(tokenizer).__name__,
            "in_graph": graph is not None,
            "fingerprint": graph.fingerprint if graph is not None else None,
            "refused": refusal,
            "mask_token": tokenizer.mask_token,
            "mask_token_id": settings.mask_id,
        },
        "defaults": {
            "top_k": min(settings.top_k, settings.vocab_size),
            "max_length": settings.max_length,
            "max_text_bytes": settings.max_text_bytes,
            "max_top_k": settings.max_top_k,
        },
    }
