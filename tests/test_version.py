"""The version is one literal, which setup.cfg reads, and the changelog's newest."""

from __future__ import annotations

import ast
import configparser
import re
from pathlib import Path

from packaging.version import Version

import tfmlm

ROOT = Path(__file__).parents[1]


def test_it_is_one_literal_that_everything_reads() -> None:
    (statement,) = ast.parse((ROOT / "tfmlm" / "_version.py").read_text()).body
    assert isinstance(statement, ast.Assign)
    version = ast.literal_eval(statement.value)
    assert tfmlm.__version__ == version == str(Version(version))
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert setup["metadata"]["version"] == "attr: tfmlm._version.__version__"


def test_the_changelog_has_it_first() -> None:
    versions = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert versions[0] == tfmlm.__version__
    assert sorted(versions, key=Version, reverse=True) == versions
