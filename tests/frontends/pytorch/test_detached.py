"""Values of a module of PyTorch that pass no gradient, and functions with a gradient of their own."""

from __future__ import annotations

import pytest
from frontends.gradients import check

import converter

torch = pytest.importorskip("torch", reason="PyTorch is an extra")


class Rounded(torch.autograd.Function):
    """Passes the gradient straight through."""

    @staticmethod
    def forward(ctx, x):
        return torch.round(3 * x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Reversed(torch.autograd.Function):
    """Reverses the gradient, which it multiplies."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.factor = factor
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -ctx.factor * gradient, None


class Swish(torch.autograd.Function):
    """Has the gradient of its forward, of fewer values."""

    @staticmethod
    def forward(x):
        return x * torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        gate = torch.sigmoid(ctx.saved_tensors[0])
        return gradient * gate * (1 + ctx.saved_tensors[0] * (1 - gate))


class Sign(torch.autograd.Function):
    """Passes the gradient of small values only."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return torch.sign(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * (ctx.saved_tensors[0].abs() <= 1)


def straight_through(z):
    return z + (torch.round(3 * z) - z).detach()


def of_data(z):
    return z * z.data


def without_gradients(z):
    with torch.no_grad():
        factor = torch.tanh(z * 2) + z
    return z * factor


def written_without_gradients(z):
    factor = torch.zeros_like(z)
    with torch.no_grad():
        factor.add_(z)
    return z * factor


@torch.no_grad()
def target(z):
    return torch.tanh(z)


def of_a_decorated_function(z):
    return z - target(z)


@pytest.mark.parametrize("refused", [False, True], ids=["current", "older"])
@pytest.mark.parametrize(
    "compute",
    [
        straight_through,
        of_data,
        without_gradients,
        written_without_gradients,
        of_a_decorated_function,
        Rounded.apply,
        lambda z: Reversed.apply(z, 0.5),
        Swish.apply,
    ],
)
def test_gradients(tmp_path, compute, refused):
    """A branch on a value is what only the older exporter takes."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = torch.nn.Linear(4, 4), torch.nn.Linear(4, 2)

        def forward(self, x):
            z = self.first(x)
            if refused and z.sum() > 1e9:
                z = z + 0.0
            return self.last(compute(z))

    torch.manual_seed(0)
    module, x = Net().eval(), torch.rand(3, 4)
    result = converter.convert(module, x, output=tmp_path, edges="none")
    assert result.verdict == "same"
    module(x).square().sum().backward()
    check(result, x.numpy(), {name: weight.grad.numpy() for name, weight in module.named_parameters()})


def test_another_gradient_is_named(tmp_path):
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Linear(4, 4)

        def forward(self, x):
            return Sign.apply(self.layer(x))

    result = converter.convert(Net(), torch.ones(2, 4), output=tmp_path, verify=False)
    assert any("'Sign': the backward" in note for note in result.notes)


def test_a_network_without_gradients_is_no_list_of_stops(tmp_path):
    """Code for inference: it can be trained in MindSpore."""

    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4))

        @torch.no_grad()
        def forward(self, x):
            return self.layers(x)

    result = converter.convert(Net(), torch.ones(2, 4), output=tmp_path, verify=False)
    assert "stop_gradient" not in result.files[0].read_text(encoding="utf-8")


class Steps(torch.nn.Module):
    """Detached values in a branch, in a loop and behind `no_grad`."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = torch.nn.Linear(4, 4), torch.nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.first(x)
        with torch.no_grad():
            factor = torch.tanh(z)
            if bool(x.sum() > 0.0):
                factor = factor + z
        if bool(x.sum() > 0.0):
            z = z * z.detach()
        for _ in range(x.shape[0]):
            z = z + (z * factor).detach() * z.data
        return self.last(z)


@pytest.mark.parametrize("how", [torch.jit.script, lambda module: torch.jit.trace(module, torch.rand(3, 4))])
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::torch.jit.TracerWarning")
def test_torchscript(tmp_path, how):
    torch.manual_seed(0)
    module, x = how(Steps().eval()), torch.rand(3, 4)
    module.save(tmp_path / "net.pt")
    result = converter.convert(tmp_path / "net.pt", shape=["3,4"], output=tmp_path / "out", edges="none")
    assert result.verdict == "same"
    module(x).square().sum().backward()
    check(result, x.numpy(), {name: weight.grad.numpy() for name, weight in module.named_parameters()})


class Target(Steps):
    """A network, and what it computes without gradients."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        z = self.first(x)
        with torch.no_grad():
            factor = torch.tanh(z) + z
        return self.last(z * factor)


def test_an_exported_program(tmp_path):
    torch.manual_seed(0)
    module, x = Target().eval(), torch.rand(3, 4)
    torch.export.save(torch.export.export(module, (x,)), tmp_path / "net.pt2")
    result = converter.convert(tmp_path / "net.pt2", output=tmp_path / "out", edges="none")
    assert result.verdict == "same"
    module(x).square().sum().backward()
    check(result, x.numpy(), {name: weight.grad.numpy() for name, weight in module.named_parameters()})
