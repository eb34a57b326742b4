"""Texts for warm-up: a mask in each, lengths that double, several scripts."""

import unicodedata

from tfmlm.export.samples import sample_texts


def test_masks_lengths_and_scripts() -> None:
    texts = sample_texts("<m>", longest=70)
    assert all("<m>" in text and "{" not in text for text in texts)
    assert [len(text.split()) for text in texts[-4:]] == [8, 16, 32, 64]
    scripts = {unicodedata.name(c).split()[0] for text in texts for c in text if c.isalpha()}
    assert {"LATIN", "CYRILLIC", "GREEK", "CJK"} <= scripts
    assert any(text.startswith("<m>") for text in texts)
    assert any(text.endswith("<m>") for text in texts)
    assert any(text.count("<m>") == 2 for text in texts)
