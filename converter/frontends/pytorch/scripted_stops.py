"""Values that pass no gradient in TorchScript: freezing a module would remove `detach`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from converter.graph import STOP_DOMAIN

STOP = f"{STOP_DOMAIN}::stop_gradient"
"""The operator that freezing keeps."""
_LIBRARY = torch.library.Library(STOP_DOMAIN, "DEF")
_LIBRARY.define("stop_gradient(Tensor(a) x) -> Tensor(a)")
_LIBRARY.impl("stop_gradient", torch.Tensor.detach, "CompositeImplicitAutograd")
_DETACHING = ("aten::detach", "prim::data")
_NO_GRADIENTS = ("grad_mode.no_grad", "grad_mode.inference_mode")


def keep_stops(graph: Any) -> None:
    """Replace `detach` in a graph of TorchScript without calls, and put a `STOP` behind each `torch.no_grad()`."""
    for block in list(_blocks(graph)):
        regions: list[list[Any]] = []
        for node in list(block.nodes()):
            if node.kind() in _DETACHING:
                stop = _stop(graph, node.input(), node)
                node.output().replaceAllUsesWith(stop)
                node.destroy()
                for region in regions:
                    region.append(stop)
            elif node.kind() == "prim::Enter":
                regions.append([])
            elif node.kind() == "prim::Exit" and regions:
                _stop_behind(graph, node, regions.pop())
            else:
                for region in regions:
                    region += node.outputs()


def _blocks(block: Any) -> Iterator[Any]:
    yield block
    for node in block.nodes():
        for inner in node.blocks():
            yield from _blocks(inner)


def _stop(graph: Any, value: Any, node: Any) -> Any:
    """A value that passes no gradient on, behind a node."""
    stop = graph.create(STOP, [value], 1)
    stop.copyMetadata(node)
    stop.insertAfter(node)
    stop.output().setType(value.type())
    return stop.output()


def _stop_behind(graph: Any, end: Any, computed: list[Any]) -> None:
    """Let what comes behind a block of statements read what it computed without gradients."""
    if not str(end.input().type()).endswith(_NO_GRADIENTS):
        return
    for value in computed:
        if value.type().isSubtypeOf(torch._C.TensorType.get()):
            stop = _stop(graph, value, end)
            value.replaceAllUsesAfterNodeWith(stop.node(), stop)
