"""Learning rates as PyTorch changes them: floats in the groups of an optimizer."""

import bisect
import math


class LRScheduler:
    """torch.optim.lr_scheduler.LRScheduler."""

    def __init__(self, optimizer, last_epoch=-1):
        self.optimizer = optimizer
        for group in optimizer.param_groups:
            group.setdefault("initial_lr", float(group["lr"]))
        self.base_lrs = [group["initial_lr"] for group in optimizer.param_groups]
        self.last_epoch = last_epoch
        self.step()

    def get_lr(self):
        """The learning rate of each group, from those of the epoch before."""
        raise NotImplementedError

    def closed(self):
        """The learning rate of each group, from the first ones."""
        return self.get_lr()

    def step(self, epoch=None):
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        self.set_rates(self.get_lr() if epoch is None else self.closed())

    def set_rates(self, rates):
        for group, rate in zip(self.optimizer.param_groups, rates):
            group["lr"] = float(rate)
        self._last_lr = [group["lr"] for group in self.optimizer.param_groups]

    def get_last_lr(self):
        return self._last_lr

    def state_dict(self):
        return {name: value for name, value in vars(self).items() if name not in ("optimizer", "lr_lambdas")}

    def load_state_dict(self, state_dict):
        vars(self).update(state_dict)


class LambdaLR(LRScheduler):
    """torch.optim.lr_scheduler.LambdaLR."""

    def __init__(self, optimizer, lr_lambda, last_epoch=-1):
        several = isinstance(lr_lambda, (list, tuple))
        self.lr_lambdas = list(lr_lambda) if several else [lr_lambda] * len(optimizer.param_groups)
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        return [base * factor(self.last_epoch) for base, factor in zip(self.base_lrs, self.lr_lambdas)]


class MultiplicativeLR(LambdaLR):
    """torch.optim.lr_scheduler.MultiplicativeLR."""

    def get_lr(self):
        rates = [group["lr"] for group in self.optimizer.param_groups]
        if self.last_epoch <= 0:
            return rates
        return [rate * factor(self.last_epoch) for rate, factor in zip(rates, self.lr_lambdas)]


class FactorLR(LRScheduler):
    """A scheduler whose rates above `low` are a factor times the first ones."""

    low = 0.0

    def factor(self, epoch):
        raise NotImplementedError

    def get_lr(self):
        now = self.factor(self.last_epoch)
        before = self.factor(self.last_epoch - 1) if self.last_epoch > 0 else 1.0
        if abs(before) < 1e-12:
            return self.closed()
        return [self.low + (group["lr"] - self.low) * now / before for group in self.optimizer.param_groups]

    def closed(self):
        return [self.low + (base - self.low) * self.factor(self.last_epoch) for base in self.base_lrs]


class StepLR(FactorLR):
    """torch.optim.lr_scheduler.StepLR."""

    def __init__(self, optimizer, step_size, gamma=0.1, last_epoch=-1):
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch):
        return self.gamma ** (epoch // self.step_size)


class MultiStepLR(FactorLR):
    """torch.optim.lr_scheduler.MultiStepLR."""

    def __init__(self, optimizer, milestones, gamma=0.1, last_epoch=-1):
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch):
        return self.gamma ** bisect.bisect_right(self.milestones, epoch)


class ExponentialLR(FactorLR):
    """torch.optim.lr_scheduler.ExponentialLR."""

    def __init__(self, optimizer, gamma, last_epoch=-1):
        self.gamma = gamma
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch):
        return self.gamma**epoch


class ConstantLR(FactorLR):
    """torch.optim.lr_scheduler.ConstantLR."""

    def __init__(self, optimizer, factor=1.0 / 3, total_iters=5, last_epoch=-1):
        self.first, self.total_iters = factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch):
        return self.first if epoch < self.total_iters else 1.0


class LinearLR(FactorLR):
    """torch.optim.lr_scheduler.LinearLR."""

    def __init__(self, optimizer, start_factor=1.0 / 3, end_factor=1.0, total_iters=5, last_epoch=-1):
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch):
        part = min(epoch, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * part


class PolynomialLR(FactorLR):
    """torch.optim.lr_scheduler.PolynomialLR."""

    def __init__(self, optimizer, total_iters=5, power=1.0, last_epoch=-1):
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch):
        return (1.0 - min(epoch, self.total_iters) / self.total_iters) ** self.power


