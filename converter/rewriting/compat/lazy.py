"""Layers that see at their first call how many channels they take, and become ordinary ones then."""

from mindspore import nn


class LazyLayer(nn.Cell):
    """What becomes a layer of `kind`, with the length of an axis as its first argument."""

    kind, axis = None, 1

    def __init__(self, *args, **kwargs):
        super().__init__()
        self.given = args, kwargs

    def __call__(self, x, *args):
        positional, named = self.given
        made = type(self).kind(x.shape[self.axis], *positional, **named)
        made.set_train(self.training)
        for name, parameter in made.parameters_and_names():
            parameter.name = f"{self.param_prefix}.{name}" if self.param_prefix else name
        for name in list(vars(self)):
            del self.__dict__[name]
        self.__dict__.update(vars(made))
        self.__class__ = type(made)
        return self(x, *args)


class LazyLinear(LazyLayer):
    """torch.nn.LazyLinear."""

    axis = -1

    @staticmethod
    def kind(size, out_features, bias=True, device=None, dtype=None):
        return nn.Dense(size, out_features, has_bias=bias)


class LazyConv1d(LazyLayer):
    """torch.nn.LazyConv1d."""

    kind = Conv1d


class LazyConv2d(LazyLayer):
    """torch.nn.LazyConv2d."""

    kind = Conv2d


class LazyConv3d(LazyLayer):
    """torch.nn.LazyConv3d."""

    kind = Conv3d


class LazyBatchNorm1d(LazyLayer):
    """torch.nn.LazyBatchNorm1d."""

    kind = BatchNorm1d


class LazyBatchNorm2d(LazyLayer):
    """torch.nn.LazyBatchNorm2d."""

    kind = BatchNorm2d
