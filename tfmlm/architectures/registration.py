"""Makes the architectures of this package known to transformers' Auto classes."""

from __future__ import annotations

import importlib
from types import ModuleType

import wrapt

#: Model type -> the masked LM's class and the encoder's, in the module of the type's name.
MODELS = {
    "eurobert": ("TFEuroBertForMaskedLM", "TFEuroBertModel"),
    "modernbert": ("TFModernBertForMaskedLM", "TFModernBertModel"),
}
#: Model type -> its config's class, in the module NAME_config, where transformers 4.57 has none.
CONFIGS = {"eurobert": "EuroBertConfig"}


def register_when_imported() -> None:
    """Registers configs and models as soon as transformers imports its Auto classes for them."""
    auto = "transformers.models.auto"
    wrapt.when_imported(f"{auto}.configuration_auto")(_register_configs)
    wrapt.when_imported(f"{auto}.modeling_tf_auto")(_register_models)


def _register_configs(auto: ModuleType) -> None:
    for model_type, name in CONFIGS.items():
        module = importlib.import_module(f"tfmlm.architectures.{model_type}_config")
        auto.AutoConfig.register(model_type, getattr(module, name))


def _register_models(auto: ModuleType) -> None:
    for model_type, (masked_lm, encoder) in MODELS.items():
        module = importlib.import_module(f"tfmlm.architectures.{model_type}")
        for auto_class, name in (
            (auto.TFAutoModelForMaskedLM, masked_lm),
            (auto.TFAutoModel, encoder),
        ):
            model_class = getattr(module, name)
            auto_class.register(model_class.config_class, model_class)
