"""torch.optim.LBFGS, which MindSpore lacks."""

import numpy as np
from mindspore import Tensor


class LBFGS(Optimizer):
    """torch.optim.LBFGS without a line search."""

    def __init__(
        self, params, lr=1, max_iter=20, max_eval=None, tolerance_grad=1e-07, tolerance_change=1e-09, history_size=100,
        line_search_fn=None,
    ):  # fmt: skip
        if line_search_fn is not None:
            raise NotImplementedError("LBFGS with a line search was not converted")
        super().__init__(params, {"lr": lr})
        self.max_iter = max_iter
        self.max_eval = max_iter * 5 // 4 if max_eval is None else max_eval
        self.tolerance_grad, self.tolerance_change = tolerance_grad, tolerance_change
        self.history_size = history_size
        self.pairs, self.scale, self.moved, self.before = [], 1.0, None, None

    def gradient(self):
        """All gradients that wait, as one vector."""
        values = [(each, gradient_of(each)) for each in self.parameters]
        return np.concatenate(
            [np.zeros(each.size) if value is None else value.asnumpy().reshape(-1) for each, value in values]
        ).astype(np.float64)

    def move(self, step):
        """Add a vector to the parameters."""
        at = 0
        for each in self.parameters:
            part = step[at : at + each.size].reshape(each.shape)
            each.set_data(Tensor((each.asnumpy() + part).astype(each.asnumpy().dtype)))
            at += each.size

    def direction(self, gradient):
        """Where to go: the gradient, times the inverse of the curvature that earlier steps have shown."""
        if self.moved is not None:
            change = gradient - self.before
            curvature = change @ self.moved
            if curvature > 1e-10:
                self.pairs = [*self.pairs, (self.moved, change, 1.0 / curvature)][-self.history_size :]
                self.scale = curvature / (change @ change)
        found, shares = -gradient, []
        for moved, change, inverse in reversed(self.pairs):
            share = inverse * (moved @ found)
            shares.append(share)
            found = found - share * change
        found = found * self.scale
        for (moved, change, inverse), share in zip(self.pairs, reversed(shares)):
            found = found + (share - inverse * (change @ found)) * moved
        return found

    def step(self, closure):
        first = closure()
        loss, gradient, count = float(first), self.gradient(), 1
        for number in range(self.max_iter):
            if np.abs(gradient).max() <= self.tolerance_grad:
                break
            rate = float(self.param_groups[0]["lr"])
            if self.moved is None:
                rate = min(1.0, 1.0 / np.abs(gradient).sum()) * rate
            direction = self.direction(gradient)
            self.before, self.moved = gradient, direction * rate
            if gradient @ direction > -self.tolerance_change:
                break
            self.move(self.moved)
            if number + 1 == self.max_iter:
                break
            previous, loss = loss, float(closure())
            gradient, count = self.gradient(), count + 1
            still = np.abs(self.moved).max() <= self.tolerance_change or abs(loss - previous) < self.tolerance_change
            if count >= self.max_eval or still:
                break
        return first
