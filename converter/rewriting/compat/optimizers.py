"""Optimizers by PyTorch's formulas: each takes its step from gradients that wait at the parameters.

Those of MindSpore differ: eps is added elsewhere, amsgrad is not looked at, and a parameter without a gradient decays.
"""

import collections
import math

from mindspore import Parameter, Tensor, ops


class Optimizer:
    """torch.optim.Optimizer: parameters in groups, and a state for each. Derived classes have `update`, or a `step`."""

    def __init__(self, params, defaults):
        self.defaults = defaults
        self.state = collections.defaultdict(dict)
        self.param_groups = []
        params = list(params)
        for group in params if params and isinstance(params[0], dict) else [{"params": params}]:
            self.add_param_group(group)
        optimizers.append(self)

    @property
    def parameters(self):
        return [each for group in self.param_groups for each in group["params"]]

    def add_param_group(self, param_group):
        params = param_group["params"]
        params = [params] if isinstance(params, Tensor) else list(params)
        group = {**self.defaults, **param_group, "params": params}
        if "lr" in group:
            group["lr"] = float(group["lr"])  # a script may read and set it
        self.param_groups.append(group)

    def zero_grad(self, set_to_none=True):
        for parameter in self.parameters:
            parameter.gradient = None

    def step(self, closure=None):
        loss = None if closure is None else closure()
        with pynative():
            for group in self.param_groups:
                for weight in group["params"]:
                    gradient = gradient_of(weight)
                    if gradient is not None:
                        self.take(weight, gradient, self.state[weight], group)
        return loss

    def take(self, weight, gradient, state, group):
        """One step of one parameter: the weight decay that all have in common, and what is the optimizer's own."""
        state["step"] = state.get("step", 0) + 1
        gradient = -gradient if group.get("maximize") else gradient
        decay = group.get("weight_decay", 0)
        if decay and group.get("decoupled_weight_decay"):
            descent(weight, float(group["lr"]) * decay, weight)
        elif decay:
            gradient = gradient + decay * weight
        self.update(weight, gradient, state, group, float(group["lr"]))

    def update(self, weight, gradient, state, group, lr):
        raise NotImplementedError

    def state_dict(self):
        """The state by the places of the parameters, and the settings of the groups."""
        parameters = self.parameters
        state = {place: self.state[each] for place, each in enumerate(parameters) if each in self.state}
        groups, at = [], 0
        for group in self.param_groups:
            places = list(range(at, at := at + len(group["params"])))
            groups.append({**group, "params": places})
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict):
        for place, each in enumerate(self.parameters):
            if place in state_dict["state"]:
                self.state[each] = {name: own_copy(value) for name, value in state_dict["state"][place].items()}
        for group, saved in zip(self.param_groups, state_dict["param_groups"]):
            group.update({name: value for name, value in saved.items() if name != "params"})


descent = ops.ApplyGradientDescent()
momentum_descent = ops.ApplyMomentum()
adam_descent = ops.Adam()


def own_copy(value):
    """A state that changes apart from what it was read from."""
    if isinstance(value, Parameter):
        return Parameter(value.copy())
    return value.copy() if isinstance(value, Tensor) else value


def move(weight, direction, factor=-1.0):
    """Add a multiple of a direction to a weight."""
    descent(weight, -factor, direction)


def mean_of(state, name, value, beta):
    """The moving average of a value, which the state keeps."""
    before = state.get(name)
    state[name] = value * (1 - beta) if before is None else before * beta + value * (1 - beta)
    return state[name]


def settings(**values):
    """The settings of an optimizer without those that say how PyTorch computes."""
    unused = ("self", "params", "foreach", "capturable", "differentiable", "fused", "__class__")
    return {name: value for name, value in values.items() if name not in unused}


