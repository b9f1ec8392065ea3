"""Cases of operators without a definition."""

from __future__ import annotations

import numpy as np
from graph.normalize.rewrites.case import Case

IMAGE = "(float[N,3,6,7] x) =>"

CASES = [
    Case("Affine", 7, f"{IMAGE} (float[N,3,6,7] y) {{ y = Affine <alpha = 2.0, beta = 3.0> (x) }}", "Mul Add"),
    Case(
        "ConstantFill",
        6,
        f"{IMAGE} (float[2,3] y) {{ z = ConstantFill <shape = [2, 3], value = 2.0> () y = Neg (z) }}",
        expected=lambda x: np.full((2, 3), -2, np.float32),
    ),
    Case(
        "ConstantFill like a tensor",
        6,
        f"{IMAGE} (int64[N,3,6,7,2] y) {{ y = ConstantFill <value = 2.0, dtype = 7, extra_shape = [2]> (x) }}",
        expected=lambda x: np.full((*x.shape, 2), 2),
    ),
    Case("Crop", 7, f"{IMAGE} (float[N,3,2,4] y) {{ y = Crop <border = [1, 0, 2, 4]> (x) }}", "Slice"),
    Case(
        "Crop to a size",
        7,
        f"{IMAGE} (float[N,3,2,3] y) {{ y = Crop <border = [1, 2, 0, 0], scale = [2, 3]> (x) }}",
        "Slice",
    ),
    Case(
        "DynamicSlice",
        7,
        f"{IMAGE} (float[N,3,2,7] y) <int64[1] s = {{1}}, int64[1] e = {{3}}, int64[1] a = {{2}}> "
        "{ y = DynamicSlice(x, s, e, a) }",
        "Slice",
    ),
    Case(
        "GivenTensorFill",
        6,
        "(int64[2] s) => (float[M,N] y) "
        "{ a = GivenTensorFill <shape = [1, 2], values = [5.0, 7.0]> () b = Cast <to = 1> (s) y = Add (a, b) }",
        expected=lambda s: s.astype(np.float32) + np.array([[5, 7]], np.float32),
    ),
    Case(
        "ImageScaler",
        7,
        f"{IMAGE} (float[N,3,6,7] y) {{ y = ImageScaler <scale = 2.0, bias = [1.0, 2.0, 3.0]> (x) }}",
        "Mul Add",
    ),
    Case(
        "ParametricSoftplus",
        7,
        f"{IMAGE} (float[N,3,6,7] y) {{ y = ParametricSoftplus <alpha = 2.0, beta = 3.0> (x) }}",
        "Mul Softplus Mul",
    ),
    Case("Scale", 7, f"{IMAGE} (float[N,3,6,7] y) {{ y = Scale <scale = 2.0> (x) }}", "Mul", lambda x: 2 * x),
    Case(
        "ScaledTanh",
        7,
        f"{IMAGE} (float[N,3,6,7] y) {{ y = ScaledTanh <alpha = 2.0, beta = 3.0> (x) }}",
        "Mul Tanh Mul",
    ),
    Case(
        "SimplifiedLayerNormalization",
        17,
        "(float[N,3,4] x) => (float[N,3,4] y) <float[4] g = {1.0, 2.0, -1.0, 0.5}> "
        "{ y = SimplifiedLayerNormalization <epsilon = 0.1, axis = -1> (x, g) }",
        "RMSNormalization",
    ),
]
