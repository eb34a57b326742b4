"""Files that would take forever, or mean two things, are refused at once and by name."""

from __future__ import annotations

import copy
import json
import random
import resource
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from tests.tokenizer_graph.parity import assert_ids_equal
from tfmlm import GraphTokenizer
from tfmlm.errors import UnsupportedTokenizerError, UserError
from tfmlm.tokenizer_graph.loading import spec_from_tokenizer
from tfmlm.tokenizer_graph.spec import parse

WORDS = ["[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "##a", "##b", "ab", "##ab"]
SPECIAL = {"special": True, "single_word": False, "lstrip": False, "rstrip": False}

WORDPIECE = {"continuing_subword_prefix": "##", "max_input_chars_per_word": 100}


def wordpiece(**more: Any) -> dict[str, Any]:
    """A small tokenizer.json."""
    vocab = {word: number for number, word in enumerate(WORDS)}
    tokens = [{"id": vocab[w], "content": w, "normalized": False, **SPECIAL} for w in WORDS[:4]]
    template = {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "[CLS]", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}},
    }
    return {
        "version": "1.0",
        "added_tokens": tokens,
        "normalizer": None,
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": template,
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": True},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "vocab": vocab, **WORDPIECE},
        **more,
    }


def replace(pattern: str, content: str, kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def sequence(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(parts)}


def deep(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {"type": "NFC"}
    for _ in range(levels):
        value = sequence(value)
    return value


ALTERNATION = "|".join(f"word{n}" for n in range(120_000))
LARGE = {
    "alternation of Split": (
        {"pre_tokenizer": {"type": "Split", "pattern": {"Regex": ALTERNATION}}},
        r"pre_tokenizer\.pattern\.Regex.*a text of 1,\d{3},\d{3} characters",
    ),
    "alternation of Replace": (
        {"normalizer": sequence({"type": "NFC"}, replace(ALTERNATION, "", "Regex"))},
        r"normalizer\.normalizers\[1\]\.pattern\.Regex",
    ),
    "Prepend": ({"normalizer": {"type": "Prepend", "prepend": "x" * 10_000_000}}, r"\.prepend"),
    "content": ({"normalizer": replace("a", "x" * 10_000_000)}, r"normalizer\.content"),
    "delimiter": (
        {"pre_tokenizer": {"type": "CharDelimiterSplit", "delimiter": "x" * 5_000_000}},
        r"pre_tokenizer\.delimiter",
    ),
    "decoder": (
        {"decoder": {"type": "WordPiece", "prefix": "#" * 5_000_000, "cleanup": True}},
        r"decoder\.prefix",
    ),
    "charsmap": (
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "A" * 20_000_000}},
        r"normalizer\.precompiled_charsmap",
    ),
    "multiplying Replace": (
        {"normalizer": sequence(*[replace("a", "aa")] * 40)},
        r"normalizers\[0\].*grows to \d+ characters",
    ),
    "multiplying in turns": (
        {"normalizer": sequence(*[replace("a", "bb"), replace("b", "aa")] * 20)},
        r"normalizers\[0\].*grows to",
    ),
    "multiplying expression": (
        {"normalizer": sequence(*[replace("[ab]", "ab", "Regex")] * 40)},
        r"normalizers\[0\].*grows to",
    ),
    "sequence": ({"normalizer": sequence(*[{"type": "NFC"}] * 300)}, "30. components"),
}


