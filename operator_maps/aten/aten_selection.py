"""Order statistics, distances and products of PyTorch for which its exporter has no ONNX function.

Source: https://pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, call, expr, invoke
from operator_maps.onnx.slicing import subscript


def median(node: Node, x: Operand, *, dim: int, keepdim: int = 0) -> tuple[Arg, ...]:
    """torch.median along an axis: of an even number of elements the lower of the middle ones."""
    extents = x.shape_python()
    if extents is None:
        raise node.decline("the rank of its input is unknown")
    extent = extents[dim]
    place = (extent - 1) // 2 if isinstance(extent, int) else expr("({0} - 1) // 2", extent)
    return _in_order(node, x, place, dim, keepdim)


def kth_value(node: Node, x: Operand, *, k: int, dim: int = -1, keepdim: int = 0) -> tuple[Arg, ...]:
    """torch.kthvalue: the k-th smallest element along an axis, and where it is."""
    return _in_order(node, x, k - 1, dim, keepdim)


def _in_order(node: Node, x: Operand, place: Arg, dim: int, keepdim: int) -> tuple[Arg, ...]:
    """The element at a place in the order along an axis, and its position."""
    if x.rank is None:
        raise node.decline("the rank of its input is unknown")
    ordered = node.unpack(("ordered", "positions"), expr("ops.sort({0}, {1})", x, dim))
    found = [
        subscript(each, {dim % x.rank: place}) if used else None for each, used in zip(ordered, node.used, strict=True)
    ]
    kept = [expr("ops.unsqueeze({0}, {1})", each, dim) if keepdim and each is not None else each for each in found]
    return kept[0], expr("{0}.astype(ms.int64)", kept[1]) if kept[1] is not None else None


def cumulative_max(node: Node, x: Operand, *, dim: int) -> tuple[Arg, ...]:
    """torch.cummax: `values, indices = ops.cummax(x, axis)`."""
    values, indices = node.unpack(("values", "indices"), invoke("ops.cummax", x, dim))
    return values, expr("{0}.astype(ms.int64)", indices)


def distances(node: Node, x: Operand, y: Operand, *, p: float, compute_mode: int | None = None) -> Arg:
    """torch.cdist: `ops.cdist(x, y, 2.0)`, between all rows of two matrices."""
    return invoke("ops.cdist", x, y, float(p))


def search_sorted(
    node: Node, bounds: Operand, x: Operand, *, right: int = 0, out_int32: int = 0, side: str = ""
) -> Arg:
    """torch.searchsorted: `ops.searchsorted(bounds, x)`, where each element would stand in a sorted sequence."""
    chosen = {"out_int32": out_int32, "right": right or side == "right"}
    return invoke("ops.searchsorted", bounds, x, **{name: True for name, on in chosen.items() if on})


def product(node: Node, x: Operand, *, dims: tuple[int, ...] = (), output_dtype: int = 0) -> Arg:
    """torch.prod: `ops.prod(x, 1)`."""
    axes = tuple(dims) or tuple(range(x.rank or 0))
    return invoke("ops.prod", x, axes[0] if len(axes) == 1 else axes)


def adaptive_max_pool(node: Node, x: Operand, *, output_size: tuple[int, ...]) -> tuple[Arg, ...]:
    """torch.nn.AdaptiveMaxPool2d: `ops.adaptive_max_pool2d(x, (2, 3))`."""
    if any(node.used[1:]):
        raise node.decline("the positions of the maxima are read")
    return invoke("ops.adaptive_max_pool2d", x, tuple(output_size)), None


ROWS = {
    "aten._cdist_forward": distances,
    "aten.adaptive_max_pool2d": adaptive_max_pool,
    "aten.cummax": cumulative_max,
    "aten.kthvalue": kth_value,
    "aten.median": median,
    "aten.searchsorted": search_sorted,
    "prims.digamma": call("ops.digamma({0})"),
    "prims.erf_inv": call("ops.erfinv({0})"),
    "prims.gcd": call("ops.gcd({0}, {1})"),
    "prims.hypot": call("ops.hypot({0}, {1})"),
    "prims.lgamma": call("ops.lgamma({0})"),
    "prims.prod": product,
}
