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

from converter.frontends.tensorflow.order import bodies, reads
from converter.weights import SOURCE, Step, apply, concatenate, part, reshape, transpose

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
    _split_biases(graph, constants, origins)
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
            taken = () if inputs == source.shape[0] else (part(0, start, start + inputs),)
            gates = [(part(0, k * hidden, (k + 1) * hidden),) for k in order if k is not None]
            return (*taken, transpose(1, 0), concatenate(0, *gates))
    return None


def _split_biases(graph: onnx.GraphProto, constants: Mapping[str, np.ndarray], origins: dict[str, _Origin]) -> None:
    """Take the biases of recurrent nodes apart: ONNX's has two in one vector, the source one, and the other is zero.

    The gates are in the order that the kernel's came in.
    """
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for i, node in reversed(list(enumerate(graph.node))):
        if node.op_type not in _RECURRENT or len(node.input) <= _BIAS or node.input[1] not in origins:
            continue
        tensor = tensors.get(node.input[_BIAS])
        if tensor is None or tensor.name in origins:
            continue
        own, state = np.split(onnx.numpy_helper.to_array(tensor), 2, axis=1)
        steps = tuple(step for step in origins[node.input[1]].steps if step["op"] == "concatenate")
        found = [name for name, array in constants.items() if _becomes(array, steps, own[0])]
        if state.any() or not found:
            continue
        nearest = max(found, key=lambda name: len(commonpath([name, tensor.name])))
        names = [f"{tensor.name}_{part}" for part in ("input", "state")]
        graph.initializer.extend(map(onnx.numpy_helper.from_array, (own, state), names))
        origins[names[0]] = _Origin(nearest, constants[nearest].shape, (*steps, reshape(*own.shape)))
        joined = f"{tensor.name}_joined"
        graph.node.insert(i, onnx.helper.make_node("Concat", names, [joined], f"{node.name}/bias", axis=1))
        graph.node[i + 1].input[_BIAS] = joined
        if not any(tensor.name in reads(other) for other in graph.node):
            graph.initializer.remove(tensor)


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
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(kept)


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
