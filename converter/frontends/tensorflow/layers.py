"""Clean up layers after tf2onnx: recurrent layers and the padding of convolutions and pooling.

tf2onnx writes recurrent layers without a scope, with explicit initial states of zero, and with generated names of
weights. For dynamic extents it writes `auto_pad`, even if the padding does not depend on the extents.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx

from converter.frontends.tensorflow.order import reads
from converter.graph import Trait, operators_with

_STATES = (5, 6)
"""Inputs of these operators: initial_h and, of an LSTM, initial_c."""

_PARAMETERS = {1: "W", 2: "R", 3: "B", 7: "P"}


def tidy(graph: onnx.GraphProto) -> None:
    """Clean up the layers of a graph, in place. Sorting nodes afterwards removes those that computed zero states."""
    for node in graph.node:
        _pad(node)
    _tidy_recurrent(graph)


def _pad(node: onnx.NodeProto) -> None:
    """Replace `auto_pad` SAME_UPPER by explicit padding if all strides are 1: it is then independent of the extents."""
    attributes = {attribute.name: attribute for attribute in node.attribute}
    kernel, automatic = attributes.get("kernel_shape"), attributes.get("auto_pad")
    if node.op_type not in ("Conv", "MaxPool", "AveragePool") or kernel is None or automatic is None:
        return
    strides, dilations = (list(attributes[n].ints) if n in attributes else [] for n in ("strides", "dilations"))
    if automatic.s != b"SAME_UPPER" or any(stride != 1 for stride in strides):
        return
    sizes = [(extent - 1) * (dilations[i] if dilations else 1) for i, extent in enumerate(kernel.ints)]
    node.attribute.remove(automatic)
    pads = [size // 2 for size in sizes] + [size - size // 2 for size in sizes]
    node.attribute.append(onnx.helper.make_attribute("pads", pads))


def _tidy_recurrent(graph: onnx.GraphProto) -> None:
    """Name recurrent layers and their parameters after the scope of their input; remove initial states of zero."""
    makers = {name: node for node in graph.node for name in node.output}
    constants = {tensor.name: tensor for tensor in graph.initializer}
    renamed: dict[str, str] = {}
    for node in graph.node:
        if node.domain or node.op_type not in operators_with(Trait.RECURRENT):
            continue
        for index in _STATES:
            if len(node.input) > index and node.input[index] and _is_zero(node.input[index], makers, constants):
                node.input[index] = ""
        while not node.input[-1]:
            del node.input[-1]
        maker = makers.get(node.input[0])
        scope = node.name.rpartition("/")[0] or (maker.name.rpartition("/")[0] if maker is not None else "")
        if not scope:
            continue
        if "/" not in node.name:
            node.name = f"{scope}/{node.op_type.lower()}"
        for index, kind in _PARAMETERS.items():
            name = node.input[index] if len(node.input) > index else ""
            if name in constants and "/" not in name:
                renamed[name] = f"{scope}/{kind}__0"  # numbered later, if a scope contains several
    _rename(graph, constants, renamed)


def _is_zero(name: str, makers: Mapping[str, onnx.NodeProto], constants: Mapping[str, onnx.TensorProto]) -> bool:
    """Whether all elements of a value are zero, for any extents."""
    pending, seen = [name], {name}
    while pending:
        name = pending.pop()
        maker = makers.get(name)
        if name in constants:
            tensors = [constants[name]]
        elif maker is None or maker.domain:
            return False
        elif maker.op_type == "ConstantOfShape":
            tensors = [attribute.t for attribute in maker.attribute]
        elif maker.op_type in ("Cast", "Concat") or maker.op_type in operators_with(Trait.DATA_MOVEMENT):
            sources = set(maker.input if maker.op_type == "Concat" else maker.input[:1]) - seen
            pending += sources
            seen |= sources
            continue
        else:
            return False
        if any(np.any(onnx.numpy_helper.to_array(tensor)) for tensor in tensors):
            return False
    return True


def _rename(graph: onnx.GraphProto, constants: Mapping[str, onnx.TensorProto], names: Mapping[str, str]) -> None:
    taken = {name for node in graph.node for name in (*reads(node), *node.output)} if names else set()
    fresh: dict[str, str] = {}
    for old, wanted in names.items():
        new, number = wanted, 0
        while new in taken:
            number += 1
            new = f"{wanted.removesuffix('__0')}__{number}"
        taken.add(new)
        constants[old].name = fresh[old] = new
    for node in graph.node if fresh else ():
        node.input[:] = [fresh.get(name, name) for name in node.input]
