from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from harness import check, check_gradient_of_moved, check_model

from converter.rows import Unsupported, Variable
from operator_maps.onnx.slicing import subscript

X = np.random.default_rng(0).normal(size=(2, 6, 5)).astype(np.float32)
FAR = 2**63 - 1


def ints(*items: int) -> np.ndarray:
    return np.array(items, np.int64)


SLICES = [
    ((ints(1), ints(3), ints(1)), "x0[:, 1:3]"),
    ((ints(1), ints(FAR), ints(1)), "x0[:, 1:]"),
    ((ints(0), ints(-1), ints(-1)), "x0[..., :-1]"),
    ((ints(0), ints(6), ints(1), ints(2)), "x0[:, ::2]"),
    ((ints(-1), ints(-FAR), ints(1), ints(-1)), "ops.flip(x0, (1,))"),
    ((ints(4), ints(-100), ints(1), ints(-2)), "x0[:, 4::-2]"),
    ((ints(0, 1), ints(FAR, 4), ints(0, 2)), "x0[..., 1:4]"),
    ((ints(0, 1, 2), ints(1, 9, 4)), "x0[:1, 1:, 2:4]"),
    ((ints(0), ints(FAR), ints(1)), "return x0"),
    ((ints(4), ints(2), ints(1)), "x0[:, 4:2]"),
    ((ints(-9), ints(-FAR), ints(1), ints(-2)), "x0[:, -6::-2]"),
]


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize(("bounds", "text"), SLICES, ids=[text for _, text in SLICES])
def test_slices(bounds: tuple[np.ndarray, ...], text: str) -> None:
    assert text in check("Slice", X, *bounds, constants=(1, 2, 3, 4), free=True).script


FLIPS = [
    ((ints(-1, 1), ints(-FAR, 3), ints(1, 2), ints(-1, 1)), "ops.flip(x0[..., 1:3], (1,))"),
    ((ints(-1, 0), ints(-FAR, 5), ints(2, 1), ints(-1, 2)), "ops.flip(x0[:, :5:2], (2,))"),
    ((ints(-1, -1), ints(-FAR, -FAR), ints(1, 2), ints(-1, -2)), "ops.flip(x0[..., ::-2], (1,))"),
]


@pytest.mark.usefixtures("behind_layers")
@pytest.mark.parametrize(("bounds", "text"), FLIPS, ids=[text for _, text in FLIPS])
def test_an_axis_is_reversed_beside_other_slices(bounds: tuple[np.ndarray, ...], text: str) -> None:
    """In one subscript MindSpore copies an axis that is reversed as a whole in its order."""
    assert text in check("Slice", X, *bounds, constants=(1, 2, 3, 4), free=True).script
    check("Slice", X, *bounds, dynamic=True)


def test_a_reversed_axis_has_a_gradient() -> None:
    rep = check("Slice", X, ints(-1, -1), ints(-FAR, -FAR), ints(1, 2), ints(-1, -1), constants=(1, 2, 3, 4))
    check_gradient_of_moved(rep, X)


@pytest.mark.parametrize(
    ("start", "stop"),
    [(9, 1), (9, -FAR), (5, 1), (9, 0), (5, -6), (-1, -9), (2, -7), (-5, -9), (-1, -FAR), (FAR, 1), (FAR, -FAR)],
)
def test_slices_backwards_along_a_free_axis(start: int, stop: int) -> None:
    script = check("Slice", X, ints(start), ints(stop), ints(0), ints(-1), constants=(1, 2, 3, 4), free=True).script
    assert ("slice_in_turn" in script) == (start not in (-1, FAR) or -FAR < stop < 0)


@pytest.mark.parametrize(
    ("bounds", "constants"),
    [
        ((ints(1), ints(3), ints(1)), (3,)),
        ((ints(9), ints(-FAR), ints(1), ints(-1)), (3, 4)),
        ((ints(20, 0), ints(0, FAR), ints(1, -1), ints(-1, 2)), ()),
        ((ints(1), ints(3)), ()),
    ],
)
def test_slices_by_computed_bounds(bounds: tuple[np.ndarray, ...], constants: tuple[int, ...]) -> None:
    check("Slice", X, *bounds, constants=constants)


