"""Reading JSON as RapidJSON does for TensorFlow Serving, and showing values in its errors."""

from __future__ import annotations

import json
from typing import Any

from tfmlm.serve.json_scan import MAX_DEPTH
from tfmlm.serve.status import StatusError, invalid_argument

_MAX_DEBUG_BYTES = 256  # kMaxJsonDebugStringBytes of json_tensor.cc
_decoder = json.JSONDecoder()


def parse_json(body: bytes) -> Any:
    """The first JSON value of a body; as in TensorFlow Serving, what follows it is not looked at,
    and NaN and Infinity are numbers.

    Raises:
        StatusError: INVALID_ARGUMENT, `JSON Parse error: …`.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _parse_error("Invalid encoding in string.", error.start) from None
    start = len(text) - len(text.lstrip(" \t\r\n"))
    if start == len(text):
        raise _parse_error("The document is empty.", start)
    try:
        value, _ = _decoder.raw_decode(text, start)
    except json.JSONDecodeError as error:
        raise _parse_error(_reason(error.msg), len(text[: error.pos].encode())) from None
    except RecursionError:
        raise invalid_argument("JSON Parse error: nested too deeply") from None
    except ValueError as error:  # an integer of thousands of digits
        raise _parse_error(f"Number too big to be stored in double. ({error})", 0) from None
    _check(value, text)
    return value


def _check(value: Any, text: str) -> None:
    """Refuses what cannot become a tensor: nesting too deep, halves of surrogate pairs."""
    if "\\u" in text or "\\U" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise _parse_error("The surrogate pair in string is invalid.", 0) from None
        except RecursionError:
            raise invalid_argument("JSON Parse error: nested too deeply") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = (
            [
                inner
                for outer in level
                for inner in (outer.values() if isinstance(outer, dict) else outer)
                if isinstance(inner, list | dict)
            ]
            if isinstance(value, list | dict)
            else []
        )
        if not level:
            return
    raise invalid_argument("JSON Parse error: nested too deeply")


def _reason(message: str) -> str:
    """RapidJSON's words for the reasons that both parsers tell apart."""
    if message.startswith("Expecting property name"):
        return "Missing a name for object member."
    if message.startswith("Expecting ':'"):
        return "Missing a colon after a name of object member."
    if message.startswith("Expecting ','"):
        return "Missing a comma or } after an object member."
    if message.startswith("Unterminated string"):
        return "Missing a closing quotation mark in string."
    if message.startswith("Invalid \\escape"):
        return "Invalid escape character in string."
    if message.startswith("Invalid \\uXXXX"):
        return "Incorrect hex digit after \\u escape in string."
    if message.startswith("Invalid control character"):
        return "Invalid encoding in string."
    return "Invalid value."


def _parse_error(reason: str, offset: int) -> StatusError:
    return invalid_argument(f"JSON Parse error: {reason} at offset: {offset}")


def type_word(value: Any) -> str:
    """JsonTypeString of json_tensor.cc."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, dict):
        return "Object"
    if isinstance(value, list):
        return "Array"
    return "String" if isinstance(value, str) else "Number"


def debug_text(value: Any) -> str:
    """A value for an error message: objects over several lines, arrays on one, cut when 256 bytes
    are reached (JsonValueToDebugString of json_tensor.cc)."""
    pieces: list[str] = []
    _write(value, pieces, 0, [0])
    return "".join(pieces)


def _write(value: Any, pieces: list[str], indent: int, size: list[int]) -> bool:
    def put(text: str) -> bool:
        if size[0] >= _MAX_DEBUG_BYTES:
            return False
        pieces.append(text)
        size[0] += len(text)
        return True

    if isinstance(value, dict):
        if not put("{"):
            return False
        for number, (key, inner) in enumerate(value.items()):
            lead = ("," if number else "") + "\n" + "    " * (indent + 1)
            if not put(f"{lead}{json.dumps(key, ensure_ascii=False)}: "):
                return False
            if not _write(inner, pieces, indent + 1, size):
                return False
        return put(("\n" + "    " * indent if value else "") + "}")
    if isinstance(value, list):
        if not put("["):
            return False
        for number, inner in enumerate(value):
            if number and not put(", "):
                return False
            if not _write(inner, pieces, indent + 1, size):
                return False
        return put("]")
    if isinstance(value, str):
        value = value[: 4 * _MAX_DEBUG_BYTES]
    return put(json.dumps(value, ensure_ascii=False))
