"""What a reader found: counted while a corpus is read, and said in one line of the log."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

_EXAMPLES = 3


@dataclass
class Reading:
    """What was read of a corpus so far.

    Attributes:
        texts: texts that are not blank.
        columns: names of the columns that were read; none for text files.
        details: how a file was understood, such as `delimiter ';'`.
        left_out: rows that could not be read.
        examples: where the first of them are, and why.
        spanning: quoted fields that go over several lines.
    """

    texts: int = 0
    columns: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)
    left_out: int = 0
    examples: list[str] = field(default_factory=list)
    spanning: int = 0

    def add_column(self, name: str) -> None:
        """Notes the column that is read."""
        if name not in self.columns:
            self.columns.append(name)

    def add_detail(self, text: str) -> None:
        """Notes how a file is understood."""
        if text not in self.details:
            self.details.append(text)

    def leave_out(self, where: str, why: str) -> None:
        """Notes a row that is not read."""
        self.left_out += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{where}: {why}")

    def sentence(self, name: str, counted: bool = True) -> str:
        """One line: `1,204 texts of column body of corpus.csv (delimiter ';')`.

        Args:
            name: of the corpus.
            counted: say the number of texts; leave it out where only a part was read.
        """
        columns = ", ".join(self.columns)
        what = f"column {columns} of {name}" if columns else name
        if counted:
            what = f"{self.texts:,} text{'' if self.texts == 1 else 's'} of {what}"
        details = list(self.details)
        if self.spanning:
            details.append(f"{self.spanning:,} quoted fields over several lines")
        if details:
            what += f" ({'; '.join(details)})"
        if self.left_out:
            rows = f"{self.left_out:,} row{'' if self.left_out == 1 else 's'} left out"
            more = "; …" if self.left_out > len(self.examples) else ""
            what += f"; {rows} ({'; '.join(self.examples)}{more})"
        return what

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
