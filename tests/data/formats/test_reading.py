"""What a reader found is said in one line."""

from __future__ import annotations

from tfmlm.data.formats.reading import Reading


def test_the_line_says_what_was_found() -> None:
    reading = Reading(texts=1)
    assert reading.sentence("a.txt") == "1 text of a.txt"
    reading.texts = 1204
    for _ in range(2):  # of two files alike
        reading.add_column("body")
        reading.add_detail("delimiter ';'")
    assert reading.sentence("a.csv") == "1,204 texts of column body of a.csv (delimiter ';')"
    reading.add_column("text")
    reading.spanning = 1500
    assert reading.sentence("a.csv", counted=False) == (
        "column body, text of a.csv (delimiter ';'; 1,500 quoted fields over several lines)"
    )


def test_three_of_the_rows_left_out_are_shown() -> None:
    reading = Reading(texts=2)
    reading.leave_out("row 1", "no text")
    assert reading.sentence("a") == "2 texts of a; 1 row left out (row 1: no text)"
    for row in (2, 3):
        reading.leave_out(f"row {row}", "x")
    assert reading.sentence("a").endswith("3 rows left out (row 1: no text; row 2: x; row 3: x)")
    for row in range(4, 2000):
        reading.leave_out(f"row {row}", "x")
    end = "1,999 rows left out (row 1: no text; row 2: x; row 3: x; …)"
    assert reading.sentence("a").endswith(end)
    assert reading.to_dict()["left_out"] == 1999
