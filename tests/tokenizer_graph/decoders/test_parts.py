"""What single decoders do to text, and where a sequence joins."""

import pytest
import tensorflow as tf
from tokenizers import decoders

from tests.tokenizer_graph.components import tokenizer
from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph.component import BuildContext
from tfmlm.tokenizer_graph.decoders.parts import Part
from tfmlm.tokenizer_graph.spec import parse

TEXTS = ["", "a", "aa", "aaaab", "baaa", ".a.", "...", "x.aa", "é..é", "ab\na"]


def _parts(decoder: dict) -> list[Part]:
    rust = tokenizer(decoder=decoder)
    spec = parse(rust.to_str())
    return registry.builder(spec.decoder)(spec.decoder, BuildContext(spec, rust))


@pytest.mark.parametrize("content", ["a", ".", "é"])
@pytest.mark.parametrize(("start", "stop"), [(0, 0), (1, 0), (0, 2), (2, 1), (9, 9)])
def test_strip(content: str, start: int, stop: int) -> None:
    (part,) = _parts({"type": "Strip", "content": content, "start": start, "stop": stop})
    rust = decoders.Strip(content, start, stop)
    # where both ends take the same characters Rust's slice is none: it is no text then
    texts = [text for text in TEXTS if text.strip(content)]
    got = [text.decode() for text in part.edit(tf.constant(texts)).numpy()]
    assert got == [rust.decode([text]) for text in texts] and not part.joins


@pytest.mark.parametrize(("old", "new"), [("a", "b"), ("aa", ""), (".", "\\1"), ("é", "..")])
def test_replace(old: str, new: str) -> None:
    (part,) = _parts({"type": "Replace", "pattern": {"String": old}, "content": new})
    got = [text.decode() for text in part.edit(tf.constant(TEXTS)).numpy()]
    assert got == [text.replace(old, new) for text in TEXTS] and not part.joins


def test_a_sequence_is_its_parts_in_their_order() -> None:
    names = ["Replace", "ByteFallback", "Fuse", "Strip"]
    settings = {
        "Replace": {"pattern": {"String": "_"}, "content": " "},
        "Strip": {"content": " ", "start": 1, "stop": 0},
    }
    children = [{"type": name, **settings.get(name, {})} for name in names]
    parts = _parts({"type": "Sequence", "decoders": children})
    assert [part.spec.type_name for part in parts] == names
    assert [part.joins for part in parts] == [False, True, True, False]
    texts = tf.constant(["_a", "_", " _b"])
    for part in parts:
        texts = part.edit(texts)
    assert texts.numpy().tolist() == [b"a", b"", b" b"]
