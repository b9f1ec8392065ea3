"""Names of a translated model: those of the signature for its ends, and one for each operator that TFLite fused.

TensorFlow Lite joins the names of fused operators by semicolons: `net/relu/Relu;net/bn/add_1;net/conv/convolution`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import onnx

from converter.frontends.tensorflow.order import bodies

_LAYER = re.compile(r"(?i)/(convolution|conv\dd\w*|depthwise\w*|matmul|tensordot\w*|einsum)$")
"""The last part of the name of an operator that has a kernel: it names the layer."""


def rename(graph: onnx.GraphProto, ends: Mapping[str, str]) -> None:
    """Rename the values and nodes of a graph, its sub-graphs included.

    Args:
        graph: as tf2onnx translated it; changed in place.
        ends: names of tensors → the names to show.
    """
    taken = set(_names(graph))
    new = {old: name for old, name in ends.items() if old != name and name not in taken}
    taken |= set(new.values())
    for old in dict.fromkeys(name for name in _names(graph) if ";" in name and name not in new):
        new[old] = _free(_chosen(old), taken)
        taken.add(new[old])
    _apply(graph, new)


def _chosen(name: str) -> str:
    """The part of a joined name that names a layer, else the first; a generated end (`__12:0`) stays."""
    joined, mark, rest = name.partition("__")
    parts = [re.sub(r"(?<=[a-z])\d$", "", part) for part in joined.split(";")]
    return next(filter(_LAYER.search, parts), parts[0]) + mark + rest


def _free(wanted: str, taken: Iterable[str]) -> str:
    stem, colon, port = wanted.partition(":")
    name, count = wanted, 0
    while name in taken:
        count += 1
        name = f"{stem}_{count}{colon}{port}"
    return name


def _names(graph: onnx.GraphProto) -> Iterable[str]:
    """The names of values and nodes: most nodes have that of their first output."""
    for node in graph.node:
        yield from (node.name, *node.input, *node.output)
        for body in bodies(node):
            yield from _names(body)
    yield from (item.name for holder in (graph.input, graph.output, graph.initializer) for item in holder)


def _apply(graph: onnx.GraphProto, new: Mapping[str, str]) -> None:
    for node in graph.node:
        node.name = new.get(node.name, node.name)
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
        for body in bodies(node):
            _apply(body, new)
    for holder in (graph.input, graph.output, graph.initializer, graph.value_info):
        for item in holder:
            item.name = new.get(item.name, item.name)
