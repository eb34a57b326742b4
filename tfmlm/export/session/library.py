"""TensorFlow's C library (`tensorflow/c/c_api.h`), called without TensorFlow's Python.

Importing TensorFlow's Python takes longer than loading an export and as much memory as running it.
The library in its package does both; it is the same one that Python uses where both are in a
process.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.machinery
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfmlm._quiet import as_quiet_as_the_import
from tfmlm.errors import UserError

_POINTER = ctypes.c_void_p
_SIZE = ctypes.c_size_t
_INT = ctypes.c_int
_TEXT = ctypes.c_char_p

RESOURCE_EXHAUSTED = 8


class Output(ctypes.Structure):
    """TF_Output: which output of which operation."""

    _fields_ = [("operation", _POINTER), ("index", _INT)]


class Buffer(ctypes.Structure):
    """TF_Buffer: bytes that somebody else holds."""

    _fields_ = [("data", _POINTER), ("length", _SIZE), ("deallocator", _POINTER)]


#: Functions that take long: other threads go on meanwhile. Name: result, arguments.
_LONG: dict[str, tuple[Any, Sequence[Any]]] = {
    "TF_LoadLibrary": (_POINTER, [_TEXT, _POINTER]),
    "TF_GraphImportGraphDef": (None, [_POINTER, _POINTER, _POINTER, _POINTER]),
    "TF_NewSession": (_POINTER, [_POINTER, _POINTER, _POINTER]),
    "TF_CloseSession": (None, [_POINTER, _POINTER]),
    "TF_DeleteSession": (None, [_POINTER, _POINTER]),
    "TF_SessionRun": (
        None,
        [
            *(_POINTER, _POINTER),
            *(_POINTER, _POINTER, _INT),
            *(_POINTER, _POINTER, _INT),
            *(_POINTER, _INT),
            *(_POINTER, _POINTER),
        ],
    ),
}
#: Functions that are done sooner than another thread could be let in.
_SHORT: dict[str, tuple[Any, Sequence[Any]]] = {
    "TF_NewStatus": (_POINTER, []),
    "TF_DeleteStatus": (None, [_POINTER]),
    "TF_GetCode": (_INT, [_POINTER]),
    "TF_Message": (_TEXT, [_POINTER]),
    "TF_NewGraph": (_POINTER, []),
    "TF_DeleteGraph": (None, [_POINTER]),
    "TF_GraphOperationByName": (_POINTER, [_POINTER, _TEXT]),
    "TF_NewImportGraphDefOptions": (_POINTER, []),
    "TF_DeleteImportGraphDefOptions": (None, [_POINTER]),
    "TF_ImportGraphDefOptionsAddInputMapping": (None, [_POINTER, _TEXT, _INT, Output]),
    "TF_NewSessionOptions": (_POINTER, []),
    "TF_DeleteSessionOptions": (None, [_POINTER]),
    "TF_SetConfig": (None, [_POINTER, _TEXT, _SIZE, _POINTER]),
    "TF_AllocateTensor": (_POINTER, [_INT, _POINTER, _INT, _SIZE]),
    "TF_DeleteTensor": (None, [_POINTER]),
    "TF_TensorType": (_INT, [_POINTER]),
    "TF_NumDims": (_INT, [_POINTER]),
    "TF_Dim": (ctypes.c_int64, [_POINTER, _INT]),
    "TF_TensorData": (_POINTER, [_POINTER]),
    "TF_StringInit": (None, [_POINTER]),
    "TF_StringCopy": (None, [_POINTER, _TEXT, _SIZE]),
    "TF_StringDealloc": (None, [_POINTER]),
    "TF_StringGetSize": (_SIZE, [_POINTER]),
    "TF_StringGetDataPointer": (_POINTER, [_POINTER]),
}


class TensorFlowError(RuntimeError):
    """What a function of the library says went wrong.

    Attributes:
        code: TF_Code, the numbers of `absl::StatusCode`.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Library:
    """The functions by their names in C, as attributes."""

    def __init__(self, path: Path) -> None:
        with as_quiet_as_the_import():
            both = ((ctypes.CDLL(str(path)), _LONG), (ctypes.PyDLL(str(path)), _SHORT))
        for opened, functions in both:
            for name, (result, arguments) in functions.items():
                function = getattr(opened, name)
                function.restype, function.argtypes = result, list(arguments)
                setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{name} is not one of the functions of the C library that are used")

    def checked(self, name: str, *arguments: Any) -> Any:
        """Calls a function whose last argument is a TF_Status.

        Raises:
            TensorFlowError: it failed.
        """
        status = self.TF_NewStatus()
        try:
            result = getattr(self, name)(*arguments, status)
            code = self.TF_GetCode(status)
            if code:
                raise TensorFlowError(code, self.TF_Message(status).decode("utf-8", "replace"))
            return result
        finally:
            self.TF_DeleteStatus(status)


@functools.cache
def library() -> Library:
    """The library of the TensorFlow that is installed.

    Raises:
        UserError: there is none.
    """
    paths = sorted(_package("tensorflow").glob("libtensorflow_cc.*"))
    if not paths:
        raise UserError("the tensorflow package has no libtensorflow_cc; install it from PyPI")
    return Library(paths[0])


@functools.cache
def register_text_operation(name: str) -> None:
    """Loads what TF Text's package has for one of its operations.

    Raises:
        UserError: the package has no such operation.
    """
    folder = _package("tensorflow_text") / "python" / "ops"
    path = folder / f"_{_TEXT_LIBRARIES[name]}.so"
    library().checked("TF_LoadLibrary", str(path).encode())


#: The operations of TF Text that `--ops text` uses, and which of its libraries holds them.
_TEXT_LIBRARIES = {"FastWordpieceTokenizeWithOffsets": "fast_wordpiece_tokenizer"}
TEXT_OPERATIONS = frozenset(_TEXT_LIBRARIES)


def _package(name: str) -> Path:
    """Folder of an installed package, which is not imported."""
    spec = importlib.machinery.PathFinder.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"{name} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))
