"""Cut a frozen graph at endpoints: the inputs and outputs that the user named, or the graph's own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.errors import NodeInputTypeNotSupportError, ParamMissingError, TfRuntimeError
from converter.frontends.endpoints import Declared, Extents, TensorNames, listed, merge_shapes
from converter.frontends.source import Endpoint, Request
from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.preprocessing import Behind, cut_behind

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

_SINGLE = ("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3", "SoftmaxCrossEntropyWithLogits", "LRN", "Unique")
"""Operators of which only the first output can be an output of the network."""

_STEERING = ("Enter", "Exit", "LoopCond", "NextIteration", "Switch")
_CONTROL = ("Switch", *graphs.LOOPS, "If", "StatelessIf")
"""Control flow operators. An unread node of the first, or an unread Identity of one of the second, is no output."""

_NO_TENSOR = ("resource", "variant")


@dataclass(frozen=True)
class Ends:
    """A network's own inputs and outputs: the name that the source shows for each → its tensor in the graph.

    With `one_batch` all inputs have the same batch.
    """

    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    one_batch: bool = False

    def shown(self) -> dict[str, str]:
        """Tensor → the name that the source shows for it."""
        return {tensor: name for names in (self.inputs, self.outputs) for name, tensor in names.items()}


OWN_ENDS = Ends()
"""The source names no ends: they are those of the graph itself."""


@dataclass(frozen=True)
class Cut:
    """The part of a frozen graph between its endpoints.

    Attributes:
        graph: the nodes; each input is a Placeholder of its own, in order, before the other nodes.
        contents: the bytes of large constants, by node; they are removed from the graph.
        inputs: the input endpoints; `Endpoint.value` is the Placeholder's tensor.
        outputs: the output endpoints, with the shapes that TensorFlow infers.
        notes: what was cut off besides, one sentence each.
        behind: the name of an input that takes the place of one of the source's → its tensor in the source.
    """

    graph: GraphDef
    contents: Mapping[str, bytes]
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    notes: tuple[str, ...] = ()
    behind: Mapping[str, str] = field(default_factory=dict)


def cut(frozen: GraphDef, request: Request, ends: Ends = OWN_ENDS) -> Cut:
    """Cut `frozen` at the endpoints of the request, and remove the contents of its large constants.

    Left out, the endpoints are those of the source, `ends`, or where it names none, those of the graph.

    Raises:
        BadParamError, ParamMissingError: nodes or shapes of the request do not fit the graph.
        ModelLoadingError: the graph is damaged, or not frozen.
        TfRuntimeError: TensorFlow cannot import the graph.
    """
    contents = graphs.take_weights(frozen)
    names = _names(frozen, ends, request.input_nodes)
    inputs = names.inputs_named([ends.inputs.get(name, name) for name in request.input_nodes])
    outputs = _outputs(request, names, ends)
    behind = Behind(outputs, inputs, {}, ())
    if not inputs:
        behind = cut_behind(frozen, outputs, _fed(frozen, outputs, names.inputs), ends.shown())
        outputs, inputs = behind.outputs, behind.inputs
    elif missing := set(_fed(frozen, outputs, (*names.inputs, *inputs))) - set(inputs):
        raise ParamMissingError(_missing(outputs, [name for name in names.inputs if name in missing]))
    between = graphs.needed(frozen, outputs, {graphs.split(name) for name in inputs})

    shown = {**ends.shown(), **behind.names}
    whole = graphs.part(frozen, graphs.needed(frozen, (*inputs, *outputs)))
    graphs.check_frozen(graphs.part(frozen, between))
    types = _types(whole, (*inputs, *outputs))
    shapes = {name: behind.shapes.get(name) if types[name].shape is None else types[name].shape for name in inputs}
    declared = [Declared(shown.get(name, name), _declared(shapes[name], ends)) for name in inputs]
    extents = _extents(request, declared)

    part = graphs.part(frozen, between)
    placeholders = {name: _placeholder_name(behind.names.get(name, name), between) for name in inputs}
    _read_from(part, placeholders)
    result = _with_placeholders(
        part, [(placeholders[n], types[n].enum, e.shape) for n, e in zip(inputs, extents, strict=True)]
    )
    values = _end_outputs(result, outputs, placeholders)
    inferred = _types(result, tuple(values.values()))
    return Cut(
        result,
        contents,
        tuple(
            Endpoint(
                shown.get(name, name),
                f"{placeholders[name]}:0",
                types[name].dtype,
                e.shape,
                e.example,
                guessed=e.guessed,
                freed=e.freed,
            )
            for name, e in zip(inputs, extents, strict=True)
        ),
        tuple(
            Endpoint(shown.get(name, name), values[name], types[name].dtype, _named(inferred[values[name]].shape))
            for name in outputs
        ),
        behind.notes,
        {name: tensor for tensor, name in behind.names.items()},
    )


def _declared(shape: Sequence[int | None] | None, ends: Ends) -> Sequence[int | str | None] | None:
    """The shape of an input, its free batch by name if it is that of all inputs."""
    return ("N", *shape[1:]) if ends.one_batch and shape and shape[0] is None else shape


def _names(graph: GraphDef, ends: Ends, inputs: Sequence[str]) -> TensorNames:
    """The tensors that can be endpoints; a tensor that no node reads is an output of the graph.

    `inputs` are those that the user named.
    """
    nodes = {node.name: [f"{node.name}:{k}" for k in range(graphs.output_count(graph, node))] for node in graph.node}
    fed = [tensor for node in graph.node if node.op in graphs.FEEDS for tensor in nodes[node.name]]
    return TensorNames(
        inputs=list(ends.inputs.values()) or fed,
        outputs=list(ends.outputs.values()) or _unread(graph, nodes, (*fed, *inputs)),
        nodes=nodes,
        values={tensor for tensors in nodes.values() for tensor in tensors},
        scopes=_scopes(graph, nodes),
    )


def _scopes(graph: GraphDef, nodes: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The name of each scope → the tensor of its last node that computes something, in the graph's order."""
    found: dict[str, str] = {}
    for node in graph.node:
        if nodes[node.name] and node.op not in ("Const", "Identity", *graphs.VARIABLES, "ReadVariableOp"):
            scope = node.name.rpartition("/")[0]
            while scope:
                found[scope] = nodes[node.name][0]
                scope = scope.rpartition("/")[0]
    return {scope: tensor for scope, tensor in found.items() if scope not in nodes}


