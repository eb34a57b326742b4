"""Which paths a tokenizer's texts take."""

from __future__ import annotations

from dataclasses import replace

from tfmlm.errors import UserError
from tfmlm.tokenizer_graph import registry
from tfmlm.tokenizer_graph.added_tokens import build_passes
from tfmlm.tokenizer_graph.component import BuildContext, Path, PostProcessor
from tfmlm.tokenizer_graph.paths import strings
from tfmlm.tokenizer_graph.paths.general import GeneralPath, components
from tfmlm.tokenizer_graph.paths.split import SplitPath
from tfmlm.tokenizer_graph.post_processors.trim import Trim

#: `core`: TensorFlow's own ops. `text`: WordPiece by an op of TF Text, which is faster.
OPS = ("core", "text")


def choose(
    context: BuildContext, assemble: PostProcessor, ops: str = "core"
) -> tuple[Path, GeneralPath]:
    """The paths of a tokenizer, as one; and the general one, which knows offsets.

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
    finder = strings.build(context)
    if finder is not None:
        context = replace(context, special=finder.special)
    model = registry.builder(context.spec.model)(context.spec.model, context)
    general = GeneralPath(
        context, before, normalizer, after, pre_tokenizer, model, assemble, Trim(context)
    )
    if ops == "text":
        from tfmlm.tokenizer_graph.paths import wordpiece

        path = wordpiece.build(context, before, normalizer, after, pre_tokenizer)
        if path is not None:
            return path, general
    if finder is None:
        return general, general
    return SplitPath(strings.StringPath(finder, model), general), general
