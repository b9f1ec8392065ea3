"""Resizing: MindSpore's own functions if they compute exactly ONNX's Resize, else interpolation axis by axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from converter.rows import Arg, Expression, Node, Operand, expr, is_number
from operator_maps.lib.interpolation import fill_outside, resample, resample_stretched, sample_points, take_nearest


def _is_dynamic(item: Arg) -> bool:
    """Whether a number is known only when the network runs."""
    return item is not None and not is_number(item)


@dataclass(frozen=True)
class Axis:
    """An axis that is resized. Extents, scale and bounds are numbers if static, else expressions.

    Attributes:
        index: the number of the axis.
        size, out: its extent before and after.
        scale: the factor that the model gives; None if the model gives the extent.
        start, end: the region of interest along it, relative to its extent, for `tf_crop_and_resize`.
    """

    index: int
    size: Arg
    out: Arg
    scale: Arg
    start: Arg = 0.0
    end: Arg = 1.0

    @property
    def fixed(self) -> bool:
        """Whether all fields are numbers."""
        return not any(_is_dynamic(item) for item in (self.size, self.out, self.scale, self.start, self.end))

    @property
    def proportional(self) -> bool:
        """Whether the scale equals the ratio of the extents, which MindSpore's functions use."""
        if self.scale is None or _is_dynamic(self.scale):
            return self.scale is None
        return self.size * self.scale == self.out if self.fixed else self.scale.is_integer()

    @property
    def shrinks(self) -> bool:
        """Whether the result is shorter, or may be."""
        if isinstance(self.scale, float):
            return self.scale < 1
        return not self.fixed or self.out < self.size


@dataclass(frozen=True)
class Method:
    """The attributes of Resize that select the interpolation; `a` is `cubic_coeff_a`, `fill` `extrapolation_value`."""

    mode: str
    transformation: str
    nearest_mode: str
    a: float
    antialias: bool
    exclude_outside: bool
    fill: float

    @property
    def crops(self) -> bool:
        """Whether a region of interest is resized; positions outside the image are filled."""
        return self.transformation == "tf_crop_and_resize"


def resize(
    node: Node,
    x: Operand,
    roi: Operand | None,
    scales: Operand | None,
    sizes: Operand | None,
    *,
    antialias: int = 0,
    axes: tuple[int, ...] | None = None,
    coordinate_transformation_mode: str = "half_pixel",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    keep_aspect_ratio_policy: str = "stretch",
    mode: str = "nearest",
    nearest_mode: str = "round_prefer_floor",
) -> Arg:
    """ONNX Resize: `ops.interpolate` if it computes the same, else each axis is interpolated separately.

    Raises:
        Unsupported: the rank of the input is unknown; an extent is dynamic and the factor is no simple fraction; or
            integers are interpolated.
    """
    method = Method(
        mode,
        coordinate_transformation_mode,
        nearest_mode,
        cubic_coeff_a,
        bool(antialias),
        bool(exclude_outside),
        extrapolation_value,
    )
    if x.rank is None:
        raise node.decline("the rank of its input is unknown")
    indices = [axis % x.rank for axis in axes] if axes else list(range(x.rank))
    if scales is not None and scales.size != 0:
        resized = _axes_by_scale(node, x, indices, scales)
    else:
        resized = _axes_by_size(node, x, indices, sizes, keep_aspect_ratio_policy)
    if method.crops:
        resized = _with_region(node, resized, roi)
    resized = [axis for axis in resized if not _unchanged(node, x, axis)]
    if mode != "nearest" and x.kind != "f":
        raise node.decline("integers are interpolated, which is rounded differently everywhere")
    whole = _interpolate(x, resized, method)
    if whole is not None:
        return whole
    y: Arg = x
    for axis in resized:
        y = _resize_axis(node, y, axis, method)
    return y


def upsample(node: Node, x: Operand, scales: Operand, *, mode: str = "nearest") -> Arg:
    """ONNX Upsample (deprecated): Resize with asymmetric coordinates, rounding down."""
    return resize(
        node, x, None, scales, None, mode=mode, coordinate_transformation_mode="asymmetric", nearest_mode="floor"
    )


