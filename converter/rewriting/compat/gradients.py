"""Gradients as PyTorch keeps them: they wait at their parameters for an optimizer that takes a step."""

import contextlib
import math
import os

import mindspore as ms
from mindspore import Parameter, Tensor, nn, ops

optimizers = []  # every optimizer, for losses of which only they know the parameters


def backward(forward, *networks):
    """Compute a loss, the first result of a function, and add its gradients to those that wait; returns the results."""
    results, add = differentiated(forward, networks)
    add()
    return results


def deferred(forward, *networks):
    """Like `backward`, for gradients that are asked for later: the last result is a function that adds them."""
    results, add = differentiated(forward, networks)
    return (*results, add) if isinstance(results, tuple) else (results, add)


@contextlib.contextmanager
def pynative():
    """PyNative mode for a while: graph mode would keep the tensors, lists and rates of one call for the next."""
    mode = ms.get_context("mode")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        yield
    finally:
        ms.set_context(mode=mode)


@contextlib.contextmanager
def still(*networks):
    """Run networks again: statistics, and whatever else they keep without training it, have moved before."""
    cells = [each for network in networks if isinstance(network, nn.Cell) for _, each in network.cells_and_names()]
    kept = [each for cell in cells if cell.training for each in cell.get_parameters(expand=False)]
    kept = [(each, each.copy()) for each in kept if not each.requires_grad]
    yield
    for parameter, value in kept:
        assign(parameter, value)


def differentiated(forward, networks):
    """The results of a function, the first of which is a loss, and a function that adds its gradients."""
    results = []

    def loss():
        results[:] = [forward()]
        return results[0][0] if isinstance(results[0], tuple) else results[0]

    for _ in range(2):  # a second time where the function itself changed what is trained
        weights = trained(networks)
        with pynative():
            _, found = ms.value_and_grad(loss, None, weights)()
        if [id(each) for each in trainable(networks)] == [id(each) for each in weights]:
            break
    if wrapped and processes() > 1:
        found = [ops.AllReduce()(each) / processes() for each in found]

    def add():
        for weight, gradient in zip(weights, found):
            before = gradient_of(weight)
            weight.gradient = gradient if before is None else before + gradient

    return results[0], add


def gradients(forward, inputs, grad_outputs=None):
    """torch.autograd.grad of what a function makes of tensors, or of parameters; a tuple."""
    values = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    named = forward.__code__.co_argcount > 0

    def total(*given):
        made = forward(*given)
        made = made[0] if isinstance(made, (tuple, list)) else made
        return made.sum() if grad_outputs is None else (made * grad_outputs).sum()

    if all(isinstance(each, Parameter) for each in values):
        found = ms.grad(lambda: total(*(values if named else ())), None, list(values))()
    elif named:
        found = ms.grad(total, tuple(range(len(values))))(*values)
    else:
        raise NotImplementedError("torch.autograd.grad with respect to what the outputs do not name was not converted")
    return found if isinstance(found, tuple) else (found,)


wrapped = []  # the networks of which the processes average the gradients


def processes():
    """How many processes compute."""
    return ms.communication.get_group_size() if ms.communication.GlobalComm.INITED else 1


def rank():
    """torch.distributed.get_rank."""
    return ms.communication.get_rank() if ms.communication.GlobalComm.INITED else 0


def init_process_group():
    """torch.distributed.init_process_group: of the processes that msrun or mpirun started; else there is one."""
    if "MS_ROLE" in os.environ or "OMPI_COMM_WORLD_SIZE" in os.environ or "RANK_TABLE_FILE" in os.environ:
        ms.communication.init()


def barrier():
    """torch.distributed.barrier."""
    if processes() > 1:
        ms.communication.comm_func.barrier()


def all_reduce(tensor, op="sum"):
    """torch.distributed.all_reduce, in place."""
    if processes() > 1:
        total = ops.AllReduce("sum" if op == "avg" else op)(tensor)
        assign(tensor, total / processes() if op == "avg" else total)


class Parallel:
    """The class that scripts ask for of what is spread over devices: here of nothing, a network stays what it is."""


def data_parallel(module, *args, **kwargs):
    """torch.nn.DataParallel: one process computes."""
    object.__setattr__(module, "module", module)  # by which a script asks for what was wrapped
    return module


def distributed_data_parallel(module, *args, **kwargs):
    """torch.nn.parallel.DistributedDataParallel: the processes of msrun average the gradients."""
    wrapped.append(module)
    return data_parallel(module)


def trained(networks):
    """The parameters of some networks that are trained.

    Raises:
        RuntimeError: there are none.
    """
    found = trainable(networks)
    if not found:
        raise RuntimeError("no parameter is known that the loss depends on")
    return found


def trainable(networks):
    """The parameters of some networks that are trained; those of all optimizers where the networks have none."""
    found = [each for network in networks if isinstance(network, nn.Cell) for each in network.trainable_params()]
    found += [each for each in networks if isinstance(each, Parameter)]
    found = found or [each for optimizer in optimizers for each in optimizer.parameters if each.requires_grad]
    return list({id(each): each for each in found}.values())


def gradient_of(parameter):
    """Tensor.grad of a parameter: the gradient that waits for an optimizer."""
    return getattr(parameter, "gradient", None) if isinstance(parameter, Tensor) else parameter.grad


def set_gradient(parameter, value):
    """`parameter.grad = value`."""
    setattr(parameter, "gradient" if isinstance(parameter, Tensor) else "grad", value)


def zero_grad(network, set_to_none=True):
    """zero_grad of a module, or of an optimizer."""
    own = hasattr(network, "param_groups")
    for parameter in network.parameters if own else network.get_parameters():
        parameter.gradient = None


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """torch.nn.utils.clip_grad_norm_, of the gradients that wait; returns their norm."""
    parameters = with_gradients(parameters)
    values = [each.gradient.abs() for each in parameters]
    if float(norm_type) == math.inf:
        norm = ops.stack([each.max() for each in values]).max()
    else:
        norm = ops.stack([(each**norm_type).sum() for each in values]).sum() ** (1.0 / norm_type)
    scale = ops.clamp(max_norm / (norm + 1e-6), max=1.0)
    for each in parameters:
        each.gradient = each.gradient * scale
    return norm


def clip_grad_value_(parameters, clip_value, foreach=None):
    """torch.nn.utils.clip_grad_value_, of the gradients that wait."""
    for each in with_gradients(parameters):
        each.gradient = ops.clamp(each.gradient, -clip_value, clip_value)


def with_gradients(parameters):
    """The parameters for which gradients wait."""
    parameters = [parameters] if isinstance(parameters, Parameter) else parameters
    return [each for each in parameters if gradient_of(each) is not None]


def parameters_to_vector(parameters):
    """torch.nn.utils.parameters_to_vector."""
    return ops.cat([each.reshape((-1,)) for each in parameters])


def vector_to_parameters(vec, parameters):
    """torch.nn.utils.vector_to_parameters."""
    at = 0
    for each in parameters:
        assign(each, vec[at : at + each.size].reshape(each.shape))
        at += each.size
