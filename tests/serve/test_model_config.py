from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from tfmlm.serve.model_config import (
    check_model_config,
    pick_versions,
    read_model_config,
    single_model_config,
)
from tfmlm.serve.status import StatusError


def config(entries: str) -> Any:
    text = f"model_config_list {{ {entries} }}"
    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


def test_models(tmp_path: Path) -> None:
    path = tmp_path / "models.config"
    path.write_text(
        'model_config_list { config { name: "a" base_path: "/a" model_platform: "tensorflow" } }'
    )
    assert read_model_config(path) == single_model_config("a", "/a")


def test_pick_versions() -> None:
    def pick(text: str) -> list[int]:
        entry = f'config {{ name: "m" base_path: "/m" {text} }}'
        policy = config(entry).model_config_list.config[0].model_version_policy
        return pick_versions(policy, [10, 9, 2])

    assert pick("") == [10]
    assert pick("model_version_policy { latest {} }") == [10]
    assert pick("model_version_policy { latest { num_versions: 2 } }") == [9, 10]
    assert pick("model_version_policy { all {} }") == [2, 9, 10]
    assert pick("model_version_policy { specific { versions: 9 versions: 3 } }") == [9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('config { name: "a" base_path: "/a" }', "neither ModelServerConfig::model_type"),
        ('config { name: "a" base_path: "/a" model_platform: "x" }', "unsupported platform x"),
        ('config { base_path: "/a" model_platform: "tensorflow" }', "has no name"),
    ],
)
def test_wrong_model_configs(text: str, message: str) -> None:
    with pytest.raises(StatusError, match=message):
        check_model_config(config(text))
