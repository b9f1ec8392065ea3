"""Remove operators that are inverse to each other, by onnxoptimizer.

The optimizer gets only connected groups of the operators that its optimisations change: it drops all metadata, fails
on operators that it does not know, and takes quadratic time in the size of the graph (1 s for 4,000 nodes). Its result
is then applied to the graph, which keeps all metadata.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx
import onnx_ir as ir
import onnxoptimizer

from converter.graph.annotations import OPSET
from converter.graph.constants import new_initializer
from converter.graph.hints.scopes import is_apart
from converter.graph.normalize.clean import remove_dead_code, replace_value
from converter.graph.queries import rank_of
from converter.graph.shape_inference import infer_node, is_small
from converter.graph.traits import Trait, operators_with
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs, all_nodes

# Only optimisations that keep all layers: onnxoptimizer also folds batch norms and drops Dropouts.
OPTIMISATIONS = (
    "fuse_consecutive_transposes",  # [0, 2, 3, 1] then [0, 3, 1, 2], left by layout conversions
    "eliminate_nop_transpose",
    "eliminate_nop_pad",  # by zero on all sides
    "fuse_consecutive_reduce_unsqueeze",  # ReduceMean, then Unsqueeze of the same axis: keepdims
)
_OPERATORS = operators_with(Trait.REDUCTION) | {"Pad", "Transpose", "Unsqueeze"}
_ALONE = frozenset(("Pad", "Transpose"))  # one node by itself may have no effect and be removed
_LONGEST_RUN = 500
_ROUNDS = 3  # of 50,000 transposes, the first leaves one of each 500, so 100; the second leaves one
_USE = "converter.use"  # an operator that the optimizer does not know: it represents all consumers of the run's values


def write_permutations(model: ir.Model) -> None:
    """Give each Transpose of known rank its permutation; one that has none turns all axes around."""
    for node in all_nodes(model.graph):
        if node.domain or node.op_type != "Transpose" or "perm" in node.attributes or node.inputs[0] is None:
            continue
        rank = rank_of(node.inputs[0])
        if rank is not None:
            node.attributes["perm"] = ir.AttrInt64s("perm", tuple(reversed(range(rank))))


def cancel_inverses(model: ir.Model) -> None:
    """Apply `OPTIMISATIONS` to every graph of the model. Nodes that are no longer needed stay as dead code.

    Longer runs than `_LONGEST_RUN` nodes are cut into parts; the next iteration optimises the remaining nodes together.
    """
    names = UniqueNames.of(model)
    for _ in range(_ROUNDS):
        longest = 0
        for graph in list(all_graphs(model)):
            for run in _runs(graph):
                longest = max(longest, len(run.nodes))
                run.optimise(names)
        if longest < _LONGEST_RUN:
            break
        remove_dead_code(model)


def _runs(graph: ir.Graph) -> Iterator[_Run]:
    """Connected groups of up to `_LONGEST_RUN` nodes that the optimisations may change, in the graph's order."""
    groups: dict[ir.Node | None, list[ir.Node]] = {}
    for node in graph:
        data = node.inputs[0] if node.inputs else None
        if node.op_type in _OPERATORS and node.domain == "" and data is not None and _is_sound(node):
            group = groups.get(data.producer(), [])
            if group and node.op_type == group[-1].op_type == "Transpose" and not _same_rank(node, group[-1]):
                group = []
            if group and is_apart(node):
                group = []
            group.append(node)
            groups[node] = group
    for first, group in groups.items():
        if first is group[0] and (len(group) > 1 or group[0].op_type in _ALONE):
            for start in range(0, len(group), _LONGEST_RUN):
                yield _Run(graph, group[start : start + _LONGEST_RUN])


def _is_sound(node: ir.Node) -> bool:
    """Whether attributes are what the operator takes: the optimizer, which is native code, does not look."""
    known = onnx.defs.get_schema(node.op_type, OPSET).attributes
    for name, attribute in node.attributes.items():
        if name not in known or attribute.type.value != known[name].type.value:  # type: ignore[attr-defined]
            return False
    perm = node.attributes.get_ints("perm", None)
    return perm is None or sorted(perm) == list(range(len(perm)))