class SGD(Optimizer):
    """torch.optim.SGD."""

    def __init__(
        self, params, lr=0.001, momentum=0, dampening=0, weight_decay=0, nesterov=False, *, maximize=False,
        foreach=None, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        momentum, buffer = group["momentum"], state.get("momentum_buffer")
        if momentum and buffer is None:
            buffer = state["momentum_buffer"] = ops.zeros_like(weight)
        elif momentum and group["dampening"]:  # but for the first gradient
            gradient = state["momentum_buffer"] = buffer * momentum + gradient * (1 - group["dampening"])
            momentum = 0
        if momentum:
            nesterov = group["nesterov"]  # MindSpore's CPU does not look at use_nesterov
            momentum_descent(weight, buffer, lr * momentum if nesterov else lr, gradient, momentum)
        if not momentum or nesterov:
            descent(weight, lr, gradient)


class Adam(Optimizer):
    """torch.optim.Adam."""

    def __init__(
        self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, amsgrad=False, *, foreach=None,
        maximize=False, capturable=False, differentiable=False, fused=None, decoupled_weight_decay=False,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        (beta1, beta2), step = group["betas"], state["step"]
        for name in ("exp_avg", "exp_avg_sq"):
            if name not in state:
                state[name] = ops.zeros_like(weight)
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        left = 1 - beta1**step, math.sqrt(1 - beta2**step)
        if not group["amsgrad"]:  # the kernel adds eps before it makes up for the begin at zero
            eps = group["eps"] * left[1]
            adam_descent(weight, mean, square, beta1**step, beta2**step, lr, beta1, beta2, eps, gradient)
            return
        mean = mean_of(state, "exp_avg", gradient, beta1)
        square = mean_of(state, "exp_avg_sq", gradient * gradient, beta2)
        largest = state.get("max_exp_avg_sq")
        square = state["max_exp_avg_sq"] = square if largest is None else ops.maximum(largest, square)
        move(weight, mean / (ops.sqrt(square) * (1 / left[1]) + group["eps"]), -lr / left[0])


class AdamW(Adam):
    """torch.optim.AdamW."""

    def __init__(
        self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, amsgrad=False, *, maximize=False,
        foreach=None, capturable=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True
        )  # fmt: skip


class RMSprop(Optimizer):
    """torch.optim.RMSprop."""

    def __init__(
        self, params, lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0, momentum=0, centered=False, capturable=False,
        foreach=None, maximize=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        square = mean_of(state, "square_avg", gradient * gradient, group["alpha"])
        if group["centered"]:
            mean = mean_of(state, "grad_avg", gradient, group["alpha"])
            square = square - mean * mean
        direction = gradient / (ops.sqrt(square) + group["eps"])
        if group["momentum"]:
            before = state.get("momentum_buffer")
            direction = direction if before is None else before * group["momentum"] + direction
            state["momentum_buffer"] = direction
        move(weight, direction, -lr)


class Adagrad(Optimizer):
    """torch.optim.Adagrad."""

    def __init__(
        self, params, lr=0.01, lr_decay=0, weight_decay=0, initial_accumulator_value=0, eps=1e-10, foreach=None, *,
        maximize=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        before = state.get("sum", group["initial_accumulator_value"])
        state["sum"] = gradient * gradient + before
        lr = lr / (1 + (state["step"] - 1) * group["lr_decay"])
        move(weight, gradient / (ops.sqrt(state["sum"]) + group["eps"]), -lr)


class Adadelta(Optimizer):
    """torch.optim.Adadelta."""

    def __init__(
        self, params, lr=1.0, rho=0.9, eps=1e-06, weight_decay=0, foreach=None, *, capturable=False, maximize=False,
        differentiable=False,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        eps = group["eps"]
        square = mean_of(state, "square_avg", gradient * gradient, group["rho"])
        before = state.get("acc_delta")
        length = math.sqrt(eps) if before is None else ops.sqrt(before + eps)
        change = length / ops.sqrt(square + eps) * gradient
        mean_of(state, "acc_delta", change * change, group["rho"])
        move(weight, change, -lr)


class Adamax(Optimizer):
    """torch.optim.Adamax."""

    def __init__(
        self, params, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, foreach=None, *, maximize=False,
        differentiable=False, capturable=False,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        beta1, beta2 = group["betas"]
        mean = mean_of(state, "exp_avg", gradient, beta1)
        size, before = ops.abs(gradient) + group["eps"], state.get("exp_inf")
        state["exp_inf"] = size if before is None else ops.maximum(before * beta2, size)
        move(weight, mean / state["exp_inf"], -lr / (1 - beta1 ** state["step"]))


class NAdam(Optimizer):
    """torch.optim.NAdam."""

    def __init__(
        self, params, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, momentum_decay=0.004,
        decoupled_weight_decay=False, *, foreach=None, maximize=False, capturable=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        (beta1, beta2), step = group["betas"], state["step"]
        mu, after = (beta1 * (1 - 0.5 * 0.96 ** (each * group["momentum_decay"])) for each in (step, step + 1))
        product = state["mu_product"] = state.get("mu_product", 1.0) * mu
        mean = mean_of(state, "exp_avg", gradient, beta1)
        square = mean_of(state, "exp_avg_sq", gradient * gradient, beta2)
        spread = ops.sqrt(square / (1 - beta2**step)) + group["eps"]
        move(weight, gradient / spread, -lr * (1 - mu) / (1 - product))
        move(weight, mean / spread, -lr * after / (1 - product * after))


class RAdam(Optimizer):
    """torch.optim.RAdam."""

    def __init__(
        self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0, decoupled_weight_decay=False, *,
        foreach=None, maximize=False, capturable=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        (beta1, beta2), step = group["betas"], state["step"]
        mean = mean_of(state, "exp_avg", gradient, beta1) * (1 / (1 - beta1**step))
        square = mean_of(state, "exp_avg_sq", gradient * gradient, beta2)
        limit = 2 / (1 - beta2) - 1
        rho = limit - 2 * step * beta2**step / (1 - beta2**step)
        if rho > 5:
            ratio = (rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)
            mean = mean * math.sqrt(ratio * (1 - beta2**step)) / (ops.sqrt(square) + group["eps"])
        move(weight, mean, -lr)


class Rprop(Optimizer):
    """torch.optim.Rprop."""

    def __init__(
        self, params, lr=0.01, etas=(0.5, 1.2), step_sizes=(1e-06, 50), *, capturable=False, foreach=None,
        maximize=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        less, more = group["etas"]
        before = state.get("prev", ops.zeros_like(gradient))
        sizes = state.get("step_size", ops.full_like(gradient, lr))
        same = ops.sign(gradient * before)
        factor = ops.select(same > 0, ops.full_like(same, more), ops.ones_like(same))
        factor = ops.select(same < 0, ops.full_like(same, less), factor)
        state["step_size"] = ops.clamp(sizes * factor, *group["step_sizes"])
        state["prev"] = ops.select(same < 0, ops.zeros_like(gradient), gradient)
        move(weight, ops.sign(state["prev"]) * state["step_size"])


class ASGD(Optimizer):
    """torch.optim.ASGD."""

    def __init__(
        self, params, lr=0.01, lambd=0.0001, alpha=0.75, t0=1000000.0, weight_decay=0, foreach=None, maximize=False,
        differentiable=False, capturable=False,
    ):  # fmt: skip
        super().__init__(params, settings(**locals()))

    def update(self, weight, gradient, state, group, lr):
        step, rate, share = state["step"], state.get("eta", lr), state.get("mu", 1.0)
        ops.assign(weight, weight * (1 - group["lambd"] * rate) - gradient * rate)
        before = state.get("ax", weight)
        state["ax"] = weight.copy() if share == 1.0 else before + (weight - before) * share
        state["eta"] = lr / (1 + group["lambd"] * lr * step) ** group["alpha"]
        state["mu"] = 1 / max(1, step - group["t0"])


class GradScaler:
    """torch.amp.GradScaler: nothing is scaled, since the loss is computed in float32."""

    def __init__(self, *args, **kwargs):
        pass

    def scale(self, outputs):
        return outputs

    def unscale_(self, optimizer):
        pass

    def step(self, optimizer, *args, **kwargs):
        return optimizer.step(*args, **kwargs)

    def update(self, new_scale=None):
        pass

    def get_scale(self):
        return 1.0

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass
