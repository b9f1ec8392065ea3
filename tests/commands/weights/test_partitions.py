"""Parts of a variable are cut out of the whole that a checkpoint has."""

from __future__ import annotations

import numpy as np
import pytest

from converter.artifacts import LazyTensor, TensorSpec
from converter.commands.weights.partitions import with_parts

WHOLE = np.arange(24, dtype=np.float32).reshape(6, 4)


def found(**arrays):
    return {
        name.replace("__", "/"): LazyTensor(
            TensorSpec(name.replace("__", "/"), array.shape, "float32"), lambda a=array: a
        )
        for name, array in arrays.items()
    }


def parts(*shapes):
    return [TensorSpec(f"net/w/part_{k}", shape, "float32") for k, shape in enumerate(shapes)]


@pytest.mark.parametrize(("axis", "extents"), [(0, (2, 4)), (1, (3, 1)), (0, (1,) * 6)])
def test_parts_follow_each_other_along_an_axis(axis, extents):
    shapes = [(extent, 4) if axis == 0 else (6, extent) for extent in extents]
    made = with_parts(found(net__w=WHOLE, b=WHOLE), parts(*shapes))
    assert list(made) == ["b", *(f"net/w/part_{k}" for k in range(len(extents)))]
    joined = [made[f"net/w/part_{k}"].load() for k in range(len(extents))]
    np.testing.assert_array_equal(np.concatenate(joined, axis), WHOLE)


@pytest.mark.parametrize("shapes", [[(2, 4), (3, 4)], [(2, 4), (4, 3)], [(6,)]])
def test_what_does_not_make_the_whole_is_left(shapes):
    assert list(with_parts(found(net__w=WHOLE), parts(*shapes))) == ["net/w"]


def test_parts_that_the_source_has_stay():
    own = {"net/w/part_0": LazyTensor(TensorSpec("net/w/part_0", (6, 4), "float32"), lambda: WHOLE + 1)}
    made = with_parts({**found(net__w=WHOLE), **own}, parts((6, 4)))
    np.testing.assert_array_equal(made["net/w/part_0"].load(), WHOLE + 1)
