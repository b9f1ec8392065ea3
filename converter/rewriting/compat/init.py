"""Initialisers: torch.nn.init."""

import math

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer


def set_values(tensor, values):
    """Set the values of a parameter, or of a tensor."""
    if not isinstance(values, Tensor):
        values = Tensor(np.asarray(values), tensor.dtype)
    if isinstance(tensor, Parameter):
        tensor.set_data(values.astype(tensor.dtype))
    else:
        tensor.assign_value(values.astype(tensor.dtype))
    return tensor


def constant_(tensor, val):
    """torch.nn.init.constant_."""
    return set_values(tensor, np.full(tensor.shape, val))


def zeros_(tensor):
    """torch.nn.init.zeros_."""
    return constant_(tensor, 0)


def ones_(tensor):
    """torch.nn.init.ones_."""
    return constant_(tensor, 1)


def eye_(tensor):
    """torch.nn.init.eye_."""
    return set_values(tensor, np.eye(*tensor.shape))


def dirac_(tensor, groups=1):
    """torch.nn.init.dirac_."""
    values = np.zeros(tensor.shape)
    middle = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        for number in range(min(tensor.shape[0] // groups, tensor.shape[1])):
            values[(group * (tensor.shape[0] // groups) + number, number, *middle)] = 1
    return set_values(tensor, values)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """torch.nn.init.normal_."""
    return set_values(tensor, np.random.normal(mean, std, tensor.shape))


def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """torch.nn.init.uniform_."""
    return set_values(tensor, np.random.uniform(a, b, tensor.shape))


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """torch.nn.init.trunc_normal_: a normal distribution, drawn again outside a and b."""
    values = np.random.normal(mean, std, tensor.shape)
    outside = (values < a) | (values > b)
    while outside.any():
        values[outside] = np.random.normal(mean, std, int(outside.sum()))
        outside = (values < a) | (values > b)
    return set_values(tensor, values)


def _calculate_fan_in_and_fan_out(tensor):
    """Of a weight (out, in, *kernel); a Conv1d of MindSpore has (out, in, 1, kernel), which is the same."""
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def calculate_gain(nonlinearity, param=None):
    """torch.nn.init.calculate_gain."""
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        return math.sqrt(2.0 / (1 + (0.01 if param is None else param) ** 2))
    return 0.75 if nonlinearity == "selu" else 1.0


def xavier_normal_(tensor, gain=1.0, generator=None):
    """torch.nn.init.xavier_normal_."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor))))


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """torch.nn.init.xavier_uniform_."""
    bound = gain * math.sqrt(6.0 / sum(_calculate_fan_in_and_fan_out(tensor)))
    return uniform_(tensor, -bound, bound)


def _deviation(tensor, a, mode, nonlinearity):
    fan = _calculate_fan_in_and_fan_out(tensor)[0 if mode == "fan_in" else 1]
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """torch.nn.init.kaiming_normal_."""
    return normal_(tensor, 0.0, _deviation(tensor, a, mode, nonlinearity))


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """torch.nn.init.kaiming_uniform_."""
    bound = math.sqrt(3.0) * _deviation(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound)


def orthogonal_(tensor, gain=1, generator=None):
    """torch.nn.init.orthogonal_."""
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    flat = np.random.normal(size=(max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(flat)
    q = q * np.sign(np.diag(r))
    return set_values(tensor, gain * (q.T if rows < columns else q).reshape(tensor.shape))


OWN_NAMES = {
    "weight": ("gamma", "embedding_table", "w"),
    "bias": ("beta",),
    "running_mean": ("moving_mean",),
    "running_var": ("moving_variance",),
}


def own_name(cell, name):
    """What a layer of any class calls the weight of PyTorch's name."""
    every = (name, *OWN_NAMES[name])
    found = [each for each in every if each in cell._params] or [each for each in every if hasattr(cell, each)]
    return found[0] if found else name


def own(cell, name):
    """A weight of a layer of any class by PyTorch's name."""
    return getattr(cell, own_name(cell, name))


def share(cell, name, parameter):
    """Let a layer of any class have another weight, or that of another one."""
    if isinstance(cell, nn.Cell):
        name = own_name(cell, name)
        if parameter.name.startswith("Parameter") and isinstance(getattr(cell, name, None), Parameter):
            parameter.name = getattr(cell, name).name  # a new one takes the name of the old one
    setattr(cell, name, parameter)


def assign(tensor, value):
    """Set a parameter, in the constructor and in `construct`."""
    return ops.assign(tensor, value) if isinstance(tensor, Parameter) else tensor.assign_value(value)


def set_data(target, value):
    """`target.data = value`, of a tensor or of anything else."""
    if isinstance(target, Tensor):
        assign(target, value)
    else:
        target.data = value


def copied(tensor, value):
    """The value in the type and shape of a tensor."""
    return ops.broadcast_to(value.astype(tensor.dtype), tensor.shape)


def requires_grad_(target, requires_grad=True):
    """Tensor.requires_grad_ and Module.requires_grad_."""
    for parameter in parameters(target) if hasattr(target, "get_parameters") else [target]:
        parameter.requires_grad = requires_grad
    return target


def as_tensor(data, dtype=None, device=None):
    """torch.as_tensor."""
    if isinstance(data, Tensor):
        return data if dtype is None else data.astype(dtype)
    return ms.tensor(list(data) if isinstance(data, range) else data, dtype=dtype)


def rand(*size, dtype=None):
    """torch.rand."""
    shape = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    return ops.rand(tuple(shape), dtype=ms.float32 if dtype is None else dtype)


def randn(*size, dtype=None):
    """torch.randn."""
    shape = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    return ops.randn(tuple(shape), dtype=ms.float32 if dtype is None else dtype)


def initialized(shape, how, dtype=None):
    """A tensor with the values of one of MindSpore's initialisers."""
    return initializer(how, shape, ms.float32 if dtype is None else dtype).init_data()
