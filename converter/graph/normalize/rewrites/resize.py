"""Upsample, and Resize, which replaced it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from converter.graph.edit import Edit, RefusedError
from converter.graph.normalize.rewrites.attributes import rename

Rewrite = Callable[[Edit], None]


def upsample_7(edit: Edit) -> None:
    """Upsample-1 has attributes for the scales of height and width."""
    height, width = edit.take("height_scale"), edit.take("width_scale")
    edit.set(scales=[1.0, 1.0, height, width])
    if edit.get("mode") == "bilinear":
        edit.set(mode="linear")


def upsample_9(edit: Edit) -> None:
    """Upsample-7 takes the scales as an attribute."""
    edit.set_input(1, edit.constant("scales", np.array(edit.take("scales"), np.float32)))


def resize_11(edit: Edit) -> None:
    """Resize-10 has asymmetric coordinates; the nearest pixel is by floor to enlarge, by ceil to shrink.

    Where it does both, or may as its scales are fed, one Resize enlarges before another shrinks.
    """
    how = {"mode": edit.get("mode", "nearest"), "coordinate_transformation_mode": "asymmetric"}
    scales = edit.input(1)
    if how["mode"] == "nearest" and scales is not None and scales.is_graph_input():
        one = edit.constant("one", np.ones(1, np.float32))
        enlarged = edit.before("Max", scales, one)
        edit.set_input(0, edit.before("Resize", edit.input(0), None, enlarged, **how, nearest_mode="floor"))
        scales = edit.before("Min", scales, one)
        edit.set(nearest_mode="ceil")
    elif how["mode"] == "nearest":
        # computed scales are taken to be those of an up-sampling
        numbers = np.ones(1, np.float32) if scales is None or scales.const_value is None else edit.array(scales)
        if (numbers < 1).any() and (numbers > 1).any():
            enlarged = edit.constant("enlarged", np.maximum(numbers, 1))
            edit.set_input(0, edit.before("Resize", edit.input(0), None, enlarged, **how, nearest_mode="floor"))
            scales = edit.constant("shrunk", np.minimum(numbers, 1))
        edit.set(nearest_mode="ceil" if (numbers < 1).any() else "floor")
    edit.set(**how)
    edit.set_input(2, scales)
    edit.set_input(1, None)


def resize_13(edit: Edit) -> None:
    """Resize-11 has a mode for TensorFlow's nearest neighbour, which differs from `half_pixel` by half a pixel."""
    if edit.get("coordinate_transformation_mode") != "tf_half_pixel_for_nn":
        return
    if edit.get("mode", "nearest") != "nearest" or edit.get("nearest_mode") != "floor":
        raise RefusedError("tf_half_pixel_for_nn has a meaning only for the nearest pixel below")
    edit.set(coordinate_transformation_mode="half_pixel", nearest_mode="round_prefer_ceil")


REWRITES: dict[tuple[str, int], Rewrite] = {
    ("Resize", 11): resize_11,
    ("Resize", 13): resize_13,
    ("Upsample", 7): upsample_7,
    ("Upsample", 9): upsample_9,
    ("Upsample", 10): rename("Resize"),
}
