"""REST's JSON to and from tensors, after `tensorflow_serving/util/json_tensor.cc`."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from tfmlm.client.dtypes import DataType
from tfmlm.client.tensors import nested
from tfmlm.serve.json_text import debug_text, parse_json, type_word
from tfmlm.serve.status import StatusError, invalid_argument, too_many_rows
from tfmlm.serve.tensors import numpy_type, type_name

_SMALL_INTS = (DataType.UINT8, DataType.INT16, DataType.INT8)
_INT_RANGES: dict[int, tuple[int, int]] = {
    **dict.fromkeys((DataType.INT32, *_SMALL_INTS), (-(1 << 31), (1 << 31) - 1)),
    DataType.INT64: (-(1 << 63), (1 << 63) - 1),
    DataType.UINT32: (0, (1 << 32) - 1),
    DataType.UINT64: (0, (1 << 64) - 1),
}
_FLOATS = (DataType.FLOAT, DataType.DOUBLE)
#: Values of an answer that are written in one go.
_BLOCK = 1 << 13


def read_body(body: bytes) -> tuple[dict[str, Any], str]:
    """The JSON object of a request and its `signature_name` ("" if there is none).

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    document = parse_json(body)
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {debug_text(document)} Is not object")
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {debug_text(document)} not formatted correctly. 'signature_name' key "
            "must be a string value."
        )
    return document, name


