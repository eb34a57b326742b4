"""Loads TF masked LMs and their fast tokenizers, from a folder or from the Hub by name."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError

_PT_ONLY = (
    "has only PyTorch's pickled weights (pytorch_model.bin); install torch to convert it, or save "
    "it as model.safetensors with save_pretrained first"
)


@dataclass(frozen=True)
class LoadReport:
    """What a checkpoint did not hold, and what it held besides (names of PyTorch's layout)."""

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]


def load_model(name_or_dir: str | os.PathLike[str], revision: str | None = None) -> Any:
    """Loads a TF masked LM.

    Args:
        name_or_dir: a checkpoint folder, or a model's name on the Hub.
        revision: branch, tag or commit on the Hub.

    Raises:
        UserError: no such model, no config, no masked LM of TensorFlow, weights broken or of
            another shape, or a checkpoint without the encoder's weights.
    """
    return load_model_and_report(name_or_dir, revision)[0]


def load_model_and_report(
    name_or_dir: str | os.PathLike[str], revision: str | None = None
) -> tuple[Any, LoadReport]:
    """Like `load_model`, and says which weights the checkpoint did not hold."""
    source = str(name_or_dir)
    config = load_config(source, revision)
    from transformers import TFAutoModelForMaskedLM, is_torch_available

    from_pt = _has_only_pickled_weights(source)
    if from_pt and not is_torch_available():
        raise UserError(f"model {source} {_PT_ONLY}")
    with _errors_as_user_errors("model", source):
        model, info = TFAutoModelForMaskedLM.from_pretrained(
            source,
            config=config,
            revision=revision,
            trust_remote_code=False,  # said, so that transformers does not ask on the terminal
            from_pt=from_pt,
            ignore_mismatched_sizes=True,  # reported below, by name and shape
            output_loading_info=True,
        )
    if info["mismatched_keys"]:
        name, stored, wanted = info["mismatched_keys"][0]
        raise UserError(
            f"model {source}: the weights do not have the shapes that config.json says: {name} is "
            f"{tuple(stored)} in the checkpoint and {tuple(wanted)} by the config"
        )
    report = LoadReport(tuple(sorted(info["missing_keys"])), tuple(sorted(info["unexpected_keys"])))
    weights = len(model.trainable_weights)
    if len(report.missing) > weights // 2:
        raise UserError(
            f"model {source}: {len(report.missing)} of {weights} weights are not in the "
            f"checkpoint, such as {report.missing[0]}; it holds another architecture's weights "
            "than its config.json says"
        )
    return model, report


def load_config(name_or_dir: str | os.PathLike[str], revision: str | None = None) -> Any:
    """Loads a model's config and checks that TensorFlow has a masked LM for it.

    Raises:
        UserError: as `load_model`.
    """
    source = str(name_or_dir)
    _require_checkpoint_folder(source)
    from transformers import TF_MODEL_FOR_MASKED_LM_MAPPING, AutoConfig

    with _errors_as_user_errors("model", source):
        config = AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
    if type(config) not in TF_MODEL_FOR_MASKED_LM_MAPPING:
        known = ", ".join(sorted(c.model_type for c in TF_MODEL_FOR_MASKED_LM_MAPPING))
        raise UserError(
            f"model {source} is of type {config.model_type}, for which transformers has no masked "
            f"LM in TensorFlow; it has them for: {known}"
        )
    return config


def load_tokenizer(name_or_dir: str | os.PathLike[str], revision: str | None = None) -> Any:
    """Loads a model's tokenizer: the fast one where there is one.

    Raises:
        UserError: no such tokenizer, a broken file, or a tokenizer without a mask token.
    """
    source = str(name_or_dir)
    _require_checkpoint_folder(source, "config.json", "tokenizer_config.json")
    from transformers import AutoTokenizer

    with _errors_as_user_errors("tokenizer", source):
        tokenizer = AutoTokenizer.from_pretrained(
            source, revision=revision, use_fast=True, trust_remote_code=False
        )
    if tokenizer.mask_token is None:
        raise UserError(
            f"tokenizer {source} has no mask token, so it cannot be used with a masked LM; "
            "choose a masked LM's tokenizer"
        )
    return tokenizer


def _require_checkpoint_folder(source: str, *one_of: str) -> None:
    path = Path(source).expanduser()
    looks_local = source.startswith((".", "/", "~")) or source.count("/") > 1
    if path.is_file():
        raise UserError(f"{source} is a file; give the checkpoint folder that holds config.json")
    names = one_of or ("config.json",)
    if path.is_dir() and not any((path / name).exists() for name in names):
        raise UserError(f"folder {source} holds no {names[0]}, so it is no checkpoint folder")
    if looks_local and not path.exists():
        raise UserError(f"no folder {source}; give a checkpoint folder or a model's name")


def _has_only_pickled_weights(source: str) -> bool:
    path = Path(source)
    if not path.is_dir():
        return False
    names = {entry.name for entry in path.iterdir()}
    readable = any(n.endswith((".safetensors", ".h5", ".safetensors.index.json")) for n in names)
    pickled = {"pytorch_model.bin", "pytorch_model.bin.index.json"} & names
    return bool(pickled) and not readable


@contextlib.contextmanager
def _errors_as_user_errors(what: str, source: str) -> Iterator[None]:
    """Turns the many exceptions of a failing `from_pretrained` into one `UserError`."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"cannot load {what} {source}: {_reason(error, source)}") from error


def _reason(error: Exception, source: str) -> str:
    text = " ".join(str(error).split())
    local = Path(source).exists()
    kind = type(error).__name__
    if not local and (
        "couldn't connect" in text.lower()
        or "offline" in text.lower()
        or kind in ("LocalEntryNotFoundError", "ConnectionError", "OfflineModeIsEnabled")
    ):
        return (
            "there is no such folder, and the Hub cannot be reached (or HF_HUB_OFFLINE is set) and "
            "the model is not in the local cache; check the path or the network"
        )
    if "is not a valid model identifier" in text or kind == "RepositoryNotFoundError":
        return (
            "there is no such folder and no such public model on the Hub; check the name, or log "
            "in with `hf auth login` for a private one"
        )
    if "trust_remote_code" in text:
        return (
            "it needs Python code from the checkpoint, which is never run; choose one of an "
            "architecture and a tokenizer that transformers has"
        )
    if kind in ("SafetensorError", "UnpicklingError") or "h5 file" in text:
        return f"the weights file is broken or incomplete ({text[:200]}); fetch or save it again"
    if "pytorch weights" in text.lower():
        return _PT_ONLY
    if kind == "JSONDecodeError" or "valid JSON" in text:
        return f"a JSON file in it is broken ({text[:200]})"
    return f"{kind}: {text[:300]}"
