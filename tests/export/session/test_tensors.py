"""Arrays come back from the C library as they went in, and TensorFlow reads them as they are."""

import pytest
import tensorflow as tf

from tests.export.session.values import ARRAYS
from tfmlm.export.session.library import library
from tfmlm.export.session.tensors import DTYPES, Tensor, read


def test_numbers_of_the_types():
    for number, dtype in DTYPES.items():
        assert tf.dtypes.as_dtype(number).as_numpy_dtype == dtype


@pytest.mark.parametrize("name", ARRAYS)
def test_there_and_back(name):
    array = ARRAYS[name]
    tensor = Tensor(library(), array)
    found = read(library(), tensor.pointer)
    again = read(library(), tensor.pointer)
    tensor.free()
    assert found.shape == array.shape and found.dtype == array.dtype
    expected = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
    assert found.ravel().tolist() == expected == again.ravel().tolist()
    assert found.flags.writeable and found.flags.c_contiguous