@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (2, 0), (1, 1)])
@pytest.mark.parametrize("steps", [(1, 2), (-1, 2), (-2, -1)])
def test_slices_by_computed_bounds_of_nothing(shape: tuple[int, int], steps: tuple[int, int]) -> None:
    """MindSpore's kernel of a strided slice ends the process in graph mode."""
    text = """<ir_version: 10, opset_import: ["" : 21]>
        g (float[n,m] x, int64[2] s, int64[2] e, int64[2] t) => (float[p,q] y) {
            a = Constant<value = int64[2] {-1, 0}>()  y = Slice (x, s, e, a, t)
        }"""
    model, x = onnx.parser.parse_model(text), X[: shape[0], : shape[1], 0]
    for first, last in (((0, -1), (9, 1)), ((5, 1), (-9, -FAR))):
        check_model(model, [x, ints(*first), ints(*last), ints(*steps)], dynamic=True)


def test_a_part_of_nothing_is_not_turned() -> None:
    """MindSpore's kernel ends the process."""
    text = """<ir_version: 10, opset_import: ["" : 21]>
        g (uint8[n,1,2,4] x) => (uint8[n,1,0,2] y) <int64[2] s = {2147483647, -1}, int64[2] e = {0, 1}> {
            a = Constant<value = int64[2] {2, 3}>()  t = Constant<value = int64[2] {3, -1}>()  y = Slice (x, s, e, a, t)
        }"""
    check_model(onnx.parser.parse_model(text), [np.ones((4, 1, 2, 4), np.uint8)])


def test_a_part_of_nothing_is_made_not_cut() -> None:
    assert (
        "ops.zeros((0, 2, 5), dtype=ms.float32)"
        in check("Slice", X[:0], ints(1), ints(3), ints(1), constants=(1, 2, 3)).script
    )


def test_parts_in_front_of_free_axes_are_made_not_cut() -> None:
    """Of what the first slice leaves, graph mode ends the process at the second one."""
    text = """<ir_version: 10, opset_import: ["" : 21]>
        g (float[n,m] x) => (float[a,b] y) <int64[2] s = {0, 3}, int64[2] e = {-2147483648, -2147483648}> {
            y = Slice (x, s, e)
        }"""
    for shape in ((0, 1), (4, 5)):
        inputs = [np.ones(shape, np.float32)]
        assert "ops.zeros((0, 0)" in check_model(onnx.parser.parse_model(text), inputs, dynamic=True).script


SPLITS = [
    ((), {"axis": 1, "num_outputs": 2, "outputs": 2}, "ops.split(x0, 3, 1)"),
    ((), {"axis": 1, "num_outputs": 4, "outputs": 4}, "ops.split(x0, [2, 2, 2, 0], 1)"),
    ((ints(1, 4, 1),), {"axis": 1, "outputs": 3}, "ops.split(x0, [1, 4, 1], 1)"),
    ((ints(2, 3),), {"axis": -1, "outputs": 2}, "ops.split(x0, [2, 3], -1)"),
    ((), {"axis": 0, "num_outputs": 2, "outputs": 2}, "// 2"),
]


@pytest.mark.parametrize(("sizes", "options", "text"), SPLITS, ids=[c[2] for c in SPLITS])
@pytest.mark.usefixtures("behind_layers")
def test_splits(sizes: tuple[np.ndarray, ...], options: dict[str, Any], text: str) -> None:
    assert text in check("Split", X, *sizes, constants=(1,), free=True, **options).script


def test_splits_a_free_axis_into_many() -> None:
    x = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    script = check("Split", x, axis=0, num_outputs=4, outputs=4, free=True).script
    assert "x0[size * 2 : size * 3]" in script


def test_splits_by_computed_sizes() -> None:
    check("Split", X, ints(1, 4, 1), axis=1, outputs=3)


def test_joins() -> None:
    assert "ops.cat((x0, x1), 1)" in check("Concat", X, X + 1, axis=1, constants=(), free=True).script
    assert "return x0" in check("Concat", X, axis=1).script


@pytest.mark.parametrize(
    ("repeats", "text"), [(ints(1, 2, 3), "ops.tile(x0, (1, 2, 3))"), (ints(1, 1, 1), "return x0")]
)
def test_tiles(repeats: np.ndarray, text: str) -> None:
    assert text in check("Tile", X, repeats, constants=(1,), free=True).script


