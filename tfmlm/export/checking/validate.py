"""Holds an export to its checkpoint: names, then shapes, then values."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from tfmlm.errors import RunFailedError
from tfmlm.export.checking.filler import CheckpointFiller, Filled
from tfmlm.export.checking.scorer import CheckpointScorer
from tfmlm.export.graph.signatures import SIGNATURES
from tfmlm.export.loader import LoadedFillMask, find_version
from tfmlm.export.samples import sample_texts

#: Largest difference of a probability in float32.
SCORE_TOLERANCE = 1e-5
_NO_TEXT = ("", "No mask stands here.", "   ")


class ExportNamesError(RunFailedError):
    """A signature, an input or an output is missing or has another type."""


class ExportShapesError(RunFailedError):
    """An output has another shape than the contract says."""


class ExportValuesError(RunFailedError):
    """An output differs from what the checkpoint gives."""


def validate_export(
    path: str | os.PathLike[str],
    model: Any,
    tokenizer: Any,
    texts: Sequence[str] | None = None,
) -> dict[str, Any]:
    """Compares an export with the model and the tokenizer it was made of.

    Args:
        path: export folder or version folder.
        model: the TF masked LM.
        tokenizer: its fast tokenizer.
        texts: texts with masks; samples in several scripts and lengths by default.

    Returns:
        What was compared: `texts`, `masks`, `tokenized`, `top1_agreement` (share of masks whose
        best token is the checkpoint's), `top_k_agreement` (share of all tokens), and
        `largest_score_difference`.

    Raises:
        ExportNamesError, ExportShapesError, ExportValuesError: the first difference found. An
            export in bfloat16 may differ in scores and in the order of tokens.
    """
    loaded = LoadedFillMask(find_version(path))
    _check_names(loaded)
    if "serving_default" not in loaded.signatures:
        return _validate_ids(loaded, model, tokenizer)
    mask_token = loaded.mask_token
    chosen = list(texts) if texts is not None else sample_texts(mask_token)
    _check_shapes(loaded, chosen[:3])
    most = loaded.record["defaults"]["max_text_bytes"]
    readable = [text for text in (*chosen, *_NO_TEXT) if len(text.encode()) <= most]
    report = _check_tokenizer(loaded, tokenizer, readable)
    report |= _check_values(loaded, model, tokenizer, chosen)
    report |= _check_scores(loaded, model, tokenizer, [*chosen[:3], *_NO_TEXT])
    return report


def _check_names(loaded: LoadedFillMask) -> None:
    import tensorflow as tf

    expected = set(SIGNATURES) if loaded.record["tokenizer"]["in_graph"] else {"fill_mask_ids"}
    if set(loaded.signatures) != expected:
        raise ExportNamesError(f"signatures are {loaded.signatures}, expected {sorted(expected)}")
    for name in sorted(expected):
        for kind, wanted in zip(("inputs", "outputs"), SIGNATURES[name], strict=True):
            infos = getattr(loaded.definition(name), kind)
            found = {
                key: (tf.as_dtype(i.dtype).name, len(i.tensor_shape.dim))
                for key, i in infos.items()
            }
            if found != wanted:
                raise ExportNamesError(f"{kind} of {name} are {found}, expected {wanted}")


def _check_shapes(loaded: LoadedFillMask, texts: Sequence[str]) -> None:
    batch, k = len(texts), loaded.record["defaults"]["top_k"]
    asked = {"serving_default": k, "fill_mask_top_k": 2, "fill_mask_targets": 3}
    for signature, columns in asked.items():
        outputs = loaded.fill_arrays(
            texts,
            top_k=2 if signature == "fill_mask_top_k" else None,
            targets=["one", "two", "three"] if signature == "fill_mask_targets" else None,
        )
        masks = int(outputs["mask_count"].max())
        for name, value in outputs.items():
            rank = SIGNATURES[signature][1][name][1]
            shape = {1: (batch,), 2: (batch, columns), 3: (batch, masks, columns)}[rank]
            if value.shape != shape:
                raise ExportShapesError(
                    f"{signature} gives {name} the shape {value.shape}, expected {shape}"
                )


def _check_tokenizer(
    loaded: LoadedFillMask, tokenizer: Any, texts: Sequence[str]
) -> dict[str, Any]:
    raw = np.array([t.encode() for t in texts], object)
    arrays = loaded.predict("tokenize", {"text": raw})
    for row, text in enumerate(texts):
        ids = arrays["input_ids"][row][arrays["attention_mask"][row] == 1].tolist()
        expected = tokenizer(text)["input_ids"]
        if ids != expected:
            raise ExportValuesError(
                f"the tokenizer in the graph gives {ids} for {text!r}, expected {expected}"
            )
    return {"tokenized": len(texts)}


def _check_values(
    loaded: LoadedFillMask, model: Any, tokenizer: Any, texts: Sequence[str]
) -> dict[str, Any]:
    defaults = loaded.record["defaults"]
    reference = CheckpointFiller(
        model,
        tokenizer,
        defaults["max_length"],
        defaults["top_k"],
        defaults["max_text_bytes"],
    )
    exact = loaded.record["model"]["dtype"] == "float32"
    outputs = loaded.fill_arrays(texts)
    same_best = same_tokens = masks = tokens = 0
    largest = 0.0
    for row, text in enumerate(texts):
        answer = reference.fill(text)
        _check_row(outputs, row, text, answer)
        scored = -1
        for slot, items in enumerate(answer.items):
            found = outputs["token"][row, slot]
            if not items:
                if (found >= 0).any():
                    raise ExportValuesError(f"a mask outside the window of {text!r} was scored")
                continue
            scored += 1
            expected = answer.probabilities[scored][found]
            difference = float(np.abs(outputs["score"][row, slot] - expected).max())
            rank = [item["score"] for item in items]
            difference = max(difference, float(np.abs(outputs["score"][row, slot] - rank).max()))
            largest = max(largest, difference)
            masks += 1
            same_best += int(found[0] == items[0]["token"])
            agree = [int(f) == item["token"] for f, item in zip(found, items, strict=True)]
            same_tokens += sum(agree)
            tokens += len(agree)
            if exact and difference > SCORE_TOLERANCE:
                raise ExportValuesError(
                    f"scores of {text!r} differ by {difference:.2g} from the checkpoint's"
                )
            for i, item in enumerate(items):
                sequence = outputs["sequence"][row, slot, i].decode()
                if agree[i] and sequence != item["sequence"]:
                    raise ExportValuesError(
                        f"sequence is {sequence!r}, the checkpoint gives {item['sequence']!r}"
                    )
        if exact and outputs["filled"][row].decode() != answer.filled and same_best == masks:
            raise ExportValuesError(
                f"filled is {outputs['filled'][row].decode()!r}, expected {answer.filled!r}"
            )
    return {
        "texts": len(texts),
        "masks": masks,
        "top1_agreement": same_best / max(masks, 1),
        "top_k_agreement": same_tokens / max(tokens, 1),
        "largest_score_difference": largest,
    }


def _check_row(outputs: dict[str, np.ndarray], row: int, text: str, answer: Filled) -> None:
    found = outputs["status"][row].decode(), int(outputs["mask_count"][row])
    if found != (answer.status, answer.mask_count):
        raise ExportValuesError(
            f"status and mask count of {text!r} are {found}, the checkpoint gives "
            f"{(answer.status, answer.mask_count)}"
        )


def _check_scores(
    loaded: LoadedFillMask, model: Any, tokenizer: Any, texts: Sequence[str]
) -> dict[str, Any]:
    """Compares `score_text` with the checkpoint; log-probabilities, relative to their size."""
    defaults = loaded.record["defaults"]
    scorer = CheckpointScorer(model, tokenizer, defaults["max_length"], defaults["max_text_bytes"])
    outputs = loaded.predict("score_text", {"text": [t.encode() for t in texts]})
    exact = loaded.record["model"]["dtype"] == "float32"
    for row, text in enumerate(texts):
        expected = scorer.score(text)
        status, count = outputs["status"][row].decode(), int(outputs["token_count"][row])
        tokens = outputs["token"][row][: len(expected.token)]
        if (status, count) != (expected.status, expected.token_count) or not np.array_equal(
            tokens, expected.token
        ):
            raise ExportValuesError(
                f"score_text gives {text!r} the status {status} and {count} tokens "
                f"{tokens.tolist()}, expected {expected.status} and {expected.token_count} tokens "
                f"{expected.token}"
            )
        found = outputs["score"][row][: len(expected.score)]
        if exact and not np.allclose(found, expected.score, atol=1e-4, rtol=SCORE_TOLERANCE):
            difference = float(np.abs(found - expected.score).max())
            raise ExportValuesError(
                f"log-probabilities of {text!r} differ by {difference:.2g} from the checkpoint's"
            )
    return {"scored_texts": len(texts)}


def _validate_ids(loaded: LoadedFillMask, model: Any, tokenizer: Any) -> dict[str, Any]:
    """The same for an export without a tokenizer in the graph."""
    import tensorflow as tf

    mask = tokenizer.mask_token
    texts = sample_texts(mask, longest=min(64, loaded.record["defaults"]["max_length"] // 2))
    largest, same, masks = 0.0, 0, 0
    for text in texts:
        encoded = tokenizer(text, return_tensors="np")
        ids = encoded["input_ids"].astype(np.int32)
        if ids.shape[1] > loaded.record["defaults"]["max_length"]:
            continue
        found = loaded.predict(
            "fill_mask_ids", {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        )
        positions = np.nonzero(ids[0] == tokenizer.mask_token_id)[0]
        if found["mask_position"][0].tolist() != positions.tolist():
            raise ExportValuesError(f"masks of {text!r} are not where the tokenizer has them")
        inputs = {k: tf.constant(v) for k, v in encoded.items() if k in tokenizer.model_input_names}
        expected = tf.nn.softmax(tf.cast(model(inputs).logits, tf.float32)).numpy()[0]
        for slot, position in enumerate(positions):
            best = found["token"][0, slot]
            difference = np.abs(found["score"][0, slot] - expected[position][best]).max()
            largest = max(largest, float(difference))
            same += int(best[0] == expected[position].argmax())
            masks += 1
    if largest > SCORE_TOLERANCE and loaded.record["model"]["dtype"] == "float32":
        raise ExportValuesError(f"scores differ by {largest:.2g} from the checkpoint's")
    return {
        "texts": len(texts),
        "masks": masks,
        "top1_agreement": same / max(masks, 1),
        "largest_score_difference": largest,
    }
