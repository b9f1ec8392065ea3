"""TorchScript: what the older exporter takes of it, and where in the user's code its operators come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import torch

from converter.frontends.pytorch.lines import place_of_script

_OPERATOR = re.compile(r"'((?:\w+::)\w+)'")
"""How the exporter names an operator that it refuses."""


def without_dictionaries(module: Any) -> Any:
    """A copy that shares the weights, and in which dictionaries are tuples of what is in them: ONNX has none.

    One that a branch or a loop fills stays; the exporter then refuses it.
    """
    passes: Any = torch._C
    frozen = passes._freeze_module(module._c, ["training"], preserveParameters=True)
    graph = frozen._get_method("forward").graph
    dictionaries: dict[str, dict[Any, Any]] = {}
    for node in list(graph.nodes()):
        inputs = list(node.inputs())
        filled = dictionaries.get(inputs[0].debugName()) if inputs else None
        if node.kind() in ("prim::DictConstruct", "aten::dict") and filled is None and len(inputs) % 2 == 0:
            keys = [key.toIValue() for key in inputs[::2]]
            dictionaries[node.output().debugName()] = dict(zip(keys, inputs[1::2], strict=True))
        elif node.kind() == "aten::_set_item" and filled is not None:
            filled[inputs[1].toIValue()] = inputs[2]
            node.destroy()
        elif node.kind() == "aten::__getitem__" and filled is not None and inputs[1].toIValue() in filled:
            node.output().replaceAllUsesWith(filled[inputs[1].toIValue()])
            node.destroy()
    for node in list(graph.nodes()):
        values = dictionaries.get(node.output().debugName()) if node.outputsSize() == 1 else None
        if values is not None:
            tuples = graph.create("prim::TupleConstruct", list(values.values()), 1)
            tuples.output().setType(passes.TupleType([value.type() for value in values.values()]))
            graph.appendNode(tuples)
            node.output().replaceAllUsesWith(tuples.output())
            node.destroy()
    wrapped: Any = torch.jit._recursive
    return wrapped.wrap_cpp_module(frozen)


def place_of_operator(module: Any, refusal: BaseException) -> str:
    """Where the user's code calls the operator that a refusal names, in parentheses after a space; else ""."""
    named = _OPERATOR.search(str(refusal))
    operator = named[1] if named else ""
    for node in _nodes(module.inlined_graph):
        if node.kind() == operator and (place := place_of_script(node.sourceRange())):
            return place
    return ""


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)
