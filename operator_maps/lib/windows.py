"""Windows of convolutions and pooling: kernel, strides, dilations and padding, given as numbers or by `auto_pad`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.padding import pad_axes, pad_axis


@dataclass(frozen=True)
class Window:
    """A window over the spatial axes of an input of shape (N, C, …); every field has one entry per spatial axis.

    Attributes:
        kernel, strides, dilations: as in ONNX.
        begin, end: padding before and after; None if `auto_pad` makes it depend on a dynamic extent.
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
        """The extents of the kernel, dilations included: (k - 1) * d + 1."""
        return tuple((k - 1) * d + 1 for k, d in zip(self.kernel, self.dilations, strict=True))

    @property
    def known(self) -> bool:
        """Whether the padding of every axis is a number."""
        return None not in self.begin + self.end

    @property
    def padded(self) -> bool:
        """Whether there is padding, or may be."""
        return not self.known or any(self.begin + self.end)

    @property
    def plain(self) -> bool:
        """Whether there is no dilation and the number of windows is rounded down."""
        return max(self.dilations) == 1 and not self.ceil_mode

    @property
    def symmetric(self) -> bool:
        """Whether the padding is known and the same on both sides of every axis."""
        return self.known and self.begin == self.end

    @property
    def same_upper(self) -> bool:
        """Whether the padding is the one of MindSpore's `pad_mode="same"`: ceil(extent / stride) windows, and of an odd
        padding the larger part at the end.

        Explicit padding at stride 1 can be equal to it for every extent of the input.
        """
        if self.auto_pad == "SAME_UPPER":
            return True
        totals = [extent - 1 for extent in self.extents]
        return (
            set(self.strides) == {1}
            and self.begin == tuple(total // 2 for total in totals)
            and self.end == tuple(total - total // 2 for total in totals)
        )

    def without_ceil_mode(self, sizes: Sequence[int | None]) -> Window:
        """The same windows with `ceil_mode` off and the end padding that makes rounding down give as many.

        A window that would begin in the padding at the end does not count. `sizes` are the input's spatial extents;
        along a dynamic one, such a window may be left.
        """
        if not self.known:
            return replace(self, ceil_mode=False)  # SAME, which rounds up anyway
        ends = []
        for size, extent, stride, begin, end in zip(
            sizes, self.extents, self.strides, self.begin, self.end, strict=True
        ):
            if size is None:
                ends.append(end + stride - 1)  # type: ignore[operator]
                continue
            count = -(-(size + begin + end - extent) // stride) + 1  # type: ignore[operator]
            if (count - 1) * stride >= size + begin:  # type: ignore[operator]
                count -= 1
            ends.append(max((count - 1) * stride + extent - size - begin, 0))  # type: ignore[operator]
        return replace(self, end=tuple(ends), ceil_mode=False)

    def without_padding(self) -> Window:
        """The same windows without padding, for an input that is already padded."""
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
    """Make a Window from the attributes that ONNX's convolutions and pooling operators share.

    Raises:
        Unsupported: there are not one to three spatial axes, or the padding is negative.
    """
    rank = len(kernel)
    if not 1 <= rank <= 3:
        raise node.decline(f"it has {rank} spatial axes (1 to 3 are supported)")
    if min(pads or (0,)) < 0:
        raise node.decline("negative padding has no counterpart")
    ones = (1,) * rank
    window = Window(tuple(kernel), tuple(strides or ones), tuple(dilations or ones), (0,) * rank, (0,) * rank)
    if not auto_pad.startswith("SAME"):
        window = replace(window, auto_pad=auto_pad, ceil_mode=bool(ceil_mode))
        if auto_pad == "NOTSET" and pads:
            window = replace(window, begin=tuple(pads[:rank]), end=tuple(pads[rank:]))
        return window
    if any(extent < stride - 1 for extent, stride in zip(window.extents, window.strides, strict=True)):
        raise node.decline(f"{auto_pad} of windows that skip elements crops in ONNX, but not in TensorFlow")
    axes = zip(sizes_of(x, rank), window.strides, window.extents, strict=True)
    totals = [_same_total(*axis) for axis in axes]
    lower = [None if total is None else total // 2 for total in totals]
    upper = [None if total is None else total - total // 2 for total in totals]
    if auto_pad == "SAME_LOWER":
        lower, upper = upper, lower
    return replace(window, begin=tuple(lower), end=tuple(upper), auto_pad=auto_pad)


def sizes_of(x: Operand, rank: int) -> tuple[int | None, ...]:
    """The extents of the last `rank` axes; None where dynamic."""
    return x.shape[-rank:] if x.shape is not None else (None,) * rank


def _same_total(size: int | None, stride: int, extent: int) -> int | None:
    """The total padding of one axis for ceil(size / stride) windows; None if it depends on a dynamic extent."""
    if stride == 1:
        return extent - 1
    return None if size is None else max((-(-size // stride) - 1) * stride + extent - size, 0)


def pad_input(x: Arg, window: Window, value: float = 0) -> Arg:
    """Pad `x` (N, C, …), for layers that do not support the padding."""
    if not window.known:
        args = (pad_same, x, window.extents, window.strides, window.auto_pad == "SAME_UPPER")
        return expr(
            "{0}({1}, {2}, {3}, {4}, {5})" if value else "{0}({1}, {2}, {3}, {4})", *args, *[value] * bool(value)
        )
    return pad_axes(x, ((0, 0), (0, 0), *zip(window.begin, window.end, strict=True)), value)


def pad_same(x, extents, strides, upper, value=0):
    """Pad every spatial axis for ceil(extent / stride) windows; an odd one goes to the end (upper) or the beginning."""
    for i in range(len(extents)):
        size = x.shape[i + 2]
        total = max(((-(-size // strides[i]) - 1) * strides[i] + extents[i] - size, 0))
        before = total // 2 if upper else total - total // 2
        x = pad_axis(x, i + 2, before, total - before, value)
    return x


def padding_of(window: Window) -> int | tuple[int, ...]:
    """The option `padding` of nn's convolutions: one number, or (begin, end) of every axis, from the first axis."""
    return scalar([pad or 0 for pair in zip(window.begin, window.end, strict=True) for pad in pair])


def scalar(values: Sequence[Arg]) -> Arg:
    """One number if all are equal, else a tuple, as nn's layers take it: (3, 3) gives 3."""
    return values[0] if len(set(values)) == 1 else tuple(values)
