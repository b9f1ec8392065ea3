"""Convolutions and pooling over windows, where MindSpore's have other parameters."""

from mindspore import nn, ops


class Fold(nn.Cell):
    """torch.nn.Fold."""

    def __init__(self, output_size, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.how = (output_size, kernel_size, dilation, padding, stride)

    def construct(self, input):
        return fold(input, *self.how)


def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """torch.nn.functional.fold: windows, as columns, are added where they lie."""
    height, width = tuple_of(output_size, 2)
    kernel, dilation = tuple_of(kernel_size, 2), tuple_of(dilation, 2)
    padding, stride = tuple_of(padding, 2), tuple_of(stride, 2)
    rows = (height + 2 * padding[0] - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    columns = (width + 2 * padding[1] - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    windows = input.reshape((input.shape[0], -1, *kernel, rows, columns))
    out = ops.zeros((input.shape[0], windows.shape[1], height + 2 * padding[0], width + 2 * padding[1]), input.dtype)
    for i in range(kernel[0]):
        for j in range(kernel[1]):
            at = ops.arange(rows) * stride[0] + i * dilation[0]
            across = ops.arange(columns) * stride[1] + j * dilation[1]
            placed = index_add(
                ops.zeros((*out.shape[:2], out.shape[2], columns), input.dtype), 2, at, windows[:, :, i, j]
            )
            out = index_add(out, 3, across, placed)
    return out[:, :, padding[0] : padding[0] + height, padding[1] : padding[1] + width]


class ConvTranspose2d(nn.Conv2dTranspose):
    """torch.nn.ConvTranspose2d with any padding: with `output_padding`, or another one for each axis."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True,
        dilation=1, padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, tuple_of(kernel_size, 2), tuple_of(stride, 2), "valid", group=groups,
            dilation=tuple_of(dilation, 2), has_bias=bias,
        )  # fmt: skip
        self.how = (stride, padding, output_padding, groups, dilation)

    def construct(self, x):
        return conv_transpose2d(x, self.weight, self.bias, *self.how)


def conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """torch.nn.functional.conv_transpose2d: a convolution of the input with zeros between its elements."""
    stride, padding, extra = tuple_of(stride, 2), tuple_of(padding, 2), tuple_of(output_padding, 2)
    dilation = tuple_of(dilation, 2)
    batch, channels, height, width = input.shape
    spread = input.reshape((batch, channels, height, 1, width, 1))
    spread = pad(spread, (0, stride[1] - 1, 0, 0, 0, stride[0] - 1)) if max(stride) > 1 else spread
    spread = spread.reshape((batch, channels, height * stride[0], width * stride[1]))
    spread = spread[:, :, : (height - 1) * stride[0] + 1, : (width - 1) * stride[1] + 1]
    sides = [dilation[axis] * (weight.shape[2 + axis] - 1) - padding[axis] for axis in range(2)]
    if min(sides) < 0:
        raise NotImplementedError("conv_transpose2d with padding larger than its kernel was not converted")
    spread = pad(spread, (sides[1], sides[1] + extra[1], sides[0], sides[0] + extra[0]))
    flipped = weight.flip((2, 3)).reshape((groups, channels // groups, -1, *weight.shape[2:])).swapaxes(1, 2)
    flipped = flipped.reshape((-1, channels // groups, *weight.shape[2:]))
    return ops.conv2d(spread, flipped, bias, dilation=dilation, groups=groups, pad_mode="valid")


def conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """torch.nn.functional.conv_transpose1d."""
    how = [(1, tuple_of(each, 1)[0]) for each in (stride, dilation)]
    edge = [(0, tuple_of(each, 1)[0]) for each in (padding, output_padding)]
    wide = conv_transpose2d(
        input.expand_dims(2), weight.expand_dims(2), bias, how[0], edge[0], edge[1], groups, how[1]
    )  # fmt: skip
    return wide.squeeze(2)


def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """torch.nn.functional.max_pool1d."""
    kernel = tuple_of(kernel_size, 1)[0]
    step = kernel if stride is None else tuple_of(stride, 1)[0]
    edge = (0, tuple_of(padding, 1)[0])
    return max_pool2d(input.expand_dims(2), (1, kernel), (1, step), edge, (1, dilation), ceil_mode).squeeze(2)


def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """torch.nn.functional.avg_pool1d."""
    kernel = tuple_of(kernel_size, 1)[0]
    step = kernel if stride is None else tuple_of(stride, 1)[0]
    edge = (0, tuple_of(padding, 1)[0])
    pooled = avg_pool2d(input.expand_dims(2), (1, kernel), (1, step), edge, ceil_mode, count_include_pad)
    return pooled.squeeze(2)


def conv(function, rank, input, weight, bias, stride, padding, dilation, groups):
    """A convolution with PyTorch's padding, which may differ by axis."""
    if isinstance(padding, str):
        return function(input, weight, bias, stride=stride, pad_mode=padding, dilation=dilation, groups=groups)
    if isinstance(padding, (tuple, list)):
        if len(padding) == rank and len(set(padding)) > 1:
            widths = ()
            for size in padding:
                widths = (size, size, *widths)
            input = pad(input, widths)
            padding = 0
        else:
            padding = padding[0]
    return function(
        input, weight, bias, stride=stride, pad_mode="pad", padding=padding, dilation=dilation, groups=groups
    )


def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """torch.nn.functional.conv1d."""
    first = [each[0] if isinstance(each, (tuple, list)) else each for each in (stride, dilation)]
    return conv(ops.conv1d, 1, input, weight, bias, first[0], padding, first[1], groups)


def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """torch.nn.functional.conv2d."""
    return conv(ops.conv2d, 2, input, weight, bias, stride, padding, dilation, groups)


def avg_pool2d(
    input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
):
    """torch.nn.functional.avg_pool2d."""
    stride = kernel_size if stride is None else stride
    if isinstance(padding, (tuple, list)):
        padding = (padding[0], padding[0], padding[-1], padding[-1])
    return ops.avg_pool2d(
        input,
        kernel_size,
        stride,
        padding,
        ceil_mode,
        count_include_pad,
        0 if divisor_override is None else divisor_override,
    )


def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
    """torch.nn.functional.max_pool2d."""
    stride = kernel_size if stride is None else stride
    return ops.max_pool2d(
        input, kernel_size, stride, padding, dilation=dilation, return_indices=return_indices, ceil_mode=ceil_mode
    )