# The resized axes


def _axes_by_scale(node: Node, x: Operand, indices: Sequence[int], scales: Operand) -> list[Axis]:
    factors = scales.items()
    shape = x.shape_python() or ()
    if factors is None or any(_is_dynamic(factor) for factor in factors):
        return [
            Axis(
                i,
                shape[i],
                _inferred(node, i) or expr("int({0} * {1}[{2}])", shape[i], scales, k),
                expr("float({0}[{1}])", scales, k),
            )
            for k, i in enumerate(indices)
        ]
    if not all(math.isfinite(factor) and factor > 0 for factor in factors):
        raise node.decline("a scale is no positive number")
    return [
        Axis(i, shape[i], _scaled_extent(node, shape[i], float(factor)), float(factor))
        for i, factor in zip(indices, factors, strict=True)
    ]


def _axes_by_size(node: Node, x: Operand, indices: Sequence[int], sizes: Operand | None, policy: str) -> list[Axis]:
    known = None if sizes is None else sizes.items()
    outs = known or tuple(expr("int({0}[{1}])", sizes, k) for k in range(len(indices)))
    shape = x.shape_python() or ()
    axes = [
        Axis(i, shape[i], out if known else _inferred(node, i) or out, None)
        for i, out in zip(indices, outs, strict=True)
    ]
    if policy == "stretch":
        return axes
    if known is None or not all(axis.fixed for axis in axes):
        ratios = tuple(expr("{0} / {1}", axis.out, axis.size) for axis in axes)
        common = node.let("scale", expr("min({0})" if policy == "not_larger" else "max({0})", ratios))
        return [replace(axis, out=expr("int({0} * {1} + 0.5)", common, axis.size), scale=common) for axis in axes]
    extreme = min if policy == "not_larger" else max
    scale = float(extreme(np.float32(axis.out) / np.float32(axis.size) for axis in axes))
    return [replace(axis, out=math.floor(scale * axis.size + 0.5), scale=scale) for axis in axes]


def _inferred(node: Node, axis: int) -> int | None:
    """An extent of the result, if shape inference knows it though scales or sizes are computed."""
    shape = node.outputs[0].shape
    return None if shape is None else shape[axis]


