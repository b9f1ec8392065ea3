"""Padding of tensors, and the layers of it."""

from mindspore import nn, ops


def pad(input, pad, mode="constant", value=None):
    """torch.nn.functional.pad; ops.pad cuts only once on the CPU, in the gradients of graph mode, too."""
    pairs = [(pad[place], pad[place + 1]) for place in range(0, len(pad), 2)]
    for place, (before, after) in enumerate(pairs):
        cut, axis = max(-before, 0) + max(-after, 0), input.ndim - 1 - place
        if cut > 0:
            input = ops.narrow(input, axis, max(-before, 0), input.shape[axis] - cut)
    if mode != "constant":
        return ops.pad(input, tuple([max(each, 0) for each in pad]), mode)
    added = [(max(before, 0), max(after, 0)) for before, after in pairs]
    widths = tuple([(0, 0)] * (input.ndim - len(added)) + added[::-1])
    padded = ops.Pad(widths)(input)
    return ops.where(ops.Pad(widths)(ops.ones_like(input)) > 0, padded, value) if value else padded


class ConstantPad(nn.Cell):
    """torch.nn.ConstantPad1d, ConstantPad2d and ConstantPad3d."""

    def __init__(self, padding, value, axes):
        super().__init__()
        self.padding = (padding,) * (2 * axes) if isinstance(padding, int) else tuple(padding)
        self.value = value

    def construct(self, input):
        return pad(input, self.padding, "constant", self.value)
