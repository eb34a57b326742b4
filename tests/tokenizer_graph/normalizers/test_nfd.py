"""NFD is compiled as NFD and as no other form."""

import unicodedata

from tests.tokenizer_graph.components import check_normalizer

#: Texts that the four forms leave in four ways.
TEXTS = ["é", "e\u0301", "ﬁ", "Å", "가", "\u1e9b\u0323", "ｶﾞ", "½", "\u2126", "\u0958"]


def test_texts_that_tell_the_forms_apart() -> None:
    forms = {
        form: [unicodedata.normalize(form, text) for text in TEXTS]
        for form in ("NFC", "NFD", "NFKC", "NFKD")
    }
    own = forms.pop("NFD")
    assert own not in forms.values()
    check_normalizer({"type": "NFD"}, TEXTS)
