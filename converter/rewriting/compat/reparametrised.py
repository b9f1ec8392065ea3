"""Layers whose weight is computed from other parameters at each call, as PyTorch's spectral_norm and weight_norm do."""

import functools

from mindspore import Parameter, nn, ops

TRANSPOSED = (nn.Conv1dTranspose, nn.Conv2dTranspose, nn.Conv3dTranspose)

PRODUCTS = ("matmul", "conv2d", "conv3d", "conv2d_transpose", "conv3d_transpose")


def first_axis(weight, dim):
    """A weight as a matrix, whose rows are the given axis."""
    return weight.swapaxes(0, dim).reshape((weight.shape[dim], -1))


def unit(vector, eps):
    """A vector of length one."""
    return vector / ops.maximum(ops.sqrt((vector * vector).sum()), ops.full((), eps, dtype=vector.dtype))


class SpectralNormed(nn.Cell):
    """The product of a layer, with its weight divided by the largest singular value."""

    def __init__(self, product, dim, times, eps):
        super().__init__()
        self.product, self.dim, self.times, self.eps = product, dim, times, eps

    def weight(self):
        return self.divided(self.weight_u, self.weight_v)

    def divided(self, u, v):
        matrix = first_axis(self.weight_orig, self.dim)
        sigma = (u * ops.matmul(matrix, v.reshape((-1, 1))).reshape((-1,))).sum()
        return self.weight_orig / sigma

    def iterate(self, times):
        """The vectors after some more steps, which the layer keeps for its next call."""
        matrix = ops.stop_gradient(first_axis(self.weight_orig, self.dim))
        u, v = self.weight_u, self.weight_v
        for _ in range(times):
            v = unit(ops.matmul(matrix.swapaxes(0, 1), u.reshape((-1, 1))).reshape((-1,)), self.eps)
            u = unit(ops.matmul(matrix, v.reshape((-1, 1))).reshape((-1,)), self.eps)
        ops.assign(self.weight_u, u)
        ops.assign(self.weight_v, v)
        return u, v

    def construct(self, x, weight, *rest):
        if not self.training:
            return self.product(x, self.weight(), *rest)
        u, v = self.iterate(self.times)  # not what the layer keeps: a second call changes that before the gradient
        return self.product(x, self.divided(u, v), *rest)


class WeightNormed(nn.Cell):
    """The product of a layer, with a weight that is a direction and a length."""

    def __init__(self, product, dim):
        super().__init__()
        self.product, self.dim = product, dim

    def weight(self):
        return self.weight_v * (self.weight_g / length(self.weight_v, self.dim))

    def construct(self, x, weight, *rest):
        return self.product(x, self.weight(), *rest)


class Parametrized(nn.Cell):
    """The product of a layer, with a weight that other cells compute from the one that is trained."""

    def __init__(self, product, step):
        super().__init__()
        self.product, self.steps = product, nn.CellList([step])

    def weight(self):
        weight = self.original
        if in_pynative():  # in graph mode nothing reads it, and MindSpore's compiler ends at the calls of cells
            for step in self.steps:
                weight = step(weight)
        return weight

    def construct(self, x, weight, *rest):
        computed = self.original
        for step in self.steps:
            computed = step(computed)
        return self.product(x, computed, *rest)


def register_parametrization(module, tensor_name, parametrization, unsafe=False):
    """torch.nn.utils.parametrize.register_parametrization, of the weight of a layer."""
    if isinstance(getattr(module, "computing", None), Parametrized) and tensor_name == "weight":
        module.computing.steps.append(parametrization)
        return module

    def parameters(weight):
        value = weight.value()
        if hasattr(parametrization, "right_inverse"):
            value = parametrization.right_inverse(value)
        return {"original": Parameter(value)}

    reparametrise(module, tensor_name, lambda product: Parametrized(product, parametrization), parameters)
    return module


def is_parametrized(module, tensor_name=None):
    """torch.nn.utils.parametrize.is_parametrized."""
    return hasattr(module, "computing") and tensor_name in (None, "weight")


def remove_parametrizations(module, tensor_name, leave_parametrized=True):
    """torch.nn.utils.parametrize.remove_parametrizations."""
    original = None if leave_parametrized else module.original.value()
    remove_norm(module, tensor_name)
    if original is not None:
        module.weight.set_data(original)
    return module


def length(weight, dim):
    """The norm over all axes but one, or over all."""
    axes = tuple([axis for axis in range(weight.ndim) if axis != dim])
    return ops.sqrt((weight * weight).sum(axes, keepdims=True))


class WeightComputed(nn.Cell):
    """A layer whose product computes the weight. It hands its product a weight, which graph mode takes for a constant."""

    @property
    def weight(self):
        return self.computing.weight()


@functools.cache
def computed(kind):
    """A class of layers whose weight is computed."""
    return type(kind.__name__, (WeightComputed, kind), {"__module__": __name__})


def reparametrise(module, name, made, parameters):
    """Let the product of a layer compute the weight: `made(product)`, with parameters by their names."""
    weight = module._params.get(name)
    is_split = isinstance(module, nn.Conv3d) and module.group > 1
    if weight is None or name != "weight" or is_split:
        raise NotImplementedError(f"a norm of '{name}' of {type(module).__name__} was not converted")
    place = next(each for each in PRODUCTS if hasattr(module, each))
    product = made(getattr(module, place))
    delattr(module, name)
    setattr(module, place, product)
    object.__setattr__(module, "computing", product)  # no second child
    module.__class__ = computed(type(module))
    for each, parameter in parameters(weight).items():
        parameter.name = weight.name[: -len(name)] + each
        setattr(module, each, parameter)
        setattr(product, each, parameter)
    return product


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None, before=0):
    """torch.nn.utils.spectral_norm."""
    if dim is None:
        dim = 1 if isinstance(module, TRANSPOSED) else 0

    def parameters(weight):
        sizes = first_axis(weight, dim % weight.ndim).shape
        vectors = [Parameter(unit(ops.standard_normal((size,)), eps), requires_grad=False) for size in sizes]
        return {"weight_orig": Parameter(weight.value()), "weight_u": vectors[0], "weight_v": vectors[1]}

    def made(product):
        return SpectralNormed(product, dim, n_power_iterations, eps)

    product = reparametrise(module, name, made, parameters)
    module.buffer_names = (*getattr(module, "buffer_names", ()), "weight_u", "weight_v")
    if before:
        product.iterate(before)
    return module


def parametrized_spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """torch.nn.utils.parametrizations.spectral_norm."""
    return spectral_norm(module, name, n_power_iterations, eps, dim, before=15)


def weight_norm(module, name="weight", dim=0):
    """torch.nn.utils.weight_norm."""

    def parameters(weight):
        return {"weight_g": Parameter(length(weight, axis(weight))), "weight_v": Parameter(weight.value())}

    def axis(weight):
        return -1 if dim is None else dim % weight.ndim

    reparametrise(module, name, lambda product: WeightNormed(product, axis(module.weight)), parameters)
    return module


def remove_norm(module, name="weight"):
    """torch.nn.utils.remove_weight_norm and remove_spectral_norm."""
    weight, product = module.weight, module.computing
    place = next(each for each in PRODUCTS if getattr(module, each, None) is product)
    for each, parameter in list(product._params.items()):
        prefix = parameter.name[: -len(each)]
        delattr(module, each)
    module.buffer_names = tuple(each for each in getattr(module, "buffer_names", ()) if each not in product._params)
    module.__class__ = type(module).__mro__[2]
    setattr(module, place, product.product)
    module.weight = Parameter(weight, name=f"{prefix}weight")
    return module
