"""Each way in which the stock callback fails: it fails there, and ours passes.

The scenarios run once for each callback, in processes of their own, side by side.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.hub.small import require_git_lfs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """Findings by callback and scenario."""
    require_git_lfs()
    folder = tmp_path_factory.mktemp("scenarios")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    processes = {
        kind: subprocess.Popen(
            [sys.executable, "-m", "tests.hub.scenarios", kind, folder / f"{kind}.json"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=(folder / f"{kind}.log").open("wb"),
        )
        for kind in ("stock", "ours")
    }
    found = {}
    for kind, process in processes.items():
        assert process.wait(timeout=580) == 0, (folder / f"{kind}.log").read_text()[-2000:]
        found[kind] = json.loads((folder / f"{kind}.json").read_text())
    return found


EXPECTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "slow_hub": (
        {"saved": False, "pushed": False},
        {"saved": True, "pushed": True},
    ),
    "hub_dies_before_the_last_push": (
        {"raised": False, "said": False, "pushed": False},
        {"raised": False, "said": True, "command": True, "saved": True, "pushed": True},
    ),
    "remote_ahead": (
        {"pushed": False, "others_kept": True},
        {"pushed": True, "others_kept": True},
    ),
    "folder_is_not_empty": ({"works": False}, {"works": True}),
    "rotated_token": ({"works": False}, {"works": True}),
    "token_on_disk": ({"holding": [".git-credentials", "config"]}, {"holding": []}),
    "token_in_traceback": ({"token": True}, {"token": False}),
    "steps_over_the_run": ({"saves_before_the_end": 0}, {"saves_before_the_end": 2}),
    "what_is_written": (
        {
            "pickles": ["checkpoint/extra_data.pickle"],
            "safetensors": False,
            "empty_link": True,
            "pipeline_tag": False,
        },
        {"pickles": [], "safetensors": True, "empty_link": False, "pipeline_tag": True},
    ),
    "hub_hangs": ({"returned": False, "said": False}, {"returned": True, "said": True}),
}


@pytest.mark.parametrize("kind", ["stock", "ours"])
@pytest.mark.parametrize("scenario", EXPECTED)
def test_scenario(findings, scenario, kind):
    expected = EXPECTED[scenario][("stock", "ours").index(kind)]
    found = findings[kind][scenario]
    assert {key: found.get(key) for key in expected} == expected, found


def test_every_scenario_is_judged(findings):
    assert set(EXPECTED) == set(findings["stock"]) == set(findings["ours"])
