"""Full and read-only disks: one line that names the folder, and nothing that was there is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tf_keras

import tfmlm
from tests.attack.small_disk import fill, make_read_only, small_disk
from tests.export.exported import refused_checkpoint
from tests.training import small
from tfmlm.config import TrainConfig
from tfmlm.errors import RunFailedError, UserError
from tfmlm.export.versions import versions
from tfmlm.hub.folder import snapshot
from tfmlm.training import run_training


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    small.write_corpus(root / "corpus.txt")
    small.tokenizer().save_pretrained(root / "tokenizer")
    return root


def settings(root: Path, out: Path, **more: Any) -> TrainConfig:
    values = {
        "train_file": [str(root / "corpus.txt")],
        "model_type": "bert",
        "config_overrides": small.OVERRIDES,
        "tokenizer_name": str(root / "tokenizer"),
        "max_seq_length": small.LENGTH,
        "per_device_train_batch_size": 4,
        "validation_split_percentage": 0,
        "max_steps": 6,
        "save_steps": 2,
        "cache_dir": str(root / "cache"),
        "output_dir": str(out),
        **more,
    }
    return TrainConfig.from_dict(values)


class FillAt(tf_keras.callbacks.Callback):
    """Somebody else fills the disk after a step, or at the end."""

    def __init__(self, disk: Path, step: int | None) -> None:
        super().__init__()
        self._disk, self._step = disk, step

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if self._step == int(self.model.global_step.numpy()):
            fill(self._disk)

    def on_train_end(self, logs: Any = None) -> None:
        if self._step is None:
            fill(self._disk)


def one_line(error: Exception, folder: Path) -> str:
    line = str(error)
    assert str(folder) in line and "\n" not in line and len(line) < 400
    return line


def test_a_run_that_has_no_room_does_not_begin(root: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        with pytest.raises(UserError, match="not enough space .* MB are missing") as caught:
            run_training(settings(root, disk / "out"))
        one_line(caught.value, disk / "out")
        assert list(disk.iterdir()) == []


def test_a_disk_that_fills_during_a_run_and_at_its_end(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        out, ballast = disk / "out", disk / "ballast"
        config = settings(root, out, save_total_limit=1)  # no older one whose room could be taken
        for step, kept in ((3, 2), (None, 4)):  # while a checkpoint is written; the model itself
            with pytest.raises(RunFailedError, match="no space left in .* goes on") as caught:
                run_training(config, callbacks=[FillAt(disk, step)])
            line = one_line(caught.value, out)
            assert step is not None or "the trained model, which needs 0." in line
            ballast.unlink()
            names = {path.name for path in (out / "checkpoints").iterdir()}
            assert f"step-0000000{kept}" in names and not [n for n in names if ".tmp" in n]
            assert not (out / "model.safetensors").exists()
        results = run_training(config)
        assert "Resuming from step 4 of 6" in capfd.readouterr().err
        assert results["train_steps"] == 6 and (out / "model.safetensors").exists()
        assert not list(out.glob(".tmp-*"))


def test_an_export_that_has_no_room_does_not_begin(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1) as disk:
        (disk / "mine").write_bytes(bytes((1 << 20) - (1 << 16)))
        said: list[str] = []
        with pytest.raises(UserError, match="not enough space .* for the export") as caught:
            tfmlm.export_saved_model(
                refused_checkpoint(), None, disk / "a" / "export", progress=said.append
            )
        one_line(caught.value, disk / "a" / "export")
        assert not [line for line in said if "tokenizer" in line], "the work had begun"
        assert [path.name for path in disk.iterdir()] == ["mine"]


def test_a_disk_that_fills_during_an_export(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 4) as disk:

        def tell(message: str) -> None:
            if message.startswith("writing"):
                fill(disk)

        with pytest.raises(RunFailedError, match="no space left on the disk") as caught:
            tfmlm.export_saved_model(refused_checkpoint(), None, disk / "export", progress=tell)
        one_line(caught.value, disk / "export")
        assert [path.name for path in disk.iterdir()] == ["ballast"]


def test_a_push_that_has_no_room_for_its_snapshot(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 2) as disk:
        (disk / "model.safetensors").write_bytes(bytes(1 << 20))
        fill(disk)
        before = {path: path.stat().st_size for path in disk.iterdir()}
        with pytest.raises(UserError, match=r"a copy of what is pushed \(1\.0 MB\)") as caught:
            snapshot([("model.safetensors", disk / "model.safetensors")], disk)
        one_line(caught.value, disk)
        assert {path: path.stat().st_size for path in disk.iterdir()} == before


def test_read_only_folders(root: Path, tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 8) as disk:
        (disk / "out").mkdir()
        make_read_only(disk)
        for folder in (disk / "out", disk / "new"):
            with pytest.raises(UserError, match="cannot write in the output folder") as caught:
                run_training(settings(root, folder))
            one_line(caught.value, folder)
            with pytest.raises(UserError, match="cannot write in the export folder") as caught:
                tfmlm.export_saved_model(refused_checkpoint(), None, folder)
            one_line(caught.value, folder)
            assert versions(folder) == []
        cache = settings(root, tmp_path / "run", cache_dir=str(disk / "cache"))
        with pytest.raises(UserError, match="choose another folder with cache_dir"):
            run_training(cache)
        assert not (tmp_path / "run").exists()