def _scaled_extent(node: Node, size: Arg, factor: float) -> Arg:
    """floor(size * factor), in float32 as runtimes compute it; a dynamic size is multiplied by an equal fraction."""
    if isinstance(size, int):
        return int(np.float32(size) * np.float32(factor))
    sizes = np.arange(1, 4097)
    floors = (sizes.astype(np.float32) * np.float32(factor)).astype(np.int64)
    for denominator in range(1, 65):
        numerator = round(factor * denominator)
        if np.array_equal(sizes * numerator // denominator, floors):
            product = size if numerator == 1 else expr("{0} * {1}", size, numerator)
            return product if denominator == 1 else expr("{0} // {1}", product, denominator)
    raise node.decline(f"a free extent is scaled by {factor}, which is no simple fraction")


def _with_region(node: Node, axes: Sequence[Axis], roi: Operand | None) -> list[Axis]:
    if roi is None:
        raise node.decline("it has no region of interest")
    bounds = roi.items()
    if bounds is None or any(_is_dynamic(bound) for bound in bounds):
        bounds = tuple(expr("{0}[{1}]", roi, i) for i in range(2 * len(axes)))
    halves = zip(axes, bounds[: len(axes)], bounds[len(axes) :], strict=True)
    return [replace(axis, start=start, end=end) for axis, start, end in halves]


def _unchanged(node: Node, x: Operand, axis: Axis) -> bool:
    """Whether an axis keeps its extent: both are the same number or the same symbolic dimension."""
    if axis.size == axis.out:
        if (axis.start, axis.end) != (0, 1) and axis.index > 1:
            raise node.decline("a part is taken of an axis that keeps its extent, which onnxruntime ignores")
        return axis.scale in (None, 1) or (axis.index < 2 and _is_dynamic(axis.scale))
    before, after = x.value.shape, node.ir.outputs[0].shape
    if axis.scale is not None or isinstance(axis.out, int) or before is None or after is None:
        return False
    same = str(before[axis.index])
    return same == str(after[axis.index]) and same.isidentifier() and same != "None"


# With MindSpore's functions


def _interpolate(x: Operand, axes: Sequence[Axis], method: Method) -> Expression | None:
    """Call the function of MindSpore that computes exactly this resize; None if there is none."""
    if x.rank not in (3, 4, 5) or not axes or axes[0].index < 2 or method.crops:
        return None
    size = list((x.shape_python() or ())[2:])
    for axis in axes:
        size[axis.index - 2] = axis.out
    if method.mode == "nearest":
        for mode, transformation, nearest_mode in NEAREST:
            same = all(_same_neighbours(axis, method, transformation, nearest_mode) for axis in axes)
            if same and (x.kind == "f" and (mode == "nearest" or x.rank < 5)):
                return expr("ops.interpolate({0}, {1}, mode={2})", x, tuple(size), mode)
        return None
    if method.mode != "linear" or (method.antialias and any(axis.shrinks for axis in axes)):
        return None
    mode = LINEAR[x.rank]
    if method.transformation == "align_corners":
        return expr("ops.interpolate({0}, {1}, mode={2}, align_corners=True)", x, tuple(size), mode)
    if not all(axis.proportional for axis in axes):
        return None
    if method.transformation == "asymmetric" and x.rank == 4:
        return expr("ops.ResizeBilinearV2()({0}, {1})", x, tuple(size))
    if "half_pixel" in method.transformation and all(axis.out != 1 for axis in axes):
        return expr("ops.interpolate({0}, {1}, mode={2})", x, tuple(size), mode)
    return None


LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}
"""Rank of the input → `ops.interpolate`'s mode for linear interpolation."""

NEAREST = (("nearest", "asymmetric", "floor"), ("nearest-exact", "half_pixel", "round_prefer_ceil"))
"""Nearest modes of `ops.interpolate`, each with the equal coordinate transformation and nearest mode of ONNX."""


def _same_neighbours(axis: Axis, method: Method, transformation: str, nearest_mode: str) -> bool:
    """Whether `method` selects the same nearest elements as this transformation and nearest mode."""
    if axis.scale is None and not axis.fixed:
        return (method.transformation, method.nearest_mode) == (transformation, nearest_mode)
    if not axis.fixed:
        if not axis.proportional or _is_dynamic(axis.scale):
            return False
        axis = replace(axis, size=256, out=int(256 * axis.scale))  # type: ignore[operator]
    wanted = _neighbours(axis, method)
    by_ratio = replace(axis, scale=None)
    return np.array_equal(
        wanted, _neighbours(by_ratio, replace(method, transformation=transformation, nearest_mode=nearest_mode))
    )


def _neighbours(axis: Axis, method: Method) -> np.ndarray:
    """The index of the nearest input element for every element of the result (out,), in float32 as in runtimes."""
    lead, numerator, denominator, shift = (np.float32(item) for item in _coordinates(axis, method.transformation))
    points = (np.arange(axis.out, dtype=np.float32) + lead) * numerator / denominator + shift
    match method.nearest_mode:
        case "floor":
            points = np.floor(points)
        case "ceil":
            points = np.ceil(points)
        case "round_prefer_floor":
            points = np.ceil(points - np.float32(0.5))
        case _:
            points = np.floor(points + np.float32(0.5))
    return np.clip(points, 0, axis.size - 1).astype(np.int32)


# Axis by axis


