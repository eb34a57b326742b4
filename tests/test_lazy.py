"""Names of packages that are imported when they are first used."""

from __future__ import annotations

import importlib
import types
import xml

import pytest

from tfmlm._lazy import lazily

PACKAGES = ("tfmlm", "tfmlm.batch", "tfmlm.client", "tfmlm.export", "tfmlm.hub", "tfmlm.score")


@pytest.mark.parametrize("name", [*PACKAGES, "tfmlm.tokenizer_graph"])
def test_every_name_of_a_package_is_found_and_others_are_named(name: str) -> None:
    package = importlib.import_module(name)
    for public in package.__all__:
        assert getattr(package, public) is getattr(package, public)
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'fil_mask'"):
        package.fil_mask  # noqa: B018


def test_a_name_is_looked_for_once_and_may_be_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml, "Element", None, raising=False)
    find = lazily("xml", {"Element": "xml.etree.ElementTree", "sax": "xml.sax"})
    assert find("Element").__module__ == "xml.etree.ElementTree"
    assert vars(xml)["Element"] is find("Element")
    assert isinstance(find("sax"), types.ModuleType)
