"""Ranks: numbers of axes and element types in TorchScript, which its file lacks, as a run on the example shows them."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.onnx._internal.torchscript_exporter import utils

_LOG = logging.getLogger(__name__)
_PASSES: Any = torch._C
_EXPORTER: Any = utils
_TYPES = {
    **dict(enumerate((torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64))),
    5: torch.float16,
    6: torch.float32,
    7: torch.float64,
    11: torch.bool,
    15: torch.bfloat16,
}
"""What `prim::dtype` returns for each type."""


@contextlib.contextmanager
def ranks_known() -> Iterator[None]:
    """Inside the block, torch's older exporter knows the ranks of the tensors outside of branches and loops.

    It refuses what depends on a rank that it cannot derive, such as a transposition behind `unflatten`. The extents
    stay unknown to it: it would take those of the example for constants.
    """
    made, prepare, translate = (
        _EXPORTER._create_jit_graph,
        _PASSES._jit_pass_onnx_preprocess,
        _EXPORTER._run_symbolic_function,
    )
    values: list[Any] = []

    def noting_values(module: Any, args: Sequence[Any]) -> Any:
        graph, parameters, *rest = made(module, args)
        values[:] = [*args, *parameters]
        return graph, parameters, *rest

    def with_types(graph: Any) -> None:
        set_types(graph, values)
        prepare(graph)

    def with_types_of_inputs(graph: Any, block: Any, node: Any, inputs: Sequence[Any], *rest: Any) -> Any:
        for value, source in zip(inputs, node.inputs(), strict=True):
            if isinstance(value, _PASSES.Value) and _rank(value) is None and _rank(source) is not None:
                value.setType(source.type())
        return translate(graph, block, node, inputs, *rest)

    _EXPORTER._create_jit_graph = noting_values
    _PASSES._jit_pass_onnx_preprocess = with_types
    _EXPORTER._run_symbolic_function = with_types_of_inputs
    try:
        yield
    finally:
        _EXPORTER._create_jit_graph = made
        _PASSES._jit_pass_onnx_preprocess = prepare
        _EXPORTER._run_symbolic_function = translate


def _rank(value: Any) -> int | None:
    kind = value.type()
    rank: int | None = kind.dim() if kind.kind() == "TensorType" else None
    return rank


def set_types(graph: Any, values: Sequence[Any]) -> None:
    """Give the tensors of a graph their types: those in a run of a copy that returns nothing else.

    The values are its inputs.
    """
    asking = graph.copy()
    for _ in list(asking.outputs()):
        asking.eraseOutput(0)
    answers = [_asked(asking, kind, value) for value in _tensors(asking) for kind in ("aten::dim", "prim::dtype")]
    together = asking.create("prim::TupleConstruct", answers, 1)
    together.output().setType(_PASSES.TupleType([answer.type() for answer in answers]))
    asking.appendNode(together)
    asking.registerOutput(together.output())
    try:
        with torch.no_grad():
            found = _PASSES._create_function_from_graph("types", asking)(*values)
    except Exception as error:  # a graph that the interpreter does not take
        _LOG.info("the ranks of TorchScript stay unknown", exc_info=error)
        return
    for value, rank, number in zip(_tensors(graph), found[::2], found[1::2], strict=True):
        if number in _TYPES:
            value.setType(_PASSES.TensorType.get().with_dtype(_TYPES[number]).with_sizes([None] * rank))


def _tensors(graph: Any) -> list[Any]:
    nodes = [node for node in graph.nodes() if node.kind() != "prim::Uninitialized"]
    return [value for node in nodes for value in node.outputs() if value.type().kind() == "TensorType"]


def _asked(graph: Any, kind: str, value: Any) -> Any:
    """The integer that a new node computes of a tensor."""
    node = graph.create(kind, [value], 1)
    node.output().setType(_PASSES.IntType.get())
    node.insertAfter(value.node())
    return node.output()
