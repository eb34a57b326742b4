"""Pseudo-log-likelihood of texts, and pictures of what a masked LM finds surprising."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfmlm._lazy import lazily

_LAZY = {
    "ScoredText": "tfmlm.export.checking.scorer",
    "corpus_pseudo_perplexity": "tfmlm.score.scorers",
    "open_scorer": "tfmlm.score.scorers",
    "plot_comparison": "tfmlm.score.comparison",
    "plot_fills": "tfmlm.score.fills",
    "plot_heat_map": "tfmlm.score.heat_map",
}

__all__ = [
    "ScoredText",
    "corpus_pseudo_perplexity",
    "open_scorer",
    "plot_comparison",
    "plot_fills",
    "plot_heat_map",
]

if TYPE_CHECKING:
    from tfmlm.export.checking.scorer import ScoredText
    from tfmlm.score.comparison import plot_comparison
    from tfmlm.score.fills import plot_fills
    from tfmlm.score.heat_map import plot_heat_map
    from tfmlm.score.scorers import corpus_pseudo_perplexity, open_scorer

__getattr__ = lazily(__name__, _LAZY)