class CosineAnnealingLR(FactorLR):
    """torch.optim.lr_scheduler.CosineAnnealingLR."""

    def __init__(self, optimizer, T_max, eta_min=0.0, last_epoch=-1):  # noqa: N803
        self.T_max, self.low = T_max, eta_min
        super().__init__(optimizer, last_epoch)

    def factor(self, epoch):
        return (1 + math.cos(math.pi * epoch / self.T_max)) / 2


class CosineAnnealingWarmRestarts(LRScheduler):
    """torch.optim.lr_scheduler.CosineAnnealingWarmRestarts; `step` also takes parts of an epoch."""

    def __init__(self, optimizer, T_0, T_mult=1, eta_min=0.0, last_epoch=-1):  # noqa: N803
        self.T_0, self.T_mult, self.eta_min = T_0, T_mult, eta_min
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        left, length = self.last_epoch, self.T_0
        while left >= length:
            left, length = left - length, length * self.T_mult
        part = (1 + math.cos(math.pi * left / length)) / 2
        return [self.eta_min + (base - self.eta_min) * part for base in self.base_lrs]


class OneCycleLR(LRScheduler):
    """torch.optim.lr_scheduler.OneCycleLR; it also changes the momentum, or the first of `betas`."""

    def __init__(
        self, optimizer, max_lr, total_steps=None, epochs=None, steps_per_epoch=None, pct_start=0.3,
        anneal_strategy="cos", cycle_momentum=True, base_momentum=0.85, max_momentum=0.95, div_factor=25.0,
        final_div_factor=10000.0, three_phase=False, last_epoch=-1,
    ):  # fmt: skip
        self.total_steps = total_steps if total_steps is not None else epochs * steps_per_epoch
        self.is_linear, self.cycles = anneal_strategy == "linear", cycle_momentum
        count = len(optimizer.param_groups)
        self.highest = list(max_lr) if isinstance(max_lr, (list, tuple)) else [max_lr] * count
        momentums = (base_momentum, max_momentum)
        rise = float(pct_start * self.total_steps) - 1
        firsts = [rate / div_factor for rate in self.highest]
        lasts = [first / final_div_factor for first in firsts]
        self.phases = [(rise, firsts, self.highest, momentums[::-1])]
        if three_phase:
            self.phases.append((2 * rise + 1, self.highest, firsts, momentums))
            self.phases.append((self.total_steps - 1, firsts, lasts, (max_momentum, max_momentum)))
        else:
            self.phases.append((self.total_steps - 1, self.highest, lasts, momentums))
        for group, first in zip(optimizer.param_groups, firsts):
            group["initial_lr"] = group["lr"] = first
        super().__init__(optimizer, last_epoch)

    def between(self, start, end, part):
        if self.is_linear:
            return start + (end - start) * part
        return end + (start - end) / 2.0 * (1 + math.cos(math.pi * part))

    def get_lr(self):
        if self.last_epoch > self.total_steps:
            raise ValueError(f"Tried to step {self.last_epoch} times. The total number of steps is {self.total_steps}.")
        begin, left = 0, list(self.phases)
        while len(left) > 1 and self.last_epoch > left[0][0]:
            begin = left.pop(0)[0]
        end, starts, ends, momentums = left[0]
        part = (self.last_epoch - begin) / (end - begin)
        for group in self.optimizer.param_groups if self.cycles else ():
            momentum = self.between(*momentums, part)
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        return [self.between(start, end, part) for start, end in zip(starts, ends)]


