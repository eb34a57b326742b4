"""`GraphTokenizer`: a fast tokenizer as a `tf.Module` of stock TF Serving ops."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, NamedTuple

import tensorflow as tf

from tfmlm.errors import UnsupportedTokenizerError, UserError
from tfmlm.tokenizer_graph.component import BuildContext, Tokens
from tfmlm.tokenizer_graph.decoders.decoder import GraphDecoder
from tfmlm.tokenizer_graph.loading import spec_from_pretrained, spec_from_tokenizer
from tfmlm.tokenizer_graph.ops.traced import Traced
from tfmlm.tokenizer_graph.paths.choose import choose
from tfmlm.tokenizer_graph.paths.general import GeneralPath
from tfmlm.tokenizer_graph.post_processors.assemble import Assembler, pad, truncate
from tfmlm.tokenizer_graph.post_processors.template import probe_templates
from tfmlm.tokenizer_graph.spec import TokenizerSpec
from tfmlm.tokenizer_graph.spec.tokenizer import with_type


class Encoded(NamedTuple):
    """Ids without special tokens, and where the mask tokens stand in the texts.

    Attributes:
        ids: RaggedTensor int32 [batch, (tokens)].
        mask_spans: RaggedTensor int64 [batch, (masks), 2]: start and end in bytes of the text as
            given, one for each mask id in `ids`, in order; the token's own content without the
            whitespace that it strips. (-1, -1) for a mask id that a normalizer made out of other
            characters.
        offsets: RaggedTensor int64 [batch, (tokens), 2]: start and end of every token in
            characters of the text, as the fast tokenizer's `offset_mapping`; `None` unless asked
            for.
        byte_offsets: the same in bytes of the text as given.
    """

    ids: tf.RaggedTensor
    mask_spans: tf.RaggedTensor
    offsets: tf.RaggedTensor | None = None
    byte_offsets: tf.RaggedTensor | None = None


class GraphTokenizer(tf.Module):
    """A Hugging Face fast tokenizer compiled into a TensorFlow graph; ids are exactly equal.

    Works eagerly, in `tf.function`, in `tf.data`, in a v1 session and after a SavedModel reload.
    Texts are `tf.string [batch]` (anything that `tf.convert_to_tensor` takes), or one scalar
    string, for which outputs lose their batch dimension. Invalid UTF-8 is read as by
    `bytes.decode("utf-8", "replace")`. No content raises.

    Use `from_pretrained` or `from_tokenizer`.

    Raises:
        UnsupportedTokenizerError: a component cannot be compiled exactly; the error names it.
    """

    def __init__(self, spec: TokenizerSpec, ops: str = "core") -> None:
        super().__init__(name="graph_tokenizer")
        self.spec = spec
        try:
            self._build(spec, ops)
        except UnsupportedTokenizerError as error:
            raise with_type(error, json.loads(spec.json_text)) from None

    def _build(self, spec: TokenizerSpec, ops: str) -> None:
        context = BuildContext(spec=spec, tokenizer=spec.rust)
        single, pair = probe_templates(context)
        context = replace(context, template_ids=(single.fixed[0], single.fixed[1]))
        self._single, self._pair = Assembler(single), Assembler(pair)
        self._path, self._make_general = choose(context, self._single, ops)
        self._general: GeneralPath | None = None
        self._with_specials = Traced(
            lambda texts: self._path.tokens(texts, with_special_tokens=True),
            tf.TensorSpec([None], tf.string),
        )
        self._context = context
        self._decoder: GraphDecoder | None = None
        self.prefix_ids: list[int] = list(single.fixed[0])
        self.suffix_ids: list[int] = list(single.fixed[1])
        self.vocab_size: int = context.tokenizer.get_vocab_size(with_added_tokens=True)
        self.mask_token = spec.config.mask_token
        self.mask_token_id = spec.config.mask_token_id
        self.pad_token_id = spec.config.pad_token_id
        self.special_ids: list[int] = list(spec.config.special_ids)
        self.model_input_names: list[str] = list(spec.config.model_input_names)
        self.fingerprint = spec.fingerprint
        self.ops = ops

    @classmethod
    def from_pretrained(
        cls, name_or_dir: str, *, revision: str | None = None, ops: str = "core"
    ) -> GraphTokenizer:
        """Compiles the tokenizer of a folder or of a Hub repository.

        Args:
            name_or_dir: folder or name.
            revision: branch, tag or commit.
            ops: "core" for TensorFlow's own ops alone; "text" for WordPiece by an op of TF Text,
                which is faster and needs `tensorflow_text` wherever the graph runs.

        Raises:
            UserError: nothing there can be loaded as a tokenizer.
            UnsupportedTokenizerError: a component cannot be compiled exactly.
        """
        return cls(spec_from_pretrained(name_or_dir, revision), ops)

    @classmethod
    def from_tokenizer(cls, tokenizer: Any, *, ops: str = "core") -> GraphTokenizer:
        """Compiles a transformers fast tokenizer, or a `tokenizers.Tokenizer`.

        Args:
            tokenizer: the tokenizer.
            ops: see `from_pretrained`.

        Raises:
            UnsupportedTokenizerError: a component cannot be compiled exactly.
        """
        return cls(spec_from_tokenizer(tokenizer), ops)

    @tf.autograph.experimental.do_not_convert
    def tokenize(self, texts: Any) -> tf.RaggedTensor:
        """Ids with special tokens.

        Args:
            texts: tf.string [batch] or [].

        Returns:
            RaggedTensor int32 [batch, (tokens)]; int32 [tokens] for a scalar.
        """
        texts, scalar = _as_batch(texts)
        tokens = self._with_specials(texts)
        return tokens.ids if scalar else _ragged(tokens)

    @tf.autograph.experimental.do_not_convert
    def encode(self, texts: Any, *, offsets: bool = False) -> Encoded:
        """Ids without special tokens, with the byte spans of the mask tokens.

        Args:
            texts: tf.string [batch].
            offsets: give the offsets of all tokens too; this takes a longer way.

        Raises:
            UnsupportedTokenizerError: `offsets` are asked for, and a component has none that are
                exactly the fast tokenizer's; the error names it.
        """
        texts, _ = _as_batch(texts)
        spans = self._path.spans(texts)
        mask_spans = tf.RaggedTensor.from_row_splits(spans.span, spans.splits, validate=False)
        if not offsets:
            return Encoded(_ragged(spans.tokens), mask_spans)
        return Encoded(_ragged(spans.tokens), mask_spans, *self.offsets(texts))

    @tf.autograph.experimental.do_not_convert
    def offsets(self, texts: Any) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
        """`offsets` and `byte_offsets` of `Encoded` alone; arguments and errors are `encode`'s."""
        if self._general is None:
            with tf.init_scope():  # its tables belong to no graph
                self._general = self._make_general()
        found = self._general.offsets(_as_batch(texts)[0])
        splits = found.tokens.splits
        return (
            tf.RaggedTensor.from_row_splits(found.characters, splits, validate=False),
            tf.RaggedTensor.from_row_splits(found.bytes, splits, validate=False),
        )

    @tf.autograph.experimental.do_not_convert
    def __call__(
        self,
        texts: Any,
        text_pair: Any = None,
        max_length: int | tf.Tensor | None = None,
        padding: str | int = "longest",
    ) -> dict[str, tf.Tensor]:
        """Padded inputs of a model.

        Args:
            texts: tf.string [batch] or [].
            text_pair: second texts, of the same shape.
            max_length: cut rows to at most this many tokens, special tokens included and kept; of
                a pair the longer text is cut first.
            padding: "longest" row of the batch, "max_length", or an int: the longest rounded up to
                a multiple.

        Returns:
            `input_ids`, `attention_mask` and, if the model takes them, `token_type_ids`: int32
            [batch, tokens].

        Raises:
            UserError: `max_length` leaves no room for the special tokens, or `padding` is neither.
        """
        batch, scalar = _as_batch(texts)
        if text_pair is None and max_length is None and not self._single.needs_types:
            tokens = self._with_specials(batch)
            return self._padded(tokens, None, None, padding, scalar)
        if text_pair is not None and not self.spec.config.takes_pairs:
            raise UserError("this tokenizer takes no pairs: it has no token that ends a text")
        inputs = [self._path.tokens(batch)]
        if text_pair is not None:
            inputs.append(self._path.tokens(_as_batch(text_pair)[0]))
        assembler = self._single if text_pair is None else self._pair
        if max_length is not None:
            if not tf.is_tensor(max_length) and max_length < assembler.added:
                raise UserError(
                    f"max_length {max_length} leaves no room for {assembler.added} special tokens"
                )
            room = tf.maximum(tf.cast(max_length, tf.int64) - assembler.added, 0)
            inputs = truncate(inputs, room, self.spec.config.truncation_side)
        tokens, types = assembler(inputs)
        return self._padded(tokens, types, max_length, padding, scalar)

    @tf.autograph.experimental.do_not_convert
    def padded_ids(self, texts: Any) -> dict[str, tf.Tensor]:
        """`input_ids` and `attention_mask` of a call alone: int32 [batch, tokens].

        Args:
            texts: tf.string [batch] or [].
        """
        batch, scalar = _as_batch(texts)
        tokens = self._with_specials(batch)
        return self._padded(tokens, None, None, "longest", scalar, typed=False)

    def _padded(
        self,
        tokens: Tokens,
        types: tf.Tensor | None,
        max_length: int | tf.Tensor | None,
        padding: str | int,
        scalar: bool,
        typed: bool = True,
    ) -> dict[str, tf.Tensor]:
        """int32 [batch, width] each; `types` (int32 [m]) is `None` where all have one type.

        Without `typed` there are no `token_type_ids`.
        """
        config = self.spec.config
        splits, side = tokens.splits, config.padding_side
        width = None
        if padding != "longest" or side == "left":
            width = _width(splits[1:] - splits[:-1], max_length, padding)
        filler = config.pad_token_id if config.pad_token_id is not None else 0
        ids = pad(tokens.ids, splits, width, filler, side)
        result = {
            "input_ids": ids,
            "attention_mask": pad(tf.ones_like(tokens.ids), splits, width, 0, side),
        }
        if typed and "token_type_ids" in self.model_input_names:
            if types is None and self._single.text_type == config.pad_token_type_id == 0:
                result["token_type_ids"] = tf.zeros_like(ids)
            else:
                if types is None:
                    types = tf.fill(tf.shape(tokens.ids), self._single.text_type)
                result["token_type_ids"] = pad(types, splits, width, config.pad_token_type_id, side)
        return {name: value[0] for name, value in result.items()} if scalar else result

    @tf.autograph.experimental.do_not_convert
    def decode(
        self,
        ids: Any,
        skip_special_tokens: bool = True,
        clean_up_tokenization_spaces: bool | None = None,
    ) -> tf.Tensor:
        """Text of each row, as `PreTrainedTokenizerFast.decode` gives it.

        Args:
            ids: RaggedTensor or int [batch, tokens], int [tokens], or (nested) lists. Ids that no
                token has are left out.
            skip_special_tokens: leave special tokens out.
            clean_up_tokenization_spaces: undo spaces before punctuation; the tokenizer's own
                setting if not given.

        Returns:
            tf.string [batch]; a scalar for a single row.
        """
        if isinstance(ids, (list, tuple)):
            ids = tf.ragged.constant(ids, dtype=tf.int32)
        if not isinstance(ids, tf.RaggedTensor):
            ids = tf.convert_to_tensor(ids)
        clean_up = clean_up_tokenization_spaces
        if clean_up is None:
            clean_up = self.spec.config.clean_up_tokenization_spaces
        if isinstance(ids, tf.RaggedTensor):
            flat, splits, scalar = ids.values, ids.row_splits, False
        else:
            scalar = ids.shape.rank == 1
            rows = ids[tf.newaxis] if scalar else ids
            shape = tf.shape(rows, tf.int64)
            flat = tf.reshape(rows, [-1])
            splits = tf.range(shape[0] + 1) * shape[1]
        if self._decoder is None:
            with tf.init_scope():  # its tables belong to no graph
                self._decoder = GraphDecoder(self._context)
        texts = self._decoder(
            tf.cast(flat, tf.int32), tf.cast(splits, tf.int64), skip_special_tokens, clean_up
        )
        return texts[0] if scalar else texts


