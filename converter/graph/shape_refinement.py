"""Shape refinement: shapes of values that follow from shape arithmetic, which ONNX's inference does not find.

`x.reshape((n, s, heads, hidden // heads))` in torch is a Reshape by a vector of Shape, Gather, Div and Concat: if the
extents of x are known, all elements of that vector are known.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np
import onnx_ir as ir

from converter.graph.queries import keeps_its_condition
from converter.graph.shape_inference import infer_node, is_invented
from converter.graph.walk import all_graphs
from converter.shapes import Dim, Dims, PyValue, ShapeArithmetic, dims_of, plus, product, quotient

_END = 10**9
"""No axis is longer: where a slice ends that takes all of it, as tf2onnx writes it; others write larger numbers."""


def refine_shapes(model: ir.Model) -> None:
    """Set the extents that follow from shape arithmetic, and those that follow from these."""
    extents = _Extents()
    refined: set[ir.Value] = set()
    lent: list[ir.Value] = []
    for graph in all_graphs(model):
        for node in graph:
            extents.arithmetic.evaluate(node)
            for value in node.outputs:
                value.const_value = extents.tensor(value)  # for the inference of its consumers
                lent.append(value)
            if not all(value.shape is not None and value.shape.is_static() for value in node.outputs):
                refined.update(_refine(node, extents, refined))
    for value in lent:
        value.const_value = None


class _Extents:
    """The extents of values, and the elements of shape arithmetic, as far as nodes were evaluated.

    An unknown extent is represented by a new symbolic dimension, which is not written into any shape.
    """

    def __init__(self) -> None:
        self.arithmetic = ShapeArithmetic(self._shape_of, self._size_of)
        self._unnamed: dict[tuple[ir.Value, int], ir.SymbolicDim] = {}
        self._is_unnamed = functools.cache(self._has_unnamed)

    def of(self, value: ir.Value | None) -> Dims | None:
        """A value's extents; None when its rank is unknown."""
        dims = None if value is None else dims_of(value.shape)
        if value is None or dims is None or None not in dims:
            return dims
        return tuple(self._dim_of(value, axis) if dim is None else dim for axis, dim in enumerate(dims))

    def items(self, value: ir.Value | None) -> Dims | None:
        """The elements of shape arithmetic or a small constant; None for every other value."""
        known = self.arithmetic.get(value)
        return None if known is None else known.items

    def tensor(self, value: ir.Value) -> ir.TensorProtocol | None:
        """The elements of shape arithmetic as a tensor, when all are numbers."""
        known = self.arithmetic.computed.get(value)
        if known is None or not known.literal or value.dtype is None:
            return None
        return ir.tensor(np.array(known.items, value.dtype.numpy()).reshape(known.shape))

    def fill(self, value: ir.Value, dims: Dims | None) -> None:
        """Set the extents of a value that are not numbers yet, where `dims` has known ones."""
        if dims is None:
            return
        if value.shape is None or len(value.shape) != len(dims):
            value.shape = ir.Shape([None] * len(dims))
        known = [None if isinstance(dim, ir.SymbolicDim) and self._is_unnamed(dim) else dim for dim in dims]
        pairs = zip(value.shape, known, strict=True)
        value.shape = ir.Shape([old if isinstance(old, int) or new is None else new for old, new in pairs])

    def _dim_of(self, value: ir.Value, axis: int) -> ir.SymbolicDim:
        return self._unnamed.setdefault((value, axis), ir.SymbolicDim(f"unnamed.{len(self._unnamed)}"))

    def _has_unnamed(self, dim: ir.SymbolicDim) -> bool:
        try:
            return any(name.startswith("unnamed.") for name in dim.free_symbols())
        except ValueError:  # a name that is not a valid formula
            return False

    def _shape_of(self, value: ir.Value) -> PyValue | None:
        dims = self.of(value)
        return None if dims is None else PyValue(dims, (len(dims),))

    def _size_of(self, value: ir.Value) -> PyValue | None:
        dims = self.of(value)
        size = None if dims is None else product(dims)
        return None if size is None else PyValue((size,), ())


def _refine(node: ir.Node, extents: _Extents, refined: set[ir.Value]) -> list[ir.Value]:
    """Infer the outputs of one node; return those whose shape has changed."""
    before = [value.shape for value in node.outputs]
    known_now = any(value in refined or _is_lent(value) for value in node.inputs if value is not None)
    if known_now or not all(map(_is_known, node.outputs)):
        infer_node(node)
    if node.op_type in _SHAPE_RULES and not node.domain:
        extents.fill(node.outputs[0], _SHAPE_RULES[node.op_type](node, extents))
    if node.op_type == "Loop" and not node.domain:
        _fill_stacks(node, extents)
    return [value for value, old in zip(node.outputs, before, strict=True) if value.shape != old]


def _is_lent(value: ir.Value) -> bool:
    """Whether a value is computed, and its elements are known meanwhile; initializers were known before."""
    return value.const_value is not None and value.producer() is not None


def _is_known(value: ir.Value) -> bool:
    """Whether each extent has a number or a name."""
    return value.shape is not None and not any(value.shape.is_unknown_dim(axis) for axis in range(len(value.shape)))


