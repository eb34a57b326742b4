"""Holds an export to its checkpoint: names, then shapes, then every value of every signature."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from tfmlm.errors import RunFailedError
from tfmlm.export.checking.filler import CheckpointFiller, Reading
from tfmlm.export.checking.logits import softmax
from tfmlm.export.checking.scorer import CheckpointScorer
from tfmlm.export.checking.sessions import Sessions
from tfmlm.export.checking.texts import (
    compared_texts,
    numbers_asked,
    scored_texts,
    targets_asked,
)
from tfmlm.export.contract import SIGNATURES

#: Largest difference of a probability in float32.
SCORE_TOLERANCE = 1e-5
#: Largest difference of the natural log of a probability in float32, so that improbable words of a
#: large vocabulary are compared as well; 1e-5 is all that a word of a random model has.
LOG_TOLERANCE = 2e-3
#: Less is 0 as good as: exp(−80).
_LEAST = 1.8e-35
#: Tokens of a vocabulary that are all asked for.
_TABLE = 2**15


class ExportNamesError(RunFailedError):
    """A signature, an input or an output is missing or has another type."""


class ExportShapesError(RunFailedError):
    """An output has another shape than the contract says."""


class ExportValuesError(RunFailedError):
    """An output differs from what the checkpoint gives."""


class Answers(Protocol):
    """What is compared: an export in a session, or signatures that are not saved yet."""

    record: dict[str, Any]

    def predict(self, signature: str, inputs: dict[str, Any]) -> dict[str, np.ndarray]:
        """Arrays of a signature by name; strings as bytes."""


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
        tokenizer: its tokenizer.
        texts: texts with masks; by default samples in several scripts and lengths, with masks at
            all places, without any, and over the length.

    Returns:
        What was compared: `texts`, `masks`, `tokenized`, `scored_texts`, `top1_agreement` (share of
        masks whose best token is the checkpoint's), `top_k_agreement` (share of all tokens), and
        `largest_score_difference`.

    Raises:
        ExportNamesError, ExportShapesError, ExportValuesError: the first difference found. An
            export in bfloat16 may differ in scores and in the order of tokens.
    """
    from tfmlm.export.loader import find_version

    sessions = Sessions(find_version(path))
    check_names(sessions.loaded(optimized=False))
    return compare(sessions, model, tokenizer, texts)


def check_names(loaded: Any) -> None:
    """Compares names, types and ranks of the signatures of a `LoadedFillMask` with the contract.

    Raises:
        ExportNamesError: they differ.
    """
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


def compare(
    answers: Answers, model: Any, tokenizer: Any, texts: Sequence[str] | None = None
) -> dict[str, Any]:
    """Compares shapes and values; arguments, result and errors are those of `validate_export`."""
    referee = _Referee(answers, model, tokenizer)
    limits = tokenizer.mask_token, referee.max_length, referee.max_text_bytes
    chosen = list(texts) if texts is not None else compared_texts(*limits)
    readings = [referee.filler.read(text) for text in chosen]
    report: dict[str, Any] = {}
    if answers.record["tokenizer"]["in_graph"]:
        report |= referee.check_tokens(chosen)
        referee.check_top_k(readings)
        referee.check_targets(readings)
        referee.check_vocabulary()
        report |= referee.check_scored(scored_texts(*limits) if texts is None else chosen[:3])
        referee.check_texts(readings)
    referee.check_ids(chosen)
    return {
        "texts": len(chosen),
        "masks": sum(len(reading.inside) for reading in readings),
        **report,
        "top1_agreement": referee.same_best / max(referee.masks, 1),
        "top_k_agreement": referee.same / max(referee.compared, 1),
        "largest_score_difference": referee.largest,
    }


