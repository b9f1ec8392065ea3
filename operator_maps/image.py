"""Images: resizing, sampling, boxes, and moving pixels between space and channels."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, expr


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
    """ONNX Resize."""
    if x.rank != 4 or antialias or axes:
        raise node.decline("only 4-D")
    if sizes is not None:
        size = sizes.items()[2:]
    else:
        size = tuple(
            int(dim * factor) if isinstance(dim, int) else expr("{0} * {1}", dim, int(factor))
            for dim, factor in zip(x.shape_python()[2:], scales.items()[2:], strict=True)
        )
    if mode == "nearest" and coordinate_transformation_mode == "asymmetric" and nearest_mode == "floor":
        return expr('ops.interpolate({0}, {1}, mode="nearest")', x, size)
    if mode == "linear" and coordinate_transformation_mode in ("half_pixel", "pytorch_half_pixel"):
        return expr('ops.interpolate({0}, {1}, mode="bilinear")', x, size)
    if mode == "linear" and coordinate_transformation_mode == "align_corners":
        return expr('ops.interpolate({0}, {1}, mode="bilinear", align_corners=True)', x, size)
    raise node.decline("this mode")


ROWS = {
    "Resize": resize,
}
