"""tfmlm: masked language models in TensorFlow, from a text file to TF Serving.

The names below are imported when first used, so that `import tfmlm` is quick and comes before
TensorFlow, which it sets up (Keras 2 through tf-keras, as transformers needs).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfmlm._lazy import lazily
from tfmlm._setup import setup as _setup
from tfmlm._version import __version__

_setup()

_LAZY = {
    "GraphTokenizer": "tfmlm.tokenizer_graph",
    "export_saved_model": "tfmlm.export",
    "load": "tfmlm.export",
    "BatchFiller": "tfmlm.batch",
    "prepare_dataset": "tfmlm.data",
    "create_optimizer": "tfmlm.training",
    "get_strategy": "tfmlm.training",
    "MaskedLMTrainer": "tfmlm.training",
    "PushToHub": "tfmlm.hub",
    "load_model": "tfmlm.checkpoint.load",
    "load_tokenizer": "tfmlm.checkpoint.load",
    "client": "tfmlm.client",
}

__all__ = [  # noqa: F822 (most of them are found by __getattr__)
    "BatchFiller",
    "GraphTokenizer",
    "MaskedLMTrainer",
    "PushToHub",
    "__version__",
    "client",
    "create_optimizer",
    "export_saved_model",
    "get_strategy",
    "load",
    "load_model",
    "load_tokenizer",
    "prepare_dataset",
]

if TYPE_CHECKING:
    from tfmlm.batch import BatchFiller
    from tfmlm.checkpoint.load import load_model, load_tokenizer
    from tfmlm.data import prepare_dataset
    from tfmlm.export import export_saved_model, load
    from tfmlm.hub import PushToHub
    from tfmlm.tokenizer_graph import GraphTokenizer
    from tfmlm.training import MaskedLMTrainer, create_optimizer, get_strategy

__getattr__ = lazily(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
