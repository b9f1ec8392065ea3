"""Inversion: the tensors of a source come back bit for bit, and what the parameters do not determine is named."""

from __future__ import annotations

from dataclasses import replace

import ml_dtypes
import numpy as np
import pytest

from converter.artifacts import Entry, LazyTensor, TensorSpec
from converter.base.weight_steps import add, cast, concatenate, reshape, slice_axis, transpose, zeros
from converter.weights import parameters_from
from converter.weights.inversion import NotInvertibleError, inverted
from converter.weights.step_text import forget_bias, gates

RANDOM = np.random.default_rng(0)


def lazy(name: str, array: np.ndarray) -> LazyTensor:
    return LazyTensor(TensorSpec(name, array.shape, array.dtype.name), lambda: array)


def entry(parameter: str, source: np.ndarray, *steps, shape, dtype="float32", part=None, name="w") -> Entry:
    spec = TensorSpec(name, source.shape, source.dtype.name)
    return Entry(TensorSpec(parameter, shape, dtype), spec, steps, part)


def back(entries, sources) -> dict[str, np.ndarray]:
    """Make the parameters, and the sources of these."""
    made = parameters_from(entries, {name: lazy(name, array) for name, array in sources.items()})
    found = inverted(entries, {each.array.name: each for each in made})
    return {each.array.name: each.load() for each in found.tensors}


def numbers(*shape: int, dtype="float32") -> np.ndarray:
    array = RANDOM.normal(size=shape).astype(dtype)
    array.reshape(-1)[:2] = -0.0, np.nan  # bits, not values
    return array


HWIO, FLAT, BIAS, KERNEL = numbers(3, 3, 2, 4), numbers(12, 5), numbers(8), numbers(5, 8)
HALF = numbers(4, 6, dtype="float16")


@pytest.mark.parametrize(
    ("source", "entries"),
    [
        (HWIO, [entry("p", HWIO, transpose(3, 2, 0, 1), shape=(4, 2, 3, 3))]),
        (FLAT, [entry("p", FLAT, reshape(2, 3, 2, 5), transpose(3, 2, 0, 1), reshape(5, 12), shape=(5, 12))]),
        (HALF, [entry("p", HALF, cast("float32"), transpose(1, 0), shape=(6, 4))]),
        (
            HALF,
            [
                entry("a", HALF, slice_axis(1, 0, 2), cast("float32"), shape=(4, 2)),
                entry("b", HALF, slice_axis(1, 2, 6), transpose(1, 0), cast("float32"), shape=(4, 4)),
            ],
        ),
        (
            KERNEL,  # TensorFlow 1's LSTMCell: 3 inputs, 2 hidden
            [
                entry("ih", KERNEL, slice_axis(0, 0, 3), transpose(1, 0), gates((0, 2, 1, 3), 2), shape=(8, 3)),
                entry("hh", KERNEL, slice_axis(0, 3, 5), transpose(1, 0), gates((0, 2, 1, 3), 2), shape=(8, 2)),
            ],
        ),
        (BIAS, [entry("ih", BIAS, shape=(8,)), entry("hh", BIAS, zeros(8), shape=(8,))]),
        (BIAS, [entry("a", BIAS, shape=(8,)), entry("b", BIAS, reshape(2, 4), shape=(2, 4))]),  # tied
        (
            BIAS,
            [entry("p", BIAS, concatenate(0, [slice_axis(0, 4, 8)], [zeros(3)], [slice_axis(0, 0, 4)]), shape=(11,))],
        ),
    ],
)
def test_bit_for_bit(source, entries):
    made = back(entries, {"w": source})["w"]
    assert (made.shape, made.dtype) == (source.shape, source.dtype)
    assert made.tobytes() == source.tobytes()


def test_one_parameter_of_several_tensors():
    sources = {name: numbers(2, 3) for name in "qkv"}
    entries = [
        entry("qkv", array, transpose(1, 0), shape=(9, 2), part=(3 * i, 3 * i + 3), name=name)
        for i, (name, array) in enumerate(sources.items())
    ]
    made = back(entries, sources)
    assert {name: array.tobytes() for name, array in made.items()} == {n: a.tobytes() for n, a in sources.items()}


def test_bfloat16():
    source = RANDOM.normal(size=(3, 4)).astype(ml_dtypes.bfloat16)
    made = back([entry("p", source, cast("float32"), shape=(3, 4))], {"w": source})["w"]
    assert (made.dtype, made.tobytes()) == (source.dtype, source.tobytes())


def test_a_number_that_was_added_is_subtracted():
    bias = RANDOM.normal(size=8).astype(np.float32)
    made = back([entry("p", bias, gates((0, 2, 1, 3), 2), forget_bias(1.0, 2), shape=(8,))], {"w": bias})["w"]
    np.testing.assert_allclose(made, bias, atol=1e-6)
    assert add(1.0) == {"op": "add", "value": 1.0}


# Weights that were trained on


@pytest.mark.parametrize(("rows", "summed"), [(8, True), (2, True), (6, False)], ids=["LSTM", "RNN", "GRU"])
def test_a_second_bias_that_the_source_lacks(rows, summed):
    bias = np.zeros(rows, np.float32)
    entries = [entry("l.bias_ih_l0", bias, shape=(rows,)), entry("l.bias_hh_l0", bias, zeros(rows), shape=(rows,))]
    trained = {
        "l.bias_ih_l0": np.full(rows, 2, np.float32),
        "l.bias_hh_l0": np.full(rows, 3, np.float32),
        "l.weight_hh_l0": np.ones((rows, 2), np.float32),
    }
    found = inverted(entries, {name: lazy(name, array) for name, array in trained.items()})
    if summed:
        assert found.merged == ("l.bias_hh_l0",)
        np.testing.assert_array_equal(found.tensors[0].load(), np.full(rows, 5))
    else:
        with pytest.raises(NotInvertibleError, match=r"'l\.bias_hh_l0' has 6 elements that it lacks; they were zeros"):
            found.tensors[0].load()


@pytest.mark.parametrize(
    ("entries", "trained", "message"),
    [
        (
            [entry("a", BIAS, shape=(8,)), entry("b", BIAS, shape=(8,))],
            {"a": np.zeros(8, np.float32), "b": np.ones(8, np.float32)},
            "'a' and 'b' were both made of it, and differ now",
        ),
        (
            [entry("a", BIAS, slice_axis(0, 0, 3), shape=(3,))],
            {"a": np.zeros(3, np.float32)},
            "5 of its 8 elements are in no parameter; the others are in 'a'",
        ),
        (
            [entry("a", BIAS, shape=(8,)), entry("b", BIAS, zeros(2), shape=(2,))],
            {"a": np.zeros(8, np.float32), "b": np.ones(2, np.float32)},
            "'b' has 2 elements that it lacks",
        ),
    ],
)
def test_what_cannot_be_computed(entries, trained, message):
    found = inverted(entries, {name: lazy(name, array) for name, array in trained.items()})
    with pytest.raises(NotInvertibleError, match=message):
        found.tensors[0].load()


def test_values_are_those_of_the_parameters():
    entries = [replace(entry("p", HWIO, transpose(3, 2, 0, 1), shape=(4, 2, 3, 3)))]
    trained = RANDOM.normal(size=(4, 2, 3, 3)).astype(np.float32)
    (tensor,) = inverted(entries, {"p": lazy("p", trained)}).tensors
    np.testing.assert_array_equal(tensor.load(), trained.transpose(2, 3, 1, 0))
