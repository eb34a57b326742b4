"""What a notebook shows: progress, no red noise of other libraries, the curve, figures."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

from tests.training import small

TRAIN = """
import tfmlm
from tfmlm.config import TrainConfig
from tfmlm.training import run_training

results = run_training(TrainConfig(
    train_file=["corpus.txt"], model_type="bert", config_overrides={overrides!r},
    train_tokenizer="wordpiece", vocab_size=300, max_seq_length=32, max_steps=3,
    output_dir="out", cache_dir="cache",
))
"""
FILLS = """
from tfmlm.score import plot_fills
plot_fills("a [MASK]", [{"score": 0.5, "token_str": "word"}])
"""


def test_a_notebook_shows_progress_curve_and_figures(tmp_path: Path) -> None:
    small.write_corpus(tmp_path / "corpus.txt")
    cells = [TRAIN.format(overrides=small.OVERRIDES), FILLS]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    training, fills = (cell.outputs for cell in notebook.cells)
    red = [o.text for o in training if o.output_type == "stream" and o.name == "stderr"]
    assert not red
    said = "".join(o.text for o in training if o.output_type == "stream")
    assert f"Read {len(small.lines())} texts of corpus.txt" in said
    html = [o.data["text/html"] for o in training if "text/html" in o.get("data", {})]
    assert any("3/3 steps" in page and "tokens/s" in page for page in html)
    assert [o for o in training if "image/png" in o.get("data", {})]
    assert "image/png" in fills[0].data
