"""Softmax and its like with PyTorch's choice of an axis where none is given."""

from mindspore import nn, ops


def implicit_axis(x):
    """The axis of torch.nn.functional.softmax without `dim`."""
    return 0 if x.ndim in (0, 1, 3) else 1


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """torch.nn.functional.softmax."""
    return ops.softmax(input, axis=implicit_axis(input) if dim is None else dim, dtype=dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """torch.nn.functional.log_softmax."""
    input = input if dtype is None else input.astype(dtype)
    return ops.log_softmax(input, axis=implicit_axis(input) if dim is None else dim)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """torch.nn.functional.softmin."""
    return softmax(-input, dim, _stacklevel, dtype)


class Softmax(nn.Softmax):
    """torch.nn.Softmax."""

    def __init__(self, dim=None):
        super().__init__(axis=-1 if dim is None else dim)
        self.dim = dim

    def construct(self, input):
        return softmax(input, self.dim)


class LogSoftmax(nn.LogSoftmax):
    """torch.nn.LogSoftmax."""

    def __init__(self, dim=None):
        super().__init__(axis=-1 if dim is None else dim)
        self.dim = dim

    def construct(self, input):
        return log_softmax(input, self.dim)


class Softmin(nn.Softmin):
    """torch.nn.Softmin."""

    def __init__(self, dim=None):
        super().__init__(axis=-1 if dim is None else dim)
        self.dim = dim

    def construct(self, input):
        return softmin(input, self.dim)
