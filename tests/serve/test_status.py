"""Status codes are those of gRPC and TensorFlow; messages are of bounded size."""

from __future__ import annotations

import grpc
import pytest
import tensorflow as tf

from tfmlm.client.errors import HTTP_STATUS
from tfmlm.serve import status


def test_the_numbers_are_grpcs() -> None:
    assert {code.name: code.value[0] for code in grpc.StatusCode} == status.NUMBERS
    for name in set(status.NUMBERS) - {"OK"}:
        error = status.StatusError(name, "so")
        assert (error.number, error.http_status) == (status.NUMBERS[name], HTTP_STATUS[name])
        assert str(error) == f"{name}: so"


def test_errors_of_tensorflow_keep_their_code() -> None:
    with pytest.raises(tf.errors.OpError) as failed:
        tf.reshape(tf.ones([3]), [2])
    error = status.from_tensorflow(failed.value)
    assert error.code == "INVALID_ARGUMENT"
    assert error.message == failed.value.message
    lost = tf.errors.DataLossError(None, None, "gone")
    assert str(status.from_tensorflow(lost)) == "DATA_LOSS: gone"


@pytest.mark.parametrize("letter", ["a", "ü", "北", "😀", "\ud800"])
def test_long_texts_are_cut_between_characters(letter: str) -> None:
    for most in (10, 11, 12, 13):
        for length in range(16):
            text = letter * length
            size = len(text.encode("utf-8", "replace"))
            shown = status.cut(text, most)
            if size <= most:
                assert shown == text
                continue
            kept = shown.removesuffix("…")
            assert shown == kept + "…"
            assert text.encode("utf-8", "replace").decode().startswith(kept)
            room = most - len("…".encode()) - len(kept.encode())
            assert 0 <= room < len(letter.encode("utf-8", "replace"))


def test_the_message_of_an_error_is_cut() -> None:
    message = status.StatusError("INTERNAL", "北" * 5000).message
    assert 1990 < len(message.encode()) <= status.MAX_MESSAGE_BYTES
