"""A branch gives what `tf.cond` gives, and stays a function in the graph."""

import tensorflow as tf

from tfmlm.tokenizer_graph.ops.branches import branch


def _either(condition: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    value = tf.constant([1, 2])
    return branch(condition, lambda: (value, value + 10), lambda: (-value, value))


def test_values_eagerly_and_in_a_graph() -> None:
    for call in (_either, tf.function(_either)):
        taken, other = call(tf.constant(True)), call(tf.constant(False))
        assert [v.numpy().tolist() for v in taken] == [[1, 2], [11, 12]]
        assert [v.numpy().tolist() for v in other] == [[-1, -2], [1, 2]]


def test_the_branch_is_not_taken_apart() -> None:
    function = tf.function(_either).get_concrete_function(tf.TensorSpec([], tf.bool))
    (op,) = (o for o in function.graph.get_operations() if o.type in ("If", "StatelessIf"))
    assert op.get_attr("_lower_using_switch_merge") is False
