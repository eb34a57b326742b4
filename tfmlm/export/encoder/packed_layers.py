"""Encoder layers on rows of tokens, laid out for TensorFlow's CPU kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from tfmlm.export.encoder.packed_parts import LayerParts

#: Bytes of a kernel whose product with up to 150 tokens TensorFlow runs on one thread: it does
#: where both factors and the product fit into the processor's second cache of 1 MB or more. Several
#: such products side by side use two threads better than a large one does, which waits for both.
_ONE_THREAD = 640 * 1024
#: With more pieces than this, adding up their products slows large batches down.
_MOST_PIECES = 4


def split_index(place: tf.Tensor, parts: int, heads: int) -> tf.Tensor:
    """Which head vector of n tokens stands where each is a key, a query or a value.

    Args:
        place: int32 [R, T], the token at each position.
        parts: how many of key, query and value a token's vectors hold, one after another.

    Returns:
        int32 [parts, R, heads, T], rows of [n * parts * heads, width].
    """
    number = tf.reshape(tf.range(parts * heads), [parts, 1, heads, 1])
    return place[tf.newaxis, :, tf.newaxis] * (parts * heads) + number


def merge_index(position: tf.Tensor, heads: int, columns: tf.Tensor) -> tf.Tensor:
    """The way back: rows of [R * heads * columns, width] for `position` [n, 2]: [n, heads]."""
    return (position[:, :1] * heads + tf.range(heads)) * columns + position[:, 1:]


def slots_of(indices: tf.Tensor, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Masks as rows of queries that are as long as the most masks of a row.

    Args:
        indices: int32 [N, 2], (row, position) of each mask, ascending by row.
        rows: how many rows there are.

    Returns:
        (row, slot) of each mask, int32 [N, 2]; and which mask is in each slot, int32 [rows, most],
        0 in slots without one.
    """
    row, masks = indices[:, 0], tf.range(tf.shape(indices)[0])
    count = tf.math.bincount(row, minlength=rows, maxlength=rows, dtype=tf.int32)
    slot = masks - tf.gather(tf.cumsum(count, exclusive=True), row)
    position = tf.stack([row, slot], 1)
    number = tf.scatter_nd(position, masks, tf.stack([rows, tf.reduce_max(count)]))
    return position, number


class _Layer(tf.Module):
    """What all layers and the last have in common."""

    def __init__(self, parts: LayerParts, heads: int, dense: type[Dense]) -> None:
        super().__init__(name="layer")
        self._heads = heads
        self._size = int(parts.query.kernel.shape[1])
        self._width = self._size // heads
        self.attention_output = dense.of(parts.attention_output)
        self.feed_forward = _FeedForward(parts, dense)
        self.attention_norm = Norm(parts.attention_norm)
        self.output_norm = Norm(parts.output_norm)

    def _split(self, tokens: tf.Tensor, index: tf.Tensor) -> tf.Tensor:
        """[n, parts * H] -> [..., width] as `index` says."""
        return tf.gather(tf.reshape(tokens, [-1, self._width]), index)

    def _attend(
        self,
        query: tf.Tensor,
        key: tf.Tensor,
        value: tf.Tensor,
        bias: tf.Tensor,
        merge: tf.Tensor,
    ) -> tf.Tensor:
        """Context [n, H] of queries [R, heads, queries, width]; merge int32 [n, heads]."""
        scores = tf.matmul(query, key, transpose_b=True)
        # One operation of product, factor and bias.
        scores = scores * tf.constant(self._width**-0.5, scores.dtype) + bias
        # On processors with units for bfloat16 the kernel of softmax computes in float32.
        context = tf.matmul(tf.nn.softmax(scores), value)
        merged = tf.gather(tf.reshape(context, [-1, self._width]), merge)
        return tf.reshape(merged, [-1, self._size])

    def _rest(self, hidden: tf.Tensor, context: tf.Tensor, few: tf.Tensor) -> tf.Tensor:
        hidden = self.attention_norm(_added(self.attention_output(context), hidden), few)
        return self.output_norm(self.feed_forward(hidden), few)