def _reshaped(node: ir.Node, extents: _Extents) -> Dims | None:
    """The extents of a Reshape's result."""
    source, target = extents.of(node.inputs[0]), extents.items(node.inputs[1])
    if source is None or target is None:
        return None
    if not node.attributes.get_int("allowzero", 0):
        target = tuple(source[i] if item == 0 and i < len(source) else item for i, item in enumerate(target))
    if -1 in target:
        others = [item for item in target if item != -1]
        target = tuple(_left_over(source, others) if item == -1 else item for item in target)
    return target


def _left_over(source: Sequence[Dim], others: Sequence[Dim]) -> Dim:
    """The product of `source` divided by that of `others`; None if it may not be divisible."""
    left, divisors = list(source), []
    for item in others:
        if item in left:
            left.remove(item)
        else:
            divisors.append(item)
    return quotient(product(left), product(divisors))


def _expanded(node: ir.Node, extents: _Extents) -> Dims | None:
    """The extents of an Expand's result."""
    source, target = extents.of(node.inputs[0]), extents.items(node.inputs[1])
    if source is None or target is None:
        return None
    rank = max(len(source), len(target))
    pairs = zip((1,) * (rank - len(source)) + source, (1,) * (rank - len(target)) + target, strict=True)
    return tuple(b if a == 1 else a if b == 1 or isinstance(a, int) or a == b else None for a, b in pairs)


def _range(node: ir.Node, extents: _Extents) -> Dims | None:
    """The extent of a Range from 0 with step 1."""
    start, limit, delta = (extents.items(value) for value in node.inputs)
    return limit if start == (0,) and delta == (1,) else None


def _filled(node: ir.Node, extents: _Extents) -> Dims | None:
    """The extents of a ConstantOfShape's result."""
    return extents.items(node.inputs[0])


def _concatenated(node: ir.Node, extents: _Extents) -> Dims | None:
    """The extents of a Concat's result, such as a cache of keys with the new positions."""
    parts = [extents.of(value) for value in node.inputs]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    axis = node.attributes.get_int("axis", 0) % len(known[0])
    return (*known[0][:axis], functools.reduce(plus, (part[axis] for part in known)), *known[0][axis + 1 :])


def _sliced(node: ir.Node, extents: _Extents) -> Dims | None:
    """The extents of a Slice's result along the axes that it takes whole, in either direction; None for the others."""
    source, starts = extents.of(node.inputs[0]), extents.items(node.inputs[1])
    if source is None or starts is None:
        return None
    count = len(starts)
    given = (*node.inputs[2:], None, None)
    defaults: tuple[Dims, ...] = ((), tuple(range(count)), (1,) * count)
    ends, axes, steps = (
        default if value is None else extents.items(value) for value, default in zip(given, defaults, strict=False)
    )
    if ends is None or axes is None or steps is None or not all(isinstance(axis, int) for axis in axes):
        return None
    dims: list[Dim] = list(source)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        forward, backward = (start, step) == (0, 1), (start, step) == (-1, -1)
        if not (isinstance(end, int) and ((forward and end >= _END) or (backward and end <= -_END))):
            dims[axis] = None  # type: ignore[index]
    return tuple(dims)


def _tiled(node: ir.Node, extents: _Extents) -> Dims | None:
    """The extents of a Tile's result."""
    source, repeats = extents.of(node.inputs[0]), extents.items(node.inputs[1])
    if source is None or repeats is None or len(source) != len(repeats):
        return None
    return tuple(product(pair) for pair in zip(source, repeats, strict=True))


def _fill_stacks(loop: ir.Node, extents: _Extents) -> None:
    """Set the extents of what a Loop stacks: as many items as it has iterations, where nothing ends it before."""
    body = loop.attributes["body"].as_graph()
    first = _trip_count(loop, extents) if keeps_its_condition(body) else None
    carried = len(loop.inputs) - 2
    for whole, item in zip(loop.outputs[carried:], body.outputs[1 + carried :], strict=False):
        if item.shape is not None and first is not None:
            extents.fill(whole, (first, *(None if is_invented(dim) else dim for dim in item.shape)))


def _trip_count(loop: ir.Node, extents: _Extents) -> Dim:
    """How often a Loop runs whose body does not end it: a number, or an extent; None if that is not known."""
    begins = loop.inputs[1]
    if begins is not None and (begins.const_value is None or not begins.const_value.numpy().all()):
        return None
    count = extents.items(loop.inputs[0])
    if count is None or isinstance(count[0], int):
        return None if count is None else max(count[0], 0)  # type: ignore[type-var]
    return count[0] if str(count[0]).isidentifier() else None  # a difference may be negative


_SHAPE_RULES: dict[str, Callable[[ir.Node, _Extents], Dims | None]] = {
    "Concat": _concatenated,
    "ConstantOfShape": _filled,
    "Expand": _expanded,
    "Range": _range,
    "Reshape": _reshaped,
    "Slice": _sliced,
    "Tile": _tiled,
}
"""Operators whose result shape ONNX's inference does not fully infer."""
