"""The weights of the ONNX model under their source's names, with the way from there.

tf2onnx transposes the kernel of a convolution in place (HWIO → OIHW) and puts others behind nodes. Here every weight
becomes an initializer that is ready to use, and its metadata tell which tensor it was and the steps from it.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from posixpath import commonpath

import numpy as np
import onnx

from converter.base.weight_steps import SOURCE, Step, apply, concatenate, reshape, slice_axis, transpose, zeros
from converter.frontends.tensorflow.order import bodies, reads

_GATES = 4
"""Of an LSTM."""

_RECURRENT = ("LSTM", "GRU", "RNN")
_BIAS = 3
"""Which of their inputs is the bias; the kernel is 1."""

_LAYOUT = ("Transpose", "Reshape", "Squeeze", "Unsqueeze", "Identity")
"""Operators that only rearrange."""


@dataclass(frozen=True)
class _Origin:
    """The constant of the source that an initializer was, and what was done to it."""

    name: str
    shape: tuple[int, ...]
    steps: tuple[Step, ...]


def restore(graph: onnx.GraphProto, constants: Mapping[str, np.ndarray]) -> None:
    """Fold what only rearranges a weight, and note where each weight came from, in sub-graphs too.

    Args:
        graph: as tf2onnx wrote it, nodes sorted.
        constants: the float constants of the source, by the name of their node.
    """
    for node in graph.node:
        for body in bodies(node):
            restore(body, constants)
    origins = {}
    for tensor in graph.initializer:
        origin = _origin(tensor, constants)
        if origin is not None:
            origins[tensor.name] = origin
    _fold(graph, origins)
    _take_apart(graph, constants, origins)
    for tensor in graph.initializer:
        origin = origins.get(tensor.name)
        if origin is not None and (origin.steps or origin.name != tensor.name.removesuffix(":0")):
            source = {"name": origin.name, "shape": origin.shape, "transform": origin.steps}
            tensor.metadata_props.add(key=SOURCE, value=json.dumps(source))


def _origin(tensor: onnx.TensorProto, constants: Mapping[str, np.ndarray]) -> _Origin | None:
    """The constant of the source that an initializer is, told by its name and its elements."""
    array = onnx.numpy_helper.to_array(tensor)
    name = next((name for name in _names(tensor.name) if name in constants), None)
    if name is not None:
        steps = _steps(constants[name], array)
        return None if steps is None else _Origin(name, constants[name].shape, steps)
    return _kernel_origin(array, constants)


def _kernel_origin(array: np.ndarray, constants: Mapping[str, np.ndarray]) -> _Origin | None:
    """The constant of the source that the kernel of an LSTM's one direction is, told by its elements."""
    if array.ndim == 3 and array.shape[0] == 1 and array.shape[1] % _GATES == 0 and array.dtype.kind == "f":
        for name, source in constants.items():
            steps = _gate_steps(source, array[0])
            if steps is not None:
                return _Origin(name, source.shape, (*steps, reshape(*array.shape)))
    return None


def _names(name: str) -> Iterator[str]:
    """The nodes that an initializer may come from: tf2onnx appends `:0`, and `__12` to a copy."""
    name = name.removesuffix(":0")
    yield name
    while (shorter := re.sub(r"__\d+$", "", name)) != name:
        name = shorter
        yield name


def _steps(source: np.ndarray, array: np.ndarray) -> tuple[Step, ...] | None:
    """How one array becomes the other by a new shape or a transposition; None when it takes more."""
    if source.dtype != array.dtype or source.size != array.size:
        return None
    if np.array_equal(source.reshape(-1), array.reshape(-1)):
        return () if source.shape == array.shape else (reshape(*array.shape),)
    if source.ndim == array.ndim <= 5:
        for perm in itertools.permutations(range(source.ndim)):
            if array.shape == tuple(source.shape[i] for i in perm) and np.array_equal(source.transpose(perm), array):
                return (transpose(*perm),)
    return None


def _gate_steps(source: np.ndarray, array: np.ndarray) -> tuple[Step, ...] | None:
    """How a kernel of an LSTM, (inputs, 4 * hidden), becomes ONNX's, (4 * hidden, inputs), its gates in another order.

    TensorFlow 1 has the recurrent kernel below the kernel, in one matrix.
    """
    width, inputs = array.shape
    if source.ndim != 2 or source.shape[1] != width or source.shape[0] < inputs or source.dtype != array.dtype:
        return None
    hidden = width // _GATES
    for start in {0, source.shape[0] - inputs}:
        turned = source[start : start + inputs].T
        blocks = [turned[k * hidden : (k + 1) * hidden] for k in range(_GATES)]
        wanted = [array[k * hidden : (k + 1) * hidden] for k in range(_GATES)]
        order = [next((k for k, b in enumerate(blocks) if np.array_equal(b, block)), None) for block in wanted]
        if None not in order:
            taken = () if inputs == source.shape[0] else (slice_axis(0, start, start + inputs),)
            gates = [(slice_axis(0, k * hidden, (k + 1) * hidden),) for k in order if k is not None]
            return (*taken, transpose(1, 0), concatenate(0, *gates))
    return None