class PackedLayer(_Layer):
    """An encoder layer on all tokens."""

    def __init__(self, parts: LayerParts, heads: int, dense: type[Dense]) -> None:
        """Shares the variables of the dense layers and norms, or holds them joined or cut.

        Args:
            parts: the layer taken apart.
            heads: of the attention.
            dense: how matrix products are computed.
        """
        super().__init__(parts, heads, dense)
        # Three products, each on a thread, in place of one on all threads.
        self._apart = dense.runs_apart(parts.query.kernel, 3)
        if self._apart:
            self.query_key_value = [dense.of(d) for d in (parts.query, parts.key, parts.value)]
        else:
            self.query_key_value = [dense.of(parts.query, parts.key, parts.value)]

    def split_index(self, place: tf.Tensor) -> tf.Tensor:
        """Of what this layer's products hold for `place` int32 [R, T]."""
        return split_index(place, 1 if self._apart else 3, self._heads)

    def __call__(
        self,
        hidden: tf.Tensor,
        split: tf.Tensor,
        merge: tf.Tensor,
        bias: tf.Tensor,
        few: tf.Tensor,
    ) -> tf.Tensor:
        """The next hidden states [n, H]; split of `split_index`, merge int32 [n, heads]."""
        taken = self.query_key_value[0].taken(hidden)
        products = [dense.product(taken) for dense in self.query_key_value]
        if self._apart:
            query, key, value = (self._split(product, split[0]) for product in products)
        else:
            query, key, value = tf.unstack(self._split(products[0], split))
        return self._rest(hidden, self._attend(query, key, value, bias, merge), few)


class LastLayer(_Layer):
    """The last layer: keys and values of all tokens, everything else of the masks alone."""

    def __init__(self, parts: LayerParts, heads: int, dense: type[Dense]) -> None:
        """As `PackedLayer`."""
        super().__init__(parts, heads, dense)
        self.query = dense.of(parts.query)
        self.key_value = dense.of(parts.key, parts.value)

    def __call__(
        self, hidden: tf.Tensor, place: tf.Tensor, indices: tf.Tensor, bias: tf.Tensor
    ) -> tf.Tensor:
        """Hidden states [N, H] at `indices` int32 [N, 2], ascending by row; place int32 [R, T]."""
        split = split_index(place, 2, self._heads)
        key, value = tf.unstack(self._split(self.key_value(hidden), split))
        own = tf.gather(hidden, tf.gather_nd(place, indices))
        position, number = slots_of(indices, tf.shape(place)[0])
        split = split_index(number, 1, self._heads)[0]
        query = self._split(self.query(own), split)
        merge = merge_index(position, self._heads, tf.shape(number)[1])
        return self._rest(own, self._attend(query, key, value, bias, merge), are_few(own))


class _FeedForward(tf.Module):
    """The two dense layers after attention, in pieces that run side by side where it pays.

    The first is cut by its outputs and the second, alike, by its inputs, whose products add up.
    """

    def __init__(self, parts: LayerParts, dense: type[Dense]) -> None:
        super().__init__(name="feed_forward")
        self._activation = parts.activation
        first, second = parts.intermediate, parts.output
        self.inner, self.outer = [dense.of(first)], [dense.of(second)]
        count = dense.pieces(first.kernel)
        if count > 1:
            sizes = [len(part) for part in np.array_split(range(first.kernel.shape[1]), count)]
            kernels, biases, outer = (
                [tf.Variable(piece, trainable=False) for piece in tf.split(value, sizes, axis)]
                for value, axis in ((first.kernel, 1), (first.bias, 0), (second.kernel, 0))
            )
            self.inner = [dense(*piece) for piece in zip(kernels, biases, strict=True)]
            self.outer = [
                dense(outer[0], second.bias),
                *(dense(piece, None) for piece in outer[1:]),
            ]

    def __call__(self, hidden: tf.Tensor) -> tf.Tensor:
        """What it gives for hidden states [n, H], and these added."""
        taken = self.inner[0].taken(hidden)
        first, *more = (
            inner.through(taken, self._activation, outer)
            for inner, outer in zip(self.inner, self.outer, strict=True)
        )
        total = _added(first, hidden)
        return tf.add_n([total, *more]) if more else total