def test_tiles_by_computed_repeats() -> None:
    check("Tile", X, ints(1, 2, 3))


@pytest.mark.parametrize(
    ("k", "upper", "text"),
    [(None, 1, "ops.triu(x0)"), (ints(1)[0], 1, "ops.triu(x0, 1)"), (ints(-2)[0], 0, "ops.tril(x0, -2)")],
)
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.bool_])
def test_keeps_a_triangle(k: Any, upper: int, text: str, dtype: Any) -> None:
    inputs = (X.astype(dtype),) if k is None else (X.astype(dtype), k)
    assert text in check("Trilu", *inputs, upper=upper, constants=(1,), free=True).script


@pytest.mark.parametrize("shape", [(2, 0, 3), (2, 3, 0), (0, 3, 3)])
@pytest.mark.parametrize("upper", [0, 1])
def test_keeps_a_triangle_of_nothing(shape: tuple[int, ...], upper: int) -> None:
    text = f"g (float[a,b,c] x) => (float[a,b,c] y) {{ y = Trilu <upper = {upper}> (x) }}"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {text}')
    check_model(model, [np.zeros(shape, np.float32)])


@pytest.mark.parametrize("upper", [0, 1])
def test_keeps_a_triangle_of_a_computed_diagonal(upper: int) -> None:
    check("Trilu", X, ints(1)[0], upper=upper)


def test_keeps_a_triangle_whose_diagonal_is_an_extent() -> None:
    model = onnx.parser.parse_model(
        '<ir_version: 8, opset_import: ["": 17]> g (float[N,6,5] x, float[M] other) => (float[N,6,5] y)'
        " { shape = Shape (other) k = Squeeze (shape) y = Trilu <upper = 0> (x, k) }"
    )
    script = check_model(model, [X, X[0, 0, :2]]).script
    assert "+ other.shape[0]" in script


@pytest.mark.parametrize("axes", [(0, 1), (1, 0)])
def test_reverses_sequences(axes: tuple[int, int]) -> None:
    batch, time = axes
    lengths = ints(*range(1, X.shape[batch] + 1)) % X.shape[time] + 1
    check("ReverseSequence", X, lengths, batch_axis=batch, time_axis=time, constants=())


@pytest.mark.parametrize(
    ("start", "stop", "step"),
    [(-(2**63), 2**63 - 1, 1), (2**63 - 1, -(2**63), -1), (100, -100, -2), (-100, 3, 2), (2, 1, 1), (-(2**63), 0, 1)],
)
def test_bounds_far_outside(start: int, stop: int, step: int) -> None:
    x = np.arange(12, dtype=np.float32).reshape(3, 4)
    bounds = [np.array([value], np.int64) for value in (start, stop, 1, step)]
    check("Slice", x, *bounds, constants=(1, 2, 3, 4), expect=[x[:, slice(start, stop, step)]])


@pytest.mark.parametrize("axis", [10**12, -(10**12)])
def test_no_tensor_has_so_many_axes(axis: int) -> None:
    with pytest.raises(Unsupported, match=f"no axis {axis}"):
        subscript(Variable("x"), {axis: slice(None, 2)})


def test_a_part_of_no_elements_with_a_step_where_another_axis_is_free() -> None:
    inputs = (np.ones((2, 1, 6), np.float32), ints(-1), ints(0), ints(-1), ints(2))
    check("Slice", *inputs, constants=(1, 2, 3, 4), free=True)


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ((3, -1), (0, -4), (0, 1), (1, -2)),  # nothing of any extent is left, and then turned
        ((4, -1), (9, -9), (0, 1), (1, -1)),  # nothing of this extent
        ((4, -2), (9, -3), (0, 1), (1, -1)),
        ((0, -2), (2, -3), (0, 2), (1, -1)),
    ],
)
def test_a_part_of_nothing_is_turned(
    starts: tuple[int, ...], ends: tuple[int, ...], axes: tuple[int, ...], steps: tuple[int, ...]
) -> None:
    """MindSpore's kernel ends the process."""
    numbers = (np.array(each, np.int64) for each in (starts, ends, axes, steps))
    check("Slice", np.arange(24, dtype=np.float32).reshape(2, 3, 4), *numbers, constants=(1, 2, 3, 4), free=True)
