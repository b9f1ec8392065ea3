from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph.normalize.harness import parse
from harness import check, check_model, expected_of, model_of

from operator_maps.onnx.padding import _indices

X = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
SPATIAL = np.array([0, 0, 1, 2, 0, 0, 1, 0], np.int64)
CHANNELS = np.array([0, 2, 1, 0, 0, 1, 0, 1], np.int64)
ALL = np.array([1, 1, 1, 2, 1, 0, 1, 0], np.int64)
NEGATIVE = np.array([0, 0, -1, 2, 0, 0, 1, -1], np.int64)

CASES = [
    (SPATIAL, None, {}, "ops.Pad(((0, 0), (0, 0), (1, 1), (2, 0)))(x0)"),
    (SPATIAL, np.float32(1.5), {}, "pad_with(x0, ((0, 0), (0, 0), (1, 1), (2, 0)), 1.5)"),
    (SPATIAL, np.float32(0), {}, "ops.Pad(((0, 0), (0, 0), (1, 1), (2, 0)))(x0)"),
    (ALL, None, {}, "ops.Pad(((1, 1), (1, 0), (1, 1), (2, 0)))(x0)"),
    (NEGATIVE, None, {}, "ops.Pad(((0, 0), (0, 0), (0, 1), (2, 0)))(x0[..., 1:, :-1])"),
    (np.minimum(NEGATIVE, 0), None, {}, "return x0[..., 1:, :-1]"),
    (0 * ALL, None, {}, "return x0"),
    (SPATIAL, None, {"mode": "reflect"}, 'ops.pad(x0, (2, 0, 1, 1), "reflect")'),
    (SPATIAL, None, {"mode": "edge"}, 'ops.pad(x0, (2, 0, 1, 1), "replicate")'),
    (SPATIAL, None, {"mode": "wrap"}, 'ops.pad(x0, (2, 0, 1, 1), "circular")'),
    (CHANNELS, None, {"mode": "reflect"}, "ops.gather("),
    (CHANNELS, None, {"mode": "edge"}, '"replicate")'),
    (ALL, None, {"mode": "reflect"}, "ops.gather("),
    (ALL, None, {"mode": "edge"}, "ops.gather("),
    (ALL, None, {"mode": "wrap"}, "padded_indices("),
    (NEGATIVE, None, {"mode": "edge"}, '"replicate")'),
]


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize(("pads", "value", "options", "text"), CASES, ids=[c[3] for c in CASES])
def test_pads(pads: np.ndarray, value: Any, options: dict[str, Any], text: str) -> None:
    inputs = (X, pads) if value is None else (X, pads, value)
    assert text in check("Pad", *inputs, constants=(1, 2), free=True, **options).script


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_takes_away_again_and_again(mode: str) -> None:
    """ops.pad with a negative amount is right the first time only in PyNative mode."""
    import mindspore as ms

    rep = check("Pad", X, NEGATIVE, mode=mode, constants=(1,))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    for x in (X + 1, X - 1):
        np.testing.assert_array_equal(
            rep.run([x])[0], expected_of(model_of("Pad", [x, NEGATIVE], mode=mode), [x, NEGATIVE])[0]
        )


COMPUTED = """g (float[n,3] x) => (float[m,3] y) <int64[3] rest = {0, 0, 0}, int64[1] four = {4}> {
    size = Shape <end = 1> (x) minus = Neg (size) after = Mod (minus, four) pads = Concat <axis = 0> (rest, after)
    y = Pad (x, pads)
}"""
"""Rows are added until four divides their number."""


@pytest.mark.parametrize("value", [None, 1.5])
def test_the_gradient_is_the_same_in_every_step(value: float | None) -> None:
    """In graph mode ops.pad has another one from the second step on: its kernel cuts only once."""
    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    amounts = np.array([1, 0, 0, 2], np.int64)
    fill = None if value is None else np.float32(value)
    for rep in (check("Pad", x, amounts, fill, constants=(1, 2)), check_model(parse(COMPUTED, 22), [x], dynamic=True)):
        for step in gradients_in_graph_mode(rep.net, x, 2):
            np.testing.assert_allclose(step, 2 * x, rtol=1e-6)


def test_the_kernel_of_ops_pad_still_cuts_only_once() -> None:
    from mindspore import nn, ops

    class Padded(nn.Cell):
        def construct(self, x: Any) -> Any:
            return ops.pad(x, (0, 2, 1, 0))

    x = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    first, second = gradients_in_graph_mode(Padded(), x, 2)
    np.testing.assert_allclose(first, 2 * x, rtol=1e-6)
    assert np.abs(second - first).max() > 0.1


def gradients_in_graph_mode(net: Any, x: np.ndarray, steps: int) -> list[np.ndarray]:
    """The gradient of the sum of squares of a network's output, computed several times by one compiled function."""
    import mindspore as ms

    def loss(value: Any) -> Any:
        return (net(value) ** 2).sum()

    ms.set_context(mode=ms.GRAPH_MODE)
    step = ms.jit(ms.grad(loss))
    return [step(ms.Tensor(x)).asnumpy().copy() for _ in range(steps)]


@pytest.mark.parametrize("axes", [(2, 3), (-1, 1)])
def test_pads_along_axes(axes: tuple[int, ...]) -> None:
    pads = np.array([1, 0, 2, 1], np.int64)
    check("Pad", X, pads, None, np.array(axes, np.int64), constants=(1, 3), free=True)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge", "wrap"])
def test_pads_by_computed_amounts(mode: str) -> None:
    check("Pad", X, SPATIAL, mode=mode)


def test_pads_along_computed_axes() -> None:
    check("Pad", X, np.array([1, 0, 2, 1], np.int64), None, np.array([1, -1], np.int64), opset=18)


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint8, np.bool_, np.float16, np.float64])
@pytest.mark.parametrize("mode", ["constant", "edge"])
def test_pads_types(dtype: Any, mode: str) -> None:
    check("Pad", (X * 4).astype(dtype), SPATIAL, mode=mode, constants=(1,))


def test_mirrors_more_than_once() -> None:
    assert _indices(3, 4, 0, "reflect").tolist() == [0, 1, 2, 1, 0, 1, 2]
    assert _indices(4, -1, 2, "edge").tolist() == [1, 2, 3, 3, 3]


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
@pytest.mark.parametrize(("extent", "before", "after"), [(4, 2, 3), (2, 3, 3), (5, 0, 1)])
def test_finds_indices_when_the_network_runs(mode: str, extent: int, before: int, after: int) -> None:
    """The helper that goes into scripts, against NumPy."""
    from mindspore import ops

    from operator_maps.onnx import padding

    padding.ops = ops  # type: ignore[attr-defined]
    try:
        found = padding.padded_indices(extent, before, after, mode).asnumpy()
    finally:
        del padding.ops  # type: ignore[attr-defined]
    np.testing.assert_array_equal(found, np.pad(np.arange(extent), (before, after), mode))  # type: ignore[call-overload]


@pytest.mark.parametrize("mode", ["edge", "wrap"])
@pytest.mark.parametrize("pads", [(-1, -2, 1, 3), (2, 1, -2, -1), (-1, 2, -1, -2)])
def test_adds_what_is_left(mode: str, pads: tuple[int, ...]) -> None:
    """An axis that loses elements at one end is cut before elements are added at the other."""
    x = np.arange(20, dtype=np.float32).reshape(4, 5)
    check("Pad", x, np.array(pads), constants=(1,), mode=mode, free=True)


@pytest.mark.parametrize("rows", [0, 2])
@pytest.mark.parametrize("pads", [(0, 1, 0, 2), (1, 1, 1, 0)])
@pytest.mark.parametrize("value", [None, 1.5])
def test_a_tensor_of_no_elements(rows: int, pads: tuple[int, ...], value: float | None) -> None:
    x, amounts = np.ones((rows, 3), np.float32), np.array(pads, np.int64)
    check("Pad", x, amounts, None if value is None else np.float32(value), constants=(1, 2), dynamic=True, free=True)


@pytest.mark.parametrize("value", [None, 1.5])
@pytest.mark.parametrize("rows", [2, 3])
def test_nothing_is_left_of_an_axis(rows: int, value: float | None) -> None:
    """A free one and a fixed one; `ops.pad` refuses what is left."""
    model = parse(
        f"""g (float[n,2,3] x, float v) => (float[a,b,c] y, float[a,b,c] z)
        <int64[6] all = {{0, -1, 2, 1, -1, 1}}, int64[6] free = {{-1, 0, 1, -1, 0, 2}}> {{
            y = Pad (x, all{", v" if value else ""}) z = Pad (x, free{", v" if value else ""})
        }}""",
        22,
    )
    check_model(model, [np.ones((rows, 2, 3), np.float32), np.array(value or 0, np.float32)])
