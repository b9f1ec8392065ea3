"""Local functions are inlined: every call becomes the nodes of the function."""

from __future__ import annotations

from collections.abc import Iterable

import onnx_ir as ir

from converter.errors import GraphInitError
from converter.graph.unique_names import UniqueNames, rename
from converter.graph.walk import all_nodes

_DEEPEST = 100  # levels of functions that call functions; torch exports one for each level of modules
_NODE_LIMIT = 2_000_000  # functions in a file of a few kilobytes can expand to more nodes than fit into memory


def inline_functions(model: ir.Model) -> None:
    """Replace every call of a local function, in sub-graphs and functions too, by the function's nodes.

    An inlined node is called `caller/node`. It keeps its metadata, and inherits its caller's where it has none. Its
    `version` is the opset of the function, which may differ from the model's. onnx_ir's `InlinePass` is not used: it
    refuses such a function, names nodes without their caller, and has no limit for functions that call each other.

    Raises:
        GraphInitError: functions call each other recursively or too deep, or expand to too many nodes.
    """
    _check_size(model)
    names = UniqueNames.of(model)
    pending = [node for node in all_nodes(model.graph) if node.op_identifier() in model.functions]
    while pending:
        nodes = _expand(pending.pop(), model, names)
        pending.extend(node for node in nodes if node.op_identifier() in model.functions)
    model.functions.clear()


def _check_size(model: ir.Model) -> None:
    """Raise when functions call each other recursively, or would expand to too many nodes; nothing is expanded."""
    sizes: dict[ir.OperatorIdentifier, int] = {}
    open_functions: set[ir.OperatorIdentifier] = set()

    def size_of(nodes: Iterable[ir.Node]) -> int:
        return sum(size_of_call(node.op_identifier()) for node in all_nodes(nodes))

    def size_of_call(key: ir.OperatorIdentifier) -> int:
        if key not in model.functions:
            return 1
        if key in open_functions:
            raise GraphInitError(f"The local function '{key[0]}::{key[1]}' calls itself, which ONNX does not allow.")
        if len(open_functions) == _DEEPEST:
            raise GraphInitError(f"The model's local functions call one another {_DEEPEST} levels deep and deeper.")
        if key not in sizes:
            open_functions.add(key)
            sizes[key] = size_of(model.functions[key])
            open_functions.remove(key)
        return sizes[key]

    if model.functions and size_of(model.graph) > _NODE_LIMIT:
        raise GraphInitError(f"The model's local functions unfold to more than {_NODE_LIMIT} nodes.")


def _expand(call: ir.Node, model: ir.Model, names: UniqueNames) -> list[ir.Node]:
    """Replace `call` by the body of its function; return the new nodes, those of sub-graphs included."""
    function = model.functions[call.op_identifier()]
    body = function.clone()
    _separate_outputs(body)
    nodes = list(all_nodes(body))
    for node in nodes:
        node.version = function.opset_imports.get(node.domain)
        _resolve_attributes(node, call, function)
        for key, value in call.metadata_props.items():
            node.metadata_props.setdefault(key, value)
    _rename(body, call, names)
    _connect(body, call)
    for domain, version in function.opset_imports.items():
        model.opset_imports.setdefault(domain, version)
    return nodes


def _separate_outputs(body: ir.Function) -> None:
    """Insert an Identity for an output that is also an input of the function, or another output."""
    seen = set(body.inputs)
    for index, value in enumerate(body.outputs):
        if value in seen:
            copy = ir.node("Identity", [value], name="Identity")
            body.append(copy)
            body.outputs[index] = copy.outputs[0]
        seen.add(value)


def _resolve_attributes(node: ir.Node, call: ir.Node, function: ir.Function) -> None:
    """Replace references to the function's attributes by the call's values, else by the function's defaults."""
    for key, attribute in list(node.attributes.items()):
        if attribute.is_ref():
            name = attribute.ref_attr_name or ""
            given = call.attributes.get(name) or function.attributes.get(name)
            del node.attributes[key]
            if given is not None and given.value is not None:
                node.attributes[key] = ir.Attr(key, given.type, given.value)


def _rename(body: ir.Function, call: ir.Node, names: UniqueNames) -> None:
    """Prefix the names of nodes and values with the caller's name."""
    values = [value for graph in body.subgraphs() for value in (*graph.inputs, *graph.initializers.values())]
    for node in all_nodes(body):
        node.name = names.fresh(f"{call.name}/{node.name}")
        values.extend(node.outputs)
    for value in values:
        if value.name:
            rename(value, names.fresh(f"{call.name}/{value.name}"))


def _connect(body: ir.Function, call: ir.Node) -> None:
    """Move the nodes of `body` to the position of `call`, and connect them to its inputs and outputs."""
    for index, formal in enumerate(body.inputs):
        actual = call.inputs[index] if index < len(call.inputs) else None
        for use in list(formal.uses()):
            use.node.replace_input_with(use.idx, actual)
    results = [(old, new) for old, new in zip(call.outputs, body.outputs, strict=False) if old.name]
    nodes = list(body)
    body.outputs.clear()
    body.remove(nodes)
    assert call.graph is not None
    old_values, new_values = [old for old, _ in results], [new for _, new in results]
    ir.convenience.replace_nodes_and_values(call.graph, call, [call], nodes, old_values, new_values)
