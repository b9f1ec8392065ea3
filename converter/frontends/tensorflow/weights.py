"""The weights of the ONNX model, with their names in the source and their provenance.

tf2onnx transposes the kernel of a convolution in place (HWIO → OIHW), and for other weights adds nodes. Here those
nodes are folded, so that every weight is an initializer. Its metadata have its tensor in the source and the weight
steps from there: those recorded while tf2onnx ran (`provenance.py`), and those of the folded nodes.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import onnx

from converter.base.trained import NO, TRAINED
from converter.base.weight_steps import SOURCE, Step, apply, joined, reshape, transpose
from converter.frontends.tensorflow.handlers.node_builder import ABSENT, NUMBER
from converter.frontends.tensorflow.order import bodies, reads
from converter.frontends.tensorflow.provenance import Joined, Origin, Provenance, take
from converter.graph import Trait, operators_with

_WEIGHTS = slice(1, 4)
"""The inputs of a recurrent operator that are weights: kernel, recurrent kernel and bias."""

_LAYOUT = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity")
"""Views that `_layout` translates to steps; tf2onnx applies no Flatten to a weight."""

_NUMBER = re.compile(r"(__\d+)?(:0)?$")
"""What tf2onnx and TensorFlow put behind the name of a node."""
_OF_A_HANDLER = re.compile(rf"/({NUMBER}|{ABSENT})(__\d+)?(:0)?$")


def restore(
    graph: onnx.GraphProto, constants: Mapping[str, np.ndarray], trained: Mapping[str, str] | None = None
) -> None:
    """Fold views of weights, and record the provenance of each weight, in sub-graphs too.

    Args:
        graph: as tf2onnx wrote it, nodes sorted, initializers with their provenance.
        constants: the float constants of the source, by the name of their node.
        trained: what is known of them, by the name of their node (`converter.base.trained`).
    """
    for node in graph.node:
        for body in bodies(node):
            restore(body, constants, trained)
    origins, stacked = _provenance(graph, constants)
    _rename_others(graph, constants, origins)
    _fold(graph, origins)
    _take_apart(graph, constants, origins, stacked)
    for tensor in graph.initializer:
        origin = origins.get(tensor.name)
        steps = joined(origin.steps, origin.shape) if origin is not None else ()
        name = _NUMBER.sub("", tensor.name) if origin is None else origin.name
        if trained and name in trained:
            tensor.metadata_props.add(key=TRAINED, value=trained[name])
        if origin is None and _OF_A_HANDLER.search(tensor.name):
            tensor.metadata_props.add(key=TRAINED, value=NO)
        if origin is not None and (steps or origin.name != tensor.name.removesuffix(":0")):
            source = {"name": origin.name, "shape": origin.shape, "transform": steps}
            tensor.metadata_props.add(key=SOURCE, value=json.dumps(source))


def _provenance(
    graph: onnx.GraphProto, constants: Mapping[str, np.ndarray]
) -> tuple[dict[str, Origin], dict[str, Joined]]:
    """The provenance of initializers by name: those of one constant of the source, and those of several."""
    origins: dict[str, Origin] = {}
    stacked: dict[str, Joined] = {}
    for tensor in graph.initializer:
        provenance = take(tensor)
        if provenance is None or not _holds(provenance, onnx.numpy_helper.to_array(tensor), constants):
            continue
        if isinstance(provenance, Origin):
            origins[tensor.name] = provenance
        else:
            stacked[tensor.name] = provenance
    return origins, stacked


def _holds(provenance: Provenance, array: np.ndarray, constants: Mapping[str, np.ndarray]) -> bool:
    """Whether the steps compute this array from these constants; a function may have a constant of the same name."""
    made = _made(provenance, constants)
    if made is None or made.dtype != array.dtype:
        return False
    return np.array_equal(made, array) or np.array_equal(made, array, equal_nan=True)  # equal_nan is slow


def _made(provenance: Provenance, constants: Mapping[str, np.ndarray]) -> np.ndarray | None:
    """The array that the steps compute; None if a constant is missing or has another shape than recorded."""
    if isinstance(provenance, Origin):
        source = constants.get(provenance.name)
        return None if source is None or source.shape != provenance.shape else apply(provenance.steps, source)
    parts = [_made(item, constants) for item in provenance.parts]
    known = [item for item in parts if item is not None]
    return np.concatenate(known, provenance.axis) if len(known) == len(parts) else None


def _rename_others(graph: onnx.GraphProto, constants: Mapping[str, np.ndarray], origins: Mapping[str, Origin]) -> None:
    """Rename initializers that have the name of a constant of the source but do not come from it."""
    outputs = {value.name for value in graph.output}
    names = {}
    for tensor in graph.initializer:
        name = tensor.name.removesuffix(":0")
        if name in constants and tensor.name not in origins and tensor.name not in outputs:
            names[tensor.name] = f"{name}__0"
            tensor.name = names[tensor.name]
    _rename(graph.node, names)


def _take_apart(
    graph: onnx.GraphProto,
    constants: Mapping[str, np.ndarray],
    origins: dict[str, Origin],
    stacked: Mapping[str, Joined],
) -> None:
    """Compute weights of recurrent nodes that come from several tensors of the source by Concat nodes of these.

    ONNX stacks the weights of two directions, and has two biases in one vector: the source has one, the other is zero.
    """
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        for i in range(*_WEIGHTS.indices(len(node.input))) if node.op_type in operators_with(Trait.RECURRENT) else ():
            name = node.input[i]
            if name in stacked:
                node.input[i] = f"{name}_joined"
                nodes += _written(stacked[name], node.input[i], name, graph, constants, origins)
        nodes.append(node)
    _set_nodes(graph, nodes)
    read = {name for node in graph.node for name in reads(node)} | {value.name for value in graph.output}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)


def _written(
    whole: Joined,
    output: str,
    name: str,
    graph: onnx.GraphProto,
    constants: Mapping[str, np.ndarray],
    origins: dict[str, Origin],
) -> Iterator[onnx.NodeProto]:
    """The nodes that compute `output`; their initializers are added to the graph."""
    names = [f"{name}_{k}" for k in range(len(whole.parts))]
    for part_name, item in zip(names, whole.parts, strict=True):
        if isinstance(item, Joined):
            yield from _written(item, part_name, part_name, graph, constants, origins)
            continue
        array = apply(item.steps, constants[item.name])
        graph.initializer.append(onnx.numpy_helper.from_array(array, part_name))
        origins[part_name] = item
    yield onnx.helper.make_node("Concat", names, [output], f"{output}/Concat", axis=whole.axis)


def _fold(graph: onnx.GraphProto, origins: dict[str, Origin]) -> None:
    """Fold the views of weights whose origin is known."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    readers = Counter(name for node in graph.node for name in reads(node))
    outputs = {value.name for value in graph.output}
    renamed: dict[str, str] = {}
    kept = []
    for node in graph.node:
        weight, *arguments = (tensors.get(renamed.get(name, name)) for name in node.input or [""])
        foldable = node.op_type in _LAYOUT and not node.domain and node.output[0] not in outputs
        if not foldable or weight is None or weight.name not in origins or None in arguments:
            kept.append(node)
            continue
        steps = _layout(node, weight.dims, [onnx.numpy_helper.to_array(t).tolist() for t in arguments if t is not None])
        array = np.asarray(apply(steps, onnx.numpy_helper.to_array(weight)), order="C")
        origin = origins[weight.name]
        name = weight.name if readers[node.input[0]] == 1 else node.output[0]
        if name != weight.name:
            tensors[name] = weight = graph.initializer.add()
        weight.CopyFrom(onnx.numpy_helper.from_array(array, name))
        origins[name] = origin.then(*steps)
        renamed[node.output[0]] = name
    _rename(kept, renamed)
    _set_nodes(graph, kept)


