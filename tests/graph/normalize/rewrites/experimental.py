"""Cases of operators without a definition."""

from __future__ import annotations

from graph.normalize.rewrites.case import Case

IMAGE = "(float[N,3,6,7] x) =>"

CASES = [
    Case("Affine", 7, f"{IMAGE} (float[N,3,6,7] y) {{ y = Affine <alpha = 2.0, beta = 3.0> (x) }}", "Mul Add"),
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
