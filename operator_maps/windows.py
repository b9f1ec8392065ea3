"""The windows of convolutions and pools: kernel, strides, dilations, and where the padding comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from converter.rows import Expr, Node, Operand, expr

if TYPE_CHECKING:
    from mindspore import ops

T = TypeVar("T")


@dataclass(frozen=True)
class Window:
    """A window over the spatial axes of an input of shape (N, C, …); every field has one entry per spatial axis.

    Attributes:
        kernel, strides, dilations: as in ONNX.
        begin, end: padding before and after, None where `auto_pad` makes it depend on a free extent.
        auto_pad: NOTSET, VALID, SAME_UPPER or SAME_LOWER.
        ceil_mode: whether the number of windows is rounded up.
    """

    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    begin: tuple[int | None, ...]
    end: tuple[int | None, ...]
    auto_pad: str = "NOTSET"
    ceil_mode: bool = False

    @property
    def rank(self) -> int:
        """The number of spatial axes."""
        return len(self.kernel)

    @property
    def extents(self) -> tuple[int, ...]:
        """What the kernel spans, its dilations included."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def known(self) -> bool:
        """Whether the padding is known."""
        return None not in self.begin + self.end

    @property
    def padded(self) -> bool:
        """Whether there is any padding."""
        return any(self.begin + self.end)

    @property
    def symmetric(self) -> bool:
        """Whether the padding is known and the same on both sides of every axis."""
        return self.known and self.begin == self.end

    @property
    def same_upper(self) -> bool:
        """Whether the padding is what MindSpore's `same` computes: enough for ceil(extent / stride) windows, an odd
        one at the end.

        So is the padding of any mode that comes to the same at stride 1, whatever the input's extent.
        """
        if self.auto_pad == "SAME_UPPER":
            return True
        totals = [extent - 1 for extent in self.extents]
        return (
            set(self.strides) == {1}
            and self.begin == tuple(total // 2 for total in totals)
            and self.end == tuple(total - total // 2 for total in totals)
        )

    def without_padding(self) -> Window:
        """The same window over an input that is padded already."""
        zeros = (0,) * self.rank
        return replace(self, begin=zeros, end=zeros, auto_pad="VALID")


def window_of(
    node: Node,
    x: Operand,
    kernel: Sequence[int],
    auto_pad: str,
    strides: Sequence[int] | None,
    dilations: Sequence[int] | None,
    pads: Sequence[int] | None,
    ceil_mode: int = 0,
) -> Window:
    """Read the attributes that ONNX's convolutions and pools share.

    Raises:
        Declined: there are not one to three spatial axes, or the padding is negative.
    """
    rank = len(kernel)
    if not 1 <= rank <= 3:
        raise node.decline(f"it has {rank} spatial axes (1 to 3 are supported)")
    if min(pads or (0,)) < 0:
        raise node.decline("negative padding has no counterpart")
    ones = (1,) * rank
    window = Window(tuple(kernel), tuple(strides or ones), tuple(dilations or ones), (0,) * rank, (0,) * rank)
    window = replace(window, auto_pad=auto_pad, ceil_mode=bool(ceil_mode))
    if auto_pad == "NOTSET" and pads:
        return replace(window, begin=tuple(pads[:rank]), end=tuple(pads[rank:]))
    if not auto_pad.startswith("SAME"):
        return window
    sizes = x.shape[2:] if x.shape is not None else (None,) * rank
    totals = [
        _same_total(size, stride, extent)
        for size, stride, extent in zip(sizes, window.strides, window.extents, strict=True)
    ]
    lower = [None if total is None else total // 2 for total in totals]
    upper = [None if total is None else total - total // 2 for total in totals]
    if auto_pad == "SAME_LOWER":
        lower, upper = upper, lower
    return replace(window, begin=tuple(lower), end=tuple(upper))


def _same_total(size: int | None, stride: int, extent: int) -> int | None:
    """The padding for ceil(size / stride) windows; None when it depends on a free extent."""
    if stride == 1:
        return extent - 1
    return None if size is None else max((-(-size // stride) - 1) * stride + extent - size, 0)


def pad_first(x: Operand, window: Window, value: float | None = None) -> Expr:
    """Pad the input by itself, for layers that cannot; `value` is 0 unless given."""
    fill = () if value is None else (value,)
    if not window.known:
        args = (pad_same, x, window.extents, window.strides, window.auto_pad == "SAME_UPPER")
        return expr("{0}({1}, {2}, {3}, {4}, {5})" if fill else "{0}({1}, {2}, {3}, {4})", *args, *fill)
    pairs = [*zip(window.begin, window.end, strict=True)]
    pads = tuple(pad for pair in reversed(pairs) for pad in pair)
    return expr("ops.pad({0}, {1}, value={2})" if fill else "ops.pad({0}, {1})", x, pads, *fill)


def pad_same(x, extents, strides, upper, value=0.0):
    """Pad every spatial axis for ceil(extent / stride) windows; an odd one goes to the end (upper) or the beginning."""
    pads = []
    for i in range(len(extents) - 1, -1, -1):
        size = x.shape[i + 2]
        total = max((-(-size // strides[i]) - 1) * strides[i] + extents[i] - size, 0)
        pads += [total // 2, total - total // 2] if upper else [total - total // 2, total // 2]
    return ops.pad(x, pads, value=value)


def padding_of(window: Window) -> int | tuple[int, ...]:
    """The padding as nn's convolutions take it: a number, or before and after, axis by axis from the first."""
    return scalar([pad for pair in zip(window.begin, window.end, strict=True) for pad in pair])  # type: ignore[arg-type]


def scalar(values: Sequence[T]) -> T | tuple[T, ...]:
    """One number where all are equal, as nn takes it: (3, 3) is 3."""
    return values[0] if len(set(values)) == 1 else tuple(values)
