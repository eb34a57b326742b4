"""Which paths a tokenizer's texts take."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

from tfmlm.errors import UserError
from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph.added_tokens import build_passes
from tfmlm.tokenizer_graph.component import BuildContext, Model, Path, PostProcessor
from tfmlm.tokenizer_graph.models._words import SubwordModel
from tfmlm.tokenizer_graph.paths import strings
from tfmlm.tokenizer_graph.paths.general import GeneralPath, components
from tfmlm.tokenizer_graph.paths.split import SplitPath
from tfmlm.tokenizer_graph.post_processors.trim import Trim

#: `core`: TensorFlow's own ops. `text`: WordPiece by an op of TF Text, which is faster.
OPS = ("core", "text")


def choose(
    context: BuildContext, assemble: PostProcessor, ops: str = "core"
) -> tuple[Path, Callable[[], GeneralPath]]:
    """The paths of a tokenizer, as one; and what gives the general one, which knows offsets.

    Where no text takes it, it is made when it is asked for: its tables are as large as all others.

    Args:
        assemble: puts special tokens around a single text.
        ops: see `OPS`; with "text", what TF Text's op cannot do exactly is done by core ops.

    Raises:
        UserError: there are no such ops, or TF Text is not installed.
        UnsupportedTokenizerError: a component cannot be compiled exactly.
    """
    if ops not in OPS:
        raise UserError(f"ops {ops!r} is unknown; choose one of {', '.join(OPS)}")
    before, after = build_passes(context)
    normalizer, pre_tokenizer = components(context)

    def general_of(context: BuildContext) -> tuple[GeneralPath, Model]:
        model = registry.builder(context.spec.model)(context.spec.model, context)
        path = GeneralPath(
            context, before, normalizer, after, pre_tokenizer, model, assemble, Trim(context)
        )
        return path, model

    if ops == "text":
        from tfmlm.tokenizer_graph.paths import wordpiece

        path = wordpiece.build(context, before, normalizer, after, pre_tokenizer)
        if path is not None:
            return path, functools.cache(lambda: general_of(context)[0])
    finder = strings.build(context)
    if finder is None:
        general, _ = general_of(context)
        return general, lambda: general
    general, model = general_of(replace(context, special=finder.special))
    assert isinstance(model, SubwordModel)  # fast rows have no other
    return SplitPath(strings.StringPath(finder, model), general), lambda: general
