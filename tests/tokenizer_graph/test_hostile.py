"""The texts are what their names say, and the same every time."""

import unicodedata

from tfmlm.tokenizer_graph import hostile


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_a_seed_gives_the_same_texts() -> None:
    for make in (hostile.hostile, hostile.random_codepoints):
        assert make(3, 50) == make(3, 50) != make(4, 50)
    assert hostile.invalid_utf8(3, 50, ["é"]) == hostile.invalid_utf8(3, 50, ["é"])


def test_all_kinds_of_characters_and_the_callers_pieces_occur() -> None:
    text = "".join(hostile.hostile(0, 3000, pieces=["<<own piece>>"]))
    assert "<<own piece>>" in text and "[MASK]" in text
    assert {unicodedata.category(c)[0] for c in text} == set("LMNPSZC")
    assert {len(c.encode()) for c in "".join(hostile.random_codepoints(0, 500))} == {1, 2, 3, 4}


def test_bytes_are_seldom_utf8() -> None:
    texts = hostile.invalid_utf8(0, 400, ["aé漢", "😀 text"])
    assert len(texts) == 400
    assert 0.5 < sum(not _is_utf8(text) for text in texts) / 400 < 1.0


def test_every_code_point_that_a_string_can_hold() -> None:
    assert sum(1 for _ in hostile.every_codepoint("{}")) == 0x110000 - 0x800
    some = list(hostile.every_codepoint("a{}b{}", step=0x1000, first=0x805))
    assert some[0] == "a\u0805b\u0805" and len(some) == 0x110 - 1  # not U+D805


def test_long_and_empty_texts() -> None:
    assert max(map(len, hostile.long_texts())) == 5000 and "" in hostile.edge_texts()