def _same_rank(node: ir.Node, other: ir.Node) -> bool:
    perms = [each.attributes.get_ints("perm", None) for each in (node, other)]
    return None in perms or len(perms[0] or ()) == len(perms[1] or ())


class _Run:
    """Connected nodes, the values that they read from the rest of the graph, and their values that others read."""

    def __init__(self, graph: ir.Graph, nodes: list[ir.Node]) -> None:
        self.graph = graph
        members = set(nodes)
        self.nodes = {node.name: node for node in nodes}
        self.made = {value.name: value for node in nodes for value in node.outputs}
        inputs = {value.name: value for node in nodes for value in node.inputs if value is not None}
        self.taken = {name: value for name, value in inputs.items() if name not in self.made}
        self.used = [value for value in self.made.values() if value.is_graph_output() or _users(value) - members]

    def optimise(self, names: UniqueNames) -> None:
        """Optimise the nodes as a model of their own with onnxoptimizer, and apply the result to the graph."""
        try:
            graph = onnxoptimizer.optimize(self._as_model(), list(OPTIMISATIONS)).graph
        except RuntimeError:
            return  # it does not support a type or a form of the operator: no change
        values = self.taken | self.made | self._new_constants(graph, names)
        *nodes, use = graph.node
        for proto in nodes:
            _change(self.nodes[proto.name], proto, [values[name] if name else None for name in proto.input])
        for old, name in zip(self.used, use.input, strict=True):
            if name != old.name and not replace_value(old, values[name]):
                _hand_through(values[name], old)

    def _as_model(self) -> onnx.ModelProto:
        graph = onnx.GraphProto(name="run")
        graph.node.extend(ir.serde.serialize_node(node) for node in self.nodes.values())
        graph.node.add(op_type="Use", domain=_USE, input=[value.name or "" for value in self.used], output=["end"])
        for name, value in self.taken.items():
            tensor = value.const_value
            if value.is_initializer() and tensor is not None and is_small(tensor):
                graph.initializer.append(ir.serde.serialize_tensor(tensor))
                graph.initializer[-1].name = name or ""
            else:
                graph.input.append(ir.to_proto(value))
        graph.output.add(name="end")
        opsets = [onnx.helper.make_opsetid("", OPSET), onnx.helper.make_opsetid(_USE, 1)]
        return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)

    def _new_constants(self, graph: onnx.GraphProto, names: UniqueNames) -> dict[str, ir.Value]:
        """Initializers that the optimizer added, such as the axes of two operators that it merged."""
        new = {tensor.name: ir.from_proto(tensor) for tensor in graph.initializer if tensor.name not in self.taken}
        return {name: new_initializer(self.graph, names.fresh(name), tensor) for name, tensor in new.items()}


def _users(value: ir.Value) -> set[ir.Node]:
    return {use.node for use in value.uses()}


def _change(node: ir.Node, proto: onnx.NodeProto, inputs: list[ir.Value | None]) -> None:
    """Set the attributes of `node` to those of `proto`, and its inputs to `inputs`."""
    before = _attributes(ir.serde.serialize_node(node))
    if _attributes(proto) == before and list(node.inputs) == inputs:
        return
    for attribute in proto.attribute:
        node.attributes.add(ir.from_proto(attribute))
    node.resize_inputs(len(inputs))
    for index, value in enumerate(inputs):
        node.replace_input_with(index, value)
    node.outputs[0].shape = None
    infer_node(node)


def _attributes(proto: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in proto.attribute}


def _hand_through(value: ir.Value, end: ir.Value) -> None:
    """Let an Identity compute `end` from `value`, where `end` is an output of the graph and cannot be replaced."""
    node = end.producer()
    assert node is not None
    node.op_type = "Identity"
    node.attributes.clear()
    node.resize_inputs(1)
    node.replace_input_with(0, value)