def _set_nodes(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Replace the graph's nodes by copies of `nodes`, which may include nodes of the graph."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _layout(node: onnx.NodeProto, shape: Sequence[int], arguments: Sequence[list[int]]) -> tuple[Step, ...]:
    """The steps that compute a view node on an array of this shape."""
    if node.op_type == "Identity":
        return ()
    if node.op_type == "Transpose":
        return (transpose(*next(attribute.ints for attribute in node.attribute if attribute.name == "perm")),)
    argument = arguments[0] if arguments else []
    if node.op_type == "Reshape":
        new = [shape[i] if dim == 0 else dim for i, dim in enumerate(argument)]
        known = math.prod(dim for dim in new if dim != -1)
        return (reshape(*(math.prod(shape) // known if dim == -1 else dim for dim in new)),)
    if node.op_type == "Squeeze":
        axes = {axis % len(shape) for axis in argument} or {i for i, dim in enumerate(shape) if dim == 1}
        return (reshape(*(dim for i, dim in enumerate(shape) if i not in axes)),)
    rank = len(shape) + len(argument)
    rest = iter(shape)
    new_axes = {axis % rank for axis in argument}
    return (reshape(*(1 if i in new_axes else next(rest) for i in range(rank))),)


def _rename(nodes: Sequence[onnx.NodeProto], names: Mapping[str, str]) -> None:
    for node in nodes:
        node.input[:] = [names.get(name, name) for name in node.input]
        for body in bodies(node):
            _rename(body.node, names)
