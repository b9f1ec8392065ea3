"""Functions: those of torch that an exporter writes badly or refuses, computed otherwise while a module is exported.

torch.export fixes an extent that a function asks for as a number; inside `exportable_functions` these functions
compute the same without. torch's ONNX functions of some operators want a number, too: `TRANSLATIONS` do not. Bags of
embeddings would be loops over the bags, and a search among bounds a search in steps.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import onnx_ir as ir
import torch
from onnxscript import opset18
from onnxscript.function_libs.torch_lib.ops import core

from converter.frontends.pytorch.losses import LOSSES

op: Any = opset18


@contextlib.contextmanager
def exportable_functions() -> Iterator[None]:
    """Inside the block functions of torch are those of `_INSTEAD`."""
    missing = object()
    kept = {place: vars(place[0]).get(place[1], missing) for place in _INSTEAD}
    for (owner, name), function in _INSTEAD.items():
        known = getattr(owner, name)
        setattr(owner, name, _calling(function, known))
    try:
        yield
    finally:
        for (owner, name), function in kept.items():
            if function is missing:
                delattr(owner, name)
            else:
                setattr(owner, name, function)


def _calling(function: Callable[..., Any], known: Callable[..., Any]) -> Callable[..., Any]:
    """The function with torch's own one as its first argument; in a class it is a method."""

    @functools.wraps(known)
    def called(*args: Any, **options: Any) -> Any:
        return function(known, *args, **options)

    return called


def _linspace(known: Callable[..., Any], *args: Any, **options: Any) -> torch.Tensor:
    """`torch.linspace`: a step many times, where the number of steps is free."""
    given = dict(zip(("start", "end", "steps"), args, strict=False)) | options
    steps = given.pop("steps", None)
    if not isinstance(steps, torch.SymInt) or given.get("out") is not None:
        return known(*args, **options)  # type: ignore[no-any-return]
    count: Any = steps
    start, end = given.pop("start"), given.pop("end")
    dtype = given.pop("dtype", None) or torch.get_default_dtype()
    given.pop("out", None)
    return torch.arange(count, dtype=dtype, **given) * ((end - start) / (count - 1)) + start


def _roll(known: Callable[..., Any], x: torch.Tensor, shifts: Any, dims: Any = (), **options: Any) -> torch.Tensor:
    """`torch.roll`: the last part before the first one, where the shift along one axis is free."""
    shift = shifts[0] if isinstance(shifts, (list, tuple)) and len(shifts) == 1 else shifts
    axis = dims[0] if isinstance(dims, (list, tuple)) and len(dims) == 1 else dims
    if not isinstance(shift, torch.SymInt) or not isinstance(axis, int) or options:
        return known(x, shifts, dims, **options)  # type: ignore[no-any-return]
    length = x.shape[axis]
    first = length - shift % length
    return torch.cat([x.narrow(axis, first, length - first), x.narrow(axis, 0, first)], axis)


def _along(known: Callable[..., Any], x: torch.Tensor, indices: torch.Tensor, dim: int | None = None) -> torch.Tensor:
    """`torch.take_along_dim`, of which the shapes are not compared: an axis of one element is repeated."""
    if dim is None or not any(isinstance(size, torch.SymInt) for size in (*x.shape, *indices.shape)):
        return known(x, indices, dim)  # type: ignore[no-any-return]
    axis = dim % x.dim()
    sizes = [b if isinstance(a, int) and a == 1 else a for a, b in zip(x.shape, indices.shape, strict=True)]
    parts = (each.expand([*sizes[:axis], each.shape[axis], *sizes[axis + 1 :]]) for each in (x, indices))
    return torch.gather(next(parts), axis, next(parts))


def _one_hot(known: Callable[..., Any], x: torch.Tensor, num_classes: Any = -1) -> torch.Tensor:
    """`one_hot`: each number beside all classes, whose count is free."""
    if not isinstance(num_classes, torch.SymInt):
        return known(x, num_classes)  # type: ignore[no-any-return]
    count: Any = num_classes
    return (x.unsqueeze(-1) == torch.arange(count)).long()


