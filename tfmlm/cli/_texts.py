"""Text files with one text a line."""

from __future__ import annotations

from pathlib import Path

from tfmlm.errors import UserError


def read_lines(path: str) -> list[str]:
    """Lines of a UTF-8 file that are not blank.

    Raises:
        UserError: there is no such file, it is not UTF-8 text, or it is empty.
    """
    file = Path(path)
    try:
        content = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a UTF-8 text file ({error.reason})") from None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from None
    lines = [line for line in content.splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path} holds no text; give one text a line")
    return lines