class CyclicLR(LRScheduler):
    """torch.optim.lr_scheduler.CyclicLR; it also changes the momentum, or the first of `betas`."""

    def __init__(
        self, optimizer, base_lr, max_lr, step_size_up=2000, step_size_down=None, mode="triangular", gamma=1.0,
        scale_fn=None, scale_mode="cycle", cycle_momentum=True, base_momentum=0.8, max_momentum=0.9, last_epoch=-1,
    ):  # fmt: skip
        count = len(optimizer.param_groups)
        self.highest = list(max_lr) if isinstance(max_lr, (list, tuple)) else [max_lr] * count
        down = step_size_up if step_size_down is None else step_size_down
        self.size, self.rise = float(step_size_up + down), step_size_up / (step_size_up + down)
        self.momentums = (base_momentum, max_momentum) if cycle_momentum else None
        by_cycle = {"triangular": lambda x: 1.0, "triangular2": lambda x: 1 / 2.0 ** (x - 1)}
        self.scale = scale_fn or by_cycle.get(mode) or (lambda x: gamma**x)
        self.counts_cycles = scale_mode == "cycle" if scale_fn is not None else mode in by_cycle
        lows = list(base_lr) if isinstance(base_lr, (list, tuple)) else [base_lr] * count
        for group, low in zip(optimizer.param_groups, lows):
            group["initial_lr"] = group["lr"] = low
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        cycle = math.floor(1 + self.last_epoch / self.size)
        at = 1.0 + self.last_epoch / self.size - cycle
        part = at / self.rise if at <= self.rise else (at - 1) / (self.rise - 1)
        part = part * self.scale(cycle if self.counts_cycles else self.last_epoch)
        for group in self.optimizer.param_groups if self.momentums else ():
            low, high = self.momentums
            momentum = high - (high - low) * part
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
        return [low + (high - low) * part for low, high in zip(self.base_lrs, self.highest)]

    def state_dict(self):
        return {name: value for name, value in super().state_dict().items() if name != "scale"}


class SequentialLR:
    """torch.optim.lr_scheduler.SequentialLR."""

    def __init__(self, optimizer, schedulers, milestones, last_epoch=-1):
        self.optimizer, self._schedulers, self._milestones = optimizer, schedulers, milestones
        self.last_epoch = last_epoch + 1
        for group in optimizer.param_groups:
            group["lr"] = group["initial_lr"]
        for scheduler in schedulers:
            scheduler.last_epoch -= 1
        schedulers[0].step()
        self._last_lr = schedulers[0].get_last_lr()

    def step(self):
        self.last_epoch += 1
        number = bisect.bisect_right(self._milestones, self.last_epoch)
        chosen = self._schedulers[number]
        if number > 0 and self._milestones[number - 1] == self.last_epoch:
            chosen.step(0)
        else:
            chosen.step()
        self._last_lr = chosen.get_last_lr()

    def get_last_lr(self):
        return self._last_lr

    def state_dict(self):
        return {"last_epoch": self.last_epoch, "schedulers": [each.state_dict() for each in self._schedulers]}

    def load_state_dict(self, state_dict):
        self.last_epoch = state_dict["last_epoch"]
        for each, state in zip(self._schedulers, state_dict["schedulers"]):
            each.load_state_dict(state)


class ChainedScheduler:
    """torch.optim.lr_scheduler.ChainedScheduler."""

    def __init__(self, schedulers, optimizer=None):
        self._schedulers = list(schedulers)

    def step(self):
        for scheduler in self._schedulers:
            scheduler.step()

    def get_last_lr(self):
        return self._schedulers[-1].get_last_lr()


class ReduceLROnPlateau:
    """torch.optim.lr_scheduler.ReduceLROnPlateau."""

    def __init__(
        self, optimizer, mode="min", factor=0.1, patience=10, threshold=1e-4, threshold_mode="rel", cooldown=0,
        min_lr=0.0, eps=1e-8,
    ):  # fmt: skip
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode, self.cooldown, self.eps = threshold, threshold_mode, cooldown, eps
        count = len(optimizer.param_groups)
        self.min_lrs = list(min_lr) if isinstance(min_lr, (list, tuple)) else [min_lr] * count
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0
        self._last_lr = [float(group["lr"]) for group in optimizer.param_groups]

    def is_better(self, value):
        sign = 1 if self.mode == "min" else -1
        if self.threshold_mode == "rel":
            return sign * value < sign * self.best * (1 - sign * self.threshold)
        return sign * value < sign * self.best - self.threshold

    def step(self, metrics, epoch=None):
        value = float(metrics)
        self.last_epoch += 1
        if self.is_better(value):
            self.best, self.num_bad_epochs = value, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group, least in zip(self.optimizer.param_groups, self.min_lrs):
                rate = max(float(group["lr"]) * self.factor, least)
                if float(group["lr"]) - rate > self.eps:
                    group["lr"] = rate
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._last_lr = [float(group["lr"]) for group in self.optimizer.param_groups]

    def get_last_lr(self):
        return self._last_lr

    def state_dict(self):
        return {name: value for name, value in vars(self).items() if name != "optimizer"}

    def load_state_dict(self, state_dict):
        vars(self).update(state_dict)
