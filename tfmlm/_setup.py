"""What has to be settled before TensorFlow and transformers are imported."""

from __future__ import annotations

import os
import sys
import warnings

from tfmlm._quiet import quieten_tensorflow_import
from tfmlm.architectures.registration import register_when_imported
from tfmlm.checkpoint._repair import repair_loader_when_imported
from tfmlm.checkpoint._switches import obey_switches_when_imported
from tfmlm.checkpoint._version5 import read_version_5_when_imported


def setup() -> None:
    """Selects tf-keras for `tf.keras`, quietens native logs unless the user chose a level,
    repairs transformers' TF models and their loading of PyTorch safetensors, and adds tfmlm's
    architectures to it.

    A message of one line says what to do where TensorFlow has already settled on Keras 3.
    """
    if os.environ.get("TF_USE_LEGACY_KERAS") not in ("1", "true", "True"):
        if _keras_3_is_in_use():
            warnings.warn(
                "tfmlm was imported after TensorFlow had loaded Keras 3, which transformers cannot "
                "use: import tfmlm before tensorflow, or set TF_USE_LEGACY_KERAS=1",
                stacklevel=3,
            )
        os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    if "ipykernel" in sys.modules:
        # A notebook shows in red what native libraries write, and tqdm's longing for widgets.
        quieten_tensorflow_import()
        warnings.filterwarnings("ignore", message="IProgress not found")
    repair_loader_when_imported()
    register_when_imported()
    obey_switches_when_imported()
    read_version_5_when_imported()


def _keras_3_is_in_use() -> bool:
    """True if `tf.keras` was already resolved to Keras 3 in this process.

    Until it is first used, `tf.keras` is a lazy loader that still heeds TF_USE_LEGACY_KERAS.
    """
    keras = vars(sys.modules.get("tensorflow", sys)).get("keras")
    if keras is None:
        return False
    state = object.__getattribute__(keras, "__dict__")
    if not state.get("_tfll_initialized", True):
        return False
    module = state.get("_tfll_submodule", keras)
    return not (module.__name__ or "").startswith("tf_keras")