def _embedding_bag(known: Callable[..., Any], x: torch.Tensor, weight: torch.Tensor, *args: Any, **options: Any) -> Any:
    """`embedding_bag` of rows that are as long as each other: embeddings, and their sum, mean or maximum."""
    given = dict(zip(_OF_BAGS, args, strict=False)) | options
    weights, padding, mode = given.get("per_sample_weights"), given.get("padding_idx"), given.get("mode", "mean")
    if x.dim() != 2 or given.get("max_norm") is not None:
        return known(x, weight, *args, **options)
    found = torch.nn.functional.embedding(x, weight)
    if weights is not None:
        found = found * weights.unsqueeze(-1)
    if padding is None:
        return found.amax(1) if mode == "max" else found.sum(1) if mode == "sum" else found.mean(1)
    kept = (x != padding % weight.shape[0]).unsqueeze(-1)
    if mode == "max":
        return torch.where(kept.any(1), found.masked_fill(~kept, float("-inf")).amax(1), 0.0)
    total = (found * kept).sum(1)
    return total if mode == "sum" else total / kept.sum(1).clamp(min=1)


def _as_strided(
    known: Callable[..., Any], x: torch.Tensor, size: Any, stride: Any, storage_offset: Any = None
) -> torch.Tensor:
    """`as_strided` of one axis in windows; exporters count its steps in a tensor whose rows lie in order.

    Other forms are taken of a tensor whose axes are in the order of memory. torch's own calls stay.
    """
    caller = sys._getframe(2).f_globals.get("__name__", "")
    if caller.split(".")[0] == "torch" or storage_offset not in (None, x.storage_offset()):
        return known(x, size, stride, storage_offset)  # type: ignore[no-any-return]
    for whole in _rejoined(x, len(size)):
        if (found := _windows_of(whole, size, stride)) is not None:
            axis, count, step, length = found
            starts = torch.arange(count, device=x.device).unsqueeze(1) * step
            return whole[(slice(None),) * axis + (starts + torch.arange(length, device=x.device),)]
    order = sorted(range(x.dim()), key=x.stride, reverse=True)
    in_memory = x.permute(order)
    return known(in_memory if in_memory.is_contiguous() else x, size, stride, storage_offset)  # type: ignore[no-any-return]


def _rejoined(x: torch.Tensor, rank: int) -> Iterator[torch.Tensor]:
    """A tensor of which `as_strided` may take windows as one of this rank: itself, or one axis that was cut in two."""
    if rank == x.dim() + 1:
        yield x
    for axis in range(x.dim() - 1 if rank == x.dim() else 0):
        if x.stride(axis) == x.stride(axis + 1) * x.shape[axis + 1]:
            yield x.flatten(axis, axis + 1)


