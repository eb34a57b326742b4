"""Every component that parses has a builder, a test, and a row in the documentation."""

import importlib
import re
from pathlib import Path

import pytest

from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph import spec as specs

ROOT = Path(__file__).parents[2]
BUILT = ("normalizer", "pre_tokenizer", "model")
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


@pytest.mark.parametrize("stage", BUILT)
def test_every_component_has_a_builder(stage):
    classes = set(specs.SPECS[stage].values())
    registered = {cls for cls in registry.BUILDERS if cls.stage == stage}
    assert registered == classes
    for cls in classes:
        module = importlib.import_module(registry.BUILDERS[cls])
        assert callable(module.build)


@pytest.mark.parametrize("stage", BUILT)
def test_every_component_has_a_test(stage):
    for name, cls in specs.SPECS[stage].items():
        folder = Path(__file__).parent / registry.BUILDERS[cls].split(".")[-2]
        tests = [path.read_text(encoding="utf-8") for path in folder.glob("test_*.py")]
        assert any(name in text for text in tests), name


def test_registering_twice_raises():
    with pytest.raises(ValueError, match="registered already"):
        registry.register(specs.NFC, "normalizers.nfc")
    with pytest.raises(ValueError, match="registered already"):
        specs.component("normalizer", "NFC")(specs.NFC)
