"""Check an idiom: the numbers before and after, and that no node is forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from converter.graph.annotations import OPSET
from converter.graph.fusions import fuse_operators
from converter.graph.normalize import normalize
from converter.graph.provenance import merged_nodes_of, operator_of


class Standardize(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any, axes: Any = (), epsilon: float = 0.0) -> tuple[Any]:
        deviation = x - x.mean(tuple(axes), keepdims=True)
        return (deviation / np.sqrt((deviation**2).mean(tuple(axes), keepdims=True) + epsilon),)


class Dense(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any, weight: Any, bias: Any, axes: int = 1) -> tuple[Any]:
        return (np.tensordot(x, weight, axes or 1) + bias,)


class ChannelShuffle(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any, groups: int = 1) -> tuple[Any]:
        n, channels, *pixels = x.shape
        return (x.reshape(n, groups, channels // groups, *pixels).swapaxes(1, 2).reshape(x.shape),)


class PixelUnshuffle(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any, factor: int = 1) -> tuple[Any]:
        n, channels, height, width = x.shape
        parts = x.reshape(n, channels, height // factor, factor, width // factor, factor).transpose(0, 1, 3, 5, 2, 4)
        return (parts.reshape(n, channels * factor**2, height // factor, width // factor),)


class RepeatInterleave(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any, repeats: int = 1, axis: int = 0) -> tuple[Any]:
        return (np.repeat(x, repeats, axis),)


class Roll(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any, shift: int = 0, axis: int = 0) -> tuple[Any]:
        return (np.roll(x, shift, axis),)


class RotateHalf(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any) -> tuple[Any]:
        a, b = np.split(x, 2, -1)
        return (np.concatenate((-b, a), -1),)


class AdaptiveAvgPool(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any, output_size: Any = (1, 1)) -> tuple[Any]:
        for axis, count in zip((2, 3), output_size, strict=True):
            extent = x.shape[axis]
            ends = [(i * extent // count, -(-(i + 1) * extent // count)) for i in range(count)]
            x = np.stack([x.take(range(a, b), axis).mean(axis) for a, b in ends], axis)
        return (x,)


class Unfold(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any, kernel: Any, dilation: Any, padding: Any, stride: Any) -> tuple[Any]:
        x = np.pad(x, [(0, 0), (0, 0), *((pad, pad) for pad in padding)])
        window = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
        patches = np.lib.stride_tricks.sliding_window_view(x, window, (2, 3))
        patches = patches[:, :, :: stride[0], :: stride[1], :: dilation[0], :: dilation[1]]
        n, channels, rows, columns = patches.shape[:4]
        return (patches.transpose(0, 1, 4, 5, 2, 3).reshape(n, channels * np.prod(kernel), rows * columns),)


class Stack(OpRun):
    op_domain = "fusion"

    def _run(self, *parts: Any, axis: int = 0) -> tuple[Any]:
        return (np.stack(parts, axis),)


class Unbind(OpRun):
    op_domain = "fusion"

    def _run(self, x: Any, axis: int = 0) -> tuple[Any, ...]:
        return tuple(np.moveaxis(x, axis, 0))


OPERATORS = [
    AdaptiveAvgPool,
    ChannelShuffle,
    Dense,
    PixelUnshuffle,
    RepeatInterleave,
    Roll,
    RotateHalf,
    Stack,
    Standardize,
    Unbind,
    Unfold,
]


def model_of(text: str, **weights: np.ndarray) -> onnx.ModelProto:
    """A model from a graph in onnx's text form: `(float[N,4] x) => (float[N,3] y) { y = MatMul(x, w) }`."""
    graph = onnx.parser.parse_graph(f"test {text}")
    graph.initializer.extend(onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items())
    opsets = [onnx.helper.make_opsetid("", 20)]
    return onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run(model: ir.Model, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    proto = ir.to_proto(model)
    proto.opset_import.append(onnx.helper.make_opsetid("fusion", 1))
    return ReferenceEvaluator(proto, new_ops=OPERATORS).run(None, feeds)


def fused(text: str, *feeds: np.ndarray, rtol: float = 1e-5, atol: float = 1e-6, **weights: np.ndarray) -> list[str]:
    """Recognise the idioms of a model, given as for `model_of`: the numbers must stay, and every node be kept in mind.

    Returns the operators that are left.
    """
    model = normalize(model_of(text, **weights), Path())
    assert model.opset_imports[""] == OPSET
    named = dict(zip([value.name for value in model.graph.inputs], feeds, strict=True))
    before, wanted = sorted((operator_of(node), node.name) for node in model.graph), run(model, named)
    outputs = [(value.name, value.dtype, len(value.shape)) for value in model.graph.outputs]
    fuse_operators(model)
    for got, want in zip(run(model, named), wanted, strict=True):
        np.testing.assert_allclose(got, want, rtol, atol)
    after = [(operator_of(node), node.name) for node in model.graph if operator_of(node)]
    after += [absorbed[:2] for node in model.graph for absorbed in merged_nodes_of(node)]
    assert sorted(after) == before
    assert [(value.name, value.dtype, len(value.shape)) for value in model.graph.outputs] == outputs
    return [node.op_type for node in model.graph]
