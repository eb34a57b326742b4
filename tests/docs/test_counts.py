"""Numbers in the documentation that a registry decides."""

from __future__ import annotations

import re
from pathlib import Path

from transformers import TF_MODEL_FOR_MASKED_LM_MAPPING

import tfmlm  # noqa: F401
from tfmlm.architectures.registration import MODELS

ROOT = Path(__file__).parents[2]
#: Pages that say how many architectures there are.
PAGES = ("README.md", "CHANGELOG.md", "docs/comparison.md", "docs/training.md")


def test_pages_count_the_architectures_as_the_registry_does() -> None:
    known = {config.model_type for config in TF_MODEL_FOR_MASKED_LM_MAPPING}
    assert set(MODELS) < known
    for page in PAGES:
        text = " ".join((ROOT / page).read_text(encoding="utf-8").split())
        counts = re.findall(
            r"\b(\d+) (?:masked-LM architectures|architectures|TF masked LMs)", text
        )
        assert counts and set(counts) == {str(len(known))}, f"{page}: {counts}"
