"""Remove nodes without effect: identities, zero biases that an exporter added, dead code; sort topologically."""

from __future__ import annotations

import onnx
import onnx_ir as ir

from converter.base.trained import DETACHED
from converter.graph.annotations import OPSET, is_folded
from converter.graph.origins import is_fixed
from converter.graph.provenance import OPERATOR
from converter.graph.queries import number_of, numbers_of, rank_of
from converter.graph.unique_names import UniqueNames, rename
from converter.graph.walk import all_graphs, all_nodes, subgraphs


def replace_value(old: ir.Value, new: ir.Value) -> bool:
    """Replace all uses of `old` by the equal value `new`; return False where that is not possible.

    When `old` is an output of its graph, `new` becomes that output, with its name. That is not possible when `new` is
    an input, an output or an initializer itself, or is computed in another graph.
    """
    if old.is_graph_output():
        maker, owner = new.producer(), old.producer()
        if new.is_graph_output() or maker is None or owner is None or maker.graph is not owner.graph:
            return False
        old.name, new.name = new.name, old.name
    new.shape = new.shape or old.shape
    new.type = new.type or old.type
    old.replace_all_uses_with(new, replace_graph_outputs=True)
    return True


def remove_identities(model: ir.Model) -> None:
    """Remove nodes that return their input, except those that connect an input or a constant to an output.

    These are Identity, a Slice of everything (`x[:]`), the sum with a 0 or the product with a 1 that is no parameter,
    and the sum with a mask that hides nothing.

    onnx_ir's `IdentityEliminationPass` lets a branch return a value of the enclosing graph, renames a value that
    is an output already, and fails where a declared rank is wrong.
    """
    for node in list(all_nodes(model.graph)):
        if node.domain != "" or not _is_identity(node) or (data := node.inputs[0]) is None:
            continue
        if replace_value(node.outputs[0], data):
            assert node.graph is not None
            node.graph.remove(node, safe=True)


def _is_identity(node: ir.Node) -> bool:
    match node.op_type:
        case "Identity":
            return DETACHED not in node.metadata_props
        case "Slice":
            bounds = (*node.inputs, None, None)[1:5]
            starts, ends, _, steps = (None if value is None else numbers_of(value) for value in bounds)
            if starts is None or ends is None or (bounds[3] is not None and steps is None):
                return False
            return not any(starts) and min(ends, default=0) >= _FAR and set(steps or ()) <= {1}
        case "Add" if len(node.inputs) == 2:
            x, zero = node.inputs
            if x is None or zero is None or zero.dtype is None:
                return False
            if number_of(zero) == 0 and (zero.dtype.is_integer() or _is_of_formula(zero)):
                return (rank_of(zero) or 0) <= (rank_of(x) or 0)
            return _is_empty_mask(zero) and x.shape is not None and x.shape == node.outputs[0].shape
        case "Mul" | "Div" if len(node.inputs) == 2:
            x, one = node.inputs
            if x is None or one is None or number_of(one) != 1 or not _is_of_formula(one):
                return False
            return (rank_of(one) or 0) <= (rank_of(x) or 0)
    return False


def _is_of_formula(value: ir.Value) -> bool:
    """Whether a constant is one of a formula, and surely no parameter of the source that happens to have its value."""
    return is_folded(value) or is_fixed(value)


def _is_empty_mask(value: ir.Value) -> bool:
    """Whether a constant that folding made, or that the source does not train, hides nothing: all elements are 0."""
    tensor = value.const_value
    if tensor is None or not 1 < tensor.size <= _LARGEST or not _is_of_formula(value):
        return False
    return not tensor.numpy().any()


_FAR = 2**31 - 1
_LARGEST = 1 << 24

BIASED = {"Conv": 2, "ConvTranspose": 2, "DeformConv": 3, "Gemm": 2}
"""Operator with an optional bias → index of that input."""


def drop_invented_biases(model: ir.Model) -> None:
    """Remove zero biases that were computed by folding: torch's exporter adds one to a layer that has no bias."""
    for node in all_nodes(model.graph):
        position = None if node.domain else BIASED.get(node.op_type)
        bias = None if position is None or position >= len(node.inputs) else node.inputs[position]
        if position is None or bias is None or bias.const_value is None or not is_folded(bias):
            continue
        if not bias.const_value.numpy().any():
            node.replace_input_with(position, None)


