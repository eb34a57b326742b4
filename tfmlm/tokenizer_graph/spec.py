"""`tokenizer.json` as frozen dataclasses, parsed and checked before TensorFlow is touched.

`parse(json_text, config)` is the entrance. A component that cannot be compiled exactly raises
`UnsupportedTokenizerError` here, with its path in the file, what stands there and what could.
The JSON is brought into the installed library's present form first (`Tokenizer.to_str`), so that
older spellings of the same component need no code.

Field names are those of `tokenizer.json`; see https://github.com/huggingface/tokenizers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from tokenizers import Tokenizer

from tfmlm.errors import UnsupportedTokenizerError, UserError
from tfmlm.tokenizer_graph import patterns

STAGES = ("normalizer", "pre_tokenizer", "model", "post_processor", "decoder")
SPECS: dict[str, dict[str, type]] = {stage: {} for stage in STAGES}

BEHAVIORS = ("Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous")


def component(stage: str, type_name: str):
    """Registers a dataclass for the JSON `type` of a stage; a second registration raises."""

    def decorate(cls: type) -> type:
        if type_name in SPECS[stage]:
            raise ValueError(f"{stage} {type_name} is registered already")
        SPECS[stage][type_name] = cls
        cls.type_name = type_name  # type: ignore[attr-defined]
        cls.stage = stage  # type: ignore[attr-defined]
        return cls

    return decorate


@dataclass(frozen=True)
class Component:
    """Base of all component specs."""

    type_name: ClassVar[str] = ""
    stage: ClassVar[str] = ""

    def check(self, path: str) -> None:
        """Raises `UnsupportedTokenizerError` if these settings cannot be compiled."""

    def to_json(self) -> dict[str, Any]:
        """The component as it stands in `tokenizer.json`."""
        value: dict[str, Any] = {"type": self.type_name}
        for item in dataclasses.fields(self):
            value[item.name] = _plain(getattr(self, item.name))
        return value


def _plain(value: Any) -> Any:
    if isinstance(value, Component):
        return value.to_json()
    if isinstance(value, Pattern):
        return {"Regex" if value.regex else "String": value.text}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


@dataclass(frozen=True)
class Pattern:
    """What Replace and Split look for: a literal, or a regular expression."""

    text: str
    regex: bool

    def check(self, path: str) -> None:
        """Raises unless the pattern can be matched in the graph."""
        if self.regex:
            try:
                expression = patterns.parse(self.text)
            except patterns.UnsupportedPattern as error:
                raise UnsupportedTokenizerError(
                    path, f"the regular expression {self.text!r} ({error})", patterns.SUPPORTED
                ) from None
            if expression.matches_nothing_long:
                raise UnsupportedTokenizerError(
                    path, f"the regular expression {self.text!r}, which matches the empty string"
                )
        elif not self.text:
            raise UnsupportedTokenizerError(path, "an empty pattern")


# ---------------------------------------------------------------------------- normalizers


@component("normalizer", "Sequence")
@dataclass(frozen=True)
class NormalizerSequence(Component):
    normalizers: tuple[Component, ...]


@component("normalizer", "BertNormalizer")
@dataclass(frozen=True)
class BertNormalizer(Component):
    clean_text: bool = True
    handle_chinese_chars: bool = True
    strip_accents: bool | None = None
    lowercase: bool = True

    @property
    def strips_accents(self) -> bool:
        """Accents go with lowercasing unless set otherwise."""
        return self.lowercase if self.strip_accents is None else self.strip_accents


@component("normalizer", "NFC")
@dataclass(frozen=True)
class NFC(Component):
    pass


@component("normalizer", "NFD")
@dataclass(frozen=True)
class NFD(Component):
    pass


@component("normalizer", "NFKC")
@dataclass(frozen=True)
class NFKC(Component):
    pass


@component("normalizer", "NFKD")
@dataclass(frozen=True)
class NFKD(Component):
    pass


@component("normalizer", "Nmt")
@dataclass(frozen=True)
class Nmt(Component):
    pass


@component("normalizer", "Lowercase")
@dataclass(frozen=True)
class Lowercase(Component):
    pass


@component("normalizer", "StripAccents")
@dataclass(frozen=True)
class StripAccents(Component):
    pass


@component("normalizer", "Strip")
@dataclass(frozen=True)
class StripNormalizer(Component):
    strip_left: bool = True
    strip_right: bool = True


@component("normalizer", "Replace")
@dataclass(frozen=True)
class ReplaceNormalizer(Component):
    pattern: Pattern
    content: str

    def check(self, path: str) -> None:
        self.pattern.check(f"{path}.pattern")


@component("normalizer", "Prepend")
@dataclass(frozen=True)
class Prepend(Component):
    prepend: str


@component("normalizer", "Precompiled")
@dataclass(frozen=True)
class Precompiled(Component):
    precompiled_charsmap: str


@component("normalizer", "ByteLevel")
@dataclass(frozen=True)
class ByteLevelNormalizer(Component):
    pass


# -------------------------------------------------------------------------- pre-tokenizers


@component("pre_tokenizer", "Sequence")
@dataclass(frozen=True)
class PreTokenizerSequence(Component):
    pretokenizers: tuple[Component, ...]


@component("pre_tokenizer", "BertPreTokenizer")
@dataclass(frozen=True)
class BertPreTokenizer(Component):
    pass


@component("pre_tokenizer", "Whitespace")
@dataclass(frozen=True)
class Whitespace(Component):
    pass


@component("pre_tokenizer", "WhitespaceSplit")
@dataclass(frozen=True)
class WhitespaceSplit(Component):
    pass


@component("pre_tokenizer", "Punctuation")
@dataclass(frozen=True)
class Punctuation(Component):
    behavior: str = "Isolated"

    def check(self, path: str) -> None:
        _check_behavior(self.behavior, path)


@component("pre_tokenizer", "Digits")
@dataclass(frozen=True)
class Digits(Component):
    individual_digits: bool = False


@component("pre_tokenizer", "ByteLevel")
@dataclass(frozen=True)
class ByteLevelPreTokenizer(Component):
    add_prefix_space: bool = True
    trim_offsets: bool = True
    use_regex: bool = True


@component("pre_tokenizer", "Metaspace")
@dataclass(frozen=True)
class MetaspacePreTokenizer(Component):
    replacement: str = "▁"
    prepend_scheme: str = "always"
    split: bool = True

    def check(self, path: str) -> None:
        if self.prepend_scheme not in ("always", "first", "never"):
            raise UnsupportedTokenizerError(
                f"{path}.prepend_scheme", repr(self.prepend_scheme), "always, first, never"
            )


@component("pre_tokenizer", "CharDelimiterSplit")
@dataclass(frozen=True)
class CharDelimiterSplit(Component):
    delimiter: str

    def check(self, path: str) -> None:
        if len(self.delimiter) != 1:
            raise UnsupportedTokenizerError(f"{path}.delimiter", repr(self.delimiter), "one char")


@component("pre_tokenizer", "Split")
@dataclass(frozen=True)
class Split(Component):
    pattern: Pattern
    behavior: str
    invert: bool = False

    def check(self, path: str) -> None:
        _check_behavior(self.behavior, path)
        self.pattern.check(f"{path}.pattern")


def _check_behavior(behavior: str, path: str) -> None:
    if behavior not in BEHAVIORS:
        raise UnsupportedTokenizerError(f"{path}.behavior", repr(behavior), ", ".join(BEHAVIORS))


# ----------------------------------------------------------------------------------- models


@component("model", "WordPiece")
@dataclass(frozen=True, eq=False)
class WordPiece(Component):
    vocab: Mapping[str, int]
    unk_token: str = "[UNK]"
    continuing_subword_prefix: str = "##"
    max_input_chars_per_word: int = 100

    def check(self, path: str) -> None:
        _check_vocab(self.vocab, path)
        if self.unk_token not in self.vocab:
            raise UnsupportedTokenizerError(
                f"{path}.unk_token",
                f"{self.unk_token!r}, which is not in the vocabulary",
                "an unknown token that the vocabulary holds",
            )


@component("model", "WordLevel")
@dataclass(frozen=True, eq=False)
class WordLevel(Component):
    vocab: Mapping[str, int]
    unk_token: str = "<unk>"

    def check(self, path: str) -> None:
        _check_vocab(self.vocab, path)
        if self.unk_token not in self.vocab:
            raise UnsupportedTokenizerError(
                f"{path}.unk_token",
                f"{self.unk_token!r}, which is not in the vocabulary",
                "an unknown token that the vocabulary holds",
            )


@component("model", "BPE")
@dataclass(frozen=True, eq=False)
class BPE(Component):
    vocab: Mapping[str, int]
    merges: Sequence[Sequence[str]]
    dropout: float | None = None
    unk_token: str | None = None
    continuing_subword_prefix: str | None = None
    end_of_word_suffix: str | None = None
    fuse_unk: bool = False
    byte_fallback: bool = False
    ignore_merges: bool = False

    def check(self, path: str) -> None:
        _check_vocab(self.vocab, path)
        if self.dropout:
            raise UnsupportedTokenizerError(
                f"{path}.dropout",
                f"{self.dropout}: merges left out at random have no exact ids",
                "no dropout",
            )
        if self.unk_token is not None and self.unk_token not in self.vocab:
            raise UnsupportedTokenizerError(
                f"{path}.unk_token",
                f"{self.unk_token!r}, which is not in the vocabulary",
                "null, or a token that the vocabulary holds",
            )


@component("model", "Unigram")
@dataclass(frozen=True, eq=False)
class Unigram(Component):
    vocab: Sequence[tuple[str, float]]
    unk_id: int | None = None
    byte_fallback: bool = False

    def check(self, path: str) -> None:
        if self.unk_id is None or not 0 <= self.unk_id < len(self.vocab):
            raise UnsupportedTokenizerError(
                f"{path}.unk_id", repr(self.unk_id), "the id of a token of the vocabulary"
            )


def _check_vocab(vocab: Mapping[str, int], path: str) -> None:
    if not vocab:
        raise UnsupportedTokenizerError(f"{path}.vocab", "an empty vocabulary")


# -------------------------------------------------------------------------- post-processors


@component("post_processor", "Sequence")
@dataclass(frozen=True)
class PostProcessorSequence(Component):
    processors: tuple[Component, ...]


@component("post_processor", "TemplateProcessing")
@dataclass(frozen=True, eq=False)
class TemplateProcessing(Component):
    single: tuple[Mapping[str, Any], ...]
    pair: tuple[Mapping[str, Any], ...]
    special_tokens: Mapping[str, Any]

    def check(self, path: str) -> None:
        for name, pieces, order in (
            ("single", self.single, ["A"]),
            ("pair", self.pair, ["A", "B"]),
        ):
            texts = [piece["Sequence"]["id"] for piece in pieces if "Sequence" in piece]
            if texts != order:
                raise UnsupportedTokenizerError(
                    f"{path}.{name}", f"the texts {texts}", f"the texts {order}, each once"
                )


@component("post_processor", "BertProcessing")
@dataclass(frozen=True)
class BertProcessing(Component):
    sep: tuple[Any, ...]
    cls: tuple[Any, ...]


@component("post_processor", "RobertaProcessing")
@dataclass(frozen=True)
class RobertaProcessing(Component):
    sep: tuple[Any, ...]
    cls: tuple[Any, ...]
    trim_offsets: bool = True
    add_prefix_space: bool = True


@component("post_processor", "ByteLevel")
@dataclass(frozen=True)
class ByteLevelPostProcessor(Component):
    add_prefix_space: bool = True
    trim_offsets: bool = True
    use_regex: bool = True


# --------------------------------------------------------------------------------- decoders


@component("decoder", "Sequence")
@dataclass(frozen=True)
class DecoderSequence(Component):
    """Parts for single tokens, then ones that join tokens, then Strip and Replace on the text."""

    decoders: tuple[Component, ...]

    def check(self, path: str) -> None:
        joined = False
        for index, part in enumerate(self.decoders):
            where = f"{path}.decoders[{index}]"
            joining = isinstance(part, (ByteLevelDecoder, ByteFallback, Fuse))
            if isinstance(part, DecoderSequence):
                raise UnsupportedTokenizerError(where, "a Sequence in a Sequence", "one Sequence")
            if joined and not joining and not isinstance(part, (StripDecoder, ReplaceDecoder)):
                raise UnsupportedTokenizerError(
                    where, f"{part.type_name} after tokens were joined", "Strip, Replace"
                )
            if joined and not joining and not self._is_fused(index):
                raise UnsupportedTokenizerError(
                    where, f"{part.type_name} between ByteFallback and Fuse", "Fuse"
                )
            if joined and joining and not self._follows_joining(index):
                raise UnsupportedTokenizerError(
                    where, f"{part.type_name} after an edit of the joined text", "Strip, Replace"
                )
            if isinstance(part, ByteLevelDecoder) and any(
                isinstance(other, ByteFallback) for other in self.decoders
            ):
                raise UnsupportedTokenizerError(where, "ByteLevel with ByteFallback", "one of them")
            joined = joined or joining

    def _is_fused(self, index: int) -> bool:
        return any(isinstance(part, (ByteLevelDecoder, Fuse)) for part in self.decoders[:index])

    def _follows_joining(self, index: int) -> bool:
        return isinstance(self.decoders[index - 1], (ByteLevelDecoder, ByteFallback, Fuse))


@component("decoder", "WordPiece")
@dataclass(frozen=True)
class WordPieceDecoder(Component):
    prefix: str = "##"
    cleanup: bool = True


@component("decoder", "ByteLevel")
@dataclass(frozen=True)
class ByteLevelDecoder(Component):
    add_prefix_space: bool = True
    trim_offsets: bool = True
    use_regex: bool = True


@component("decoder", "Metaspace")
@dataclass(frozen=True)
class MetaspaceDecoder(Component):
    replacement: str = "▁"
    prepend_scheme: str = "always"
    split: bool = True


@component("decoder", "BPEDecoder")
@dataclass(frozen=True)
class BPEDecoder(Component):
    suffix: str = "</w>"


@component("decoder", "ByteFallback")
@dataclass(frozen=True)
class ByteFallback(Component):
    pass


@component("decoder", "Fuse")
@dataclass(frozen=True)
class Fuse(Component):
    pass


@component("decoder", "Strip")
@dataclass(frozen=True)
class StripDecoder(Component):
    content: str
    start: int
    stop: int


@component("decoder", "Replace")
@dataclass(frozen=True)
class ReplaceDecoder(Component):
    pattern: Pattern
    content: str

    def check(self, path: str) -> None:
        self.pattern.check(f"{path}.pattern")
        if self.pattern.regex:
            raise UnsupportedTokenizerError(
                f"{path}.pattern", f"the regular expression {self.pattern.text!r}", "a literal"
            )


# ---------------------------------------------------------------------------- the whole file


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
    model_max_length: int | None = None


@dataclass(frozen=True, eq=False)
class TokenizerSpec:
    """A whole tokenizer.

    Attributes:
        json_text: the canonical `tokenizer.json`, without truncation and padding.
        fingerprint: SHA-256 of `json_text`, hexadecimal.
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

    def rust(self) -> Tokenizer:
        """The Rust tokenizer of the same JSON: the reference, and the source of all tables."""
        return Tokenizer.from_str(self.json_text)


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
    except json.JSONDecodeError as error:
        raise UserError(f"tokenizer.json is not JSON: {error}") from None
    if not isinstance(value, dict) or "model" not in value:
        raise UserError("tokenizer.json holds no 'model': give the file of a fast tokenizer")
    for stage in STAGES:
        if value.get(stage) is not None:
            _refuse_unknown_types(value[stage], stage, stage)
    try:
        canonical = Tokenizer.from_str(json_text)
    except Exception as error:  # the Rust library raises bare Exception
        raise UserError(f"the tokenizers library cannot read tokenizer.json: {error}") from None
    canonical.no_truncation()
    canonical.no_padding()
    text = canonical.to_str()
    value = json.loads(text)
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
        config=config or TokenizerConfig(),
        json_text=text,
        fingerprint=hashlib.sha256(text.encode()).hexdigest(),
    )
    _check_first_word(spec)
    return spec


def _check_first_word(spec: TokenizerSpec) -> None:
    """Refuses Metaspace's `first` behind a Replace that moves the start of the text.

    The library puts ▁ before the word at offset 0 of the original text, and a replacement of
    several characters takes the offset of the last one.
    """
    if spec.normalizer is None or not prepends_first(spec.pre_tokenizer):
        return
    for path, atom in _atoms(spec.normalizer, "normalizer"):
        if isinstance(atom, ReplaceNormalizer) and (
            atom.pattern.regex or len(atom.pattern.text) > 1
        ):
            raise UnsupportedTokenizerError(
                path,
                "Replace of several characters before Metaspace with prepend_scheme 'first'",
                "Replace of one character there",
            )


def prepends_first(spec: Component | None) -> bool:
    """Whether a Metaspace with `prepend_scheme` "first" is in a pre-tokenizer."""
    if spec is None:
        return False
    return any(
        isinstance(atom, MetaspacePreTokenizer) and atom.prepend_scheme == "first"
        for _, atom in _atoms(spec, "")
    )


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
