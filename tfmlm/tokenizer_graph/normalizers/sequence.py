"""Sequence of normalizers; runs that can be one table become one."""

from __future__ import annotations

import tensorflow as tf

from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph import spec as specs
from tfmlm.tokenizer_graph.component import BuildContext, Normalizer
from tfmlm.tokenizer_graph.normalizers.context_free import ContextFree, is_context_free
from tfmlm.tokenizer_graph.registry import builds
from tfmlm.tokenizer_graph.spec import NormalizerSequence

DECOMPOSITIONS = (specs.NFD, specs.NFKD)


class Chain(tf.Module):
    """Normalizers one after the other."""

    def __init__(self, parts: list[Normalizer]) -> None:
        super().__init__()
        self.parts = parts

    def __call__(self, stream: tf.Tensor) -> tf.Tensor:
        """See `Normalizer`."""
        for part in self.parts:
            stream = part(stream)
        return stream

    def with_sources(self, stream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """See `Normalizer`."""
        sources = tf.range(tf.size(stream, tf.int64))
        for part in self.parts:
            stream, own = part.with_sources(stream)
            sources = tf.gather(sources, own)
        return stream, sources


@builds(NormalizerSequence)
def build(spec: NormalizerSequence, context: BuildContext) -> Normalizer:
    """Compiles a sequence."""
    return chain(specs.atoms(spec), context)


def chain(atoms: list[specs.Component], context: BuildContext) -> tf.Module:
    """Compiles atoms, the longest possible runs as one table."""
    parts: list[Normalizer] = []
    index = 0
    while index < len(atoms):
        end, form = _run(atoms, index)
        if end - index > 1 or is_context_free(atoms[index]):
            run = atoms[index:end]
            middle = end - index if form is None else form - index
            parts.append(
                ContextFree(
                    [atom.to_json() for atom in run[:middle]],
                    None if form is None else run[middle].type_name,
                    [atom.to_json() for atom in run[middle + 1 :]],
                )
            )
            index = end
        else:
            parts.append(registry.builder(atoms[index])(atoms[index], context))
            index += 1
    return Chain(parts)


def _run(atoms: list[specs.Component], start: int) -> tuple[int, int | None]:
    """(end, index of the decomposition) of the run of context-free atoms from `start`."""
    form = None
    end = start
    while end < len(atoms):
        if form is None and isinstance(atoms[end], DECOMPOSITIONS):
            form = end
        elif not is_context_free(atoms[end]):
            break
        end += 1
    return end, form