def _as_batch(texts: Any) -> tuple[tf.Tensor, bool]:
    """Strings as tf.string [batch], and whether a single one was given."""
    texts = tf.convert_to_tensor(texts, tf.string)
    if texts.shape.rank == 0:
        return texts[tf.newaxis], True
    if texts.shape.rank != 1:
        raise UserError(f"texts have the shape {texts.shape}; give a string or a vector of strings")
    return texts, False


def _ragged(tokens: Tokens) -> tf.RaggedTensor:
    """[batch, (tokens)] of int32."""
    return tf.RaggedTensor.from_row_splits(tokens.ids, tokens.splits, validate=False)


def _width(lengths: tf.Tensor, max_length: int | tf.Tensor | None, padding: str | int) -> tf.Tensor:
    """Columns of padded rows, an int64 scalar, by the lengths of all (int64 [batch])."""
    if padding == "max_length":
        if max_length is None:
            raise UserError("padding='max_length' needs max_length")
        return tf.cast(max_length, tf.int64)
    longest = tf.reduce_max(tf.concat([lengths, [0]], 0))
    if padding == "longest":
        return longest
    if isinstance(padding, int) and not isinstance(padding, bool) and padding > 0:
        return -(-longest // padding) * padding
    raise UserError(f"padding is {padding!r}: give 'longest', 'max_length' or a positive multiple")
