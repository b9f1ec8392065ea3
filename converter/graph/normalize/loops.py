"""Shapes in loops. ONNX infers none for loop-carried values, since an iteration may change them, which is rare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import onnx_ir as ir

from converter.base.bounded import bounded
from converter.graph.annotations import VARYING, varying_axes
from converter.graph.shape_inference import (
    forget_invented_dimensions,
    infer_node,
    infer_shapes,
    is_invented,
)
from converter.graph.shape_refinement import refine_shapes
from converter.graph.traits import Trait, has_trait
from converter.graph.walk import all_nodes

_MOST_TURNS = 20
"""Inferences for each loop-carried value: each finds its initial shape, or makes an axis or rank of it unknown."""
_OURS = 10**6
"""Our names for dimensions have the form of those that ONNX's inference invents, with larger numbers."""


class _Carried(NamedTuple):
    """A loop-carried value: the node's input, the body's input, the body's output, and the node's output."""

    initial: ir.Value
    formal: ir.Value
    result: ir.Value
    final: ir.Value


def infer_loop_shapes(model: ir.Model) -> None:
    """Give loop-carried values the shape of their initial value, except for axes that the body changes.

    An axis that the body changes is dynamic, and recorded (`varying_axes`). Where the shape of a body's result is
    unknown, the shape that the file declares is used.
    """
    loops = {node: list(_carried(node)) for node in all_nodes(model.graph) if has_trait(node, Trait.LOOP)}
    if loops:
        _Inference(model, loops).run()
    if len(loops) > 1 and any(varying_axes(item.formal) for each in loops.values() for item in each):
        _Inference(model, loops).run()  # of a loop that reads what another one stacks, the first run knew too little


class _Inference:
    """The shapes of all loop-carried values of a model.

    `_starts` are those before the first iteration, `_shapes` those in every iteration, None for an axis that changes.
    """

    def __init__(self, model: ir.Model, loops: dict[ir.Node, list[_Carried]]) -> None:
        self._model = model
        self._loops = loops
        self._numbers = {item: number for number, item in enumerate(item for each in loops.values() for item in each)}
        self._declared = {item: item.formal.shape for item in self._numbers}
        self._starts: dict[_Carried, ir.Shape] = {}
        self._shapes: dict[_Carried, ir.Shape | None] = {}

    def run(self) -> None:
        """Infer all shapes again, until every loop starts with the shapes that it was given and keeps them."""
        forget_invented_dimensions(self._model)  # inference would keep the names of values that it knows more of by now
        refine_shapes(self._model)
        inferred = {value: value.shape for node in all_nodes(self._model.graph) for value in node.outputs}
        for _ in bounded(1 + _MOST_TURNS * len(self._numbers), "infer the shapes in loops"):
            self._advance()
            self._infer(inferred)
            begun = [item for item in self._numbers if self._begin(item)]
            common = {item: _common(shape, item.result.shape) for item, shape in self._shapes.items()}
            if not begun and common == self._shapes:
                break
            self._shapes = self._shapes if begun else common  # results of other starts say nothing
            for value, known in inferred.items():
                value.shape = known
        for item, shape in self._shapes.items():
            pairs = enumerate(zip(self._starts[item], shape or (), strict=shape is not None))
            item.formal.meta[VARYING] = tuple(axis for axis, (first, later) in pairs if first != later)

    def _infer(self, known: dict[ir.Value, ir.Shape | None]) -> None:
        """Infer all shapes; again, from the `known` ones, where arithmetic tells the shape of what a loop stacks."""
        infer_shapes(self._model)
        refine_shapes(self._model)
        for _ in self._loops:
            stacked = {whole: _stacked(whole, item) for node in self._loops for whole, item in _stacked_outputs(node)}
            if all(shape is None or shape == whole.shape for whole, shape in stacked.items()):
                break
            for value, shape in known.items():
                value.shape = shape
            for whole, shape in stacked.items():
                whole.shape = shape
            infer_shapes(self._model)
            refine_shapes(self._model)

    def _advance(self) -> None:
        """Set the shapes of loop-carried values, and those that follow from them, so that later loops know theirs.

        The inference of the whole model finds more, but nothing behind a loop whose own shapes it does not know: for a
        chain of loops it would run once for each.
        """
        for node in all_nodes(self._model.graph):
            if node in self._loops:
                _set_others(node)
                for item in self._loops[node]:
                    self._begin(item)
                    self._set(item)
            elif any(value.shape is None for value in node.outputs):
                unknown = [value for value in node.outputs if value.shape is None]
                infer_node(node)
                for value in unknown:
                    if value.shape is not None and any(_is_unknown(dim) for dim in value.shape):
                        value.shape = None

    def _begin(self, item: _Carried) -> bool:
        """Note the shape that a value starts with; return whether it is new, or less is known of it than before.

        The shape is that of the result of an earlier loop, of which an axis may turn out to change.
        """
        number, shape = self._numbers[item], item.initial.shape
        if shape is None:
            return False
        if item not in self._starts:
            self._starts[item] = self._shapes[item] = _named(shape, number)
            return True
        start, known = self._starts[item], self._shapes[item]
        if len(shape) != len(start):
            return False
        lost = [not is_invented(old) and old != new for old, new in zip(start, shape, strict=True)]
        if any(lost):
            fresh = _named(shape, number)
            self._starts[item] = _replaced(start, lost, fresh)
            self._shapes[item] = None if known is None else _replaced(known, lost, fresh)
        return any(lost)

    def _set(self, item: _Carried) -> None:
        if item not in self._starts:
            return
        shape, declared = self._shapes[item], self._declared[item]
        item.formal.type = item.formal.type or item.initial.type
        item.formal.shape = declared if shape is None else shape
        item.final.shape = declared if shape is None else _named(shape, self._numbers[item] + len(self._numbers))


