"""Settings for every test: tfmlm first (it settles on Keras 2), no Hub, no GPU, one folder."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
for library in ("TRANSFORMERS", "DATASETS", "HF_HUB"):  # what every command sets
    os.environ.setdefault(f"{library}_VERBOSITY", "error")

import pytest  # noqa: E402

import tfmlm  # noqa: E402, F401
from tests.shared import FOLDER  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run long versions of tests that have one")


_made: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    """Makes the folder that the workers of this run share, before they are started."""
    if not hasattr(config, "workerinput") and FOLDER not in os.environ:
        _made.append(tempfile.mkdtemp(prefix="tfmlm-tests-"))
        os.environ[FOLDER] = _made[0]


def pytest_unconfigure() -> None:
    """Removes it."""
    for folder in _made:
        shutil.rmtree(folder, ignore_errors=True)
        os.environ.pop(FOLDER, None)


def pytest_collection_finish() -> None:
    """Collects garbage seldom: tracing makes many objects, and hardly any in cycles.

    Of a file's CPU seconds this saves about a tenth.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="module")
def one_session_an_export() -> Iterator[None]:
    """For tests of what exports answer: each is loaded once (see `tests/sessions.py`)."""
    from tests.sessions import shared

    with shared():
        yield


@pytest.fixture(scope="module")
def one_export_a_checkpoint() -> Iterator[None]:
    """For tests of the way to a server: the same export is made once (see `tests/exports.py`)."""
    from tests.exports import shared

    with shared():
        yield


#: What `pytest -m quick` runs: something of every part, in little time.
QUICK = (
    "test_architecture.py",
    "test_config.py",
    "test_config_base.py",
    "test_figures.py",
    "test_files.py",
    "checkpoint/card/test_model_card.py",
    "cli/test_main.py",
    "client/test_address.py",
    "client/test_job.py",
    "client/test_results.py",
    "data/test_blocks.py",
    "data/test_columns.py",
    "data/test_corpus.py",
    "data/test_masking.py",
    "data/test_tokenizer_training.py",
    "export/checking/test_faults.py",
    "export/checking/test_words.py",
    "export/graph/test_candidates.py",
    "export/graph/test_texts.py",
    "export/graph/test_windows.py",
    "export/test_versions.py",
    "hub/test_delivery.py",
    "hub/test_folder.py",
    "score/test_comparison.py",
    "score/test_fills.py",
    "score/test_heat_map.py",
    "serve/test_config_files.py",
    "serve/test_json_tensors.py",
    "serve/test_json_text.py",
    "serve/test_tensors.py",
    "tokenizer_graph/models/test_wordpiece.py",
    "tokenizer_graph/normalizers/test_lowercase.py",
    "tokenizer_graph/post_processors/test_assemble.py",
    "tokenizer_graph/test_spec.py",
    "training/test_checkpoint.py",
    "training/test_optimizer.py",
    "training/test_run_folder.py",
)


_QUICK_FILES = {Path(__file__).parent / name for name in QUICK}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Other files are not even imported where only these are wanted."""
    wanted = config.getoption("markexpr") != "quick" or collection_path in _QUICK_FILES
    return None if wanted or collection_path.is_dir() else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests of these files."""
    for item in items:
        if item.path in _QUICK_FILES:
            item.add_marker("quick")
