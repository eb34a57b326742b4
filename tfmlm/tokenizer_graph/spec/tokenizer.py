"""The whole `tokenizer.json`: parsed, and refused where it cannot be compiled."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tokenizers import Tokenizer

from tfmlm.errors import UnsupportedTokenizerError, UserError
from tfmlm.tokenizer_graph.spec.base import SPECS, STAGES, Component, Pattern
from tfmlm.tokenizer_graph.spec.budget import check_ids, check_sizes, check_special_ids
from tfmlm.tokenizer_graph.spec.normalizers import (
    NFC,
    NFD,
    NFKC,
    NFKD,
    BertNormalizer,
    ReplaceNormalizer,
)
from tfmlm.tokenizer_graph.spec.pre_tokenizers import MetaspacePreTokenizer


@dataclass(frozen=True)
class AddedToken:
    """One entry of `added_tokens`; the meaning of the flags is the Rust library's."""

    id: int
    content: str
    special: bool = False
    single_word: bool = False
    lstrip: bool = False
    rstrip: bool = False
    normalized: bool = True


@dataclass(frozen=True)
class TokenizerConfig:
    """What stands beside `tokenizer.json`: the settings of transformers' wrapper.

    Attributes:
        special_ids: ids of the wrapper's special tokens ([CLS], <mask>, ...).
        padding_side: "right" or "left".
        truncation_side: "right" or "left".
    """

    mask_token: str | None = None
    mask_token_id: int | None = None
    pad_token: str | None = None
    pad_token_id: int | None = None
    pad_token_type_id: int = 0
    unk_token_id: int | None = None
    special_ids: tuple[int, ...] = ()
    model_input_names: tuple[str, ...] = ("input_ids", "attention_mask")
    clean_up_tokenization_spaces: bool = False
    padding_side: str = "right"
    truncation_side: str = "right"
    takes_pairs: bool = True


@dataclass(frozen=True, eq=False)
class TokenizerSpec:
    """A whole tokenizer.

    Attributes:
        json_text: the canonical `tokenizer.json`, without truncation and padding.
        fingerprint: SHA-256 of `json_text`, hexadecimal.
        rust: the Rust tokenizer of the same JSON: the reference, and the source of all tables.
    """

    normalizer: Component | None
    pre_tokenizer: Component | None
    model: Component
    post_processor: Component | None
    decoder: Component | None
    added_tokens: tuple[AddedToken, ...]
    config: TokenizerConfig
    json_text: str
    fingerprint: str = field(repr=False)
    rust: Tokenizer = field(repr=False)


def parse(json_text: str, config: TokenizerConfig | None = None) -> TokenizerSpec:
    """Parses a `tokenizer.json`.

    Args:
        json_text: the file's text.
        config: the settings of the wrapper around it.

    Raises:
        UserError: the text is not a tokenizer.json that the installed library reads.
        UnsupportedTokenizerError: a component cannot be compiled; `path` says which.
    """
    try:
        value = json.loads(json_text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"tokenizer.json is not JSON: {reason}") from None
    if not isinstance(value, dict) or "model" not in value:
        raise UserError("tokenizer.json holds no 'model': give the file of a fast tokenizer")
    try:
        check_sizes(value)
        for stage in STAGES:
            if value.get(stage) is not None:
                _refuse_unknown_types(value[stage], stage, stage)
    except UnsupportedTokenizerError as error:
        raise with_type(error, value) from None
    del value  # the vocabulary may be large
    try:
        canonical = Tokenizer.from_str(json_text)
    except Exception as error:  # the Rust library raises bare Exception
        raise UserError(f"the tokenizers library cannot read tokenizer.json: {error}") from None
    check_ids(canonical)
    canonical.no_truncation()
    canonical.no_padding()
    text = canonical.to_str()
    try:
        return _parsed(canonical, text, config or TokenizerConfig())
    except UnsupportedTokenizerError as error:
        raise with_type(error, json.loads(text)) from None


def with_type(error: UnsupportedTokenizerError, value: Mapping[str, Any]) -> UserError:
    """The error with the type of the component that its path leads to in a `tokenizer.json`."""
    found: tuple[str, str] | None = None
    at: Any = value
    where = ""
    for name, index in re.findall(r"(\w+)(?:\[(\d+)\])?", error.path):
        at = at.get(name) if isinstance(at, Mapping) else None
        where += ("." if where else "") + name
        if index and isinstance(at, list) and int(index) < len(at):
            at, where = at[int(index)], f"{where}[{index}]"
        if isinstance(at, Mapping) and isinstance(at.get("type"), str):
            found = (where, at["type"])
    return UnsupportedTokenizerError(error.path, error.received, error.supported, found)


