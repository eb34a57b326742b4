"""What an export promises is what the documentation says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tfmlm.export.contract import DEFAULT_MAX_TEXT_BYTES, SIGNATURES

DOCS = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
SECTION = DOCS.partition("## Signatures\n")[2].partition("\n## ")[0]
ROWS = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", SECTION, re.MULTILINE))
#: Name -> dtype and rank where the text gives both, as it does at a name's first place.
SHAPES: dict[str, tuple[str, int]] = {}
for names, dtype, dimensions in re.findall(
    r"((?:`\w+`(?:, )?)+) (string|int32|float32|bool) \[([^\]]+)\]", SECTION
):
    for name in re.findall(r"\w+", names):
        SHAPES.setdefault(name, (dtype, len(dimensions.split(","))))


def test_the_signatures_are_those_of_the_table() -> None:
    assert ROWS.keys() == SIGNATURES.keys()


@pytest.mark.parametrize("signature", SIGNATURES)
def test_dtypes_and_ranks_are_the_documented_ones(signature: str) -> None:
    inputs, outputs = SIGNATURES[signature]
    documented_inputs = ROWS[signature].split(" | ")[0]
    assert re.findall(r"`(\w+)`", documented_inputs) == list(inputs)
    assert all(rank >= 1 for _, rank in inputs.values()), "a batch is dimension 0"
    for name, shape in (inputs | outputs).items():
        if name in SHAPES and (signature, name) != ("score_text", "token"):
            assert shape == SHAPES[name], name


def test_text_outputs_are_the_documented_ones() -> None:
    paragraph = " ".join(SECTION.partition("Text outputs: ")[2].partition("\n\n")[0].split())
    cube, rest = paragraph.split(", each [batch, masks, k]; ")
    expected = {name: (dtype, 3) for name, dtype in re.findall(r"`(\w+)` (\w+)", cube)}
    expected |= {name: (dtype, 1) for name, dtype in re.findall(r"`(\w+)` (\w+)", rest)}
    assert SIGNATURES["serving_default"][1] == expected
    assert SIGNATURES["fill_mask_top_k"][1] == expected
    targets = SIGNATURES["fill_mask_targets"][1]
    assert targets == {**expected, "target_exact": ("bool", 2)}


def test_texts_are_read_up_to_64_kibibytes() -> None:
    assert DEFAULT_MAX_TEXT_BYTES == 64 * 1024
