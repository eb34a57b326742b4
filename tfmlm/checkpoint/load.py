"""Loads TF masked LMs and their fast tokenizers, from a folder or from the Hub by name."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfmlm.checkpoint._repair import collected_notes
from tfmlm.checkpoint._switches import require_obeyed
from tfmlm.checkpoint.names import pytorch_names
from tfmlm.errors import UserError

#: First parts of the names of heads for other tasks.
_OTHER_HEADS = (
    "classifier",
    "discriminator_predictions",
    "mask_predictions",
    "qa_outputs",
    "score",
)
_PT_ONLY = (
    "has only PyTorch's pickled weights (pytorch_model.bin); install torch to convert it, or save "
    "it as model.safetensors with save_pretrained first"
)


@dataclass(frozen=True)
class LoadReport:
    """What a checkpoint did not hold, and what it held besides (names of PyTorch's layout).

    Attributes:
        missing: weights that the model needs for its logits.
        unexpected: weights that the model has no use for.
        missing_head: those of `missing` that are not the encoder's.
    """

    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    missing_head: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Loaded:
    """A model, and what stands between it and its checkpoint: `mismatched` are (name, shape in
    the checkpoint, shape by the config)."""

    model: Any
    report: LoadReport
    mismatched: tuple[tuple[str, Any, Any], ...]
    notes: tuple[str, ...]


def load_model(
    name_or_dir: str | os.PathLike[str],
    revision: str | None = None,
    *,
    allow_untrained_head: bool = False,
) -> Any:
    """Loads a TF masked LM whose every weight comes from the checkpoint.

    Args:
        name_or_dir: a checkpoint folder, or a model's name on the Hub.
        revision: branch, tag or commit on the Hub.
        allow_untrained_head: whether the weights of the masked-LM head may be missing or of another
            shape; those are then random.

    Raises:
        UserError: no such model, no config, no masked LM of TensorFlow, weights broken, missing, of
            another shape or no numbers, or a setting that cannot be obeyed.
    """
    source = str(name_or_dir)
    loaded = _load(source, revision)
    report, head = loaded.report, set(loaded.report.missing_head)
    others = [name for name in report.missing if name not in head]
    wrong = [item for item in loaded.mismatched if not _is_of_head(loaded.model, item[0])]
    if wrong:
        _refuse_shapes(source, wrong)
    head_shapes = [name for name, *_ in loaded.mismatched]
    if (head or head_shapes) and not allow_untrained_head:
        raise UserError(_no_head(source, report, head_shapes))
    if others:
        raise UserError(
            f"model {source}: {len(others)} of the encoder's weights are not in the checkpoint, "
            f"such as {others[0]}; fetch or save it again"
        )
    _say(loaded.notes)
    return loaded.model


def load_model_and_report(
    name_or_dir: str | os.PathLike[str], revision: str | None = None
) -> tuple[Any, LoadReport]:
    """Loads a model to be trained, and says which weights the checkpoint did not hold.

    Those of the head are then random.

    Raises:
        UserError: as `load_model`, but a checkpoint may lack weights, up to half of them.
    """
    loaded = _load(str(name_or_dir), revision)
    if loaded.mismatched:
        _refuse_shapes(str(name_or_dir), loaded.mismatched)
    _say(loaded.notes)
    return loaded.model, loaded.report


def _load(source: str, revision: str | None) -> _Loaded:
    config = load_config(source, revision)
    from transformers import TFAutoModelForMaskedLM, is_torch_available

    from_pt = _has_only_pickled_weights(source)
    if from_pt and not is_torch_available():
        raise UserError(f"model {source} {_PT_ONLY}")
    with _errors_as_user_errors("model", source), collected_notes() as notes:
        model, info = TFAutoModelForMaskedLM.from_pretrained(
            source,
            config=config,
            revision=revision,
            trust_remote_code=False,  # said, so that transformers does not ask on the terminal
            from_pt=from_pt,
            ignore_mismatched_sizes=True,  # reported by name and shape
            output_loading_info=True,
        )
    missing = sorted(name for name in info["missing_keys"] if _is_used(config, name))
    head = [name for name in missing if _is_of_head(model, name)]
    mismatched = tuple(tuple(item) for item in info.get("mismatched_keys", ()))
    report = LoadReport(tuple(missing), tuple(sorted(info["unexpected_keys"])), tuple(head))
    weights = len(model.trainable_weights)
    if len(missing) > weights // 2:
        raise UserError(
            f"model {source}: {len(missing)} of {weights} weights are not in the "
            f"checkpoint, such as {missing[0]}; it holds another architecture's weights "
            "than its config.json says"
        )
    _require_numbers(source, model)
    return _Loaded(model, report, mismatched, tuple(notes))


def _say(notes: Iterable[str]) -> None:
    for note in notes:
        print(note, file=sys.stderr, flush=True)


def _refuse_shapes(source: str, mismatched: Sequence[tuple[str, Any, Any]]) -> None:
    name, stored, wanted = mismatched[0]
    raise UserError(
        f"model {source}: the weights do not have the shapes that config.json says: {name} is "
        f"{tuple(stored)} in the checkpoint and {tuple(wanted)} by the config"
    )


def _no_head(source: str, report: LoadReport, shapes: Sequence[str]) -> str:
    names = [*report.missing_head, *(f"{name} (of another shape)" for name in shapes)]
    listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    heads = {name.split(".")[0] for name in report.unexpected}
    other = sorted(heads & set(_OTHER_HEADS))
    besides = f" (it has {', '.join(other)}, which is another head)" if other else ""
    return (
        f"model {source} has no trained masked-LM head: the checkpoint lacks {listed}{besides}; "
        f"train it with `tfmlm train --model_name_or_path {source}`, or give "
        "--allow_untrained_head (allow_untrained_head=True) to go on with random weights"
    )


def _is_used(config: Any, name: str) -> bool:
    """Whether a weight of a TF class has a part in its logits."""
    if config.model_type == "esm" and "position_embeddings" in name:
        return config.position_embedding_type == "absolute"
    if config.model_type == "esm" and name.endswith(".inv_freq"):
        return False  # computed; transformers 5 does not save it
    return "pooler" not in name


def _is_of_head(model: Any, name: str) -> bool:
    """Whether a weight, named as PyTorch or as TensorFlow does, is none of the encoder's."""
    from tfmlm.checkpoint.masked_positions import base_layer

    encoder = base_layer(model)
    known: set[str] = set()
    for variable in encoder.weights:
        known.update(pytorch_names(model, variable))
        own = variable.name.removesuffix(":0")
        known |= {variable.name, own, own.partition("/")[2]}
    prefix = model.base_model_prefix + "."
    return name not in known and prefix + name not in known


def _require_numbers(source: str, model: Any) -> None:
    import numpy as np

    for variable in model.weights:
        value = np.asarray(variable.numpy())
        if np.issubdtype(value.dtype, np.floating) and not np.isfinite(value).all():
            raise UserError(
                f"model {source}: the weights {pytorch_names(model, variable)[0]} are not all "
                "numbers (NaN or infinite); take an earlier checkpoint"
            )


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
    if config.model_type in ("deberta", "deberta-v2") and not getattr(config, "legacy", True):
        # The same computation under other names, always tied; saved under the usual names.
        config.legacy = config.tie_word_embeddings = True
    require_obeyed(config)
    return config


def may_be_hub_name(source: str) -> bool:
    """Whether it may name a model on the Hub, `model` or `user/model`; what exists comes first."""
    path = Path(source)
    if path.exists() or ("/" in source and path.parent.exists()):
        return False
    return re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?", source) is not None


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
