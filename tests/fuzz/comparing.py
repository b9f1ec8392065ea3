"""Compare what a script computes with what onnxruntime computes, and find the node that differs by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import mindspore as ms
import numpy as np
import onnx
from fuzz.random_graphs import run
from onnx import helper, numpy_helper
from onnx_backend import MindSporeBackend, Unconverted

from converter.verification.arrays import to_mindspore, to_numpy

MODES = {"PyNative": ms.PYNATIVE_MODE, "graph": ms.GRAPH_MODE}
Feeds = Mapping[str, np.ndarray]


def findings(model: onnx.ModelProto, feeds: Sequence[Feeds], modes: Sequence[str] = tuple(MODES)) -> Iterator[str]:
    """What differs first in each mode, and by which node; nothing if all is the same, or only near ties change."""
    for mode in modes:
        for number, what in differences(model, feeds, mode):
            found = _first_alone(model, feeds[number], mode)
            if found is None and (number == 0 or "raises" in what):
                yield f"no node by itself, in {mode} mode on inputs {number}: {what}"
                break
            if found is not None and not is_explained(*found[:2], number):
                yield f"{found[0]} in {mode} mode on inputs {number}: {found[1]}; {found[2]}"
                break


def _first_alone(model: onnx.ModelProto, feeds: Feeds, mode: str) -> tuple[str, str, str] | None:
    """The first node that differs by itself: operator, what differs, its inputs and attributes."""
    for node, one, inputs in _alone(model, feeds):
        for _, reason in differences(one, [inputs], mode):
            shapes = {name: f"{array.dtype}{list(array.shape)}" for name, array in inputs.items()}
            constants = {
                t.name: numpy_helper.to_array(t).tolist() for t in one.graph.initializer if len(t.raw_data) < 99
            }
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            return node.op_type, reason, f"{list(node.input)} {shapes} {constants} {attributes}"
    return None


EXPLAINED = {
    "ArgMax": ("[",),
    "ArgMin": ("[",),
    "MaxPool": ("NaN", "off", "infinities"),
    "GlobalMaxPool": ("NaN",),
    "TopK": ("NaN", "off", "["),
}
"""What differs on NaN by the operator: which element is the largest among NaN no standard says."""


def is_explained(operator: str, reason: str, number: int) -> bool:
    """Whether a difference has a known cause outside of the converter."""
    return number == 4 and any(part in reason for part in EXPLAINED.get(operator, ()))


def differences(model: onnx.ModelProto, feeds: Sequence[Feeds], mode: str) -> Iterator[tuple[int, str]]:
    """The number of the inputs, and what differs."""
    try:
        made = MindSporeBackend.prepare(model)
    except Unconverted as error:
        yield 0, f"is not converted: {error}"
        return
    ms.set_context(mode=MODES[mode])
    for number, each in enumerate(feeds):
        try:
            wanted = run(model, dict(each))
        except Exception:  # the source refuses these inputs
            continue
        try:
            found = made.net(*[to_mindspore(each[value.name]) for value in model.graph.input])
            arrays = [to_numpy(value) for value in (found if isinstance(found, tuple) else (found,))]
        except Exception as error:
            yield number, f"raises {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            continue
        reasons = (unlike(np.asarray(got), want) for got, want in zip(arrays, wanted, strict=True))
        if reason := next(filter(None, reasons), ""):
            yield number, reason


def unlike(got: np.ndarray, want: np.ndarray) -> str:
    """Why two arrays are not the same; empty if they are."""
    if (got.shape, got.dtype) != (want.shape, want.dtype):
        return f"{got.dtype}{list(got.shape)} for {want.dtype}{list(want.shape)}"
    if want.dtype.kind != "f":
        return "" if np.array_equal(got, want) else f"{got.ravel()[:6]} for {want.ravel()[:6]}"
    finite = np.isfinite(want)
    if not np.array_equal(np.isnan(got), np.isnan(want)):
        return f"{np.isnan(got).sum()} NaN for {np.isnan(want).sum()}"
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True) or not np.isfinite(got[finite]).all():
        return "infinities in other places"
    scale = max(1e-6, float(np.abs(want[finite]).max(initial=0)))
    error = float(np.abs(got[finite].astype(np.float64) - want[finite]).max(initial=0)) / scale
    return f"off by {error:.1e}" if error > 1e-4 else ""


def _alone(model: onnx.ModelProto, feeds: Feeds) -> Iterator[tuple[onnx.NodeProto, onnx.ModelProto, Feeds]]:
    """Each node as a model of its own, whose inputs are what the source computes for it."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    names = [name for node in model.graph.node for name in node.output if name]
    del whole.graph.output[:]
    whole.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    known = {**feeds, **dict(zip(names, run(whole, dict(feeds)), strict=True))}
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        inputs = {name: known[name] for name in node.input if name in known}
        ends = [
            _declared(name, known[name], [f"{name}_{axis}" for axis in range(known[name].ndim)]) for name in node.output
        ]
        starts = [_declared(name, x, [f"{name}_n", *x.shape[1:]][: x.ndim]) for name, x in inputs.items()]
        kept = [constants[name] for name in node.input if name in constants]
        graph = helper.make_graph([node], "one", starts, ends, kept)
        yield node, helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version), inputs


def _declared(name: str, array: np.ndarray, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), shape)
