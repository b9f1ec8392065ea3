"""Idioms: what the operators that ONNX does not have compute, in NumPy and by ONNX's own recurrent operators."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from converter.graph.fusions.recurrent import GATES
from converter.graph.fusions.rewrite import DOMAIN
from converter.verification.evaluate import runner_of


def channel_shuffle(x: np.ndarray, *, groups: int = 1) -> np.ndarray:
    """Regroup channels of (N, C, H, W), so that each group has one of every old group."""
    n, channels, *rest = x.shape
    return x.reshape(n, groups, channels // groups, *rest).swapaxes(1, 2).reshape(x.shape)


def dense(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """A product with a matrix, plus a vector."""
    return (np.matmul(x, weight, dtype=np.float64) + bias).astype(x.dtype)


def pixel_unshuffle(x: np.ndarray, *, factor: int = 1) -> np.ndarray:
    """The blocks of an image (N, C, H, W) as channels, those of one channel side by side."""
    n, channels, height, width = x.shape
    blocks = x.reshape(n, channels, height // factor, factor, width // factor, factor)
    return blocks.transpose(0, 1, 3, 5, 2, 4).reshape(n, -1, height // factor, width // factor)


def standardize(x: np.ndarray, *, axes: tuple[int, ...] = (), epsilon: float = 1e-5) -> np.ndarray:
    """Zero mean and unit variance over some axes."""
    wide, axes = x.astype(np.float64), tuple(axes)
    wide = wide - wide.mean(axes, keepdims=True)
    return (wide / np.sqrt(np.square(wide).mean(axes, keepdims=True) + epsilon)).astype(x.dtype)


def unbind(x: np.ndarray, *, axis: int = 0) -> tuple[np.ndarray, ...]:
    """All elements along an axis."""
    return tuple(np.moveaxis(x, axis, 0))


def rotate_half(x: np.ndarray) -> np.ndarray:
    """The two halves of the last axis, changed over, the second negated."""
    half = x.shape[-1] // 2
    return np.concatenate((-x[..., half:], x[..., :half]), -1)


def recurrent(operator: str) -> Callable[..., tuple[Any, ...]]:
    """The layer that ONNX's `operator` is: `converter.graph.fusions.recurrent` says what its inputs and outputs are."""
    states = 2 if operator == "LSTM" else 1

    def layer(
        x: np.ndarray,
        lengths: np.ndarray | None,
        *others: np.ndarray | None,
        direction: str = "forward",
        batch_first: int = 0,
        nonlinearity: str = "tanh",
    ) -> tuple[Any, ...]:
        given = [array for array in others[states:] if array is not None]
        weights = _onnx_weights(operator, given, 2 if direction == "bidirectional" else 1)
        directions, _, hidden = weights[1].shape
        options: dict[str, dict[str, Any]] = {
            "GRU": {"linear_before_reset": 1},
            "RNN": {"activations": [nonlinearity.capitalize()] * directions},
        }
        x = x.swapaxes(0, 1) if batch_first else x
        bias = weights[2] if len(weights) > 2 else None
        feeds = [x, *weights[:2], bias, lengths, *others[:states]]
        attributes = {"direction": direction, "hidden_size": hidden, **options.get(operator, {})}
        output, *last = _run(operator, feeds, attributes, 1 + states)
        output = output.transpose(0, 2, 1, 3).reshape(*x.shape[:2], directions * hidden)
        return (output.swapaxes(0, 1) if batch_first else output, *last)

    return layer


def _onnx_weights(operator: str, weights: list[np.ndarray], directions: int) -> list[np.ndarray]:
    """ONNX's W, R and B, made of the layer's weights where these are given instead."""
    if weights[0].ndim == 3:
        return weights
    order = np.argsort(GATES[operator])  # a layer's gates in ONNX's order

    def in_onnx_order(array: np.ndarray) -> np.ndarray:
        blocks = np.split(array, len(order))
        return np.concatenate([blocks[gate] for gate in order])

    turned = [in_onnx_order(array) for array in weights]
    w, r, *biases = [np.stack(turned[i : i + directions]) for i in range(0, len(turned), directions)]
    return [w, r, *([np.concatenate(biases, 1)] if biases else [])]


def _run(operator: str, feeds: list[Any], attributes: dict[str, Any], outputs: int) -> list[Any]:
    names = ["" if array is None else f"x{i}" for i, array in enumerate(feeds)]
    given = {name: array for name, array in zip(names, feeds, strict=True) if name}
    made = [f"y{i}" for i in range(outputs)]
    kinds = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in given.items()}
    graph = helper.make_graph(
        [helper.make_node(operator, names, made, **attributes)],
        "layer",
        [helper.make_tensor_value_info(name, kind, None) for name, kind in kinds.items()],
        [helper.make_tensor_value_info(name, kinds["x0"], None) for name in made],
    )
    return runner_of(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 22)], ir_version=10))(given)


FUSIONS: dict[str, Callable[..., Any]] = {
    "ChannelShuffle": channel_shuffle,
    "Dense": dense,
    "GRU": recurrent("GRU"),
    "LSTM": recurrent("LSTM"),
    "PixelUnshuffle": pixel_unshuffle,
    "RNN": recurrent("RNN"),
    "RepeatInterleave": lambda x, *, repeats=1, axis=0: np.repeat(x, repeats, axis),
    "Roll": lambda x, *, shift=0, axis=0: np.roll(x, shift, axis),
    "RotateHalf": rotate_half,
    "Standardize": standardize,
    "Unbind": unbind,
}
"""What the operators of the domain `idiom` compute."""


@functools.cache
def operators() -> tuple[Any, ...]:
    """The same as operators of onnx's evaluator, for sub-graphs that hold some."""
    from onnx.reference.op_run import OpRun

    def operator(compute: Callable[..., Any]) -> Callable[..., tuple[Any, ...]]:
        def _run(self: Any, *inputs: Any, **attributes: Any) -> tuple[Any, ...]:
            made = compute(*inputs, **attributes)
            return tuple(np.asarray(item) for item in (made if isinstance(made, tuple) else (made,)))

        return _run

    members: dict[str, dict[str, Any]] = {
        name: {"op_domain": DOMAIN, "_run": operator(compute)} for name, compute in FUSIONS.items()
    }
    return tuple(type(name, (OpRun,), attributes) for name, attributes in members.items())
