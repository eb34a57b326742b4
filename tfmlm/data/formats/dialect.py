"""How a delimited file is written: its delimiter, whether it has a header, where its text is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tfmlm.config import HEADERS
from tfmlm.data.formats.records import Record, Shape, is_number, records
from tfmlm.errors import UserError

#: Rows from which the dialect is told.
SAMPLE = 500

_DELIMITERS = (",", ";", "\t", "|", "^", "~", "¦", "§", "\x01", "\x1f")
_NAMES = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
_SHOWN = {"\t": "tab", " ": "space"}
#: Share of the rows that must have the width of the first for a delimiter to be believed.
_ENOUGH = 0.9
#: Names of columns, in lower case, that no sentence consists of.
_USUAL = frozenset(
    re.findall(
        r"\w+",
        """
abstract answer article author body caption category comment content date description doc
document id idx index label lang language line message name paragraph post question quote
response review score sent sentence sentiment source story summary target text texts title
tweet url utterance
""",
    )
)


@dataclass(frozen=True)
class DelimitedOptions:
    """What the user says about delimited files.

    Attributes:
        delimiter: what stands between two fields, or None to find it out.
        header: whether the first row holds names: yes, no, or auto to find it out.
    """

    delimiter: str | None = None
    header: str = "auto"

    def __post_init__(self) -> None:
        if self.header not in HEADERS:
            raise UserError(f"header is {self.header!r}; choose from {', '.join(HEADERS)}")
        if self.delimiter is not None and (
            not self.delimiter or set(self.delimiter) & set('"\r\n')
        ):
            raise UserError(
                f"delimiter is {self.delimiter!r}; give the characters between two fields, or "
                f"{', '.join(name for name in _NAMES if name.isalpha())}"
            )

    @property
    def given(self) -> str | None:
        """The delimiter itself where the user gave its name."""
        return _NAMES.get(self.delimiter, self.delimiter) if self.delimiter else None


@dataclass(frozen=True)
class Dialect:
    """A file's dialect.

    Attributes:
        shape: delimiter, width and columns of numbers.
        columns: names of the columns; numbers from 1 without a header.
        header: whether the first row holds the names.
        first_line: lines before the first row (Excel's `sep=;`).
    """

    shape: Shape
    columns: tuple[str, ...]
    header: bool
    first_line: int = 0

    def detail(self) -> str:
        """How the file was understood, for the log."""
        parts = []
        if self.shape.delimiter not in (",", None):
            assert self.shape.delimiter is not None
            parts.append(f"delimiter {shown(self.shape.delimiter)}")
        if not self.header:
            parts.append("no header")
        return ", ".join(parts)


def shown(delimiter: str) -> str:
    """A delimiter as a message shows it."""
    return _SHOWN.get(delimiter, repr(delimiter))


def find_dialect(
    head: Sequence[str], suffix: str, options: DelimitedOptions, wanted: str | None, name: str
) -> Dialect:
    """Tells a file's dialect from its first lines.

    Args:
        head: the first lines with their ends.
        suffix: `.csv` or `.tsv`.
        options: what the user says; it wins.
        wanted: the column that the user named: a first row that holds it is a header.
        name: of the file, for messages.

    Raises:
        UserError: no delimiter, or several, fit.
    """
    skipped = 0
    delimiter = options.given
    if head and (said := re.fullmatch(r'"?sep=(.)"?\s*', head[0])):
        skipped, delimiter = 1, delimiter or said[1]
    sample = head[skipped:]
    if delimiter is None:
        delimiter = _find_delimiter(sample, "\t" if suffix == ".tsv" else ",", name)
    rows = _records(sample, delimiter)
    if not rows:
        return Dialect(Shape(delimiter, 1), ("1",), False, skipped)
    width = len(rows[0].fields)
    header = options.header == "yes" or (options.header == "auto" and has_header(rows, wanted))
    numbers = frozenset(
        place
        for place in range(width)
        if _share(is_number(r.fields[place]) for r in rows[header:] if place < len(r.fields)) > 0.9
    )
    columns = tuple(str(place) for place in range(1, width + 1))
    if header:
        names = (field.strip() for field in rows[0].fields)
        columns = tuple(n or number for n, number in zip(names, columns, strict=True))
    return Dialect(Shape(delimiter, width, numbers), columns, header, skipped)


def _records(lines: Sequence[str], delimiter: str | None) -> list[Record]:
    return list(records(iter(lines), Shape(delimiter)))


def _find_delimiter(lines: Sequence[str], usual: str, name: str) -> str | None:
    """The delimiter that gives the rows one width; None where a row is a single field."""
    fits: dict[str, int] = {}
    for delimiter in dict.fromkeys((usual, *_DELIMITERS)):
        rows = _records(lines, delimiter)
        width = len(rows[0].fields) if rows else 1
        # The last row may be cut off by the end of the sample.
        widths = [len(row.fields) for row in rows[: max(1, len(rows) - 1)]]
        if width > 1 and _share(w == width for w in widths) >= _ENOUGH:
            fits[delimiter] = width
    if len(fits) > 1 and fits.get(usual) != max(fits.values()):
        raise UserError(
            f"{name} can be read with the delimiter {' or '.join(shown(d) for d in fits)}; say "
            "which with --delimiter"
        )
    if fits:
        return usual if usual in fits else max(fits, key=lambda d: fits[d])
    rows = _records(lines, usual)
    width = len(rows[0].fields) if rows else 1
    wider = next((row for row in rows if len(row.fields) > width), None)
    if width == 1:
        return None
    if wider is None:
        return usual  # rows that leave out their last fields
    raise UserError(
        f"{name}: line {wider.line} has {len(wider.fields)} fields where the first row has "
        f"{width}; put texts that hold {shown(usual)} in quotes, say --delimiter, or name a file "
        "of one text a line .txt"
    )


def has_header(rows: Sequence[Record], wanted: str | None = None) -> bool:
    """Whether the first of the rows holds the names of columns rather than a text."""
    names = [field.strip() for field in rows[0].fields]
    lowered = [name.casefold() for name in names]
    if wanted is not None and not wanted.isdigit():
        if wanted in names:
            return True
        if wanted.split(".")[0] in names:
            return True
    if len(set(lowered)) < len(lowered) or any(is_number(name) for name in names):
        return False
    if any(not name for name in names[1:]) or rows[0].lines > 1:
        return False
    if _USUAL & set(lowered) and all(len(name.split()) <= 4 for name in names):
        return True
    return all(
        not name or _looks_like_a_name(name, [r.fields[i] for r in rows[1:] if i < len(r.fields)])
        for i, name in enumerate(names)
    )


def _looks_like_a_name(name: str, values: Sequence[str]) -> bool:
    """One word; or a few words over a column of numbers or of much longer texts."""
    if len(name) > 60 or re.search(r"[.!?…,;]$|^[\"“«]", name):
        return False
    words = len(name.split())
    if words == 1:
        return True
    filled = [value for value in values if value.strip()]
    if words > 4 or not filled:
        return False
    if _share(is_number(value) for value in filled) > 0.9:
        return True
    return sum(len(value.split()) for value in filled) / len(filled) > 3 * words


def _share(flags: object) -> float:
    values = list(flags)  # type: ignore[call-overload]
    return sum(values) / len(values) if values else 0.0


def choose_column(dialect: Dialect, rows: Sequence[Record], wanted: str | None, name: str) -> int:
    """The place of the column to read.

    Args:
        rows: the first rows, without the header.
        wanted: what the user named; without it `text`, else the first column of words.

    Raises:
        UserError: no such column, or none that holds words.
    """
    columns = dialect.columns
    words = [
        _share(_holds_words(text) for row in rows for text in row.fields[place : place + 1] if text)
        > 0.5
        for place in range(len(columns))
    ]
    if wanted is not None:
        if wanted in columns:
            return columns.index(wanted)
        named = "" if dialect.header else ", numbered as it has no header"
        with_text = [column for column, w in zip(columns, words, strict=True) if w] or columns
        raise UserError(
            f"{name} has no column {wanted}; its columns with text{named}: {', '.join(with_text)}"
        )
    lowered = [column.casefold() for column in columns]
    if "text" in lowered:
        return lowered.index("text")
    if len(columns) == 1:
        return 0
    if any(words):
        return words.index(True)
    raise UserError(
        f"{name} has no column of text among {', '.join(columns)}; name one with --text_column"
    )


def _holds_words(value: str) -> bool:
    """Whether a field may be text: letters, and not what other columns hold in letters."""
    if is_number(value) or not any(c.isalpha() for c in value):
        return False
    return value.strip().casefold() not in ("true", "false", "yes", "no", "na", "null", "none")