def spent() -> float:
    """CPU seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_refused_at_once(name: str) -> None:
    change, message = LARGE[name]
    text = json.dumps(wordpiece(**change))
    before = spent()
    with pytest.raises(UnsupportedTokenizerError, match=message) as error:
        parse(text)
    assert spent() - before < 2, "CPU seconds"
    assert len(str(error.value)) < 400


@pytest.mark.parametrize("size", [1_001, 5_000_000])
def test_a_huge_added_token_or_piece_is_refused(size: int) -> None:
    value = wordpiece()
    value["added_tokens"].append({"id": 10, "content": "x" * size, "normalized": True, **SPECIAL})
    with pytest.raises(UnsupportedTokenizerError, match=r"added_tokens\[4\]\.content"):
        parse(json.dumps(value))
    value = wordpiece()
    value["model"]["vocab"]["x" * (size * 10)] = 10
    with pytest.raises(UnsupportedTokenizerError, match=r"model.*characters"):
        parse(json.dumps(value))


@pytest.mark.parametrize("text", ["[" * 100_000, json.dumps({"model": 1})[:-1], "1" * 5_000])
def test_json_that_nobody_wrote(text: str) -> None:
    with pytest.raises(UserError, match=r"not JSON|holds no 'model'"):
        parse(text)
    with pytest.raises(UserError):
        parse(json.dumps(wordpiece(normalizer=deep(150))))


def change(kind: str) -> dict[str, Any]:
    value = copy.deepcopy(wordpiece())
    vocab = value["model"]["vocab"]
    if kind == "two tokens of one id":
        vocab["c"] = vocab["a"]
    elif kind == "an added token on the id of a piece":
        vocab["b"] = 11  # the library gives <x> the number of pieces as its id
        value["added_tokens"].append({"id": 5, "content": "<x>", "normalized": False, **SPECIAL})
        vocab["c"] = 10
    elif kind == "an id that no table holds":
        vocab["c"] = 2**32 - 1
    elif kind == "a template with an id of nobody":
        value["post_processor"]["special_tokens"]["[CLS]"]["ids"] = [77]
    elif kind == "BERT's frame with an id of nobody":
        value["post_processor"] = {
            "type": "BertProcessing",
            "sep": ["[SEP]", 102],
            "cls": ["[CLS]", 1],
        }
    return value


TWO_MEANINGS = {
    "two tokens of one id": r"'a' and 'c', which have one id \(4\)",
    "an added token on the id of a piece": r"'<x>' and 'b', which have one id \(11\)",
    "an id that no table holds": r"the id 4,294,967,295 of 'c'",
    "a template with an id of nobody": r"special_tokens\['\[CLS\]'\].*the id 77, which no token",
    "BERT's frame with an id of nobody": r"post_processor\.sep.*the id 102",
}


@pytest.mark.parametrize("kind", TWO_MEANINGS)
def test_what_means_two_things_is_refused_from_a_file_and_from_a_tokenizer(
    kind: str, tmp_path: Path
) -> None:
    text = json.dumps(change(kind))
    file = tmp_path / "tokenizer.json"
    file.write_text(text)
    rust = Tokenizer.from_str(text)
    for read in (
        lambda: parse(text),
        lambda: spec_from_tokenizer(rust),
        lambda: spec_from_tokenizer(PreTrainedTokenizerFast(tokenizer_file=str(file))),
    ):
        with pytest.raises(UnsupportedTokenizerError, match=TWO_MEANINGS[kind]):
            read()


def test_a_unigram_piece_twice_is_refused() -> None:
    model = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0], ["a", -2.0]]}
    with pytest.raises(UnsupportedTokenizerError, match="the piece 'a' twice"):
        parse(json.dumps(wordpiece(model=model, added_tokens=[], post_processor=None)))


def irregular(seed: int) -> dict[str, Any]:
    """A random file with holes, shadows, ids of others, merges of nothing, and the like."""
    rng = random.Random(seed)
    pieces = ["[UNK]", *rng.sample(["a", "b", "c", "ab", "bc", "abc", "##a", "##b", "##bc", ""], 7)]
    places = rng.sample(range(rng.choice([8, 8, 12, 40])), 8)
    vocab = dict(zip(pieces, places, strict=True))
    if rng.random() < 0.2:
        vocab[rng.choice(["d", "abd"])] = rng.choice(places)
    kind = rng.choice(["WordPiece", "WordLevel", "BPE", "Unigram"])
    model: dict[str, Any] = {"type": kind, "vocab": vocab, "unk_token": "[UNK]"}
    if kind == "WordPiece":
        model |= WORDPIECE
    elif kind == "BPE":
        merges = [["a", "b"], ["b", "c"], ["ab", "c"], ["a", "bc"], ["a", "a"]]
        known = [m for m in merges if {*m, "".join(m)} <= set(vocab)]
        model["merges"] = known if rng.random() < 0.8 else rng.sample(merges, 2)
        rng.shuffle(model["merges"])
    elif kind == "Unigram":
        scored = [[piece, -rng.random() * 9] for piece in pieces if piece]
        if rng.random() < 0.2:
            scored.append(list(rng.choice(scored)))
        model = {"type": kind, "unk_id": rng.choice([0, 0, 0, 3, 99]), "vocab": scored}
    tokens = []
    for content in rng.sample(["a", "ab", "[UNK]", "<new>", "b c", "abc"], rng.randrange(4)):
        number = vocab.get(content, rng.choice([*places, 8, 9, 50, 1000]))
        tokens.append(
            {
                "id": number if rng.random() < 0.8 else rng.randrange(60),
                "content": content,
                "normalized": rng.random() < 0.5,
                **{flag: rng.random() < 0.3 for flag in SPECIAL},
            }
        )
    return {
        "version": "1.0",
        "added_tokens": tokens,
        "normalizer": rng.choice([None, {"type": "Lowercase"}]),
        "pre_tokenizer": {"type": rng.choice(["Whitespace", "BertPreTokenizer"])},
        "post_processor": None,
        "decoder": None,
        "model": model,
    }


def test_random_irregular_files_are_exact_or_refused() -> None:
    rng = random.Random(0)
    outcomes = {"exact": 0, "refused": 0}
    texts = ["".join(rng.choices(["a", "b", "c", "d", " ", "<new>"], k=12)) for _ in range(40)]
    for seed in range(60):
        text = json.dumps(irregular(seed))
        try:
            spec = parse(text)
            if outcomes["exact"] < 12:  # each is compiled and compared
                assert_ids_equal(GraphTokenizer(spec), Tokenizer.from_str(text), texts)
        except UserError:
            outcomes["refused"] += 1
            continue
        outcomes["exact"] += 1
    assert min(outcomes.values()) >= 12, outcomes