@dataclass(frozen=True)
class _Joined:
    """An array that was joined along an axis, each part with the constant that it was."""

    axis: int
    parts: Sequence[_Joined | tuple[np.ndarray, _Origin]]


def _take_apart(graph: onnx.GraphProto, constants: Mapping[str, np.ndarray], origins: dict[str, _Origin]) -> None:
    """Join the weights of recurrent nodes by nodes, where they are several tensors of the source.

    ONNX stacks the weights of two directions, and has two biases in one vector: the source has one, the other is zero.
    """
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type in _RECURRENT:
            kernels = [origins[name] for name in node.input[1:2] if name in origins]
            for i, name in enumerate(node.input[1 : _BIAS + 1], start=1):
                if name not in tensors or name in origins:
                    continue
                if i == _BIAS:
                    joined = _bias(tensors[name], kernels, constants)
                else:
                    joined, found = _kernels(tensors[name], constants)
                    kernels = kernels or found
                if joined is not None:
                    node.input[i] = f"{name}_joined"
                    nodes += _written(joined, node.input[i], name, graph, origins)
        nodes.append(node)
    _set_nodes(graph, nodes)
    read = {name for node in graph.node for name in reads(node)} | {value.name for value in graph.output}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in read]:
        graph.initializer.remove(tensor)


def _kernels(array: np.ndarray, constants: Mapping[str, np.ndarray]) -> tuple[_Joined | None, list[_Origin]]:
    """The kernels of all directions, and their origins; None when one is no constant of the source."""
    directions = np.split(array, len(array))
    found = [_kernel_origin(direction, constants) for direction in directions]
    known = [origin for origin in found if origin is not None]
    if len(known) < len(found):
        return None, []
    return _Joined(0, tuple(zip(directions, known, strict=True))), known


def _bias(array: np.ndarray, kernels: Sequence[_Origin], constants: Mapping[str, np.ndarray]) -> _Joined | None:
    """The biases of each direction, that of the input in the order of gates that its kernel came in."""
    directions = []
    for row, kernel in zip(np.split(array, len(array)), kernels, strict=False):
        own, state = np.split(row, 2, axis=1)
        steps = tuple(step for step in kernel.steps if step["op"] == "concatenate")
        found = [name for name, constant in constants.items() if _becomes(constant, steps, own[0])]
        if state.any() or not found:
            return None
        nearest = max(found, key=lambda name: len(commonpath([name, kernel.name])))
        ways = (*steps, reshape(*own.shape)), (zeros(*state.shape),)
        origins = [_Origin(nearest, constants[nearest].shape, way) for way in ways]
        directions.append(_Joined(1, tuple(zip((own, state), origins, strict=True))))
    if len(directions) != len(array):
        return None
    return directions[0] if len(array) == 1 else _Joined(0, directions)


def _written(
    joined: _Joined, output: str, name: str, graph: onnx.GraphProto, origins: dict[str, _Origin]
) -> Iterator[onnx.NodeProto]:
    """The nodes that make `output`; their initializers go into the graph."""
    names = [f"{name}_{k}" for k in range(len(joined.parts))]
    for part_name, item in zip(names, joined.parts, strict=True):
        if isinstance(item, _Joined):
            yield from _written(item, part_name, part_name, graph, origins)
            continue
        array, origin = item
        graph.initializer.append(onnx.numpy_helper.from_array(array, part_name))
        origins[part_name] = origin
    yield onnx.helper.make_node("Concat", names, [output], f"{output}/Concat", axis=joined.axis)


def _becomes(source: np.ndarray, steps: Sequence[Step], array: np.ndarray) -> bool:
    """Whether steps make one array of the other."""
    fits = source.shape == array.shape and source.dtype == array.dtype
    return fits and np.array_equal(apply(steps, source), array)


def _fold(graph: onnx.GraphProto, origins: dict[str, _Origin]) -> None:
    """Compute the nodes that rearrange a weight of known origin."""
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
        origins[name] = _Origin(origin.name, origin.shape, (*origin.steps, *steps))
        renamed[node.output[0]] = name
    _rename(kept, renamed)
    _set_nodes(graph, kept)


def _set_nodes(graph: onnx.GraphProto, nodes: Sequence[onnx.NodeProto]) -> None:
    """Let `nodes`, some of them the graph's own, be all of its nodes."""
    copies = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _layout(node: onnx.NodeProto, shape: Sequence[int], arguments: Sequence[list[int]]) -> tuple[Step, ...]:
    """What a node does to an array of this shape."""
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
