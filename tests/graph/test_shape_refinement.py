from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from graph.fusions.recognition import model_of

from converter.graph.normalize import normalize
from converter.graph.shape_refinement import refine_shapes

INTS = {name: np.array(number) for name, number in {"i0": 0, "i1": 1, "i2": 2, "i4": 4}.items()}
VECTORS = {
    name: np.array([number])
    for name, number in {"v0": 0, "v1": 1, "v4": 4, "any": -1, "three": 3, "end": 2**31 - 1, "least": -(2**63)}.items()
}
READ = "s = Shape(x) n = Gather(s, i0) h = Gather(s, i2) d = Div(h, i4) nv = Unsqueeze(n, v0) dv = Unsqueeze(d, v0) "

CASES = {
    "quotient": (READ + "t = Concat <axis=0> (nv, any, v4, dv) y = Reshape(x, t)", ("n", "m", 4, 12)),
    "what is left": (READ + "t = Concat <axis=0> (nv, v4, any) y = Reshape(x, t)", ("n", 4, "12*m")),
    "number left": (READ + "t = Concat <axis=0> (nv, any, v4) w = Reshape(z, t) y = Abs(w)", ("n", 15, 4)),
    "formula": (READ + "a = Mul(nv, v4) t = Concat <axis=0> (a, any) y = Reshape(z, t)", ("4*n", 15)),
    "sums in two orders": (
        ("s = Shape(x) n = Gather(s, i0) m = Gather(s, i1) a = Add(m, n) b = Add(n, m) av = Unsqueeze(a, v0) "
        "bv = Unsqueeze(b, v0) t = Concat <axis=0> (av, v1) u = Concat <axis=0> (v1, bv, v1) c = Expand(i4, t) "
        "y = Expand(c, u)"),
        (1, "m + n", 1),
    ),
    "name left": ("t = Concat <axis=0> (any, three, v4) y = Reshape(z12, t)", ("n", 3, 4)),
    "expand": (READ + "t = Concat <axis=0> (nv, v1, dv) y = Expand(one, t)", ("n", 5, 12)),
    "range": ("s = Shape(x) n = Gather(s, i0) y = Range(i0, n, i1)", ("n",)),
    "follows": (READ + "t = Concat <axis=0> (nv, any, v4, dv) r = Reshape(x, t) y = Abs(r)", ("n", "m", 4, 12)),
    "size": ("s = Size(x) v = Unsqueeze(s, v0) y = Reshape(x, v)", ("48*m*n",)),
    "no name": (
        ("w = Slice(x, v0, any, v1) s = Shape(w) n = Gather(s, i0) m = Gather(s, i1) nv = Unsqueeze(n, v0) "
        "mv = Unsqueeze(m, v0) t = Concat <axis=0> (mv, any, nv) y = Reshape(w, t)"),
        (None, 48, "n"),
    ),
    "slice": (READ + "y = Slice(z, v0, dv, v1)", ("n", 12)),
    "free slice": (READ + "y = Slice(z, v0, nv, v1)", ("n", None)),
    "whole slice": ("w = Slice(x, v0, end, v1) y = Abs(w)", ("n", "m", 48)),
    "tile": ("r = Concat <axis=0> (v1, v4, v1) y = Tile(x, r)", ("n", "4*m", 48)),
    "reversed": ("y = Slice(x, any, least, v1, any)", ("n", "m", 48)),
}  # fmt: skip


@pytest.mark.parametrize(("body", "extents"), CASES.values(), ids=CASES)
def test_shape_arithmetic_tells_the_extents(body, extents):
    inputs = "float[n,m,48] x, float[n,60] z, float[n,12] z12, float[1,5,1] one"
    model = normalize(model_of(f"({inputs}) => (float[a,b,c] y) {{ {body} }}", **INTS, **VECTORS), Path())
    output = model.graph.outputs[0]
    output.shape = None
    refine_shapes(model)
    known = output.shape and tuple(dim if isinstance(dim, int) else dim.value for dim in output.shape)
    assert known == extents
    assert all(value.const_value is None for node in model.graph for value in node.outputs)
