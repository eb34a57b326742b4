"""Starts `tensorflow_model_server` in place of the local server."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfmlm.errors import UserError
from tfmlm.serve.options import ServerOptions

BINARY = "tensorflow_model_server"


def model_server_command(binary: str, flags: Mapping[str, Any]) -> list[str]:
    """The command line for these flags; a relative model folder is made absolute, and the REST
    port that the local server has by default is set."""
    values = {"rest_api_port": ServerOptions.rest_api_port, **flags}
    if values.get("model_base_path") and "://" not in str(values["model_base_path"]):
        values["model_base_path"] = str(Path(values["model_base_path"]).absolute())
    command = [binary]
    for name, value in values.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if isinstance(value, float) and value.is_integer():
            text = str(int(value))
        command.append(f"--{name}={text}")
    return command


def run_model_server(flags: Mapping[str, Any]) -> int:
    """Replaces this process by `tensorflow_model_server`.

    Raises:
        UserError: it is not on the PATH.
    """
    binary = shutil.which(BINARY)
    if binary is None:
        raise UserError(
            f"{BINARY} is not on the PATH; install it (Debian package tensorflow-model-server, or "
            "the image tensorflow/serving), or leave --engine out"
        )
    os.execv(binary, model_server_command(binary, flags))
    return 1  # only reached where execv is replaced in a test
