"""The Auto classes know tfmlm's architectures, whatever of transformers is imported first."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tfmlm.architectures.registration import CONFIGS, MODELS

_CHECK = """
import sys, tfmlm
{first}
from transformers import AutoConfig, TFAutoModel, TFAutoModelForMaskedLM
assert "torch" not in sys.modules
for kind in {kinds}:
    config = AutoConfig.for_model(
        kind, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32
    )
    for auto in (TFAutoModelForMaskedLM, TFAutoModel):
        print(type(auto.from_config(config)).__name__)
"""


@pytest.mark.parametrize(
    "first",
    [
        "from transformers import TFAutoModelForMaskedLM",
        "from transformers import TFPreTrainedModel",
        "from transformers import AdamWeightDecay, TFBertModel",
        "from transformers import AutoTokenizer, AutoConfig",
        "import tensorflow, tfmlm.architectures.modernbert",
        "import tfmlm.training.trainer",
    ],
)
def test_auto_classes_know_them(first: str) -> None:
    code = _CHECK.format(first=first, kinds=sorted(MODELS))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = [name for _, names in sorted(MODELS.items()) for name in names]
    assert done.stdout.split() == expected, done.stderr[-2000:]


def test_configs_are_of_registered_models() -> None:
    assert set(CONFIGS) <= set(MODELS)