def _unread(graph: GraphDef, nodes: Mapping[str, Sequence[str]], inputs: Sequence[str]) -> list[str]:
    """The tensors of nodes that no other node reads and that depend on an input."""
    read = {source for node in graph.node for source, _ in graphs.data_inputs(node)}
    readers: dict[str, list[str]] = {}
    for node in graph.node:
        for source, _ in graphs.data_inputs(node):
            readers.setdefault(source, []).append(node.name)
    reached: set[str] = set()
    waiting = [graphs.split(name)[0] for name in inputs]
    while waiting:
        name = waiting.pop()
        for reader in readers.get(name, ()):
            if reader not in reached:
                reached.add(reader)
                waiting.append(reader)
    unread = [node for node in graph.node if node.name in reached - read and graphs.gives_tensors(graph, node)]
    control = {node.name for node in graph.node if node.op in _CONTROL}
    steering = [n for n in unread if n.op in _STEERING or (n.op == "Identity" and n.input[0].split(":")[0] in control)]
    ends = [node for node in unread if node not in steering] or unread
    return [tensor for node in ends for tensor in nodes[node.name][: 1 if node.op in _SINGLE else None]]


def _outputs(request: Request, names: TensorNames, ends: Ends) -> tuple[str, ...]:
    """The output tensors: those that the user named, else those that the source names, else the graph's own."""
    if request.output_nodes:
        return names.outputs_named([ends.outputs.get(name, name) for name in request.output_nodes])
    return tuple(ends.outputs.values()) or _own_outputs(names, request)


def _own_outputs(names: TensorNames, request: Request) -> tuple[str, ...]:
    """The graph's own outputs: those of its one unread node, or of `Identity`, `Identity_1`, …, which tracing adds.

    Raises:
        ParamMissingError: there are none, or several that may be outputs.
    """
    own = names.outputs
    if not names.inputs and not request.input_nodes:
        raise ParamMissingError(
            "the graph has no inputs: no node of it is a Placeholder. Name them with --input_nodes, its outputs with "
            "--output_nodes."
        )
    if not own:
        raise ParamMissingError("the graph has no outputs of its own. Name them with --output_nodes.")
    matches = [match for name in own if (match := re.fullmatch(r"Identity(?:_(\d+))?:0", name))]
    if matches:
        return tuple(match.string for match in sorted(matches, key=lambda match: int(match[1] or 0)))
    if len({graphs.split(name)[0] for name in own}) > 1:
        raise ParamMissingError(
            f"the graph does not say which are its outputs: nothing reads {listed(own)}. Name one of them, or several:",
            commands(request, own),
        )
    return tuple(own)


def commands(request: Request, outputs: Sequence[str]) -> list[str]:
    """For each tensor that may be the output, the command that takes it."""
    parts = ["mindconverter", "--model_file", str(request.model_file)]
    for option, values in (("--input_nodes", request.input_nodes), ("--shape", request.shapes)):
        parts += [option, *values] if values else []
    return [shlex.join([*parts, "--output_nodes", name]) for name in outputs]


