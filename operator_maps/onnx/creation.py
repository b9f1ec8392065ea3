"""Creation: tensors from a shape or from bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from converter.graph import may_be_large
from converter.rows import Arg, Binary, Node, Operand, expr, is_number
from converter.shapes import MAX_ITEMS, of_array


def constant(
    node: Node,
    *,
    sparse_value: Any = None,
    value: Any = None,
    value_float: float | None = None,
    value_floats: tuple[float, ...] | None = None,
    value_int: int | None = None,
    value_ints: tuple[int, ...] | None = None,
    value_string: str | None = None,
    value_strings: tuple[str, ...] | None = None,
) -> Arg:
    """ONNX Constant, if one remains, as an output of the graph: a tensor; sparse ones and strings are unsupported."""
    floats = value_float if value_floats is None else value_floats
    integers = value_int if value_ints is None else value_ints
    if value is not None:
        array = value.numpy()
    elif floats is not None:
        array = np.array(floats, np.float32)
    elif integers is not None:
        array = np.array(integers, np.int64)
    else:
        raise node.decline("MindSpore has no tensor of strings, and the converter none that is sparse")
    return of_array(array) if array.dtype.kind in "iu" and array.size <= MAX_ITEMS else node.constant(array)


def constant_of_shape(node: Node, shape: Operand, *, value: Any = None) -> Arg:
    """ONNX ConstantOfShape: `ops.zeros((x.shape[0], 4), dtype=ms.float32)`, ops.ones or ops.full."""
    extents, dtype = shape.python(computed=True), node.dtype()
    if extents is None:
        raise node.decline("the rank of its output is unknown")
    number = 0 if value is None else of_array(value.numpy()).items[0]
    if number in (0, 1):
        return expr(f"ops.{'ones' if number else 'zeros'}({{0}}, dtype={{1}})", extents, dtype)
    if float(np.float32(number)) != number and not np.isnan(number):  # graph mode converts it to 32 bits
        return expr("ops.broadcast_to(ms.Tensor({0}, {1}), {2})", number, dtype, extents)
    return expr("ops.full({0}, {1}, dtype={2})", extents, number, dtype)


def range_(node: Node, start: Operand, limit: Operand, delta: Operand, *, stash_type: int = 1) -> Arg:
    """ONNX Range: `ops.arange(x.shape[0])`; 16-bit types are computed in float32, as in ONNX."""
    first, last, step = (bound.items(computed=True) for bound in (start, limit, delta))
    if first is None or last is None or step is None:
        raise node.decline("its bounds are not scalars")
    if first == (0,) and is_number(step[0]) and step[0] > 0 and not is_number(last[0]):
        last = (_not_negative(limit, last[0]),)
    bounds = (*first, *last) if step == (1,) else (*first, *last, *step)
    if bounds[0] == 0 and len(bounds) == 2:
        bounds = bounds[1:]
    holes = ", ".join(f"{{{i}}}" for i in range(len(bounds)))
    dtype = node.mindspore_dtype(start.dtype)
    if start.kind == "i" and dtype == node.mindspore_dtype(7):
        return expr(f"ops.arange({holes})", *bounds)
    return expr(f"ops.arange({holes}, dtype={{{len(bounds)}}})", *bounds, dtype)


def _not_negative(limit: Operand, last: Arg) -> Arg:
    """The end of a range from 0, which MindSpore refuses below 0, as an input or a difference of extents may be."""
    if may_be_large(limit.value):
        return expr("int(ops.maximum({0}, 0))", limit)
    return expr("max(({0}, 0))", last) if _is_difference(last) else last


def _is_difference(extent: Arg) -> bool:
    """Whether a number of extents is at least 2 less than another one; extents themselves are at least 1."""
    match extent:
        case Binary("-", _, taken):
            return not is_number(taken) or taken > 1
    return False


def eye_like(node: Node, x: Operand, *, dtype: int | None = None, k: int = 0) -> Arg:
    """ONNX EyeLike: `ops.eye(4, 5, ms.float32)`; another diagonal (k) is a slice of a larger identity matrix."""
    rows, columns = x.shape_python() or (expr("{0}.shape[0]", x), expr("{0}.shape[1]", x))
    kind = node.mindspore_dtype(x.dtype if dtype is None else dtype)
    if k == 0:
        return expr("ops.eye({0}, {1}, {2})", rows, columns, kind)
    if k > 0:
        return expr("ops.eye({0}, {1}, {2})[{3}:]", _plus(rows, k), columns, kind, k)
    return expr("ops.eye({0}, {1}, {2})[:, {3}:]", rows, _plus(columns, -k), kind, -k)


def _plus(extent: Arg, more: int) -> Arg:
    return extent + more if isinstance(extent, int) else expr("{0} + {1}", extent, more)


ROWS = {
    "Constant": constant,
    "ConstantOfShape": constant_of_shape,
    "EyeLike": eye_like,
    "Range": range_,
}