def remove_dead_code(model: ir.Model) -> None:
    """Remove nodes and initializers that no output depends on, and trailing optional outputs that are not used.

    onnx_ir's `RemoveUnusedNodesPass` keeps the initializers of sub-graphs, and values that only nodes of a branch that
    folding removed use; it also needs sorted nodes.
    """
    needed = _needed(model.graph)
    for graph in list(all_graphs(model)):
        graph.remove([node for node in graph if node not in needed])
        for name, value in list(graph.initializers.items()):
            if value not in needed and not value.is_graph_input():
                del graph.initializers[name]
    values = {part: None for part in needed if isinstance(part, ir.Value)}
    values |= {value: None for part in needed if isinstance(part, ir.Node) for value in part.outputs}
    for value in values:
        for use in list(value.uses()):
            if use.node not in needed:  # it may be in a branch of an If that folding removed
                use.node.replace_input_with(use.idx, None)
    for node in all_nodes(model.graph):
        _leave_out_unused_outputs(node)


def separate_outputs(model: ir.Model) -> None:
    """Let a node of every sub-graph compute each of its outputs: an Identity where a body hands on what it was given.

    Such an output is an input of the sub-graph, a value of another graph, or an output already. Constants stay.
    """
    names = UniqueNames.of(model)
    for graph in [inner for node in all_nodes(model.graph) for inner in subgraphs(node)]:
        seen: set[ir.Value] = set()
        for index, value in enumerate(graph.outputs):
            maker = value.producer()
            elsewhere = maker is None or maker.graph is not graph
            if value in seen or (elsewhere and value.const_value is None):
                copy = ir.node("Identity", [value], name=names.fresh(f"{value.name}/Identity"))
                copy.outputs[0].name = names.fresh(value.name or "output")
                copy.outputs[0].type, copy.outputs[0].shape = value.type, value.shape
                copy.metadata_props[OPERATOR] = ""  # the source has no such node
                graph.append(copy)
                graph.outputs[index] = copy.outputs[0]
            seen.add(value)


def make_outputs(model: ir.Model) -> None:
    """Insert an Identity before every output of the graph that is a constant, so that a node produces each output.

    onnx_ir's `OutputFixPass` handles outputs that are inputs, or that occur twice, but not constants.
    """
    names = UniqueNames.of(model)
    for index, value in enumerate(model.graph.outputs):
        if value.is_initializer():
            wanted = value.name or ""
            rename(value, names.fresh(f"{wanted}/value"))
            made = ir.Value(name=wanted, type=value.type, shape=value.shape)
            node = ir.node("Identity", [value], outputs=[made], name=names.fresh(f"{wanted}/Identity"))
            node.metadata_props.update(value.metadata_props)
            model.graph.append(node)
            model.graph.outputs[index] = made


def sort(model: ir.Model) -> None:
    """Sort the nodes of every graph topologically."""
    model.graph.sort()


def _needed(graph: ir.Graph) -> set[ir.Node | ir.Value]:
    """The nodes and values that the outputs of `graph` depend on, those in sub-graphs included."""
    needed: set[ir.Node | ir.Value] = set()
    pending: list[ir.Value] = list(graph.outputs)
    while pending:
        value = pending.pop()
        if value in needed:
            continue
        needed.add(value)
        node = value.producer()
        if node is None or node in needed:
            continue
        needed.add(node)
        pending.extend(source for source in node.inputs if source is not None)
        pending.extend(value for inner in subgraphs(node) for value in inner.outputs)
    return needed


def _leave_out_unused_outputs(node: ir.Node) -> None:
    if node.domain != "" or not onnx.defs.has(node.op_type) or len(node.outputs) == 1:
        return
    formal = onnx.defs.get_schema(node.op_type, OPSET).outputs
    count = len(node.outputs)
    while count > 1 and count <= len(formal):
        value = node.outputs[count - 1]
        optional = formal[count - 1].option == onnx.defs.OpSchema.FormalParameterOption.Optional
        if not optional or value.uses() or value.is_graph_output():
            break
        count -= 1
    node.resize_outputs(count)
