"""Which models a server has: the ModelServerConfig of `models.config`, and its checks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfmlm.serve.config_files import read_text_proto
from tfmlm.serve.status import invalid_argument


def single_model_config(name: str, base_path: str) -> Any:
    """The ModelServerConfig that `--model_name` and `--model_base_path` stand for."""
    from tensorflow_serving.config import model_server_config_pb2

    config = model_server_config_pb2.ModelServerConfig()
    config.model_config_list.config.add(name=name, base_path=base_path, model_platform="tensorflow")
    return config


def read_model_config(path: str | os.PathLike[str]) -> Any:
    """A ModelServerConfig from a `models.config`."""
    from tensorflow_serving.config import model_server_config_pb2

    return read_text_proto(path, model_server_config_pb2.ModelServerConfig())


def pick_versions(policy: Any, found: Sequence[int]) -> list[int]:
    """The versions that a ServableVersionPolicy wants among those found, ascending."""
    found = sorted(set(found))
    kind = policy.WhichOneof("policy_choice")
    if kind == "all":
        return found
    if kind == "specific":
        wanted = set(policy.specific.versions)
        return [version for version in found if version in wanted]
    return found[-max(policy.latest.num_versions, 1) :]


def check_model_config(config: Any) -> list[Any]:
    """The ModelConfigs of a ModelServerConfig.

    Raises:
        StatusError: as `server_core.cc` refuses it.
    """
    if config.WhichOneof("config") == "custom_model_config":
        raise invalid_argument("custom_model_config is not supported; use model_config_list")
    entries = list(config.model_config_list.config)
    names = set()
    for entry in entries:
        if not entry.name:
            raise invalid_argument("a model in the config list has no name")
        if entry.name in names:
            raise invalid_argument(
                f"Illegal to list model {entry.name} multiple times in config list"
            )
        names.add(entry.name)
        platform = entry.model_platform or ("tensorflow" if entry.model_type == 1 else "")
        if not platform:
            raise invalid_argument(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                f"ModelServerConfig::model_platform, model name is {entry.name}"
            )
        if platform != "tensorflow":
            raise invalid_argument(f"Model {entry.name} requests unsupported platform {platform}")
        if not Path(entry.base_path).is_absolute():
            raise invalid_argument(
                f"Expected model {entry.name} to have an absolute path or URI; "
                f"got base_path()={entry.base_path}"
            )
    return entries
