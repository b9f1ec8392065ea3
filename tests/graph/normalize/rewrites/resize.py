"""Cases of Upsample and Resize."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from graph.normalize.rewrites.case import Case

INPUT = "(float[1,2,4,6] x) => (float[1,2,H,W] y)"


def resizes() -> Iterator[Case]:
    for mode in ("nearest", "linear"):
        for height, width in ((2.0, 3.0), (1.0, 1.5), (0.5, 0.6), (1.5, 0.5)):
            scales, how = f"1.0, 1.0, {height}, {width}", f"{mode}, {height} by {width}"
            given = f"<float[4] s = {{{scales}}}>"
            nodes = "Resize Resize" if mode == "nearest" and height > 1 > width else "Resize"
            yield Case(f"Resize-10 {how}", 10, f'{INPUT} {given} {{ y = Resize <mode = "{mode}"> (x, s) }}', nodes)
            if min(height, width) >= 1:
                attributes = f'mode = "{mode}", scales = [{scales}]'
                yield Case(f"Upsample-7 {how}", 7, f"{INPUT} {{ y = Upsample <{attributes}> (x) }}", "Resize")
                yield Case(
                    f"Upsample-9 {how}", 9, f'{INPUT} {given} {{ y = Upsample <mode = "{mode}"> (x, s) }}', "Resize"
                )


CASES = [
    *resizes(),
    Case(
        "Upsample-1",
        1,
        f'{INPUT} {{ y = Upsample <mode = "nearest", height_scale = 2.0, width_scale = 3.0> (x) }}',
        "Resize",
        lambda x: x.repeat(2, 2).repeat(3, 3),
    ),
    Case(
        "Upsample-1 bilinear",
        1,
        """(float[1,1,1,2] x) => (float[1,1,1,4] y) {
            y = Upsample <mode = "bilinear", height_scale = 1.0, width_scale = 2.0> (x)
        }""",
        "Resize",
        lambda x: np.stack([x[..., 0], x.mean(3), x[..., 1], x[..., 1]], 3),
    ),
    Case(
        "Resize-11 as TensorFlow finds the nearest pixel",
        11,
        f"""{INPUT} <float[0] r = {{}}, float[4] s = {{1.0, 1.0, 0.5, 1.5}}> {{
            y = Resize <coordinate_transformation_mode = "tf_half_pixel_for_nn", nearest_mode = "floor"> (x, r, s)
        }}""",
        "Resize",
    ),
    Case(
        "Resize-11 by half pixels",
        11,
        f'{INPUT} <float[0] r = {{}}, float[4] s = {{1.0, 1.0, 2.0, 1.5}}> {{ y = Resize <mode = "cubic"> (x, r, s) }}',
        "Resize",
    ),
]
