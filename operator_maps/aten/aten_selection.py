"""Order statistics, distances, products and complex numbers of PyTorch for which its exporter has no ONNX function.

Source: https://pytorch.org/docs/stable/torch.html
"""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, call, expr, invoke
from operator_maps.lib.inverse_erf import erfinv
from operator_maps.onnx.slicing import subscript


def median(node: Node, x: Operand, *, dim: int | None = None, keepdim: int = 0) -> Arg | tuple[Arg, ...]:
    """torch.median along an axis, or of all elements: of an even number of them the lower of the middle ones."""
    if dim is None:
        ordered, _ = node.unpack(("ordered", "positions"), expr("ops.sort({0}.reshape((-1,)))", x))
        return expr("{0}[({0}.shape[0] - 1) // 2]", ordered)
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
    """torch.cummax: the positions by `ops.cummax`, the values from there: its own gradient has no kernel on the CPU."""
    return _cumulative("ops.cummax", node, x, dim)


def cumulative_min(node: Node, x: Operand, *, dim: int) -> tuple[Arg, ...]:
    """torch.cummin: the positions by `ops.cummin`, the values from there: its own gradient has no kernel on the CPU."""
    return _cumulative("ops.cummin", node, x, dim)


def _cumulative(function: str, node: Node, x: Operand, dim: int) -> tuple[Arg, ...]:
    detached = expr("ops.stop_gradient({0})", x) if x.kind == "f" else x
    values, indices = node.unpack(("values", "indices"), invoke(function, detached, dim))
    positions = expr("{0}.astype(ms.int64)", indices)
    return (expr("ops.gather_elements({0}, {1}, {2})", x, dim, positions) if x.kind == "f" else values), positions


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


def random_relu(
    node: Node, x: Operand, noise: Operand, *, lower: float = 1 / 8, upper: float = 1 / 3, training: int = 0
) -> tuple[Arg, ...]:
    """torch.nn.RReLU in inference: `ops.leaky_relu(x, slope)` with the mean of its slopes."""
    if training or any(node.used[1:]):
        raise node.decline("its slopes are random")
    return invoke("ops.leaky_relu", x, (lower + upper) / 2), None


def heaviside(node: Node, x: Operand, values: Operand) -> Arg:
    """torch.heaviside: 0 and 1, and other values where `x` is 0 (`ops.heaviside` has no gradient)."""
    return expr("ops.where({0} == 0, {1}, ({0} > 0).astype({2}))", x, values, node.dtype())


def polygamma(node: Node, x: Operand, *, n: int) -> Arg:
    """torch.polygamma: `ops.polygamma(ms.Tensor(n), x)`."""
    return expr("ops.polygamma(ms.Tensor({0}), {1})", n, x)


def unsqueeze(node: Node, x: Operand, *, dim: int) -> Arg:
    """torch.unsqueeze of complex numbers: `ops.unsqueeze(x, 2)`; their two parts stay the last axis."""
    return expr("ops.unsqueeze({0}, {1})", x, dim if dim >= 0 else dim - 1)


ROWS = {
    "aten._cdist_forward": distances,
    "aten.adaptive_max_pool2d": adaptive_max_pool,
    "aten.cummax": cumulative_max,
    "aten.cummin": cumulative_min,
    "aten.heaviside": heaviside,
    "aten.kthvalue": kth_value,
    "aten.median": median,
    "aten.polygamma": polygamma,
    "aten.rrelu_with_noise_functional": random_relu,
    "aten.searchsorted": search_sorted,
    "aten.unsqueeze": unsqueeze,
    "prims.bessel_i0": call("ops.bessel_i0({0})"),
    "prims.bessel_i0e": call("ops.bessel_i0e({0})"),
    "prims.bessel_i1": call("ops.bessel_i1({0})"),
    "prims.bessel_i1e": call("ops.bessel_i1e({0})"),
    "prims.digamma": call("ops.digamma({0})"),
    "prims.erf_inv": erfinv,
    "prims.fmax": call("ops.fmax({0}, {1})"),
    "prims.fmin": call("-ops.fmax(-{0}, -{1})"),
    "prims.gcd": call("ops.gcd({0}, {1})"),
    "prims.hypot": call("ops.hypot({0}, {1})"),
    "prims.lgamma": call("ops.lgamma({0})"),
    "prims.prod": product,
    "prims.signbit": call("ops.signbit({0})"),
    "prims.zeta": call("ops.zeta({0}, {1})"),
}