def _carried(node: ir.Node) -> Iterator[_Carried]:
    body = node.attributes["body"].as_graph()
    inputs, formals, results = list(node.inputs), list(body.inputs), list(body.outputs)
    if node.op_type == "Loop":  # after the trip count and the condition
        inputs, formals, results = inputs[2:], formals[2:], results[1:]
    else:
        inputs = inputs[: len(inputs) - node.attributes.get_int("num_scan_inputs")]
    for initial, formal, result, final in zip(inputs, formals, results, node.outputs, strict=False):
        if initial is not None and isinstance(initial.type, ir.TensorType):
            yield _Carried(initial, formal, result, final)


def _stacked_outputs(node: ir.Node) -> Iterator[tuple[ir.Value, ir.Value]]:
    """The outputs of a Loop that stack the items of all iterations, with the items in its body."""
    if node.op_type == "Loop":
        results = node.attributes["body"].as_graph().outputs
        carried = len(node.inputs) - 2
        yield from zip(node.outputs[carried:], results[1 + carried :], strict=False)


def _stacked(whole: ir.Value, item: ir.Value) -> ir.Shape | None:
    """The shape of a stack of items, without the names that inference gave to unknown extents."""
    shape = item.shape
    if shape is None:
        return None
    count = None if whole.shape is None or is_invented(whole.shape[0]) else whole.shape[0]
    return ir.Shape([count, *(None if is_invented(dim) else dim for dim in shape)])


def _set_others(node: ir.Node) -> None:
    """Set the types and shapes of a Loop's iteration number, and of the slices that a Scan's body reads."""
    formals = list(node.attributes["body"].as_graph().inputs)
    if node.op_type == "Loop":
        formals[0].type, formals[0].shape = ir.TensorType(ir.DataType.INT64), ir.Shape(())
        return
    count = min(node.attributes.get_int("num_scan_inputs"), len(node.inputs))
    axes = node.attributes.get_ints("scan_input_axes", ()) or (0,) * count
    for whole, formal, axis in zip(list(node.inputs)[-count:], formals[-count:], axes, strict=True):
        if whole is not None and whole.shape is not None:
            dims = list(whole.shape)
            del dims[axis]
            formal.type, formal.shape = formal.type or whole.type, ir.Shape(dims)


def _named(shape: ir.Shape, number: int) -> ir.Shape:
    """Name the unknown extents, so that inference shows whether an iteration keeps them."""
    return ir.Shape(
        f"unk__{_OURS + 100 * number + axis}" if _is_unknown(dim) else dim for axis, dim in enumerate(shape)
    )


def _replaced(shape: ir.Shape, places: Sequence[bool], other: ir.Shape) -> ir.Shape:
    """A shape with some extents from another one, except those that are None."""
    dims = zip(shape, places, other, strict=True)
    return ir.Shape(new if replaced and not _is_unknown(old) else old for old, replaced, new in dims)


def _is_unknown(dim: int | ir.SymbolicDim) -> bool:
    return isinstance(dim, ir.SymbolicDim) and dim.value is None


def _common(one: ir.Shape | None, other: ir.Shape | None) -> ir.Shape | None:
    """The extents that two shapes share, None for the others; None when the ranks differ or are unknown."""
    if one is None or other is None or len(one) != len(other):
        return None
    return ir.Shape(a if a == b else None for a, b in zip(one, other, strict=True))