class _Referee:
    """The comparisons of one export, and what they found."""

    def __init__(self, answers: Answers, model: Any, tokenizer: Any) -> None:
        record = answers.record
        defaults = record["defaults"]
        self.max_length: int = defaults["max_length"]
        self.max_text_bytes: int = defaults["max_text_bytes"]
        self.filler = CheckpointFiller(
            model, tokenizer, self.max_length, defaults["top_k"], self.max_text_bytes
        )
        self._answers, self._model, self._tokenizer = answers, model, tokenizer
        self._exact = record["model"]["dtype"] == "float32"
        self._size = model.config.vocab_size
        self._top_k = defaults["top_k"]
        self._most = min(defaults["max_top_k"], self._size)
        self.largest = 0.0
        self.masks = self.same_best = self.compared = self.same = 0

    # ---------------------------------------------------------------- one signature each

    def check_tokens(self, texts: Sequence[str]) -> dict[str, int]:
        """`tokenize`; texts over the bytes are read as empty ones."""
        found = self._run("tokenize", texts, {})
        rows = []
        for text in texts:
            read = text if len(text.encode()) <= self.max_text_bytes else ""
            rows.append(self._tokenizer(read, verbose=False)["input_ids"])
        longest = max(map(len, rows))
        self._shapes("tokenize", found, (len(texts), longest))
        pad = self._tokenizer.pad_token_id or 0
        left = self._tokenizer.padding_side == "left"
        for row, (text, ids) in enumerate(zip(texts, rows, strict=True)):
            rest = longest - len(ids)
            padded = [pad] * rest + ids if left else ids + [pad] * rest
            mask = [0] * rest + [1] * len(ids) if left else [1] * len(ids) + [0] * rest
            for name, expected in (("input_ids", padded), ("attention_mask", mask)):
                if found[name][row].tolist() != expected:
                    raise ExportValuesError(
                        f"the tokenizer in the graph gives {_short(text)} the {name} "
                        f"{_cut(found[name][row].tolist())}, expected {_cut(expected)}"
                    )
        return {"tokenized": len(texts)}

    def check_texts(self, readings: Sequence[Reading]) -> None:
        """`serving_default`."""
        found = self._run("serving_default", [r.text for r in readings], {})
        asked = [self._top_k] * len(readings)
        self._check_filled("serving_default", found, readings, asked, self._top_k)

    def check_top_k(self, readings: Sequence[Reading]) -> None:
        """`fill_mask_top_k`, with another number for each text."""
        asked = numbers_asked(len(readings))
        inputs = {"top_k": np.array(asked, np.int32)}
        found = self._run("fill_mask_top_k", [r.text for r in readings], inputs)
        allowed = [min(max(number, 1), self._most) for number in asked]
        columns = max(allowed)
        self._check_filled("fill_mask_top_k", found, readings, allowed, columns)

    def check_targets(self, readings: Sequence[Reading]) -> None:
        """`fill_mask_targets`, with other words for each text."""
        spelled = self._tokenizer.convert_ids_to_tokens(range(len(self._tokenizer)))
        asked = targets_asked(len(readings), spelled)
        raw = np.array([[word.encode() for word in words] for words in asked], object)
        found = self._run("fill_mask_targets", [r.text for r in readings], {"targets": raw})
        columns = raw.shape[1]
        exact = found.pop("target_exact", None)
        self._check_filled("fill_mask_targets", found, readings, asked, columns)
        for row, (reading, words) in enumerate(zip(readings, asked, strict=True)):
            expected = self.filler.target_exact(reading, words)
            if exact is None or exact[row].tolist() != expected:
                raise ExportValuesError(
                    f"target_exact of {words} in {_short(reading.text)} is "
                    f"{None if exact is None else exact[row].tolist()}, expected {expected}"
                )

    def check_vocabulary(self) -> None:
        """The tables by id: the string of every token, and what it means as a target.

        Of a vocabulary over 32,768 tokens as many.
        """
        tokens = range(0, len(self._tokenizer), -(-len(self._tokenizer) // _TABLE))
        spelled = [t for t in self._tokenizer.convert_ids_to_tokens(tokens) if t]
        # `re` and `##re` both mean `##re` behind a word, so only one of them is asked for there.
        alike = self.filler.words.target
        moved = [t for t in spelled if alike(t, "play")[0] != alike(t, "")[0]]
        mask = self._tokenizer.mask_token
        asked = [(mask, spelled), (f"play{mask}", moved[::2]), (f"play{mask}", moved[1::2])]
        readings = [self.filler.read(text) for text, _ in asked]
        raw = np.full([len(asked), len(spelled)], b"", object)
        for row, (_, targets) in enumerate(asked):
            raw[row, : len(targets)] = [target.encode() for target in targets]
        found = self._run("fill_mask_targets", [r.text for r in readings], {"targets": raw})
        for row, (reading, (_, targets)) in enumerate(zip(readings, asked, strict=True)):
            what = f"fill_mask_targets of {reading.text!r}, with the vocabulary as targets,"
            best = self.filler.best(reading, 0, 1, targets)
            self._check_scores(what, found, row, 0, reading.probabilities[0], best, counts=False)
            exact = np.array(self.filler.target_exact(reading, targets), bool)
            wrong = np.nonzero(found["target_exact"][row, : len(targets)] != exact)[0]
            for number in wrong[:1]:
                raise ExportValuesError(
                    f"{what} has the target_exact {not exact[number]} for {targets[number]!r}"
                )
            for column, token in enumerate(found["token"][row, 0, : len(best)].tolist()):
                given = _plain(found["token_str"][row, 0, column])
                if given != self.filler.words.string(token):
                    raise ExportValuesError(
                        f"the string of the token {token} is {given!r}, the tokenizer decodes "
                        f"{self.filler.words.string(token)!r}"
                    )

    def check_ids(self, texts: Sequence[str]) -> None:
        """`fill_mask_ids`, on rows of several lengths and one over the model's."""
        rows = []
        for text in texts:
            if len(text.encode()) > self.max_text_bytes:
                continue
            row = self.filler.read_tokens(text).row
            cut = len(row["input_ids"]) > self.max_length
            if not cut or len(set(row["token_type_ids"])) == 1:
                rows.append(row)
        longest = max(len(row["input_ids"]) for row in rows)
        pad = self._tokenizer.pad_token_id or 0
        ids = np.full([len(rows), longest], pad, np.int32)
        seen = np.zeros_like(ids)
        for number, row in enumerate(rows):
            own = row["input_ids"]
            ids[number, : len(own)] = own
            seen[number, : len(own)] = 1
        found = self._answers.predict("fill_mask_ids", {"input_ids": ids, "attention_mask": seen})
        mask = self._tokenizer.mask_token_id
        rows = [{k: v[: self.max_length] for k, v in row.items()} for row in rows]
        places = [[i for i, t in enumerate(row["input_ids"]) if t == mask] for row in rows]
        most = max(map(len, places))
        self._shapes("fill_mask_ids", found, (len(rows), most, self._top_k))
        for number, (row, masks) in enumerate(zip(rows, places, strict=True)):
            what = f"fill_mask_ids for row {number} ({_cut(row['input_ids'])})"
            positions = found["mask_position"][number].tolist()
            if positions != masks + [-1] * (most - len(masks)):
                raise ExportValuesError(f"{what} finds masks at {positions}, expected {masks}")
            self._require_empty(what, found, number, len(masks), 0)
            if not masks:
                continue
            probabilities = softmax(self.filler.logits([row], [(0, place) for place in masks]))
            for slot, probability in enumerate(probabilities):
                best = np.argsort(-probability, kind="stable")[: self._top_k].tolist()
                self._check_scores(what, found, number, slot, probability, best)

    def check_scored(self, texts: Sequence[str]) -> dict[str, int]:
        """`score_text`: log-probabilities, compared relative to their size."""
        scorer = CheckpointScorer(
            self._model,
            self._tokenizer,
            self.max_length,
            self.max_text_bytes,
            self.filler.logits,
        )
        expected = [scorer.score(text) for text in texts]
        found = self._run("score_text", texts, {})
        columns = max(len(scored.token) for scored in expected)
        self._shapes("score_text", found, (len(texts), columns))
        for row, scored in enumerate(expected):
            rest = columns - len(scored.token)
            for name, wanted in (
                ("status", scored.status),
                ("token_count", scored.token_count),
                ("token", [*scored.token, *[-1] * rest]),
                ("token_str", [*scored.token_str, *[""] * rest]),
            ):
                given = _plain(found[name][row])
                if given != wanted:
                    raise ExportValuesError(
                        f"score_text gives {_short(scored.text)} the {name} {_cut(given)}, "
                        f"expected {_cut(wanted)}"
                    )
            self._check_offsets(scored.text, len(scored.token), found, row)
            values = [*scored.score, *[0.0] * rest]
            total = [scored.pseudo_log_likelihood]
            if not self._exact:
                continue
            for name, numbers in (("score", values), ("pseudo_log_likelihood", total)):
                given = np.reshape(found[name][row], [-1])
                if not np.allclose(given, numbers, atol=1e-4, rtol=SCORE_TOLERANCE):
                    difference = float(np.abs(given - numbers).max())
                    raise ExportValuesError(
                        f"log-probabilities of {_short(scored.text)} differ by {difference:.2g} "
                        "from the checkpoint's"
                    )
        return {"scored_texts": len(texts)}

    def _check_offsets(self, text: str, count: int, found: dict[str, np.ndarray], row: int) -> None:
        """Where tokens stand in a text: as the fast tokenizer says, or −1 in all of the batch."""
        if not self._tokenizer.is_fast or (found["start"] < 0).all():
            return
        read = self._tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=True, verbose=False
        )
        pairs = read["offset_mapping"][:count]
        rest = [-1] * (found["start"].shape[1] - count)
        for number, name in enumerate(("start", "end")):
            places = [pair[number] for pair in pairs]
            in_bytes = [len(text[:place].encode()) for place in places]
            for key, wanted in ((name, places), (f"{name}_byte", in_bytes)):
                given = _plain(found[key][row])
                if given != [*wanted, *rest]:
                    raise ExportValuesError(
                        f"score_text gives {_short(text)} the {key} {_cut(given)}, "
                        f"expected {_cut([*wanted, *rest])}"
                    )

    # ---------------------------------------------------------------- parts

    def _run(
        self, signature: str, texts: Sequence[str], inputs: dict[str, Any]
    ) -> dict[str, np.ndarray]:
        raw = np.array([text.encode() for text in texts], object)
        return dict(self._answers.predict(signature, {"text": raw, **inputs}))

    def _shapes(self, signature: str, found: dict[str, np.ndarray], shape: tuple[int, ...]) -> None:
        """Every output has the first dimensions of a shape."""
        for name, value in found.items():
            expected = shape[: SIGNATURES[signature][1][name][1]]
            if value.shape != expected:
                raise ExportShapesError(
                    f"{signature} gives {name} the shape {value.shape}, expected {expected}"
                )

    def _check_filled(
        self,
        signature: str,
        found: dict[str, np.ndarray],
        readings: Sequence[Reading],
        asked: Sequence[int | list[str]],
        columns: int,
    ) -> None:
        """The outputs that all text signatures share; for each text its number or its targets."""
        masks = max(reading.mask_count for reading in readings)
        self._shapes(signature, found, (len(readings), masks, columns))
        for row, (reading, wanted) in enumerate(zip(readings, asked, strict=True)):
            what = f"{signature} of {_short(reading.text)}"
            for name, expected in (
                ("status", reading.status),
                ("mask_count", reading.mask_count),
            ):
                if _plain(found[name][row]) != expected:
                    raise ExportValuesError(
                        f"{what} has the {name} {_plain(found[name][row])}, expected {expected}"
                    )
            words = {}
            for mask in range(masks):
                if mask not in reading.inside:
                    self._require_empty(what, found, row, mask, 0, mask + 1)
                    continue
                number = reading.inside.index(mask)
                if isinstance(wanted, int):
                    best = self.filler.best(reading, number, wanted)
                else:
                    best = self.filler.best(reading, number, 1, wanted)
                probability = reading.probabilities[number]
                self._check_scores(what, found, row, mask, probability, best)
                tokens = found["token"][row, mask, : len(best)].tolist()
                self._check_strings(what, found, row, reading, mask, tokens)
                if tokens:
                    words[mask] = self.filler.words.word(tokens[0])
            filled = _plain(found["filled"][row])
            if filled != reading.filled(words):
                raise ExportValuesError(
                    f"{what} has the filled text {filled!r}, expected {reading.filled(words)!r}"
                )

    def _check_scores(
        self,
        what: str,
        found: dict[str, np.ndarray],
        row: int,
        mask: int,
        probability: np.ndarray,
        best: Sequence[int],
        counts: bool = True,
    ) -> None:
        """Tokens and scores of one mask, whose best tokens by the checkpoint are `best`.

        Tokens whose probabilities are equal as far as float32 goes may change places.
        """
        self._require_empty(what, found, row, mask, len(best), mask + 1)
        tokens, scores = (found[name][row, mask, : len(best)] for name in ("token", "score"))
        if len(set(tokens.tolist())) != len(best) or not all(0 <= t < self._size for t in tokens):
            raise ExportValuesError(f"{what} gives the tokens {_cut(tokens.tolist())}")
        if counts:
            self.masks += 1
            self.same_best += int(not len(best) or tokens[0] == best[0])
            self.same += int(np.sum(tokens == best))
            self.compared += len(best)
        for expected in (probability[tokens], probability[list(best)]):
            difference = float(np.abs(scores - expected).max(initial=0.0))
            logs = np.log(np.maximum(scores, _LEAST)) - np.log(np.maximum(expected, _LEAST))
            self.largest = max(self.largest, difference)
            if self._exact and (
                difference > SCORE_TOLERANCE or np.abs(logs).max(initial=0.0) > LOG_TOLERANCE
            ):
                raise ExportValuesError(
                    f"scores of {what} differ by {difference:.2g} from the checkpoint's: "
                    f"{_cut(tokens.tolist())} {_cut(scores.tolist())}, expected {_cut(list(best))} "
                    f"{_cut(probability[list(best)].tolist())}"
                )

    def _check_strings(
        self,
        what: str,
        found: dict[str, np.ndarray],
        row: int,
        reading: Reading,
        mask: int,
        tokens: Sequence[int],
    ) -> None:
        """Strings of the tokens that were found, whatever their scores."""
        for column, token in enumerate(tokens):
            for name, expected in (
                ("token_str", self.filler.words.string(token)),
                ("sequence", self.filler.sequence(reading, mask, token)),
            ):
                given = _plain(found[name][row, mask, column])
                if given != expected:
                    raise ExportValuesError(
                        f"{what} has the {name} {given!r} for the token {token}, the tokenizer "
                        f"decodes {expected!r}"
                    )

    def _require_empty(
        self,
        what: str,
        found: dict[str, np.ndarray],
        row: int,
        mask: int,
        column: int,
        end: int | None = None,
    ) -> None:
        """Nothing stands beyond a row's masks and their candidates."""
        for name, empty in (("score", 0.0), ("token", -1), ("token_str", b""), ("sequence", b"")):
            if name in found and not np.all(found[name][row, mask:end, column:] == empty):
                raise ExportValuesError(
                    f"{what} has a {name} where nothing should be: "
                    f"{_cut(found[name][row, mask:end, column:].ravel().tolist())}"
                )


def _plain(value: Any) -> Any:
    """An array or one of its entries as Python has it, strings as str."""
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    return value.item() if isinstance(value, np.generic) else value


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "…")


def _cut(value: Any) -> str:
    shown = str(value)
    return shown if len(shown) <= 300 else shown[:300] + "…"
