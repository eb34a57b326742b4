"""The whole file: what is no tokenizer, which first words are refused, fingerprints, atoms."""

import pytest

from tests.tokenizer_graph.spec.tokenizer_json import sequence, value
from tfmlm.errors import UnsupportedTokenizerError, UserError
from tfmlm.tokenizer_graph.spec import atoms, parse, prepends_first

FIRST = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
SPLIT_FIRST = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, FIRST]}


@pytest.mark.parametrize(
    ("path", "normalizer", "pre_tokenizer"),
    [
        ("normalizer", {"type": "NFKC"}, FIRST),
        (r"normalizer.normalizers\[1\]", ["Nmt", "NFD"], FIRST),
        ("pre_tokenizer", {"type": "Nmt"}, SPLIT_FIRST),
    ],
)
def test_a_first_word_that_offsets_decide_is_refused(path, normalizer, pre_tokenizer):
    if isinstance(normalizer, list):
        parts = [{"type": name} for name in normalizer]
        normalizer = {"type": "Sequence", "normalizers": parts}
    with pytest.raises(UnsupportedTokenizerError, match=path) as caught:
        parse(value(normalizer=normalizer, pre_tokenizer=pre_tokenizer))
    assert caught.value.path == path.replace("\\", "")
    assert parse(value(pre_tokenizer=SPLIT_FIRST)) and parse(value(pre_tokenizer=FIRST))


def test_not_a_tokenizer():
    for text, message in (
        ("{", "not JSON"),
        ("[]", "no 'model'"),
        ("{}", "no 'model'"),
        (value(model={"type": "WordLevel"}), "cannot read"),
        (value(model={"type": "WordLevel", "vocab": {}, "unk_token": "a"}), "empty vocabulary"),
    ):
        with pytest.raises(UserError, match=message):
            parse(text)


def test_truncation_and_padding_do_not_change_the_fingerprint():
    padded = {
        "strategy": "BatchLongest",
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "a",
    }
    plain = parse(value())
    assert parse(value(padding=padded)).fingerprint == plain.fingerprint
    assert parse(value(normalizer={"type": "NFC"})).fingerprint != plain.fingerprint


def test_atoms_are_what_nested_sequences_hold():
    names = ("WhitespaceSplit", "BertPreTokenizer", "Whitespace")
    first, second, third = ({"type": name} for name in names)
    inner = sequence("pretokenizers", second, sequence("pretokenizers"), FIRST)
    spec = parse(value(pre_tokenizer=sequence("pretokenizers", first, inner, third)))
    found = [atom.type_name for atom in atoms(spec.pre_tokenizer)]
    assert found == [*names[:2], "Metaspace", names[2]]
    assert prepends_first(spec.pre_tokenizer) and atoms(None) == []
    assert not prepends_first(parse(value(pre_tokenizer=first)).pre_tokenizer)
