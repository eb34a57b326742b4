"""Probed tables are kept on disk, whole, by component and library version."""

import pytest

from tfmlm.tokenizer_graph import probe

NFC = [{"type": "NFC"}]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "tfmlm" / "probes"


def test_second_time_from_disk(cache, monkeypatch):
    first = probe.changes(NFC)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr(probe, "normalizer", None)  # asking again would fail
    assert probe.changes(NFC) == first
    assert first[0x212B] == (0xC5,)


def test_other_component_and_other_version_are_kept_apart(cache, monkeypatch):
    probe.changes(NFC)
    probe.changes([{"type": "Lowercase"}])
    monkeypatch.setattr(probe.tokenizers, "__version__", "0.0.0")
    probe.changes(NFC)
    assert len(list(cache.iterdir())) == 3


@pytest.mark.parametrize("damage", [b"", b"not a zip", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_made_again(cache, damage):
    first = probe.changes(NFC)
    (path,) = cache.iterdir()
    path.write_bytes(damage)
    assert probe.changes(NFC) == first
    assert path.stat().st_size > 100


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert probe.changes(NFC)[0x212B] == (0xC5,)


def test_changes_are_what_each_code_point_becomes():
    normalize = probe.normalizer([{"type": "NFKD"}])
    found = probe.changes([{"type": "NFKD"}])
    for c in probe.codepoints():
        assert normalize(chr(c)) == "".join(map(chr, found.get(c, (c,))))
