"""Normalizers that treat each code point by itself, in one table; also around a decomposition.

A run of such normalizers is probed as a whole. One NFD or NFKD may stand in the run: it only
reorders marks, so where all marks are dropped afterwards, the run is still context-free. Texts
with a mark that would stay (a few exist even under StripAccents) take the exact way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tfmlm.tokenizer_graph import probe
from tfmlm.tokenizer_graph import spec as specs
from tfmlm.tokenizer_graph.normalizers.unicode_data import decomposition, unicode_data
from tfmlm.tokenizer_graph.normalizers.unicode_forms import Reorder, consumed_sources
from tfmlm.tokenizer_graph.ops.branches import branch
from tfmlm.tokenizer_graph.ops.tables import FlagTable, MapTable

CONTEXT_FREE = (specs.Nmt, specs.Lowercase, specs.StripAccents)


def is_context_free(spec: specs.Component) -> bool:
    """Whether the component looks at one code point at a time."""
    if isinstance(spec, specs.BertNormalizer):
        return not spec.strips_accents
    if isinstance(spec, specs.ReplaceNormalizer):
        return not spec.pattern.regex and len(spec.pattern.text) == 1
    return isinstance(spec, CONTEXT_FREE)


@dataclass(frozen=True)
class Effect:
    """What a run of normalizers does.

    Attributes:
        changes: what a code point becomes by itself, where it changes.
        acting: code points that act on their neighbours.
    """

    changes: dict[int, tuple[int, ...]]
    acting: frozenset[int]


class ContextFree(tf.Module):
    """A run of normalizers as one table.

    Args:
        before: JSON of context-free normalizers.
        form: "NFD" or "NFKD", or `None`.
        after: JSON of context-free normalizers.
    """

    def __init__(
        self,
        before: Sequence[dict[str, Any]],
        form: str | None = None,
        after: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__()
        whole = [*before, *([{"type": form}] if form else []), *after]
        changes = probe.changes(whole) if whole else {}
        self._table = MapTable(changes)
        self.effect = Effect(changes, frozenset())
        self._staying = None
        if form is None:
            return
        dropped = _dropped(after)
        staying = {mark for mark in unicode_data().ranks if mark not in dropped}
        if not staying:
            return
        first = probe.changes(list(before)) if before else {}
        parts = decomposition(form)
        # Most of the 200,000 changes of a BERT are dropped or spaced: sets are compared whole.
        holding = {b for b in {*parts, *staying} if not staying.isdisjoint(parts.get(b, (b,)))}
        holders = {c for c, spelled in first.items() if not holding.isdisjoint(spelled)}
        holders |= holding - first.keys()
        self._staying = FlagTable(holders)
        self.effect = Effect(changes, frozenset(holders))
        self._before = MapTable(first)
        self._decompose = MapTable(parts)
        self._reorder = Reorder()
        self._after = MapTable(probe.changes(list(after)) if after else {})

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """See `Normalizer`."""
        if self._staying is None:
            return self._table(stream)
        return branch(
            tf.reduce_any(self._staying(stream)),
            lambda: self._after(self._reorder(self._decompose(self._before(stream)))),
            lambda: self._table(stream),
        )

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Normalizer`."""

        def by_table() -> tuple[tf.Tensor, tf.Tensor]:
            return self._table.with_sources(stream)[:2]

        if self._staying is None:
            return by_table()

        def in_steps() -> tuple[tf.Tensor, tf.Tensor]:
            values, sources, _ = self._before.with_sources(stream)
            values, _, number = self._decompose.with_sources(values)
            values, consumes = self._reorder.with_flags(values, tf.equal(number, 0))
            sources = tf.gather(sources, consumed_sources(tf.cast(consumes, tf.int64)))
            values, own, _ = self._after.with_sources(values)
            return values, tf.gather(sources, own)

        return branch(tf.reduce_any(self._staying(stream)), in_steps, by_table)


def _dropped(components: Sequence[dict[str, Any]]) -> set[int]:
    if not components:
        return set()
    return {c for c, target in probe.changes(list(components)).items() if not target}
