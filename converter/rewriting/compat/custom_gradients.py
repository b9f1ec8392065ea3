"""Functions with a backward of their own, as torch.autograd.Function has them."""

import mindspore as ms
from mindspore import Tensor, nn, ops


@ms.jit_class
class Context:
    """What the forward of a torch.autograd.Function keeps for its backward."""

    saved_tensors = ()
    needs_input_grad = ()

    def save_for_backward(self, *tensors):
        self.saved_tensors = tensors

    def mark_non_differentiable(self, *tensors):
        pass

    def mark_dirty(self, *tensors):
        pass

    def set_materialize_grads(self, value):
        pass


@ms.constexpr
def differentiates():
    """Whether a Cell may be made for a call: graph mode takes the gradients of the forward instead."""
    return ms.get_context("mode") == ms.PYNATIVE_MODE


class Backward(nn.Cell):
    """Returns its first values; the gradients of the others are those of a torch.autograd.Function."""

    def __init__(self, backward, context, count):
        super().__init__()
        self.backward = backward
        self.context = context
        self.count = count  # of the results; 0 for one that is no tuple

    def construct(self, *values):
        return values[: self.count] if self.count else values[0]

    def bprop(self, *given):
        values, gradient = given[:-2], given[-1]
        results = self.count or 1
        self.context.needs_input_grad = (True,) * (len(values) - results)
        made = self.backward(self.context, *(gradient if self.count else (gradient,)))
        made = (None,) * results + (made if isinstance(made, tuple) else (made,))
        zeros = [ops.zeros_like(value) if isinstance(value, Tensor) else 0 for value in values]
        return tuple(zero if each is None else each for zero, each in zip(zeros, made))


def applied(function, *inputs):
    """`apply` of a torch.autograd.Function. In graph mode its gradients are those of its forward."""
    context = Context()
    if hasattr(function, "setup_context"):
        output = function.forward(*inputs)
        function.setup_context(context, inputs, output)
    else:
        output = function.forward(context, *inputs)
    if differentiates():
        many = isinstance(output, tuple)
        results = output if many else (output,)
        return Backward(function.backward, context, len(results) if many else 0)(*results, *inputs)
    return output


class Function:
    """torch.autograd.Function."""

    @classmethod
    def apply(cls, *inputs):
        return applied(cls, *inputs)
