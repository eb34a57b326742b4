"""A part that two functions call stands in the graph once."""

import tensorflow as tf

from tfmlm.tokenizer_graph.ops.traced import Traced


def test_one_trace_for_all_graphs_and_none_eagerly() -> None:
    runs = []

    def double(values: tf.Tensor) -> tf.Tensor:
        runs.append(tf.executing_eagerly())
        return 2 * values

    part = Traced(double, tf.TensorSpec([None], tf.int32))
    first = tf.function(lambda values: part(values) + 1)
    second = tf.function(lambda values: part(part(values)))
    assert first(tf.constant([1, 2])).numpy().tolist() == [3, 5]
    assert second(tf.constant([1, 2, 3])).numpy().tolist() == [4, 8, 12]
    assert runs == [False]
    assert part(tf.constant([5])).numpy().tolist() == [10]
    assert runs == [False, True]


def test_saving_a_module_traces_no_part_that_nothing_calls(tmp_path) -> None:
    module = tf.Module()
    module.part = Traced(lambda values: values / 0, tf.TensorSpec([None], tf.string))
    module.call = tf.function(lambda x: x, input_signature=[tf.TensorSpec([None], tf.int32)])
    tf.saved_model.save(module, str(tmp_path))
    assert tf.saved_model.load(str(tmp_path)).call(tf.constant([7])).numpy().tolist() == [7]
