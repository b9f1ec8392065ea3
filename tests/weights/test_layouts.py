"""Layouts: which axes of a tensor become which axes of a parameter."""

from __future__ import annotations

import numpy as np
import pytest

from converter.base.weight_steps import apply
from converter.weights.layouts import layouts_of

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("role", "source", "parameter", "expression"),
    [
        ("convolution", (3, 2, 5, 7), (7, 5, 3, 2), "hwio->oihw"),
        ("convolution", (4, 3, 2, 5, 7), (7, 5, 4, 3, 2), "dhwio->oidhw"),
        ("convolution", (3, 5, 7), (7, 5, 1, 3), "wio->oiw"),
        ("convolution", (7, 5, 3), (7, 5, 1, 3), "oiw->oiw"),
        ("convolution", (5, 7), (7, 5, 1, 1), "io->oi"),
        ("convolution", (3, 2, 5, 4), (20, 1, 3, 2), "hwcm->cmhw"),
        ("transposed convolution", (3, 2, 7, 5), (5, 7, 3, 2), "hwoi->iohw"),
        ("transposed convolution", (3, 7, 5), (5, 7, 1, 3), "woi->iow"),
        ("transposed convolution", (5, 7, 3), (5, 7, 1, 3), "iow->iow"),
        ("dense", (5, 7), (7, 5), "io->oi"),
        ("dense", (1, 1, 5, 7), (7, 5), "hwio->oihw"),
        ("dense", (7, 5, 1, 1), (7, 5), "oihw->oihw"),
        ("dense", (6, 2, 3), (6, 6), "dhs->hsd"),
        ("dense", (2, 3, 6), (6, 6), "hsd->dhs"),
        ("bias", (2, 3), (6,), "hs->hs"),
        ("scale", (1, 5, 1, 1), (5,), "abcd->abcd"),
        ("embedding", (5, 7), (5, 7), "vd->vd"),
        ("", (5, 7), (7, 5), "io->oi"),
    ],
)
def test_a_layout(role, source, parameter, expression):
    array = RANDOM.normal(size=source)
    (layout,) = layouts_of(role, source, parameter)
    np.testing.assert_array_equal(apply(layout.steps, array), np.einsum(expression, array).reshape(parameter))


@pytest.mark.parametrize(
    ("role", "shape", "names"),
    [
        ("dense", (4, 4), ["as it is", "(in, out) -> (out, in)"]),
        ("convolution", (3, 3, 3, 3), ["as it is", "HWIO -> OIHW"]),
        ("embedding", (4, 4), ["as it is"]),
        ("bias", (4,), ["as it is"]),
        ("dense", (1, 1), ["as it is"]),
    ],
)
def test_several_layouts_of_one_shape(role, shape, names):
    assert [layout.name for layout in layouts_of(role, shape, shape)] == names


@pytest.mark.parametrize(
    ("role", "source", "parameter"),
    [
        ("embedding", (5, 7), (7, 5)),
        ("dense", (5, 7), (35, 1)),
        ("convolution", (3, 3, 4, 8), (8, 4, 9, 1)),
        ("convolution", (3, 3, 2, 4), (4, 2, 3, 2)),
    ],
)
def test_what_fits_in_no_layout(role, source, parameter):
    assert layouts_of(role, source, parameter) == ()
