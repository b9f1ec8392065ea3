"""Layers whose weight is computed from other parameters at each call, as PyTorch's spectral_norm and weight_norm do."""

import functools

from mindspore import Parameter, nn, ops

TRANSPOSED = (nn.Conv1dTranspose, nn.Conv2dTranspose, nn.Conv3dTranspose)


def first_axis(weight, dim):
    """A weight as a matrix, whose rows are the given axis."""
    return weight.swapaxes(0, dim).reshape((weight.shape[dim], -1))


def unit(vector, eps):
    """A vector of length one."""
    return vector / ops.maximum(ops.sqrt((vector * vector).sum()), ops.full((), eps, dtype=vector.dtype))


class SpectralNormed(nn.Cell):
    """What a layer with a spectral norm does besides."""

    @property
    def weight(self):
        matrix = first_axis(self.weight_orig, self.rows_of_weight)
        sigma = (self.weight_u * ops.matmul(matrix, self.weight_v.reshape((-1, 1))).reshape((-1,))).sum()
        return self.weight_orig / sigma

    def iterate(self, times):
        matrix = ops.stop_gradient(first_axis(self.weight_orig, self.rows_of_weight))
        u, v = self.weight_u, self.weight_v
        for _ in range(times):
            v = unit(ops.matmul(matrix.swapaxes(0, 1), u.reshape((-1, 1))).reshape((-1,)), self.eps_of_weight)
            u = unit(ops.matmul(matrix, v.reshape((-1, 1))).reshape((-1,)), self.eps_of_weight)
        ops.assign(self.weight_u, u)
        ops.assign(self.weight_v, v)

    def construct(self, *inputs):
        if self.training:
            self.iterate(self.iterations)
        return super().construct(*inputs)


class WeightNormed(nn.Cell):
    """What a layer with a weight norm does besides."""

    @property
    def weight(self):
        return self.weight_v * (self.weight_g / length(self.weight_v, self.rows_of_weight))


def length(weight, dim):
    """The norm over all axes but one, or over all."""
    axes = tuple([axis for axis in range(weight.ndim) if axis != dim])
    return ops.sqrt((weight * weight).sum(axes, keepdims=True))


@functools.cache
def derived(kind, other):
    """A class of layers that derives from another one as well."""
    return type(kind.__name__, (other, kind), {"__module__": __name__})


def taken(module, name, other):
    """Take the weight of a layer away; its value, and what stands before the names of its parameters."""
    weight = module._params.get(name)
    if weight is None or name != "weight":
        raise NotImplementedError(f"a norm of '{name}' of {type(module).__name__} was not converted")
    delattr(module, name)
    module.__class__ = derived(type(module), other)
    return weight.value(), weight.name[: -len(name)]


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None, before=0):
    """torch.nn.utils.spectral_norm."""
    weight, prefix = taken(module, name, SpectralNormed)
    module.rows_of_weight = (1 if isinstance(module, TRANSPOSED) else 0) if dim is None else dim % weight.ndim
    module.eps_of_weight, module.iterations = eps, n_power_iterations
    matrix = first_axis(weight, module.rows_of_weight)
    module.weight_orig = Parameter(weight, name=f"{prefix}weight_orig")
    for each, size in zip(("weight_u", "weight_v"), matrix.shape):
        register_buffer(module, each, unit(ops.standard_normal((size,)), eps))
        getattr(module, each).name = prefix + each
    if before:
        module.iterate(before)
    return module


def parametrized_spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """torch.nn.utils.parametrizations.spectral_norm."""
    return spectral_norm(module, name, n_power_iterations, eps, dim, before=15)


def weight_norm(module, name="weight", dim=0):
    """torch.nn.utils.weight_norm."""
    weight, prefix = taken(module, name, WeightNormed)
    module.rows_of_weight = -1 if dim is None else dim % weight.ndim
    module.weight_g = Parameter(length(weight, module.rows_of_weight), name=f"{prefix}weight_g")
    module.weight_v = Parameter(weight, name=f"{prefix}weight_v")
    return module


def remove_norm(module, name="weight"):
    """torch.nn.utils.remove_weight_norm and remove_spectral_norm."""
    weight = module.weight
    own = [each for each in module._params if each.startswith("weight_")]
    prefix = module._params[own[0]].name[: -len(own[0])]
    for each in own:
        delattr(module, each)
    module.buffer_names = ()
    module.__class__ = type(module).__mro__[2]
    module.weight = Parameter(weight, name=f"{prefix}weight")
    return module
