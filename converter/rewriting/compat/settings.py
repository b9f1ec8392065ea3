"""Settings that a script gives layers that it has made: MindSpore's compute with operators that hold them."""

from mindspore import nn, ops


def pair_of(value):
    """A setting of a convolution for each axis."""
    return (value, value) if isinstance(value, int) else tuple(value)


def per_axis(value, rank):
    """A setting of a convolution as PyTorch has it: a number for each axis."""
    return (value,) * rank if isinstance(value, int) else tuple(value[-rank:])


def padding_per_axis(value, rank):
    """The padding of a convolution as PyTorch has it: MindSpore keeps both sides of each axis."""
    return (value,) * rank if isinstance(value, int) else tuple(value[-2 * rank :: 2])


def setting(layer, name):
    """A setting of what may be a convolution, as PyTorch has it."""
    value = getattr(layer, name)
    per = padding_per_axis if name == "padding" else per_axis
    if isinstance(layer, (nn.Conv1d, nn.Conv1dTranspose)):
        return per(value, 1)
    if isinstance(layer, (nn.Conv2d, nn.Conv2dTranspose)):
        return per(value, 2)
    if isinstance(layer, (nn.Conv3d, nn.Conv3dTranspose)):
        return per(value, 3)
    return value


def set_convolution(layer, name, value):
    """Give a convolution over two axes another stride, padding or dilation."""
    if name == "padding":
        sides = pair_of(value)
        layer.padding = (sides[0], sides[0], sides[1], sides[1])
    else:
        setattr(layer, name, pair_of(value))
    layer.conv2d = ops.Conv2D(
        layer.out_channels, layer.kernel_size, pad_mode=layer.pad_mode, pad=layer.padding, stride=layer.stride,
        dilation=layer.dilation, group=layer.group, data_format=layer.data_format,
    )  # fmt: skip


def set_norm(layer, name, value):
    """Give a batch norm another eps, or another momentum: its attribute is PyTorch's, only its argument is the rest."""
    setattr(layer, name, value)
    layer.bn_train = ops.BatchNorm(True, layer.eps, layer.momentum, layer.format)
    layer.bn_infer = ops.BatchNorm(False, layer.eps, data_format=layer.format)


def set_setting(layer, name, value):
    """`layer.stride = value` of a layer that has been made; of anything else the attribute."""
    norms = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
    if isinstance(layer, nn.Conv2d) and name in ("stride", "padding", "dilation"):
        set_convolution(layer, name, value)
    elif isinstance(layer, norms) and name in ("momentum", "eps"):
        set_norm(getattr(layer, "bn2d", layer), name, value)
    elif isinstance(layer, nn.Dropout) and name == "p":
        layer.p, layer.dropout = value, ops.Dropout(1.0 - value)
    elif isinstance(layer, nn.Cell) and type(layer).__module__.startswith("mindspore."):
        raise NotImplementedError(f"{name} of a {type(layer).__name__} that has been made cannot be changed")
    else:
        setattr(layer, name, value)
