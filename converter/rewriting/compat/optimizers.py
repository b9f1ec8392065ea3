"""Optimizers with PyTorch's parameters, which take their steps from gradients that wait."""

import collections

from mindspore import Tensor, ops
from mindspore.experimental import optim


class Steps:
    """What PyTorch's optimizers have and MindSpore's have not."""

    begun = False

    def begin(self):
        """Learning rates are floats, as in PyTorch: a script may read and set them."""
        for group in self.param_groups:
            group["lr"] = float(group["lr"])
        self.begun = True
        if not any(each is self for each in optimizers):
            optimizers.append(self)

    def add_param_group(self, param_group):
        """MindSpore's optimizers make moments in the constructor only: it runs again, and what they were is kept."""
        if not self.begun:
            super().add_param_group(param_group)
            return
        moments = {each.name: each.copy() for each in Steps.state_dict(self)["state"].values()}
        defaults, groups = self.defaults, [*self.param_groups, {**self.defaults, **param_group}]
        self.begun = False
        type(self).__init__(self, groups)
        self.defaults = defaults
        for moment in Steps.state_dict(self)["state"].values():
            if moment.name in moments:
                set_values(moment, moments[moment.name])

    def zero_grad(self, set_to_none=True):
        for parameter in self.parameters:
            parameter.gradient = None

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            group["lr"] = float(group["lr"])
        gradients = [gradient_of(each) for each in self.parameters]
        pairs = zip(gradients, self.parameters)
        with pynative():
            self(tuple(ops.zeros_like(each) if gradient is None else gradient for gradient, each in pairs))
        return loss

    def state_dict(self):
        """The moments in the order of the parameters, and the settings of the groups."""
        own = {id(each) for each in self.parameters}
        state = dict(enumerate(each for each in self.get_parameters() if id(each) not in own))
        groups = [{name: each for name, each in group.items() if name != "params"} for group in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state):
        for place, moment in Steps.state_dict(self)["state"].items():
            set_values(moment, state["state"][place].copy())
        for group, saved in zip(self.param_groups, state["param_groups"]):
            group.update(saved)


class Optimizer(Steps):
    """torch.optim.Optimizer, to derive from."""

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
        self.param_groups.append({**self.defaults, **param_group, "params": params})

    def step(self, closure=None):
        raise NotImplementedError

    def state_dict(self):
        """The state by the places of the parameters, and the settings of the groups."""
        state = {place: self.state[each] for place, each in enumerate(self.parameters) if each in self.state}
        groups = [{name: each for name, each in group.items() if name != "params"} for group in self.param_groups]
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state):
        for place, each in enumerate(self.parameters):
            if place in state["state"]:
                self.state[each] = state["state"][place]
        for group, saved in zip(self.param_groups, state["param_groups"]):
            group.update(saved)


class SGD(Steps, optim.SGD):
    """torch.optim.SGD."""

    def __init__(
        self, params, lr=0.001, momentum=0, dampening=0, weight_decay=0.0, nesterov=False, *, maximize=False,
        foreach=None, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(usable(params), lr, momentum, dampening, weight_decay, nesterov, maximize=maximize)
        self.begin()


class Adam(Steps, optim.Adam):
    """torch.optim.Adam."""

    def __init__(
        self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, amsgrad=False, *, foreach=None,
        maximize=False, capturable=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay, amsgrad, maximize=maximize)
        self.begin()


class AdamW(Steps, optim.AdamW):
    """torch.optim.AdamW."""

    def __init__(
        self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01, amsgrad=False, *, maximize=False,
        foreach=None, capturable=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay, amsgrad, maximize=maximize)
        self.begin()


class RMSprop(Steps, optim.RMSprop):
    """torch.optim.RMSprop."""

    def __init__(
        self, params, lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, centered=False, capturable=False,
        foreach=None, maximize=False, differentiable=False,
    ):  # fmt: skip
        super().__init__(usable(params), lr, alpha, eps, weight_decay, momentum, centered, maximize)
        self.begin()


class Adagrad(Steps, optim.Adagrad):
    """torch.optim.Adagrad."""

    def __init__(
        self, params, lr=0.01, lr_decay=0.0, weight_decay=0.0, initial_accumulator_value=0.0, eps=1e-10, foreach=None,
        *, maximize=False, differentiable=False, fused=None,
    ):  # fmt: skip
        super().__init__(
            usable(params), lr, lr_decay, weight_decay, initial_accumulator_value, eps, maximize=maximize
        )  # fmt: skip
        self.begin()


class Adadelta(Steps, optim.Adadelta):
    """torch.optim.Adadelta."""

    def __init__(
        self, params, lr=1.0, rho=0.9, eps=1e-06, weight_decay=0.0, foreach=None, *, capturable=False, maximize=False,
        differentiable=False,
    ):  # fmt: skip
        super().__init__(usable(params), lr, rho, eps, weight_decay, maximize=maximize)
        self.begin()


class Adamax(Steps, optim.Adamax):
    """torch.optim.Adamax."""

    def __init__(
        self, params, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, foreach=None, *, maximize=False,
        differentiable=False, capturable=False,
    ):  # fmt: skip
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay, maximize=maximize)
        self.begin()


class NAdam(Steps, optim.NAdam):
    """torch.optim.NAdam."""

    def __init__(self, params, lr=0.002, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0, momentum_decay=0.004):
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay, momentum_decay)
        self.begin()


class RAdam(Steps, optim.RAdam):
    """torch.optim.RAdam."""

    def __init__(self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0):
        super().__init__(usable(params), lr, tuple(betas), eps, weight_decay)
        self.begin()


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
