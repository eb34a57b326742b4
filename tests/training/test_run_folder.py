"""A run that is refused leaves nothing behind, and harms nothing that was there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tfmlm.config import TrainConfig
from tfmlm.errors import RunFailedError, UserError
from tfmlm.training.run_folder import (
    different_settings,
    owned,
    require_space_for_run,
    undone_if_refused,
)


def _begin(folder: Path) -> None:
    (folder / "checkpoints" / "tokenizer-1").mkdir(parents=True)
    (folder / "checkpoints" / "tokenizer-1" / "tokenizer.json").write_text("{}")
    (folder / "training_config.json").write_text("{}")
    (folder / "logs").mkdir()


@pytest.mark.parametrize("error", [UserError("wrong"), RunFailedError("lost")])
def test_folders_made_for_it_go(tmp_path: Path, error: Exception) -> None:
    folder = tmp_path / "a" / "b"
    with pytest.raises(type(error)), undone_if_refused(folder):
        _begin(folder)
        raise error
    assert list(tmp_path.iterdir()) == []


def test_what_was_there_stays(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "checkpoints" / "tokenizer-0").mkdir(parents=True)
    with pytest.raises(UserError), undone_if_refused(tmp_path):
        _begin(tmp_path)
        raise UserError("wrong")
    assert {p.name for p in tmp_path.iterdir()} == {"notes.txt", "checkpoints"}
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["tokenizer-0"]


def test_a_run_with_a_checkpoint_stays(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(UserError), undone_if_refused(folder):
        _begin(folder)
        (folder / "checkpoints" / "step-00000005").mkdir()
        raise UserError("the stream broke")
    assert (folder / "training_config.json").exists()
    assert (folder / "checkpoints" / "tokenizer-1" / "tokenizer.json").exists()


def test_another_run_is_kept_out_and_loses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with owned(folder):
        _begin(folder)
        with (
            pytest.raises(UserError, match=f"another run is writing in {folder}"),
            undone_if_refused(folder),
        ):
            (folder / "checkpoints" / "tokenizer-2").mkdir()  # the other one goes on meanwhile
            with owned(folder):
                raise AssertionError
        assert (folder / "checkpoints" / "tokenizer-2").exists()
        with owned(folder, mine=False):  # a worker whose chief has it
            pass
    with owned(folder):
        pass


@pytest.mark.parametrize(
    ("saves", "keep", "best", "needed"),
    [(0, 2, False, 1.1), (2, 2, False, 2.1), (9, 2, False, 3.1), (9, 2, True, 3.3)],
)
def test_the_space_that_a_run_needs(
    saves: int, keep: int, best: bool, needed: float, tmp_path: Path
) -> None:
    """In units of 10^18 bytes, which no disk has free."""
    unit = 10**18
    with pytest.raises(UserError, match=f"not enough space in {tmp_path} for this run") as caught:
        require_space_for_run(
            tmp_path, state=unit, weights=unit // 10, saves=saves, keep=keep, best=best
        )
    megabytes = needed * 10**12 + 4  # and four for what is small
    assert f"{megabytes:,.1f} MB are needed" in str(caught.value)


def test_other_workers_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", "{}")
    folder = tmp_path / "run"
    with pytest.raises(UserError), undone_if_refused(folder):
        _begin(folder)
        raise UserError("a port is taken")
    assert (folder / "checkpoints" / "tokenizer-1" / "tokenizer.json").exists()


@pytest.mark.parametrize(
    ("changed", "another_run"),
    [
        ({"worker_timeout": 17.0}, []),
        ({"hub_timeout": 17.0}, []),
        ({"save_steps": 17}, []),
        ({"seed": 17}, ["seed"]),
        ({"learning_rate": 0.5}, ["learning_rate"]),
    ],
)
def test_what_makes_another_run(changed: dict, another_run: list[str], tmp_path: Path) -> None:
    """How long to wait, for workers or for the Hub, changes nothing that is computed."""
    given = {"model_type": "bert", "tokenizer_name": "t", "train_file": ("a.txt",)}
    given["output_dir"] = str(tmp_path)
    former, current = TrainConfig(**given), TrainConfig(**{**given, **changed})
    assert different_settings(former.to_dict(), current.to_dict()) == another_run
