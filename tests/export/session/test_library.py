"""The C library: found without an import, and its errors."""

import pytest

import tfmlm.export.session.library as module
from tfmlm.errors import UserError
from tfmlm.export.session.library import TensorFlowError, library


def test_errors_say_what_tensorflow_said():
    options = library().TF_NewSessionOptions()
    with pytest.raises(TensorFlowError, match="Unparseable ConfigProto") as caught:
        library().checked("TF_SetConfig", options, b"\xff", 1)
    library().TF_DeleteSessionOptions(options)
    assert caught.value.code == 3  # INVALID_ARGUMENT


def test_only_functions_whose_arguments_are_declared():
    with pytest.raises(AttributeError, match="TF_Version"):
        library().TF_Version()


def test_a_package_that_is_not_there_or_is_without_the_library(monkeypatch, tmp_path):
    with pytest.raises(UserError, match="no_such_package is not installed"):
        module._package("no_such_package")
    monkeypatch.setattr(module, "_package", lambda name: tmp_path)
    with pytest.raises(UserError, match="has no libtensorflow_cc"):
        module.library.__wrapped__()
