"""Nearest: which tensors are offered where one is missing."""

from __future__ import annotations

import time

import pytest

from converter.artifacts.tensors import TensorSpec
from converter.artifacts.weight_map import Entry
from converter.commands.weights.nearest import check
from converter.errors import WeightMatchError


def entry(source: str, converted: str, shape: tuple[int, ...] = (4,)) -> Entry:
    return Entry(TensorSpec(converted, shape, "float32"), TensorSpec(source, shape, "float32"))


def details(entries: list[Entry], *arrays: TensorSpec) -> tuple[str, ...]:
    with pytest.raises(WeightMatchError) as error:
        check(entries, {array.name: array for array in arrays}, "weights do not fit")
    return error.value.details


def vector(name: str, *shape: int, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name, shape or (4,), dtype)


@pytest.mark.parametrize(
    ("wanted", "arrays", "nearest"),
    [
        (
            entry("net/norm_1/Cast_3/resource", "norm.beta"),
            ["model/1/bias", "model/2/beta", "model/2/gamma"],
            ["model/2/beta", "model/1/bias", "model/2/gamma"],
        ),
        (
            entry("val_7", "encoder.layer3.fc.weight"),
            ["encoder.layer.1.fc.weight", "encoder.layer.3.fc.weight", "encoder.layer.2.fc.weight"],
            ["encoder.layer.3.fc.weight", "encoder.layer.1.fc.weight", "encoder.layer.2.fc.weight"],
        ),
        (entry("w", "w"), [f"x{i}" for i in range(9)], ["x0", "x1", "x2"]),
    ],
)
def test_the_nearest_come_first(wanted, arrays, nearest):
    (line,) = details([wanted], *map(vector, arrays))
    assert line.endswith("Nearest: " + ", ".join(f"'{name}' float32 (4)" for name in nearest))


@pytest.mark.parametrize(
    ("arrays", "nearest"),
    [
        ([vector("kernel_far", 9), vector("other", 4)], "'other' float32 (4)"),  # the same shape comes before a name
        ([vector("kernel_far", 9), vector("other", 2, 2)], "'other' float32 (2, 2)"),  # then the same size
        ([vector("kernel_far", 9), vector("other", 7)], "'kernel_far' float32 (9)"),  # then the name alone
        ([vector("kernel_int", dtype="int32"), vector("kernel_float", 3)], "'kernel_float' float32 (3)"),
    ],
)
def test_shapes_come_before_names(arrays, nearest):
    (line,) = details([entry("kernel", "weight")], *arrays)
    assert line.endswith(f"Nearest: {nearest}")


def test_the_owner_of_a_matrix_comes_before_one_that_is_not_transposed():
    other, own = vector("layers.0.linear2.weight", 2, 4), vector("layers.0.linear1.weight", 4, 2)
    (line,) = details([entry("val_5", "layers.0.linear1.weight", (2, 4))], other, own)
    assert line.endswith(
        "Nearest: 'layers.0.linear1.weight' float32 (4, 2), transposed, 'layers.0.linear2.weight' float32 (2, 4)"
    )


def test_nothing_is_offered_that_another_weight_needs_or_that_is_unlike():
    lines = details([entry("a", "a"), entry("b", "b")], vector("a"), vector("z", 9))
    assert lines == ("b: 'b' float32 (4) is missing",)


def test_what_fits():
    check(
        [entry("a", "a"), entry("b", "b"), entry("c", "c")],
        {array.name: array for array in (vector("a"), vector("b", dtype="float16"), vector("c", dtype="bfloat16"))},
        "",
    )


def test_many_mismatches_take_a_moment_only():
    arrays = [vector(f"model.layers.{i}.mlp.weight") for i in range(700)]
    began = time.perf_counter()
    lines = details([entry(f"val_{i}", f"layers.{i}.mlp.weight") for i in range(700)], *arrays)
    assert time.perf_counter() - began < 10
    assert lines[5].split("Nearest: ")[1].startswith("'model.layers.5.mlp.weight'")
