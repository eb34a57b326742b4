"""Every component that parses has a builder, a test, and a row in the documentation."""

import re
from pathlib import Path

import pytest

from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph import spec as specs

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
STAGE_TITLES = {
    "normalizer": "Normalizers",
    "pre_tokenizer": "Pre-tokenizers",
    "model": "Models",
    "post_processor": "Post-processors",
    "decoder": "Decoders",
}


def documented() -> dict[str, set[str]]:
    """Stage -> component names in the tables of docs/tokenizers.md."""
    text = (ROOT / "docs" / "tokenizers.md").read_text(encoding="utf-8")
    found = {}
    for stage, title in STAGE_TITLES.items():
        section = re.search(rf"^### {title}\n(.*?)(?=^#|\Z)", text, re.M | re.S)
        assert section, title
        found[stage] = set(re.findall(r"^\| `(\w+)`", section.group(1), re.M))
    return found


def test_the_documentation_lists_exactly_what_is_supported():
    assert documented() == {stage: set(names) for stage, names in specs.SPECS.items()}


@pytest.mark.parametrize("stage", specs.STAGES)
def test_every_component_has_a_builder(stage):
    registered = {cls for cls in registry.builders() if cls.stage == stage}
    assert registered == set(specs.SPECS[stage].values())


@pytest.mark.parametrize("stage", specs.STAGES)
def test_a_component_is_built_where_it_is_written_and_tested_beside(stage):
    folder = registry.STAGE_FOLDERS[stage]
    tests = [path.read_text("utf-8") for path in (HERE / folder).glob("test_*.py")]
    for name, cls in specs.SPECS[stage].items():
        assert registry.builders()[cls].__module__.split(".")[-2] == folder
        assert any(name in text for text in tests), name


def test_registering_twice_raises():
    with pytest.raises(ValueError, match="NFC is registered already, by .*normalizers.nfc"):
        registry.builds(specs.NFC)(lambda spec, context: None)
    with pytest.raises(ValueError, match="registered already"):
        specs.component("normalizer", "NFC")(specs.NFC)
