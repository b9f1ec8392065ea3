"""Derivatives of functions in the order of results that torch.func has."""

import mindspore as ms


def grad_and_value(func, argnums=0, has_aux=False):
    """torch.func.grad_and_value."""
    both = ms.value_and_grad(func, argnums)

    def run(*inputs):
        value, gradients = both(*inputs)
        return gradients, value

    return run


def jvp(func, primals, tangents):
    """torch.func.jvp."""
    if len(primals) == 1:
        return ms.jvp(func, primals[0], tangents[0])
    return ms.jvp(func, tuple(primals), tuple(tangents))


def vjp(func, *primals):
    """torch.func.vjp, whose function returns a tuple."""
    output, pulled = ms.vjp(func, *primals)

    def run(*cotangents):
        found = pulled(*cotangents)
        return found if isinstance(found, tuple) else (found,)

    return output, run


def jacobian(func, inputs):
    """torch.autograd.functional.jacobian of one tensor, or of several."""
    if isinstance(inputs, tuple):
        return ms.jacrev(func, tuple(range(len(inputs))))(*inputs)
    return ms.jacrev(func)(inputs)


def hessian(func, inputs):
    """torch.autograd.functional.hessian of one tensor, or of several."""
    if isinstance(inputs, tuple):
        places = tuple(range(len(inputs)))
        return ms.jacfwd(ms.jacrev(func, places), places)(*inputs)
    return ms.jacfwd(ms.jacrev(func))(inputs)