def _fed(graph: GraphDef, outputs: Sequence[str], candidates: Sequence[str]) -> tuple[str, ...]:
    """Those of the candidate inputs on which the outputs depend, when the graph is cut at all candidates."""
    ends = {graphs.split(name): name for name in candidates}
    between = graphs.needed(graph, outputs, ends)
    read = {source for node in graph.node if node.name in between for source in graphs.data_inputs(node)}
    read.update(graphs.split(name) for name in outputs)
    return tuple(name for tensor, name in ends.items() if tensor in read)


def _missing(outputs: Sequence[str], inputs: Sequence[str]) -> str:
    return (
        f"the outputs {listed(outputs)} need the input(s) {listed(inputs)}, which --input_nodes does not list. "
        f"Add {'it' if len(inputs) == 1 else 'them'}, or name a tensor behind."
    )


@dataclass(frozen=True)
class _Type:
    enum: int
    dtype: np.dtype
    shape: tuple[int | None, ...] | None


def _types(graph: GraphDef, tensors: Sequence[str]) -> dict[str, _Type]:
    """Element types and static shapes, by TensorFlow's shape inference."""
    import tensorflow as tf

    with tf.Graph().as_default() as imported:
        try:
            tf.import_graph_def(graph, name="")
        except Exception as error:  # an operator's shape function may raise any class
            raise TfRuntimeError(f"TensorFlow refuses the graph: {' '.join(str(error).split())[:300]}") from error
    return {name: _type(imported.get_tensor_by_name(name)) for name in tensors}


def _type(tensor: Any) -> _Type:
    if tensor.dtype.name in _NO_TENSOR:
        raise NodeInputTypeNotSupportError(
            f"'{tensor.name}' is a {tensor.dtype.name}, not a tensor. Cut the graph where tensors flow: name them with "
            "--input_nodes and --output_nodes."
        )
    shape = None if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    return _Type(tensor.dtype.as_datatype_enum, np.dtype(tensor.dtype.as_numpy_dtype), shape)


def _extents(request: Request, declared: Sequence[Declared]) -> list[Extents]:
    """The inputs' shapes. If the rank is unknown in the graph it comes from the user's shape, where `-` is a scalar.

    Raises:
        ParamMissingError: the rank of an input is unknown in the graph, and the user gave no shapes.
    """
    merged = merge_shapes(request.shapes, declared)
    unknown = [end.name for end, extents in zip(declared, merged, strict=True) if extents.shape is None]
    if unknown and not request.shapes:
        raise ParamMissingError(
            f"the graph does not say the shape of {listed(unknown)}. Give it with --shape: numbers, or - for a scalar."
        )
    return [extents if extents.shape is not None else Extents((), ()) for extents in merged]


def _placeholder_name(tensor: str, taken: set[str]) -> str:
    """A name for the Placeholder of a tensor: its node's name, unless the node remains for another of its outputs."""
    node, index = graphs.split(re.sub(r"[^\w.:/-]", "_", tensor, flags=re.ASCII))
    name = node if index == 0 else f"{node}_{index}"
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _read_from(graph: GraphDef, placeholders: Mapping[str, str]) -> None:
    """Let all nodes read the input endpoints from their Placeholders."""
    for node in graph.node:
        for i, name in enumerate(node.input):
            if not name.startswith("^"):
                source, index = graphs.split(name)
                node.input[i] = placeholders.get(f"{source}:{index}", name)


def _with_placeholders(graph: GraphDef, inputs: Sequence[tuple[str, int, Sequence[int | str] | None]]) -> GraphDef:
    from tensorflow.core.framework.graph_pb2 import GraphDef

    result = GraphDef(versions=graph.versions, library=graph.library)
    for name, dtype, shape in inputs:
        node = result.node.add(op="Placeholder", name=name)
        node.attr["dtype"].type = dtype
        for dim in shape or ():
            node.attr["shape"].shape.dim.add(size=dim if isinstance(dim, int) else -1)
        node.attr["shape"].shape.SetInParent()
    for node in graph.node:
        node.attr.pop("_output_shapes", None)
        if node.op == "PlaceholderWithDefault":  # it is not an input: use its default
            node.op = "Identity"
            node.attr["T"].type = node.attr.pop("dtype").type
            node.attr.pop("shape")
    result.node.extend(graph.node)
    return result


def _end_outputs(graph: GraphDef, outputs: Sequence[str], placeholders: Mapping[str, str]) -> dict[str, str]:
    """The tensor of the cut graph for each output endpoint; for one that is also an input, add an Identity node."""
    values = {}
    for name in outputs:
        if name in placeholders:
            source = next(node for node in graph.node if node.name == placeholders[name])
            node = graph.node.add(op="Identity", name=f"{source.name}/output", input=[source.name])
            node.attr["T"].type = source.attr["dtype"].type
            values[name] = f"{node.name}:0"
        else:
            values[name] = name
    return values


def _named(shape: tuple[int | None, ...] | None) -> tuple[int | str, ...] | None:
    return None if shape is None else tuple("?" if dim is None else dim for dim in shape)
