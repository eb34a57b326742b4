"""Tables of words: the bars are as long as the probabilities."""

from __future__ import annotations

import pytest

from tfmlm.cli._fill_output import bar, print_tables, shown_word

EIGHTHS = " ▏▎▍▌▋▊▉█"


def test_bars_grow_by_an_eighth_of_a_character() -> None:
    for eighths in range(8 * 28 + 1):
        drawn = bar(eighths / (8 * 28))
        assert sum(map(EIGHTHS.index, drawn)) == eighths
        assert all(character == "█" for character in drawn[:-1])
    assert (bar(-1.0), bar(2.0, 3), bar(0.5, 4)) == ("", "███", "██")


def test_a_target_of_several_pieces_says_so() -> None:
    assert shown_word({"token_str": " Paris "}) == "Paris"
    assert shown_word({"token_str": " "}) == "' '"
    item = {"token_str": "z", "target": "zzzq", "target_exact": False}
    assert shown_word(item) == "zzzq (by its first piece, z)"


def test_every_mask_has_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    item = {"token_str": "[b]odd", "score": 0.25, "sequence": "a\n [b]odd end"}
    print_tables(["[i]one", "none", "two"], [[[item]], [], [[item], []]])
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    row = f"[b]odd 25.0 % {'█' * 7} a [b]odd end"
    assert [line for line in lines if line] == [
        "[i]one",
        row,
        "none",
        "not filled: no mask token, or too long",
        "two",
        "mask 1 of 2",
        row,
        "mask 2 of 2",
        "outside the window of this long text",
    ]