def read_inputs(
    document: dict[str, Any], infos: Any, max_rows: int | None = None
) -> tuple[dict[str, np.ndarray], bool]:
    """The inputs of a request.

    Args:
        infos: TensorInfo by input name, of the signature.
        max_rows: more rows than these are refused before arrays are made of them.

    Returns:
        Arrays by input name, and whether the request is in row format.

    Raises:
        StatusError: INVALID_ARGUMENT.
    """
    if "instances" in document and "inputs" in document:
        raise _format_error(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise _format_error(document, "Expecting 'instances' to be an list/array")
        if not instances:
            raise _format_error(document, "No values in 'instances' array")
        _require_rows(instances, max_rows)
        return _read_rows(instances, infos), True
    if "inputs" in document:
        return _read_columns(document["inputs"], infos, max_rows), False
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def _require_rows(column: Any, most: int | None) -> None:
    if most is not None and isinstance(column, list) and len(column) > most:
        raise too_many_rows(len(column), most)


def _read_columns(value: Any, infos: Any, max_rows: int | None) -> dict[str, np.ndarray]:
    if not isinstance(value, dict) or _is_base64(value):
        if len(infos) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        name = next(iter(infos))
        _require_rows(value, max_rows)
        return {name: _array(value, infos[name].dtype)}
    arrays = {}
    for name in infos:
        if name not in value:
            raise invalid_argument(f"Missing named input: {name} in 'inputs' object.")
        _require_rows(value[name], max_rows)
        arrays[name] = _array(value[name], infos[name].dtype)
    return arrays


def _read_rows(instances: list[Any], infos: Any) -> dict[str, np.ndarray]:
    first = instances[0]
    if not isinstance(first, dict) and len(infos) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    objects = isinstance(first, dict) and not _is_base64(first)
    only = next(iter(infos))
    columns: dict[str, list[np.ndarray]] = {}
    for number, element in enumerate(instances):
        is_object = isinstance(element, dict) and not _is_base64(element)
        if objects and not is_object:
            raise invalid_argument(f"Expecting object but got list at item {number} of input list")
        if is_object and not objects:
            raise invalid_argument(
                f"Expecting value/list but got object at item {number} of input list"
            )
        where = f"Failed to process element: {number} "
        for name, value in element.items() if objects else [(only, element)]:
            key = f"key: {name} " if objects else ""
            try:
                if name not in infos:
                    raise invalid_argument(f"JSON object: does not have named input: {name}")
                _add_row(columns.setdefault(name, []), _array(value, infos[name].dtype))
            except StatusError as error:
                raise invalid_argument(f"{where}{key}of 'instances' list. Error: {error}") from None
        if objects and set(element) != set(infos):
            raise invalid_argument(
                f"{where}of 'instances' list. JSON object: {debug_text(element)} keys must be "
                f"equal to: {','.join(sorted(infos))}"
            )
    return {name: np.stack(rows) for name, rows in columns.items()}


def _add_row(rows: list[np.ndarray], row: np.ndarray) -> None:
    if rows and rows[0].size != row.size:
        raise invalid_argument(f"Expecting tensor size: {rows[0].size} but got: {row.size}")
    if rows and rows[0].shape != row.shape:
        shapes = [",".join(map(str, r.shape)) for r in (rows[0], row)]
        raise invalid_argument(f"Expecting shape [{shapes[0]}] but got: [{shapes[1]}]")
    rows.append(row)


def _array(value: Any, dtype: int) -> np.ndarray:
    shape: list[int] = []
    probe = value
    while isinstance(probe, list):
        shape.append(len(probe))
        if not probe:
            break
        probe = probe[0]
    flat: list[Any] = []
    _flatten(value, 0, shape, dtype, flat)
    array = np.empty(len(flat), numpy_type(dtype))
    if dtype in _SMALL_INTS:
        array[:] = np.asarray(flat, np.int64).astype(array.dtype)  # wraps, as a cast in C++
    elif flat:
        array[:] = flat
    return array.reshape(shape)


def _flatten(value: Any, level: int, shape: list[int], dtype: int, flat: list[Any]) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {debug_text(value)} found at incorrect level: {level + 1} in the "
                f"JSON DOM. Expected at level: {len(shape)}"
            )
        flat.append(_scalar(value, dtype))
        return
    if level >= len(shape):
        raise invalid_argument(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    if dtype == DataType.STRING and level + 1 == len(shape) and all(type(v) is str for v in value):
        flat.extend(v.encode("utf-8") for v in value)  # by far the most frequent case
        return
    if dtype in _INT_RANGES and level + 1 == len(shape) and all(type(v) is int for v in value):
        low, high = _INT_RANGES[dtype]
        if not value or (low <= min(value) and max(value) <= high):
            flat.extend(value)
            return
    for element in value:
        _flatten(element, level + 1, shape, dtype, flat)


def _scalar(value: Any, dtype: int) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if dtype == DataType.STRING:
        if isinstance(value, str):
            return value.encode("utf-8")
        if isinstance(value, dict):
            return _decode_base64(value)
    elif dtype in _FLOATS and number:
        return _as_float(value)
    elif dtype == DataType.BOOL and isinstance(value, bool):
        return value
    elif dtype in _INT_RANGES and number and isinstance(value, int):
        low, high = _INT_RANGES[dtype]
        if low <= value <= high:
            return value
    elif dtype not in (*_FLOATS, *_INT_RANGES, DataType.BOOL):
        raise StatusError(
            "UNIMPLEMENTED",
            f"Conversion of JSON Value: {debug_text(value)} to type: {type_name(dtype)}",
        )
    raise invalid_argument(
        f"JSON Value: {debug_text(value)} Type: {type_word(value)} is not of expected type: "
        f"{type_name(dtype)}"
    )


def _as_float(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _decode_base64(value: dict[str, Any]) -> bytes:
    if not _is_base64(value):
        raise invalid_argument(
            f"JSON Value: {debug_text(value)} not formatted correctly for base64 data"
        )
    text = re.sub(r"\s", "", value["b64"])
    text = text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Unable to base64 decode") from None


def _format_error(document: Any, what: str) -> StatusError:
    return invalid_argument(f"JSON Value: {debug_text(document)} {what}")


def write_outputs(
    outputs: dict[str, np.ndarray], by_rows: bool, check: Callable[[], None] = lambda: None
) -> bytes:
    """The body of an answer: `predictions` in row format, `outputs` in column format.

    A single output goes without its name. Names that end in `_bytes` are written in base64.

    Args:
        check: called again and again, to raise if nobody waits any more.

    Raises:
        StatusError: outputs of a row format have no or different first dimensions.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    rows = -1
    for name, array in outputs.items() if by_rows else ():
        if not array.ndim:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if rows not in (-1, array.shape[0]):
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {array.shape[0]} "
                f"expecting: {rows}"
            )
        rows = array.shape[0]
    key = "predictions" if by_rows else "outputs"
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        whole = _array_text(name, array, check)
    elif by_rows:
        # rows that are small are written many at a time, large ones piece by piece
        step = _BLOCK * rows // max(sum(array.size for array in outputs.values()), 1)
        parts = []
        for at in range(0, rows, max(step, 1)):
            check()
            parts.append(_rows_text(outputs, at, step, check))
        whole = f"[{','.join(parts)}]"
    else:
        whole = _object_text(outputs, check)
    return f'{{"{key}":{whole}}}'.encode()


def _rows_text(
    outputs: dict[str, np.ndarray], at: int, step: int, check: Callable[[], None]
) -> str:
    """Rows `at` to `at + step` (one, if `step` is 0) as objects, with commas between them."""
    if step < 1:
        return _object_text({name: array[at] for name, array in outputs.items()}, check)
    columns = [_values(name, array[at : at + step]) for name, array in outputs.items()]
    objects = [dict(zip(outputs, row, strict=True)) for row in zip(*columns, strict=True)]
    return _dumps(objects)[1:-1]


def _object_text(arrays: dict[str, np.ndarray], check: Callable[[], None]) -> str:
    fields = (f"{_dumps(name)}:{_array_text(name, a, check)}" for name, a in arrays.items())
    return f"{{{','.join(fields)}}}"


def _array_text(name: str, array: np.ndarray, check: Callable[[], None]) -> str:
    """An array as nested lists."""
    array = np.asarray(array)
    if array.size <= _BLOCK:
        check()
        return _dumps(_values(name, array))
    step = _BLOCK * array.shape[0] // array.size
    if step < 1:
        parts = [_array_text(name, part, check) for part in array]
    else:
        parts = []
        for at in range(0, array.shape[0], step):
            check()
            parts.append(_dumps(_values(name, array[at : at + step]))[1:-1])
    return f"[{','.join(parts)}]"


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _values(name: str, array: np.ndarray) -> Any:
    kind = array.dtype.kind
    flat = array.ravel().tolist()
    if kind == "f":
        flat = _decimals(flat, array.dtype)
    elif kind in "OSU":
        raw = [value if isinstance(value, bytes) else str(value).encode() for value in flat]
        if name.endswith("_bytes"):
            flat = [{"b64": base64.b64encode(value).decode("ascii")} for value in raw]
        else:
            flat = [value.decode("utf-8", "replace") for value in raw]
    elif kind not in "iub":
        raise invalid_argument(f"Failed to write JSON value for tensor type: {array.dtype}")
    return nested(flat, array.shape)


def _decimals(values: list[float], dtype: Any) -> list[float]:
    """Floats that print as TensorFlow Serving prints them: six digits if those give the value back,
    else as many as always do (WriteDecimal in `json_tensor.cc`)."""
    short = [float(f"{value:.6g}") for value in values]
    digits = 9 if dtype == np.float32 else 17
    with np.errstate(all="ignore"):
        same = np.array(short, dtype) == np.array(values, dtype)
    return [
        s if ok or s != s else float(f"{value:.{digits}g}")
        for s, ok, value in zip(short, same.tolist(), values, strict=True)
    ]