def _resize_axis(node: Node, x: Arg, axis: Axis, method: Method) -> Arg:
    grid = _coordinates(axis, method.transformation)
    points = expr("{0}({1}, {2}, {3}, {4}, {5})", sample_points, axis.out, *grid)
    if method.mode != "nearest":
        a = method.a if method.mode == "cubic" else None
        stretch = _stretch(axis) if method.antialias and axis.shrinks else 1.0
        if _is_dynamic(stretch):
            wide = (x, points, axis.index, a, stretch, not method.exclude_outside)
            y = expr("{0}({1}, {2}, {3}, {4}, {5}, {6})", resample_stretched, *wide)
        else:
            reach = math.ceil(stretch if a is None else 2 * stretch)
            args = (x, points, axis.index, a, reach, stretch, not method.exclude_outside)
            y = expr("{0}({1}, {2}, {3}, {4}, {5}, {6}, {7})", resample, *args)
    elif axis.fixed:
        y = expr("ops.gather({0}, {1}, {2})", x, node.constant(_neighbours(axis, method), "neighbours"), axis.index)
    else:
        y = expr("{0}({1}, {2}, {3}, {4})", take_nearest, x, points, axis.index, method.nearest_mode)
    if method.crops:
        y = expr("{0}({1}, {2}, {3}, {4}, {5})", fill_outside, y, points, axis.index, axis.size, method.fill)
    return node.let("resized", y)


def _stretch(axis: Axis) -> Arg:
    """The factor by which antialiasing stretches the kernel, at least 1."""
    if axis.scale is None:
        ratio = axis.size / axis.out if axis.fixed else expr("{0} / {1}", axis.size, axis.out)
    else:
        ratio = expr("1 / {0}", axis.scale) if _is_dynamic(axis.scale) else 1 / axis.scale
    return expr("max(({0}, 1.0))", ratio) if _is_dynamic(ratio) else max(ratio, 1.0)


def _coordinates(axis: Axis, transformation: str) -> tuple[Arg, Arg, Arg, Arg]:
    """The coordinate transformation from index i of the result to a position in the input, as four terms.

    The position is (i + lead) * numerator / denominator + shift. `align_corners` uses the integer length of the result,
    as the specification, onnxruntime and PyTorch do; onnx's own evaluator uses size * scale, so that no sample lies on
    the last element.
    """
    size, out = axis.size, axis.out
    scale = axis.scale
    if scale is None:
        scale = float(np.float32(out) / np.float32(size)) if axis.fixed else expr("{0} / {1}", out, size)
    match transformation:
        case "pytorch_half_pixel" if out == 1:
            return 0.0, 0.0, 1.0, 0.0
        case "pytorch_half_pixel" if _is_dynamic(out):
            return 0.5, expr("1.0 * ({0} > 1)", out), scale, expr("-0.5 * ({0} > 1)", out)
        case "half_pixel" | "pytorch_half_pixel":
            return 0.5, 1.0, scale, -0.5
        case "half_pixel_symmetric" if axis.fixed:
            ratio = np.float32(out) / (np.float32(scale) * np.float32(size))
            return 0.5, 1.0, scale, float(size / 2 * (1 - ratio) - 0.5)
        case "half_pixel_symmetric" if axis.scale is None:
            return 0.5, 1.0, scale, -0.5
        case "half_pixel_symmetric":
            return 0.5, 1.0, scale, expr("({0} - {1} / {2}) / 2 - 0.5", size, out, scale)
        case "asymmetric":
            return 0.0, 1.0, scale, 0.0
        case "align_corners":
            last = expr("max(({0} - 1, 1))", out) if _is_dynamic(out) else max(out - 1, 1)
            return 0.0, _minus_one(size), last, 0.0
    start, end, last = axis.start, axis.end, _minus_one(size)
    if axis.fixed:
        shift, part = (start if out > 1 else (start + end) / 2) * last, (end - start) * last
    else:
        first = expr("({0} + ({1} - {0}) * ({2} == 1) / 2)", start, end, out) if _is_dynamic(out) or out == 1 else start
        shift, part = expr("{0} * {1}", first, last), expr("({0} - {1}) * {2}", end, start, last)
    return 0.0, part, expr("max(({0} - 1, 1))", out) if _is_dynamic(out) else max(out - 1, 1), shift


def _minus_one(extent: Arg) -> Arg:
    return expr("{0} - 1", extent) if _is_dynamic(extent) else extent - 1


ROWS = {
    "Resize": resize,
    "Upsample": upsample,
}