class Dense(tf.Module):
    """A matrix product and a bias, which TensorFlow's graph optimizer makes one operation of.

    Other ways to compute it are subclasses: `int8`.
    """

    def __init__(
        self, kernel: tf.Variable, bias: tf.Variable | None, transposed: bool = False
    ) -> None:
        """Takes kernel [inputs, outputs], [outputs, inputs] if transposed, and bias [outputs]."""
        super().__init__(name="dense")
        self.kernel, self.bias, self._transposed = kernel, bias, transposed

    @classmethod
    def of(cls, *layers: Any) -> Dense:
        """Shares the variables of a Keras Dense; of several with the same inputs, side by side."""
        if len(layers) == 1:
            return cls(layers[0].kernel, layers[0].bias)
        kernel, bias = (
            tf.Variable(tf.concat([getattr(d, name) for d in layers], axis=-1), trainable=False)
            for name in ("kernel", "bias")
        )
        return cls(kernel, bias)

    @classmethod
    def runs_apart(cls, kernel: tf.Variable, count: int) -> bool:
        """Whether so many products of one input by kernels of this size run better side by side."""
        own = _bytes(kernel)
        return own <= _ONE_THREAD and count * own > 1.5 * _ONE_THREAD

    @classmethod
    def pieces(cls, kernel: tf.Variable) -> int:
        """Into how many pieces a product is best cut, which run side by side."""
        count = -(-_bytes(kernel) // _ONE_THREAD)
        return count if count <= _MOST_PIECES else 1

    def __call__(self, rows: tf.Tensor) -> tf.Tensor:
        """[n, inputs] -> [n, outputs]."""
        return self.product(self.taken(rows))

    def taken(self, rows: tf.Tensor) -> Any:
        """Rows [n, inputs] in the form that `product` and `through` take."""
        return rows

    def product(self, taken: Any) -> tf.Tensor:
        """What `taken` gives -> [n, outputs]."""
        product = tf.matmul(taken, self.kernel, transpose_b=self._transposed)
        return product if self.bias is None else tf.nn.bias_add(product, self.bias)

    def through(self, taken: Any, activation: Any, outer: Dense) -> tf.Tensor:
        """What `outer` gives for the activations of this layer's outputs."""
        return outer(activation(self.product(taken)))


def _added(product: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """The sum of a matrix product and other rows, both [n, outputs].

    The graph optimizer fuses a product with an `AddN`, whose inputs have one shape by definition;
    with `+` it would first have to prove that nothing is broadcast.
    """
    return tf.add_n([product, rows])


#: Up to so many numbers TensorFlow's elementwise kernels are quicker than oneDNN's one layer norm,
#: which is set up anew at every call. Measured: they meet between 70,000 and 130,000.
_FEW = 100_000


def are_few(rows: tf.Tensor) -> tf.Tensor:
    """Whether `Norm` should take the form for few rows: bool []."""
    return tf.size(rows) <= _FEW


class Norm(tf.Module):
    """Layer normalization of [n, H], in the form that is quickest for its size."""

    def __init__(self, norm: Any) -> None:
        """Shares the variables of a Keras LayerNormalization, with or without an offset."""
        super().__init__(name="norm")
        self.gamma, self.beta = norm.gamma, norm.beta
        self._epsilon = norm.epsilon

    def __call__(self, rows: tf.Tensor, few: tf.Tensor) -> tf.Tensor:
        """Rows [n, H] normalized; few: bool [], see `are_few`."""
        gamma = tf.convert_to_tensor(self.gamma)
        beta = tf.zeros_like(gamma) if self.beta is None else tf.convert_to_tensor(self.beta)
        size = rows.shape[1]

        def by_steps() -> tf.Tensor:
            values = tf.cast(rows, tf.float32)
            centred = values - tf.reduce_mean(values, 1, keepdims=True)
            variance = tf.reduce_mean(tf.square(centred), 1, keepdims=True)
            normed = centred * tf.math.rsqrt(variance + self._epsilon)
            scaled = normed * tf.cast(gamma, tf.float32) + tf.cast(beta, tf.float32)
            return tf.cast(scaled, rows.dtype)

        def at_once() -> tf.Tensor:
            # Written so that the graph optimizer knows it as one operation.
            count = tf.shape(rows)[:1]
            normed, _, _ = tf.compat.v1.nn.fused_batch_norm(
                tf.reshape(rows, [1, -1, size, 1]),
                tf.fill(count, 1.0),
                tf.fill(count, 0.0),
                epsilon=self._epsilon,
                data_format="NCHW",
            )
            return tf.reshape(normed, [-1, size]) * gamma + beta

        return tf.ensure_shape(tf.cond(few, by_steps, at_once), [None, size])


def _bytes(variable: Any) -> int:
    return variable.shape.num_elements() * variable.dtype.size
