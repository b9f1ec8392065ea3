"""Directions: recurrent layers that read a sequence backward, and pairs of layers that are one of both directions.

TensorFlow reverses the sequence, runs a layer, and reverses its output, for it has no layer with two directions.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.fusions.extents import number_in
from converter.graph.fusions.log import NoMatch
from converter.graph.fusions.replacement import replace
from converter.graph.fusions.rewrite import Builder, NodeFusion
from converter.graph.queries import attribute, count_uses, is_internal, numbers_of, shape_of, sliced
from converter.graph.traits import Trait, has_trait
from converter.graph.unique_names import UniqueNames

_LAST = -(2**63)


def reverse_all(node: ir.Node, names: UniqueNames) -> bool:
    """Replace a ReverseSequence of whole sequences, as tf2onnx writes tf.reverse, by a Slice with step -1."""
    x, lengths = node.inputs
    axis = attribute(node, "time_axis")
    extents = None if x is None else shape_of(x)
    if extents is None or lengths is None or extents[axis] is None or number_in(lengths) != extents[axis]:
        return False
    builder = Builder(node, names)
    bounds = (builder.constant(role, np.array([number])) for role, number in _backward(axis))
    replace([node], builder.nodes, {node.outputs[0]: builder.Slice(x, *bounds)}, at=node)
    return True


def _backward(axis: int) -> tuple[tuple[str, int], ...]:
    return ("starts", -1), ("ends", _LAST), ("axes", axis), ("steps", -1)


def read_backward(node: ir.Node, names: UniqueNames) -> bool:
    """Let a layer between two reversals of the whole sequence read it backward."""
    reversal = _reversal(node.inputs[0], axis=0)
    lengths = node.inputs[4] if len(node.inputs) > 4 else None
    if reversal is None or lengths is not None or not _is_plain(node):
        return False
    squeezes = [use.node for use in node.outputs[0].uses()]
    backs = [use.node for squeeze in squeezes for use in squeeze.outputs[0].uses()]
    if any(value.is_graph_output() for value in (node.outputs[0], *(each.outputs[0] for each in squeezes))):
        raise NoMatch("its output is one of the network, and stays reversed")
    if not all(map(_is_squeeze, squeezes)) or not all(_reversal(back.outputs[0], axis=0) is back for back in backs):
        raise NoMatch("its output is not reversed again")
    node.attributes.add(ir.AttrString("direction", "reverse"))
    x = reversal.inputs[0]
    assert x is not None
    if is_internal(reversal.outputs[0]) and count_uses(reversal.outputs[0]) == 1:
        replace([reversal], [], {reversal.outputs[0]: x}, at=reversal)
    else:
        node.replace_input_with(0, x)
    for back in backs:
        source = back.inputs[0]
        assert source is not None
        replace([back], [], {back.outputs[0]: source}, at=back)
    return True


def _is_plain(node: ir.Node) -> bool:
    return node.attributes.get_string("direction", "forward") == "forward" and not attribute(node, "layout")


def _reversal(value: ir.Value | None, axis: int) -> ir.Node | None:
    """The Slice that reverses all of an axis, and nothing else, whose result a value is."""
    part, extents = sliced(value), None if value is None else shape_of(value)
    if value is None or part is None or extents is None or (part.axis, part.start, part.step) != (axis, -1, -1):
        return None
    extent = extents[axis]
    longest = -extent if isinstance(extent, int) else -(2**31) + 2
    return value.producer() if part.stop < longest else None


def _is_squeeze(node: ir.Node) -> bool:
    """Whether a node removes the axis of directions of Y, (sequence, D, batch, hidden)."""
    return node.op_type == "Squeeze" and numbers_of(node.inputs[1]) in ((1,), (-3,))  # type: ignore[arg-type]


def join_directions(concat: ir.Node, names: UniqueNames) -> bool:
    """Replace two layers of opposite directions whose outputs or last states are joined by one of both directions."""
    if len(concat.inputs) != 2:
        return False
    squeezes = [value.producer() if value is not None and is_internal(value) else None for value in concat.inputs]
    if any(squeeze is None or squeeze.op_type != "Squeeze" for squeeze in squeezes):
        return False
    pair = [squeeze.inputs[0].producer() for squeeze in squeezes if squeeze is not None and squeeze.inputs[0]]
    first, second = pair
    if first is None or second is None or first is second or not _are_opposite(first, second):
        return False
    places = [squeeze.inputs[0].index() for squeeze in squeezes if squeeze is not None and squeeze.inputs[0]]
    rank = len(shape_of(concat.outputs[0]) or ())
    if places[0] != places[1] or not rank or attribute(concat, "axis") % rank != rank - 1:
        return False
    is_sequence = places[0] == 0
    readers = [use.node for node in (first, second) for use in node.outputs[0].uses()]
    if any(reader not in squeezes or not is_sequence for reader in readers):
        raise NoMatch("the output of one of its directions is read by itself")
    if first.outputs[0].is_graph_output() or second.outputs[0].is_graph_output():
        raise NoMatch("the output of one of its directions is one of the network")
    old = [first, second]
    if is_sequence:
        if not all(squeeze is not None and _is_squeeze(squeeze) for squeeze in squeezes):
            return False
        old += [squeeze for squeeze in squeezes if squeeze is not None] + [concat]
    _join(first, second, old, concat if is_sequence else None, names)
    return True


def _are_opposite(first: ir.Node, second: ir.Node) -> bool:
    """Whether two layers are a forward and a backward one of the same form, on one sequence, with constant weights."""

    def form(node: ir.Node) -> tuple[object, ...]:
        options = {name: str(each.value) for name, each in node.attributes.items() if name != "direction"}
        shapes = [None if value is None else shape_of(value) for value in node.inputs[1:4]]
        lengths = node.inputs[4] if len(node.inputs) > 4 else None
        return node.op_type, node.inputs[0], lengths, len(node.inputs), len(node.outputs), str(shapes), options

    directions = [node.attributes.get_string("direction", "forward") for node in (first, second)]
    fixed = all(value is None or value.const_value is not None for node in (first, second) for value in node.inputs[1:])
    return (
        has_trait(first, Trait.RECURRENT)
        and directions == ["forward", "reverse"]
        and form(first) == form(second)
        and fixed
        and first.graph is second.graph
        and not attribute(first, "layout")
        and not any(first.inputs[5:])
        and not any(second.inputs[5:])
    )


def _join(first: ir.Node, second: ir.Node, old: list[ir.Node], concat: ir.Node | None, names: UniqueNames) -> None:
    """Replace two layers, and the Concat of their outputs, by one layer."""
    graph = first.graph
    assert graph is not None
    at = next(node for node in graph if node in (first, second))
    builder = Builder(at, names)
    pairs = list(zip(first.inputs[1:4], second.inputs[1:4], strict=True))
    weights = [None if one is None else builder.Concat(one, other, axis=0) for one, other in pairs]
    options = {name: each.value for name, each in first.attributes.items()} | {"direction": "bidirectional"}
    for name in ("activations", "activation_alpha", "activation_beta"):
        if name in options:
            options[name] = [*options[name], *options[name]]
    node = ir.node(
        first.op_type, [first.inputs[0], *weights, *first.inputs[4:]], options, num_outputs=len(first.outputs)
    )
    node.name = names.fresh((first.name or "").rpartition("/")[0] or first.op_type)
    for output, one in zip(node.outputs, first.outputs, strict=True):
        output.name, output.type = names.fresh(f"{node.name}/{first.op_type}"), one.type
    hidden = (shape_of(first.inputs[2]) or ())[-1]  # type: ignore[arg-type]
    extents = shape_of(first.inputs[0]) or (None,) * 3  # type: ignore[arg-type]
    node.outputs[0].shape = ir.Shape((extents[0], 2, extents[1], hidden))
    builder.nodes.append(node)
    results: dict[ir.Value, ir.Value] = {}
    if concat is not None:
        apart = builder.Transpose(node.outputs[0], perm=(0, 2, 1, 3))
        shape = builder.constant("shape", np.array([0, 0, 2 * hidden]))  # type: ignore[operator]
        joined = builder.Reshape(apart, shape)
        joined.shape = ir.Shape((extents[0], extents[1], 2 * hidden))  # type: ignore[operator]
        results[concat.outputs[0]] = joined
    for place, output in enumerate(node.outputs[1:], start=1):
        output.shape = ir.Shape((2, extents[1], hidden))
        for start, layer in enumerate((first, second)):
            if layer.outputs[place].uses() or layer.outputs[place].is_graph_output():
                bounds = [start], [start + 1], [0]
                roles = (builder.constant(f"bound{i}", np.array(bound)) for i, bound in enumerate(bounds))
                results[layer.outputs[place]] = builder.Slice(output, *roles)
    replace(old, builder.nodes, results, at=at)


def merge_directions(concat: ir.Node, names: UniqueNames) -> bool:
    """Write the Concat of both directions of one layer's output as a Transpose and a Reshape, as a layer joins them.

    So TensorFlow's converter writes two layers that it has found to be one of both directions.
    """
    if len(concat.inputs) != 2 or attribute(concat, "axis") not in (2, -1):
        return False
    parts = [_direction_of(value) for value in concat.inputs]
    (y, first), (other, second) = parts
    layer, extents = None if y is None else y.producer(), shape_of(concat.outputs[0])
    if y is None or layer is None or y is not other or (first, second) != (0, 1) or extents is None:
        return False
    if not has_trait(layer, Trait.RECURRENT) or y.index() != 0 or attribute(layer, "layout"):
        return False
    builder = Builder(concat, names)
    apart = builder.Transpose(y, perm=(0, 2, 1, 3))
    joined = builder.Reshape(apart, builder.constant("shape", np.array([0, 0, extents[2]])))
    joined.shape = ir.Shape(extents)
    replace([concat], builder.nodes, {concat.outputs[0]: joined}, at=concat)
    return True


def _direction_of(value: ir.Value | None) -> tuple[ir.Value | None, int]:
    """Y, (sequence, D, batch, hidden), and the direction of which a value is the output; (None, 0) for others."""
    squeeze = None if value is None or not is_internal(value) else value.producer()
    taken = squeeze.inputs[0] if squeeze is not None and squeeze.op_type == "Squeeze" and _is_squeeze(squeeze) else None
    part = sliced(taken)
    if part is None or part.axis != 1 or part.step != 1 or part.stop != part.start + 1:
        return None, 0
    return part.whole, part.start


FUSIONS = (
    NodeFusion("ReverseSequence", reverse_all),
    *(NodeFusion(op_type, read_backward) for op_type in ("LSTM", "GRU", "RNN")),
    NodeFusion("Concat", join_directions),
    NodeFusion("Concat", merge_directions),
)
