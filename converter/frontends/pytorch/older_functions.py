"""ONNX functions of operators that torch's older exporter leaves out (dropout), writes wrong, or refuses."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.onnx import register_custom_op_symbolic, symbolic_helper, unregister_custom_op_symbolic
from torch.onnx._internal.torchscript_exporter import symbolic_opset9

from converter.frontends.pytorch.detached import write_detach
from converter.frontends.pytorch.fused_layers import FusedLayers
from converter.frontends.pytorch.scripted_stops import STOP

OPSET = 18
"""The newest that the older exporter is made for."""
_OF_CHANNELS = re.compile(r"Dropout[123]d(::|$)")
"""The innermost scope of a module that drops whole channels."""


@contextlib.contextmanager
def more_functions() -> Iterator[None]:
    """Inside the block, torch's older exporter has the functions of `_FUNCTIONS` and `FusedLayers`, too."""
    functions = {**_FUNCTIONS, **FusedLayers().functions}
    for name, function in functions.items():
        register_custom_op_symbolic(name, function, OPSET)
    try:
        yield
    finally:
        for name in functions:
            unregister_custom_op_symbolic(name, OPSET)


def _dropout(graph: Any, x: Any, ratio: Any, training: Any) -> Any:
    """A dropout whatever the mode, where its ratio is a constant; one of channels if a module of such does it."""
    around = graph.original_node.scopeName().rpartition("/")[2]
    known = symbolic_helper._maybe_get_const(ratio, "f")
    if not isinstance(known, float) or not known:
        return x
    if graph.original_node.kind() != "aten::dropout" and not _OF_CHANNELS.search(around):
        return x
    ratio = graph.op("Constant", value_t=torch.tensor(known))
    dropped, _ = graph.op("Dropout", x, ratio, graph.op("Constant", value_t=torch.tensor(True)), outputs=2)
    return dropped


def _bilinear(graph: Any, x: Any, other: Any, weight: Any, bias: Any) -> Any:
    found = graph.op("Einsum", x, weight, other, equation_s="...i,oij,...j->...o")
    return found if symbolic_helper._is_none(bias) else graph.op("Add", found, bias)


def _gru_cell(graph: Any, x: Any, hidden: Any, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any) -> Any:
    """A layer that takes one step."""
    x, hidden = (symbolic_helper._unsqueeze_helper(graph, each, [0]) for each in (x, hidden))
    biased = not symbolic_helper._is_none(b_ih)
    weights = (w_ih, w_hh, b_ih, b_hh) if biased else (w_ih, w_hh)
    _, hidden = symbolic_opset9._generic_rnn(graph, "GRU", x, hidden, weights, biased, 1, 0, 0, False, False)
    return symbolic_helper._squeeze_helper(graph, hidden, [0])


def _outer(graph: Any, x: Any, other: Any) -> Any:
    pairs = ((x, 1), (other, 0))
    return graph.op("Mul", *(symbolic_helper._unsqueeze_helper(graph, each, [axis]) for each, axis in pairs))


def _swap(graph: Any, x: Any, axis: Any, other: Any) -> Any:
    return symbolic_opset9.transpose(graph, x, axis, other)


def _distance(graph: Any, x: Any, other: Any, p: Any, eps: Any, keepdim: Any) -> Any:
    """`pairwise_distance`: the norm of a difference that is never 0."""
    power, least, keep = (symbolic_helper._maybe_get_const(*pair) for pair in ((p, "f"), (eps, "f"), (keepdim, "i")))
    x = graph.op("Add", graph.op("Sub", x, other), graph.op("Constant", value_t=torch.tensor(least)))
    last = graph.op("Constant", value_t=torch.tensor([-1]))
    if power in (1.0, 2.0):
        return graph.op(f"ReduceL{power:.0f}", x, last, keepdims_i=keep)
    to, back = (graph.op("Constant", value_t=torch.tensor(number)) for number in (power, 1 / power))
    total = graph.op("ReduceSum", graph.op("Pow", graph.op("Abs", x), to), last, keepdims_i=keep)
    return graph.op("Pow", total, back)


def _contains(graph: Any, numbers: Any, number: Any) -> Any:
    """Whether a list of integers, which may be a constant, has a number that is known at run time only."""
    known = symbolic_helper._maybe_get_const(numbers, "is")
    if not isinstance(known, list):
        return symbolic_opset9.__contains_(graph, numbers, number)
    parts = (graph.op("Equal", number, graph.op("Constant", value_t=torch.tensor(each))) for each in known)
    return functools.reduce(lambda found, part: graph.op("Or", found, part), parts)


def _stack_along(axis: int) -> Callable[..., Any]:
    """`hstack` and `vstack` of matrices and more."""

    def stack(graph: Any, tensors: Any) -> Any:
        parts = symbolic_helper._unpack_list(tensors)
        if any((symbolic_helper._get_tensor_rank(part) or 0) < 2 for part in parts):
            return symbolic_helper._unimplemented("hstack, vstack", "of vectors", tensors)
        return graph.op("Concat", *parts, axis_i=axis)

    return stack


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "aten::__contains_": _contains,
    "aten::bilinear": _bilinear,
    "aten::detach": write_detach,
    "aten::dropout": _dropout,
    "aten::feature_dropout": _dropout,
    "aten::gru_cell": _gru_cell,
    "aten::hstack": _stack_along(1),
    "aten::outer": _outer,
    "aten::pairwise_distance": _distance,
    "aten::swapaxes": _swap,
    "aten::swapdims": _swap,
    "aten::vstack": _stack_along(0),
    STOP: write_detach,
}
