"""What a `tokenizer.json` may hold so that compiling it ends soon: checked before all else.

The limits are far above those of published tokenizers; what is over one is refused by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tokenizers import Tokenizer

from tfmlm.errors import UnsupportedTokenizerError

#: Characters of a text that Replace or Prepend puts in.
LONGEST_INSERTION = 100
#: Characters of an added token.
LONGEST_TOKEN = 1_000
#: Characters of any other text: a pattern, a piece of the vocabulary.
LONGEST_TEXT = 10_000
#: Characters of SentencePiece's table in base64; published ones have up to 0.5 million.
LONGEST_CHARSMAP = 16_000_000
#: Components of all sequences together.
MOST_COMPONENTS = 200
#: Characters that one character may become by replacements that feed each other.
MOST_GROWTH = 200
#: Ids are indices of tables; the largest published vocabularies hold a million.
LARGEST_ID = 2**22


def check_sizes(value: Mapping[str, Any]) -> None:
    """Refuses texts, sequences and replacements that are too large.

    Args:
        value: the parsed `tokenizer.json`.

    Raises:
        UnsupportedTokenizerError: with the path of what is too large.
    """
    components = 0
    for path, key, text in _texts({k: v for k, v in value.items() if k != "model"}, ""):
        if key == "type":
            components += 1
            continue
        _require_length(path, text, _limit(path, key))
    if components > MOST_COMPONENTS:
        raise UnsupportedTokenizerError(
            "tokenizer", f"{components:,} components", f"at most {MOST_COMPONENTS}"
        )
    model = value.get("model")
    if isinstance(model, Mapping):
        for key, item in model.items():
            if isinstance(item, str):
                _require_length(f"model.{key}", item, LONGEST_TEXT)
        _check_pieces(model.get("vocab"))
    _check_growth(value.get("normalizer"))


def check_ids(rust: Tokenizer) -> None:
    """Refuses vocabularies in which an id means two tokens, or is out of any table.

    The library writes such a vocabulary without one of the two, so it is asked itself.

    Raises:
        UnsupportedTokenizerError: with the tokens.
    """
    tokens: dict[int, str] = {}
    for token, number in rust.get_vocab(with_added_tokens=True).items():
        if number > LARGEST_ID:
            raise UnsupportedTokenizerError(
                "model.vocab", f"the id {number:,} of {token!r}", f"ids up to {LARGEST_ID:,}"
            )
        other = tokens.setdefault(number, token)
        if other != token:
            first, second = sorted((other, token))
            raise UnsupportedTokenizerError(
                "model.vocab",
                f"{first!r} and {second!r}, which have one id ({number})",
                "an id of its own for each token",
            )


def check_special_ids(value: Mapping[str, Any], rust: Tokenizer) -> None:
    """Refuses post-processors that put in an id which no token has.

    Raises:
        UnsupportedTokenizerError: with the path and the id.
    """
    known = set(rust.get_vocab(with_added_tokens=True).values())
    for path, number in _ids(value.get("post_processor"), "post_processor"):
        if number not in known:
            raise UnsupportedTokenizerError(
                path, f"the id {number}, which no token has", "ids of the vocabulary"
            )


def _texts(value: Any, path: str) -> Iterator[tuple[str, str, str]]:
    """Path, last key and text of every string in nested objects and lists."""
    stack = [(path, "", value)]
    while stack:
        path, key, item = stack.pop()
        if isinstance(item, str):
            yield path, key, item
        elif isinstance(item, Mapping):
            stack += [(f"{path}.{k}".lstrip("."), k, v) for k, v in item.items()]
        elif isinstance(item, list):
            stack += [(f"{path}[{index}]", key, v) for index, v in enumerate(item)]


def _limit(path: str, key: str) -> int:
    """Characters that a text may have."""
    if key == "precompiled_charsmap":
        return LONGEST_CHARSMAP
    if key == "content":
        return LONGEST_TOKEN if path.startswith("added_tokens") else LONGEST_INSERTION
    return LONGEST_INSERTION if key == "prepend" else LONGEST_TEXT


def _require_length(path: str, text: str, limit: int) -> None:
    if len(text) > limit:
        raise UnsupportedTokenizerError(
            path, f"a text of {len(text):,} characters", f"at most {limit:,}"
        )


def _check_pieces(vocab: Any) -> None:
    if isinstance(vocab, list):
        pieces = [item[0] for item in vocab if isinstance(item, list) and item]
        seen: set[str] = set()
        for piece in pieces:
            if piece in seen:
                raise UnsupportedTokenizerError(
                    "model.vocab", f"the piece {piece!r} twice", "each piece once"
                )
            seen.add(piece)
    else:
        pieces = list(vocab) if isinstance(vocab, Mapping) else []
    longest = max((piece for piece in pieces if isinstance(piece, str)), key=len, default="")
    _require_length("model.vocab", longest, LONGEST_TEXT)


def _check_growth(normalizer: Any) -> None:
    """Refuses replacements that put in what later ones replace, again and again."""
    steps = list(_replacements(normalizer))
    for number, (path, _, content) in enumerate(steps):
        text: str | None = content
        size = len(content)
        for _, literal, later in steps[number + 1 :]:
            if text is not None and literal is not None:
                size += text.count(literal) * (len(later) - len(literal)) if literal else 0
                text = text.replace(literal, later) if 0 < size <= MOST_GROWTH else text
            else:  # what an expression matches is not known here: every character, at worst
                text, size = None, size * max(len(later), 1)
            if size > MOST_GROWTH:
                raise UnsupportedTokenizerError(
                    path,
                    f"a replacement that grows to {size:,} characters by the ones behind it",
                    f"at most {MOST_GROWTH:,}",
                )


def _replacements(value: Any, path: str = "normalizer") -> Iterator[tuple[str, str | None, str]]:
    """Path, literal pattern (None for an expression) and content of each Replace, in order."""
    if not isinstance(value, Mapping):
        return
    if value.get("type") == "Sequence" and isinstance(value.get("normalizers"), list):
        for index, child in enumerate(value["normalizers"]):
            yield from _replacements(child, f"{path}.normalizers[{index}]")
    elif value.get("type") == "Replace" and isinstance(value.get("content"), str):
        pattern = value.get("pattern")
        literal = pattern.get("String") if isinstance(pattern, Mapping) else None
        yield path, literal if isinstance(literal, str) else None, value["content"]


def _ids(value: Any, path: str) -> Iterator[tuple[str, int]]:
    """Path and number of every id that a post-processor puts in."""
    if not isinstance(value, Mapping):
        return
    for index, child in enumerate(value.get("processors") or ()):
        yield from _ids(child, f"{path}.processors[{index}]")
    for key in ("sep", "cls"):
        if isinstance(value.get(key), (list, tuple)):
            yield f"{path}.{key}", value[key][1]
    tokens = value.get("special_tokens")
    if isinstance(tokens, Mapping):
        for name, token in tokens.items():
            for number in token["ids"]:
                yield f"{path}.special_tokens[{name!r}]", number
