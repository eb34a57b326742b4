"""`tokenizer.json` as frozen dataclasses, parsed and checked before TensorFlow is touched.

`parse(json_text, config)` is the entrance. A component that cannot be compiled exactly raises
`UnsupportedTokenizerError` here, with its path in the file, what stands there and what could.
The JSON is brought into the installed library's present form first (`Tokenizer.to_str`), so that
older spellings of the same component need no code.

Field names are those of `tokenizer.json`; see https://github.com/huggingface/tokenizers.
"""

from __future__ import annotations

from tfmlm.tokenizer_graph.spec.base import (
    SPECS,
    STAGES,
    Component,
    Pattern,
    component,
)
from tfmlm.tokenizer_graph.spec.decoders import (
    BPEDecoder,
    ByteFallback,
    ByteLevelDecoder,
    DecoderSequence,
    Fuse,
    MetaspaceDecoder,
    ReplaceDecoder,
    StripDecoder,
    WordPieceDecoder,
)
from tfmlm.tokenizer_graph.spec.models import (
    BPE,
    Unigram,
    WordLevel,
    WordPiece,
)
from tfmlm.tokenizer_graph.spec.normalizers import (
    NFC,
    NFD,
    NFKC,
    NFKD,
    BertNormalizer,
    ByteLevelNormalizer,
    Lowercase,
    Nmt,
    NormalizerSequence,
    Precompiled,
    Prepend,
    ReplaceNormalizer,
    StripAccents,
    StripNormalizer,
)
from tfmlm.tokenizer_graph.spec.post_processors import (
    BertProcessing,
    ByteLevelPostProcessor,
    PostProcessorSequence,
    RobertaProcessing,
    TemplateProcessing,
)
from tfmlm.tokenizer_graph.spec.pre_tokenizers import (
    BEHAVIORS,
    BertPreTokenizer,
    ByteLevelPreTokenizer,
    CharDelimiterSplit,
    Digits,
    FixedLength,
    MetaspacePreTokenizer,
    PreTokenizerSequence,
    Punctuation,
    Split,
    Whitespace,
    WhitespaceSplit,
)
from tfmlm.tokenizer_graph.spec.tokenizer import (
    AddedToken,
    TokenizerConfig,
    TokenizerSpec,
    atoms,
    parse,
    prepends_first,
)

__all__ = [
    "AddedToken",
    "BEHAVIORS",
    "BPE",
    "BPEDecoder",
    "BertNormalizer",
    "BertPreTokenizer",
    "BertProcessing",
    "ByteFallback",
    "ByteLevelDecoder",
    "ByteLevelNormalizer",
    "ByteLevelPostProcessor",
    "ByteLevelPreTokenizer",
    "CharDelimiterSplit",
    "Component",
    "DecoderSequence",
    "Digits",
    "FixedLength",
    "Fuse",
    "Lowercase",
    "MetaspaceDecoder",
    "MetaspacePreTokenizer",
    "NFC",
    "NFD",
    "NFKC",
    "NFKD",
    "Nmt",
    "NormalizerSequence",
    "Pattern",
    "PostProcessorSequence",
    "PreTokenizerSequence",
    "Precompiled",
    "Prepend",
    "Punctuation",
    "ReplaceDecoder",
    "ReplaceNormalizer",
    "RobertaProcessing",
    "SPECS",
    "STAGES",
    "Split",
    "StripAccents",
    "StripDecoder",
    "StripNormalizer",
    "TemplateProcessing",
    "TokenizerConfig",
    "TokenizerSpec",
    "atoms",
    "Unigram",
    "Whitespace",
    "WhitespaceSplit",
    "WordLevel",
    "WordPiece",
    "WordPieceDecoder",
    "component",
    "parse",
    "prepends_first",
]
