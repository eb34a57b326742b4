#!/usr/bin/env python3
"""Canary, promotion and rollback: edits the versions and labels of a models.config.

    python serving/release.py config/models.config show
    python serving/release.py config/models.config canary 2     load version 2 too
    python serving/release.py config/models.config promote      the canary becomes stable
    python serving/release.py config/models.config rollback     back to the version before
    python serving/release.py config/models.config prune        unload what no label names

The server reads the file again (--model_config_file_poll_wait_seconds). Stock TensorFlow Serving
gives a label only to a version that is loaded, and takes nothing of a file that it refuses: start
it with --allow_version_labels_for_unavailable_models for labels that are new, or give --url, and
each step waits until the server has loaded the version before it writes the label.

Needs `pip install tensorflow-serving-api` (or tfmlm, which brings it) for the file's format.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any


class Refused(Exception):
    """A step that makes no sense now."""


def read(path: Path) -> Any:
    try:
        from google.protobuf import text_format
        from tensorflow_serving.config import model_server_config_pb2
    except ImportError as error:
        raise Refused(
            f"the format of models.config needs a package that is not there ({error}): "
            "pip install tensorflow-serving-api"
        ) from None
    try:
        return text_format.Parse(
            path.read_text("utf-8"), model_server_config_pb2.ModelServerConfig()
        )
    except (OSError, text_format.ParseError) as error:
        raise Refused(f"{path}: {error}") from None


def write(path: Path, config: Any) -> None:
    """Writes beside and renames, so that a server never reads half a file."""
    from google.protobuf import text_format

    head = "# ModelServerConfig, written by release.py\n"
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(head + text_format.MessageToString(config))
    temporary = Path(name)
    temporary.chmod(0o644)
    temporary.replace(path)


def find(config: Any, name: str) -> Any:
    entries = [e for e in config.model_config_list.config if name in ("", e.name)]
    if len(entries) != 1:
        names = ", ".join(e.name for e in config.model_config_list.config)
        raise Refused(f"choose one model with --model: {names}")
    return entries[0]


def loaded(entry: Any) -> list[int]:
    if entry.model_version_policy.WhichOneof("policy_choice") != "specific":
        raise Refused("the version policy must be `specific`, so that releases are explicit")
    return list(entry.model_version_policy.specific.versions)


def set_versions(entry: Any, versions: set[int]) -> None:
    entry.model_version_policy.specific.versions[:] = sorted(versions)


def step(entry: Any, action: str, version: int | None) -> list[tuple[set[int], dict[str, int]]]:
    """The states to write one after the other: versions to load, labels."""
    versions, labels = set(loaded(entry)), dict(entry.version_labels)
    if action == "canary":
        if version is None:
            raise Refused("canary needs the number of a version")
        versions.add(version)
        return [(versions, labels), (versions, {**labels, "canary": version})]
    if action == "promote":
        if "canary" not in labels:
            raise Refused("there is no canary to promote")
        new = {"stable": labels["canary"]}
        if "stable" in labels and labels["stable"] != labels["canary"]:
            new["previous"] = labels["stable"]
        return [(versions, new)]
    if action == "rollback":
        if "canary" in labels:  # not promoted yet: only take the canary away
            del labels["canary"]
            return [(versions, labels)]
        if "previous" not in labels:
            raise Refused("there is no version to go back to")
        return [(versions, {"stable": labels["previous"]})]
    return [(versions & set(labels.values()), labels)]  # prune


def wait_until_loaded(url: str, versions: set[int], seconds: float) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=10) as response:
                status = json.load(response)["model_version_status"]
            available = {int(v["version"]) for v in status if v["state"] == "AVAILABLE"}
            failed = [v for v in status if int(v["version"]) in versions and v["state"] == "END"]
        except (OSError, ValueError, KeyError) as error:
            available, failed = set(), []
            problem: Any = error
        else:
            problem = f"available: {sorted(available)}"
        if versions <= available:
            return
        if time.monotonic() > end:
            for entry in failed:
                problem = f"version {entry['version']}: {entry['status']['error_message']}"
            raise Refused(f"the server did not load {sorted(versions)} ({problem})")
        time.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("config", type=Path)
    parser.add_argument("action", choices=("show", "canary", "promote", "rollback", "prune"))
    parser.add_argument("version", type=int, nargs="?")
    parser.add_argument("--model", default="", help="if the file has several")
    parser.add_argument("--url", help="http://host:port/v1/models/NAME: wait for its loads")
    parser.add_argument("--wait", type=float, default=300.0, help="seconds to wait for a load")
    arguments = parser.parse_args()
    try:
        config = read(arguments.config)
        entry = find(config, arguments.model)
        if arguments.action != "show":
            for versions, labels in step(entry, arguments.action, arguments.version):
                if not labels and not versions:
                    raise Refused("nothing would be left to serve")
                set_versions(entry, versions)
                entry.version_labels.clear()
                entry.version_labels.update(labels)
                write(arguments.config, config)
                if arguments.url:
                    wait_until_loaded(arguments.url, versions, arguments.wait)
        shown = ", ".join(f"{k}={v}" for k, v in sorted(entry.version_labels.items()))
        print(f"{entry.name}: versions {loaded(entry)}, labels {shown or 'none'}")
        return 0
    except Refused as error:
        print(f"release.py: error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
