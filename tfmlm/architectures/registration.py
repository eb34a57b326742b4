"""Makes the architectures of this package known to transformers' Auto classes."""

from __future__ import annotations

import importlib
from types import ModuleType

import wrapt

_BASE_CLASSES = "transformers.modeling_tf_utils"

#: Model type -> the masked LM's class and the encoder's, in the module of the type's name.
MODELS = {
    "eurobert": ("TFEuroBertForMaskedLM", "TFEuroBertModel"),
    "modernbert": ("TFModernBertForMaskedLM", "TFModernBertModel"),
}
#: Model type -> its config's class, in the module NAME_config, where transformers 4.57 has none.
CONFIGS = {"eurobert": "EuroBertConfig"}


def register_when_imported() -> None:
    """Registers configs and models as soon as transformers imports its Auto classes for them.

    Its base classes import the Auto classes half-way, so the models wait for the base classes.
    """
    wrapt.when_imported("transformers.models.auto.configuration_auto")(_register_configs)
    wrapt.when_imported("transformers.models.auto.modeling_tf_auto")(_import_base_classes)
    wrapt.when_imported(_BASE_CLASSES)(_import_models)
    for model_type in MODELS:
        wrapt.when_imported(f"tfmlm.architectures.{model_type}")(_register_models)


def _register_configs(auto: ModuleType) -> None:
    for model_type, name in CONFIGS.items():
        module = importlib.import_module(f"tfmlm.architectures.{model_type}_config")
        auto.AutoConfig.register(model_type, getattr(module, name))


# Importing what is being imported just now does nothing; its own hook comes when that is done.


def _import_base_classes(auto: ModuleType) -> None:
    importlib.import_module(_BASE_CLASSES)


def _import_models(base_classes: ModuleType) -> None:
    for model_type in MODELS:
        importlib.import_module(f"tfmlm.architectures.{model_type}")


def _register_models(module: ModuleType) -> None:
    auto = importlib.import_module("transformers.models.auto.modeling_tf_auto")
    masked_lm, encoder = (
        getattr(module, name) for name in MODELS[module.__name__.rpartition(".")[2]]
    )
    auto.TFAutoModelForMaskedLM.register(masked_lm.config_class, masked_lm)
    auto.TFAutoModel.register(encoder.config_class, encoder)