def _parsed(canonical: Tokenizer, text: str, config: TokenizerConfig) -> TokenizerSpec:
    """The spec of a Rust tokenizer and its JSON."""
    value = json.loads(text)
    check_special_ids(value, canonical)
    parts = {
        stage: _parse_component(value[stage], stage, stage) if value.get(stage) else None
        for stage in STAGES
    }
    tokens = tuple(AddedToken(**item) for item in value["added_tokens"])
    model = parts["model"]
    if model is None:
        raise UserError("tokenizer.json holds no 'model': give the file of a fast tokenizer")
    spec = TokenizerSpec(
        normalizer=parts["normalizer"],
        pre_tokenizer=parts["pre_tokenizer"],
        model=model,
        post_processor=parts["post_processor"],
        decoder=parts["decoder"],
        added_tokens=tokens,
        config=config,
        json_text=text,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
        rust=canonical,
    )
    _check_first_word(spec)
    return spec


def _check_first_word(spec: TokenizerSpec) -> None:
    """Refuses Metaspace's `first` where the word that is first depends on more than the text.

    The library puts ▁ before the word at offset 0 of the original text. A replacement of several
    characters takes the offset of the last one, marks that change positions take theirs along, and
    words that come of one character have one offset.
    """
    if not prepends_first(spec.pre_tokenizer):
        return
    for path, atom in [] if spec.normalizer is None else _atoms(spec.normalizer, "normalizer"):
        if isinstance(atom, ReplaceNormalizer) and (
            atom.pattern.regex or len(atom.pattern.text) > 1
        ):
            raise UnsupportedTokenizerError(
                path,
                "Replace of several characters before Metaspace with prepend_scheme 'first'",
                "Replace of one character there",
            )
        if isinstance(atom, (NFC, NFD, NFKC, NFKD)) or (
            isinstance(atom, BertNormalizer) and atom.strips_accents
        ):
            raise UnsupportedTokenizerError(
                path,
                f"{atom.type_name} before Metaspace with prepend_scheme 'first'",
                "no normalizer that moves marks there",
            )
    first = atoms(spec.pre_tokenizer)[0]
    if spec.normalizer is not None and not isinstance(first, MetaspacePreTokenizer):
        raise UnsupportedTokenizerError(
            "pre_tokenizer",
            f"{first.type_name} between a normalizer and Metaspace with prepend_scheme 'first'",
            "Metaspace as the first pre-tokenizer there",
        )


def prepends_first(spec: Component | None) -> bool:
    """Whether a Metaspace with `prepend_scheme` "first" is in a pre-tokenizer."""
    return any(
        isinstance(atom, MetaspacePreTokenizer) and atom.prepend_scheme == "first"
        for atom in atoms(spec)
    )


def atoms(spec: Component | None) -> list[Component]:
    """What nested sequences of normalizers or pre-tokenizers hold, in order."""
    return [] if spec is None else [atom for _, atom in _atoms(spec, "")]


def _atoms(spec: Component, path: str) -> list[tuple[str, Component]]:
    for name in ("normalizers", "pretokenizers"):
        children = getattr(spec, name, None)
        if children is not None:
            return [
                item
                for index, child in enumerate(children)
                for item in _atoms(child, f"{path}.{name}[{index}]")
            ]
    return [(path, spec)]


def _children(value: Mapping[str, Any]) -> tuple[str, list[Any]] | None:
    for name in ("normalizers", "pretokenizers", "processors", "decoders"):
        if value.get("type") == "Sequence" and isinstance(value.get(name), list):
            return name, value[name]
    return None


def _refuse_unknown_types(value: Any, stage: str, path: str) -> None:
    """Names the first component of a type that is not supported (before Rust parses the file)."""
    supported = ", ".join(sorted(SPECS[stage]))
    if not isinstance(value, Mapping):
        raise UnsupportedTokenizerError(path, f"{value!r}", supported)
    name = value.get("type")
    if name is None and stage == "model":
        return  # files of before 2020 leave the model's type out
    if name not in SPECS[stage]:
        raise UnsupportedTokenizerError(path, f"{name!r}", supported)
    children = _children(value)
    if children:
        for index, child in enumerate(children[1]):
            _refuse_unknown_types(child, stage, f"{path}.{children[0]}[{index}]")


def _parse_component(value: Mapping[str, Any], stage: str, path: str) -> Component:
    supported = ", ".join(sorted(SPECS[stage]))
    cls = SPECS[stage].get(value.get("type", ""))
    if cls is None:
        raise UnsupportedTokenizerError(path, f"{value.get('type')!r}", supported)
    names = {item.name for item in dataclasses.fields(cls)}
    arguments: dict[str, Any] = {}
    for key, item in value.items():
        if key == "type":
            continue
        if key not in names:
            raise UnsupportedTokenizerError(
                f"{path}.{key}", repr(item), f"the settings {', '.join(sorted(names))}"
            )
        arguments[key] = _parse_value(key, item, stage, path)
    parsed: Component = cls(**arguments)
    parsed.check(path)
    return parsed


def _parse_value(key: str, item: Any, stage: str, path: str) -> Any:
    if key in ("normalizers", "pretokenizers", "processors", "decoders"):
        return tuple(
            _parse_component(child, stage, f"{path}.{key}[{index}]")
            for index, child in enumerate(item)
        )
    if key == "pattern":
        (kind, text), *_ = item.items()
        return Pattern(text=text, regex=kind == "Regex")
    if key in ("single", "pair", "sep", "cls"):
        return tuple(item)
    return item
