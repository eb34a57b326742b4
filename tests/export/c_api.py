"""Runs a SavedModel through TensorFlow's C library: python c_api.py FOLDER < REQUEST

The loader is the one that TF Serving uses. No Python of TensorFlow is imported. REQUEST is JSON:
{"libraries": [...], "op_libraries": [...], "runs": [{"inputs": [[operation, index, spec]],
"outputs": [[operation, index]]}]}, with specs as in `plain_tensorflow.py`; prints the specs of each
run's outputs.
"""

import ctypes
import json
import sys

import numpy as np

STRING = 7
DTYPES = {"float32": 1, "int32": 3, "object": STRING, "bool": 10}
NAMES = {number: name for name, number in DTYPES.items()}
STRING_SIZE = 24


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = [("oper", ctypes.c_void_p), ("index", ctypes.c_int)]


class Library:
    """The functions of the C API that loading and running need."""

    def __init__(self, paths):
        libraries = [ctypes.CDLL(path, ctypes.RTLD_GLOBAL) for path in paths]
        self._libraries = libraries
        self.status = self("TF_NewStatus")()

    def __call__(self, name, result=ctypes.c_void_p):
        for library in self._libraries:
            try:
                function = getattr(library, name)
            except AttributeError:
                continue
            function.restype = result
            return function
        raise AttributeError(name)

    def check(self):
        if self("TF_GetCode", ctypes.c_int)(ctypes.c_void_p(self.status)):
            message = self("TF_Message", ctypes.c_char_p)(ctypes.c_void_p(self.status))
            raise RuntimeError(message.decode())

    def tensor(self, spec):
        dims = (ctypes.c_int64 * len(spec["shape"]))(*spec["shape"])
        count = int(np.prod(spec["shape"], dtype=int))
        is_string = spec["dtype"] == "object"
        size = count * (STRING_SIZE if is_string else np.dtype(spec["dtype"]).itemsize)
        tensor = self("TF_AllocateTensor")(
            ctypes.c_int(DTYPES[spec["dtype"]]),
            dims,
            ctypes.c_int(len(dims)),
            ctypes.c_size_t(size),
        )
        data = self("TF_TensorData")(ctypes.c_void_p(tensor))
        if not is_string:
            raw = np.array(spec["values"], spec["dtype"]).tobytes()
            ctypes.memmove(data, raw, len(raw))
            return tensor
        for number, value in enumerate(spec["values"]):
            place = ctypes.c_void_p(data + STRING_SIZE * number)
            self("TF_StringInit", None)(place)
            raw = bytes(value)
            self("TF_StringCopy", None)(place, raw, ctypes.c_size_t(len(raw)))
        return tensor

    def value(self, tensor):
        pointer = ctypes.c_void_p(tensor)
        rank = self("TF_NumDims", ctypes.c_int)(pointer)
        dim = self("TF_Dim", ctypes.c_int64)
        shape = [dim(pointer, ctypes.c_int(i)) for i in range(rank)]
        name = NAMES[self("TF_TensorType", ctypes.c_int)(pointer)]
        data = self("TF_TensorData")(pointer)
        count = int(np.prod(shape, dtype=int))
        if name != "object":
            raw = ctypes.string_at(data, count * np.dtype(name).itemsize)
            return {"dtype": name, "shape": shape, "values": np.frombuffer(raw, name).tolist()}
        values = []
        for number in range(count):
            place = ctypes.c_void_p(data + STRING_SIZE * number)
            size = self("TF_StringGetSize", ctypes.c_size_t)(place)
            start = self("TF_StringGetDataPointer")(place)
            values.append(list(ctypes.string_at(start, size)))
        return {"dtype": name, "shape": shape, "values": values}


def main(folder):
    request = json.load(sys.stdin)
    library = Library(request["libraries"])
    status = ctypes.c_void_p(library.status)
    for path in request["op_libraries"]:
        library("TF_LoadLibrary")(path.encode(), status)
        library.check()
    graph = ctypes.c_void_p(library("TF_NewGraph")())
    options = ctypes.c_void_p(library("TF_NewSessionOptions")())
    tags = (ctypes.c_char_p * 1)(b"serve")
    session = ctypes.c_void_p(
        library("TF_LoadSessionFromSavedModel")(
            options, None, folder.encode(), tags, 1, graph, None, status
        )
    )
    library.check()

    def place(operation, index):
        found = library("TF_GraphOperationByName")(graph, operation.encode())
        assert found, operation
        return Output(found, index)

    answers = [run(library, session, place, **wanted) for wanted in request["runs"]]
    assert not {"tensorflow", "tfmlm", "transformers"} & set(sys.modules)
    print(json.dumps(answers))


def run(library, session, place, inputs, outputs):
    feeds = (Output * len(inputs))(*(place(op, index) for op, index, _ in inputs))
    values = (ctypes.c_void_p * len(inputs))(*(library.tensor(spec) for *_, spec in inputs))
    fetches = (Output * len(outputs))(*(place(op, index) for op, index in outputs))
    results = (ctypes.c_void_p * len(outputs))()
    library("TF_SessionRun", None)(
        session,
        None,
        feeds,
        values,
        len(inputs),
        fetches,
        results,
        len(outputs),
        None,
        0,
        None,
        ctypes.c_void_p(library.status),
    )
    library.check()
    return [library.value(result) for result in results]


if __name__ == "__main__":
    main(sys.argv[1])