def _windows_of(x: torch.Tensor, size: Any, stride: Any) -> tuple[int, Any, int, Any] | None:
    """The axis of which `as_strided` takes windows, how many, the steps between them and their length."""
    for axis, unit in enumerate(x.stride()):
        kept = [(at, at + (at > axis)) for at in range(x.dim()) if at != axis]
        same = all(x.stride(at) == stride[to] and x.shape[at] == size[to] for at, to in kept)
        if not same or stride[axis + 1] != unit or stride[axis] % unit:
            continue
        step = int(stride[axis] // unit)
        if (size[axis] - 1) * step + size[axis + 1] <= x.shape[axis]:
            return axis, size[axis], step, size[axis + 1]
    return None


def _attention(known: Callable[..., Any], *args: Any, **options: Any) -> torch.Tensor:
    """`scaled_dot_product_attention` with a mask, with more axes before the heads, such as windows, or with a dropout.

    Its ONNX function takes neither such axes nor a dropout, and attends to everything where a mask hides a whole row;
    PyTorch attends to nothing there.
    """
    given = dict(zip(_OF_ATTENTION, args, strict=False)) | options
    query, key, value = (given[name] for name in _OF_ATTENTION[:3])
    mask, dropout, causal = (given.get(name) for name in _OF_ATTENTION[3:])
    grouped, scale = given.get("enable_gqa"), given.get("scale")
    if mask is None and not dropout and (query.dim() < 5 or causal or grouped):
        return known(*args, **options)  # type: ignore[no-any-return]
    if grouped:
        key, value = (each.repeat_interleave(query.shape[-3] // each.shape[-3], -3) for each in (key, value))
    scores = query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
    if causal:
        scores = scores + torch.full((query.shape[-2], key.shape[-2]), float("-inf"), dtype=query.dtype).triu(1)
    weights = scores.softmax(-1) if mask is None else _masked_softmax(scores, mask)
    return torch.nn.functional.dropout(weights, dropout or 0.0) @ value


def _masked_softmax(scores: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Softmax along the last axis, with zeros where a mask, of booleans or added, hides a whole row."""
    scores = scores + (torch.where(mask, 0.0, float("-inf")) if mask.dtype == torch.bool else mask)
    hidden = scores.amax(-1, keepdim=True) == float("-inf")
    return torch.where(hidden, 0.0, torch.where(hidden, 0.0, scores).softmax(-1))


_OF_ATTENTION = ("query", "key", "value", "attn_mask", "dropout_p", "is_causal")
"""The parameters of `scaled_dot_product_attention` that may be given by position."""


def _pool(reduce: Callable[..., torch.Tensor], axes: int) -> Callable[..., Any]:
    """`max_pool2d`, `avg_pool2d` and the like: a reduction, where the window is the whole extent of each free axis."""

    def pool(known: Callable[..., Any], x: torch.Tensor, kernel_size: Any, *args: Any, **options: Any) -> Any:
        sizes = list(kernel_size) if isinstance(kernel_size, (list, tuple)) else [kernel_size] * axes
        whole = [axis - axes for axis, size in enumerate(sizes) if _is_extent(size, x, axis - axes)]
        rest = [size for axis, size in enumerate(sizes) if axis - axes not in whole]
        default = not any(args[1:]) and not any(value for name, value in options.items() if name != "stride")
        divisor = options.get("divisor_override")
        if divisor and not options.get("ceil_mode"):  # the exporters leave the divisor out
            kept = {name: value for name, value in options.items() if name != "divisor_override"}
            mean = known(x, kernel_size, *args, **{**kept, "count_include_pad": True})
            return mean * (math.prod(sizes) / divisor)
        free = any(isinstance(size, torch.SymInt) for size in sizes)
        if not free or not default or any(isinstance(size, torch.SymInt) or size != 1 for size in rest):
            return known(x, kernel_size, *args, **options)
        return reduce(x, whole, keepdim=True)

    return pool


def _is_extent(size: Any, x: torch.Tensor, axis: int) -> bool:
    """Whether a number is the extent of a tensor, whatever that is."""
    extent: Any = x.shape[axis]
    if isinstance(size, torch.SymInt) and isinstance(extent, torch.SymInt):
        return bool(size.node.expr == extent.node.expr)
    return not isinstance(size, torch.SymInt) and not isinstance(extent, torch.SymInt) and size == extent


def _adaptive_avg_pool3d(known: Callable[..., Any], x: torch.Tensor, output_size: Any) -> torch.Tensor:
    """`adaptive_avg_pool3d`: the means of the planes, then those along the depth."""
    depth, *plane = output_size if isinstance(output_size, (list, tuple)) else (output_size,) * 3
    flat = x.reshape(-1, *x.shape[-3:])
    planes = torch.nn.functional.adaptive_avg_pool2d(flat, tuple(plane))
    rows = planes.flatten(2).transpose(1, 2)
    found = rows if depth is None else torch.nn.functional.adaptive_avg_pool1d(rows, depth)
    return found.transpose(1, 2).reshape(*x.shape[:-3], -1, *planes.shape[2:])


def _bucketize(known: Callable[..., Any], x: Any, bounds: torch.Tensor, *, right: bool = False, **options: Any) -> Any:
    """`torch.bucketize`: how many bounds are below a number; all of them are below NaN."""
    if not isinstance(x, torch.Tensor) or options.get("out") is not None:
        return known(x, bounds, right=right, **options)
    return _below(x, bounds, right, options.get("out_int32", False))


def _search(known: Callable[..., Any], bounds: torch.Tensor, x: Any, **options: Any) -> Any:
    """`torch.searchsorted`: how many bounds of its own row are below a number."""
    if not isinstance(x, torch.Tensor) or any(options.get(name) is not None for name in ("sorter", "out")):
        return known(bounds, x, **options)
    right = options.get("right", False) or options.get("side") == "right"
    return _below(x, bounds.unsqueeze(-2), right, options.get("out_int32", False))


def _below(x: torch.Tensor, bounds: torch.Tensor, right: bool, out_int32: bool) -> torch.Tensor:
    x = x.unsqueeze(-1)
    return torch.logical_not(bounds > x if right else bounds >= x).sum(-1, dtype=torch.int32 if out_int32 else None)


def _conv_of_samples(
    known: Callable[..., Any], x: torch.Tensor, weight: torch.Tensor, bias: Any = None, *args: Any, **options: Any
) -> torch.Tensor:
    """`conv2d` with a group, and weights, for each sample, whose number is free: products with the samples' windows."""
    given = dict(zip(("stride", "padding", "dilation", "groups"), args, strict=False)) | options
    groups = given.pop("groups", 1)
    if not isinstance(groups, torch.SymInt) or isinstance(given.get("padding"), str) or x.dim() != 4:
        return known(x, weight, bias, *args, **options)  # type: ignore[no-any-return]
    kernel, options = weight.shape[2:], {name: _pair(value) for name, value in given.items()}
    stride, padding, dilation = (options.get(name, (unit,) * 2) for name, unit in _WINDOW)
    extents = zip(x.shape[2:], kernel, stride, padding, dilation, strict=True)
    size = [(n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in extents]
    samples = x.reshape(groups, weight.shape[1], *x.shape[2:])
    windows = torch.nn.functional.unfold(samples, kernel, dilation, padding, stride)
    y = weight.reshape(groups, -1, windows.shape[1]) @ windows
    y = y.reshape(1, weight.shape[0], *size)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def _transposed_conv_of_samples(
    known: Callable[..., Any], x: torch.Tensor, weight: torch.Tensor, bias: Any = None, *args: Any, **options: Any
) -> torch.Tensor:
    """`conv_transpose2d` with a group, and weights, for each sample: the windows, which are added up."""
    given = dict(zip(("stride", "padding", "output_padding", "groups", "dilation"), args, strict=False)) | options
    groups = given.pop("groups", 1)
    if not isinstance(groups, torch.SymInt) or x.dim() != 4:
        return known(x, weight, bias, *args, **options)  # type: ignore[no-any-return]
    kernel, options = weight.shape[2:], {name: _pair(value) for name, value in given.items()}
    stride, padding, dilation = (options.get(name, (unit,) * 2) for name, unit in _WINDOW)
    more = options.get("output_padding", (0, 0))
    extents = zip(x.shape[2:], kernel, stride, padding, dilation, more, strict=True)
    size = [(n - 1) * s - 2 * p + d * (k - 1) + m + 1 for n, k, s, p, d, m in extents]
    inside = weight.shape[0] // groups
    samples = x.reshape(groups, inside, -1)
    windows = weight.reshape(groups, inside, -1).transpose(1, 2) @ samples
    y = torch.nn.functional.fold(windows, tuple(size), kernel, dilation, padding, stride)
    y = y.reshape(1, -1, *size)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def _pair(value: Any) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        return value, value
    return tuple(value) * (2 // len(value))


_WINDOW = (("stride", 1), ("padding", 0), ("dilation", 1))
_OF_BAGS = ("offsets", "max_norm", "norm_type", "scale_grad_by_freq", "mode", "sparse", "per_sample_weights")
"""The parameters of `embedding_bag` behind its tensors; those after them are given by name."""
_INSTEAD: dict[tuple[Any, str], Callable[..., Any]] = {
    (torch, "as_strided"): _as_strided,
    (torch, "bucketize"): _bucketize,
    (torch, "linspace"): _linspace,
    (torch, "roll"): _roll,
    (torch, "searchsorted"): _search,
    (torch, "take_along_dim"): _along,
    (torch.Tensor, "as_strided"): _as_strided,
    (torch.Tensor, "roll"): _roll,
    (torch.Tensor, "take_along_dim"): _along,
    (torch.nn.functional, "adaptive_avg_pool3d"): _adaptive_avg_pool3d,
    (torch.nn.functional, "conv2d"): _conv_of_samples,
    (torch.nn.functional, "conv_transpose2d"): _transposed_conv_of_samples,
    (torch.nn.functional, "embedding_bag"): _embedding_bag,
    (torch.nn.functional, "one_hot"): _one_hot,
    (torch.nn.functional, "scaled_dot_product_attention"): _attention,
    **dict(LOSSES),
} | {
    (torch.nn.functional, f"{kind}_pool{axes}d"): _pool(reduce, axes)
    for kind, reduce in (("max", torch.amax), ("avg", torch.mean))
    for axes in (1, 2, 3)
}
"""Where torch has a function → what is called instead: it is given torch's function, and the arguments."""


def _remainder(x: Any, other: Any) -> Any:
    if not isinstance(other, ir.Value):
        return core.aten_remainder_scalar(x, other)
    divisor = op.CastLike(other, x)
    if x.dtype.is_integer():
        return op.Mod(x, divisor)
    return op.Sub(x, op.Mul(op.Floor(op.Div(x, divisor)), divisor))


def _power(x: Any, exponent: Any) -> Any:
    if not isinstance(exponent, ir.Value):
        return core.aten_pow_tensor_scalar(x, exponent)
    return op.Pow(x, op.CastLike(exponent, x))


TRANSLATIONS: dict[Any, Callable[..., Any]] = {
    torch.ops.aten.remainder.Scalar: _remainder,
    torch.ops.aten.pow.Tensor_Scalar: _power,
}
"""Operators whose number may be an extent, and their ONNX functions."""
