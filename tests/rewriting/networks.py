"""Networks whose form is a trap; `test_networks.py` converts this file, and compares each in both modes."""

from __future__ import annotations

import functools

import torch
from torch import nn
from torch.distributions.transforms import AffineTransform, TanhTransform
from torch.nn.utils import parametrize


class ChildrenInForward(nn.Module):
    """Its own children, those of a part of it, and their names."""

    shapes = ((2, 4),)

    def __init__(self):
        super().__init__()
        for number in range(2):
            self.add_module(f"first{number}", nn.Linear(4, 4))
        self.last = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))

    def forward(self, x):
        for layer in self.children():
            x = torch.relu(layer(x))
        for name, layer in self.last.named_children():
            x = layer(x) * float(len(name))
        for layer in list(self.last.children())[1:]:
            x = x + layer(x)
        return x


class Popped(nn.Module):
    """Values that a list gives back."""

    shapes = ((2, 4),)

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(2)])
        self.scale = nn.Parameter(torch.zeros(()))
        self.offset = nn.Parameter(torch.ones([]))

    def forward(self, x):
        kept = []
        for layer in self.layers:
            kept.append(x)
            x = torch.tanh(layer(x)) * self.scale.exp()
        for _ in self.layers:
            x = torch.cat((x, kept.pop()), dim=1)[:, 2:6] + self.offset
        return x


class Padded(nn.Module):
    """Convolutions whose padding is not zero, a partial function, indices that are joined with others."""

    shapes = ((2, 3, 6, 7),)

    def __init__(self):
        super().__init__()
        self.reflected = nn.Conv2d(3, 4, 3, padding=(1, 2), padding_mode="reflect")
        self.repeated = nn.Conv2d(4, 4, 3, padding=1, padding_mode="replicate", groups=2, bias=False)
        self.act = functools.partial(nn.functional.gelu, approximate="tanh")
        self.around = nn.Conv2d(4, 2, 3, stride=2, padding=2, padding_mode="circular")

    def forward(self, x):
        x = self.around(self.repeated(self.act(self.reflected(x))))
        flat = x.flatten(1)
        values, indices = flat.topk(3)
        joined = torch.cat([torch.arange(2)[:, None], indices, torch.topk(flat, 1, largest=False)[1]], 1)
        return x, values, joined


class PaddedRows(nn.Module):
    """Convolutions along one axis whose padding is not zero: written as a call, handed on, of a computed mode."""

    shapes = ((2, 3, 7),)

    def __init__(self, layer=nn.Conv1d, mode="reflect"):
        super().__init__()
        self.around = nn.Conv1d(in_channels=3, out_channels=4, kernel_size=3, padding=1, padding_mode="circular")
        self.handed = layer(4, 4, 3, padding=2, dilation=2, padding_mode="replicate")
        self.computed = nn.Conv1d(4, 2, 4, padding="same", padding_mode=mode)

    def forward(self, x):
        return self.computed(self.handed(self.around(x)))


class Matrices(nn.Module):
    """Eigenvalues, least squares, the exponential of a matrix."""

    shapes = ((2, 4, 4), (5, 3), (5, 2))

    def forward(self, x, a, b):
        symmetric = x @ x.transpose(-2, -1)
        values, vectors = torch.linalg.eigh(symmetric)
        again = (vectors * values.unsqueeze(-2)) @ vectors.mT
        found = torch.linalg.lstsq(a, b)
        exponential = torch.linalg.matrix_exp(x) + x.matrix_exp()
        lower = torch.linalg.eigvalsh(x)
        return values, again, found.solution, torch.linalg.lstsq(a, b[:, 0])[0], exponential, lower


class Margins(nn.Module):
    """Losses of many classes."""

    shapes = ((4, 5), (4, 5))

    def __init__(self):
        super().__init__()
        self.loss = nn.MultiMarginLoss(p=2, margin=0.5, reduction="none")

    def forward(self, x, scores):
        target = scores.argmax(1)
        weight = scores[0].abs()
        return (
            self.loss(x, target),
            nn.functional.multi_margin_loss(x, target),
            nn.functional.multi_margin_loss(x, target, weight=weight, reduction="sum"),
        )


class Unpooled(nn.Module):
    """Pooling in three axes, and back."""

    shapes = ((2, 3, 4, 6, 5),)

    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool3d(2, stride=(2, 2, 1), return_indices=True)
        self.unpool = nn.MaxUnpool3d(2, stride=(2, 2, 1))

    def forward(self, x):
        values, places = self.pool(x)
        return values, places, self.unpool(values, places, output_size=x.size())


class Symmetric(nn.Module):
    """A parametrization."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.scale = scale

    def forward(self, w):
        return (w.triu() + w.triu(1).transpose(-1, -2)) * self.scale


class Parametrized(nn.Module):
    """Layers whose weights modules compute."""

    shapes = ((2, 4),)

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4, bias=False)
        parametrize.register_parametrization(self.first, "weight", Symmetric())
        parametrize.register_parametrization(self.first, "weight", Symmetric(0.5))
        parametrize.register_parametrization(self.second, "weight", Symmetric())
        self.is_parametrized = parametrize.is_parametrized(self.first, "weight")

    def forward(self, x):
        return self.second(torch.tanh(self.first(x))) * float(self.is_parametrized)


class Flow(nn.Module):
    """Distributions that are transformed."""

    shapes = ((3, 2), (3, 2))

    def forward(self, loc, value):
        base = torch.distributions.Normal(loc, 0.5)
        moved = torch.distributions.TransformedDistribution(base, [TanhTransform(), AffineTransform(0.5, 2.0)])
        whole = torch.distributions.Independent(torch.distributions.Normal(loc, 1.0), 1)
        positive = torch.distributions.TransformedDistribution(whole, torch.distributions.transforms.ExpTransform())
        y = torch.tanh(value) * 1.9 + 0.5
        return moved.log_prob(y), positive.log_prob(y.abs() + 0.1)


class Derivatives(nn.Module):
    """Derivatives of functions, and functions of batches; in graph mode these stand outside networks."""

    shapes = ((3,), (4, 3))
    modes = (1,)

    def forward(self, x, batch):
        def cubed(v):
            return (v**3).sum()

        def doubled(v):
            return v * 2

        gradient = torch.func.grad(cubed)(x)
        jacobian = torch.func.jacrev(torch.sin)(x)
        hessian = torch.func.hessian(cubed)(x)
        batched = torch.func.vmap(doubled)(batch)
        again, value = torch.func.grad_and_value(cubed)(x)
        output, pulled = torch.func.vjp(torch.sin, x)
        (back,) = pulled(x * 2)
        _, pushed = torch.func.jvp(torch.sin, (x,), (x * 2,))
        forward = torch.func.jacfwd(torch.sin)(x)
        old = torch.autograd.functional.jacobian(torch.sin, x)
        second = torch.autograd.functional.hessian(cubed, x)
        found = (gradient, jacobian, hessian, batched, again, value)
        return (*found, output, back, pushed, forward, old, second)


class ThroughViews(nn.Module):
    """Changes in place of views, and within expressions."""

    shapes = ((3, 4),)

    def forward(self, x):
        x = x * 1
        x.view(-1).mul_(2)
        x.t().add_(1)
        x.view(-1)[2:5] = 7
        x[0].view(-1)[1:].mul_(3)
        x.reshape(-1)[1] += 1
        y = x.mul_(0.5)
        return x.abs(), y, x


class Typed(nn.Module):
    """The name of a type, and tensors like another one."""

    shapes = ((2, 3),)

    def forward(self, x):
        ids = torch.arange(3).type(x.type())
        ones = x.new(x.shape).fill_(1)
        return x + ids + ones if x.type() == "torch.FloatTensor" else x


def without_relu(module):
    """Put other layers in the place of some, through their names."""
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.Tanh())
        else:
            without_relu(child)
    return module


def extended(module):
    """Put a layer behind those of a part that is asked for by its name."""
    parent = module.get_submodule("layers")
    parent.add_module("last", nn.Softplus())


def with_tanh(module):
    for name, child in module._modules.items():
        if isinstance(child, nn.GELU):
            module._modules[name] = nn.Tanh()
        elif len(list(child.children())) > 0:
            with_tanh(child)


class Replaced(nn.Module):
    """Layers that are replaced, and chosen by a name; attributes of what is wrapped."""

    shapes = ((2, 4),)

    def __init__(self, act="LeakyReLU", other="GELU"):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(4, 4), nn.ReLU(), getattr(nn, act)(negative_slope=0.2), getattr(nn, other)()
        )
        without_relu(self)
        with_tanh(self)
        extended(self)
        assert self.get_parameter("layers.0.weight").shape == (4, 4)

    def forward(self, x):
        return self.layers(x)


class Wrapped(nn.Module):
    """Asks what it wraps for what it has not."""

    shapes = ((2, 4),)

    def __init__(self):
        super().__init__()
        self.inner = Replaced()

    def __getattr__(self, name):
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.inner, name)

    def forward(self, x):
        return self.inner(x) + self.layers(x)


class Recurrent(nn.Module):
    """Recurrent layers whose dropout is an integer, a nonlinearity by position, weights that are laid out again."""

    shapes = ((3, 2, 4),)

    def __init__(self):
        super().__init__()
        layers = 1
        self.first = nn.LSTM(4, 4, layers, dropout=0.3 if layers > 1 else 0)
        self.second = nn.RNN(4, 4, 1, "relu", True, False, 0)

    def forward(self, x):
        self.first.flatten_parameters()
        x, _ = self.first(x)
        return self.second(x)[0]


def nearest(points, count):
    """Distances that a mask chooses, and lengths that the values of a tensor say."""
    distance = torch.ones(points.shape[0], points.shape[1]) * 1e10
    for number in range(count):
        found = ((points - points[:, number : number + 1]) ** 2).sum(-1)
        mask = found < distance
        distance[mask] = found[mask]
    return distance


class Masked(nn.Module):
    """Elements that a mask chooses, and how often each index stands in a tensor."""

    shapes = ((2, 5, 3),)

    def forward(self, x):
        index = (x.reshape(-1).abs() * 2).long()
        size = index.size(0)
        view = list(x.shape)
        view[1:] = [1] * (len(view) - 1)
        rows = torch.arange(x.shape[0], dtype=torch.long).view(view).repeat([1, 5, 1])
        return nearest(x, 3), torch.bincount(index, minlength=size).to(x.dtype), x[rows[..., 0]]


class Quantizable(nn.Module):
    """What marks the places of quantisation, in a network that computes with floats."""

    shapes = ((2, 4),)

    def __init__(self):
        super().__init__()
        self.quant = torch.ao.quantization.QuantStub()
        self.dequant = torch.ao.quantization.DeQuantStub()
        self.skip = torch.nn.quantized.FloatFunctional()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        x = self.quant(x)
        x = self.skip.add_relu(x, self.layer(x))
        return self.dequant(self.skip.cat([x, self.skip.mul(x, x)], dim=1))


class Extra:
    def __init__(self, factor):
        self.factor = factor


class LowRank(nn.Linear, Extra):
    """A layer that calls the methods of its bases by their names."""

    shapes = ((3, 4),)

    def __init__(self):
        nn.Linear.__init__(self, 4, 2, bias=False)
        Extra.__init__(self, factor=0.5)
        self.merged = True
        self.down = nn.Parameter(torch.ones(1, 4))
        self.up = nn.Parameter(torch.ones(2, 1))

    def train(self, mode=True):
        nn.Linear.train(self, mode)
        self.merged = not mode
        return self

    def forward(self, x):
        y = nn.Linear.forward(self, x)
        return y + x @ self.down.t() @ self.up.t() * self.factor


class ByName(nn.Module):
    """The same of the base of all modules."""

    shapes = ((3, 4),)

    def __init__(self):
        nn.Module.__init__(self)
        self.layer = LowRank()

    def forward(self, x):
        return self.layer(x)


class Causal(nn.Conv1d):
    """A convolution that reads its own settings, as PyTorch keeps them."""

    def __init__(self, channels, kernel_size, dilation=1, groups=1):
        padding = (kernel_size - 1) * dilation
        super().__init__(channels, channels, kernel_size, padding=padding, dilation=dilation, groups=groups)

    def forward(self, x):
        return super().forward(x)[:, :, : -self.padding[0]] * float(self.groups)


class Gated(Causal):
    """One whose method and that of its base call those of their bases."""

    def forward(self, x):
        return torch.tanh(super().forward(x)) * self.kernel_size[0]


class Settings(nn.Module):
    """Settings of convolutions, of which some are known by their class only; classes that are compared."""

    shapes = ((2, 4, 7),)

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList([nn.ModuleDict({"conv": Gated(4, 2, 2**each, groups=2)}) for each in range(3)])
        self.plane = nn.Conv2d(1, 1, (3, 1), padding=(1, 0))
        self.last = nn.Linear(7, 7)
        self.field = 1 + sum(block["conv"].dilation[0] for block in self.blocks)
        self.known = 0.0
        for each in self.modules():
            if type(each) == nn.Conv2d:  # noqa: E721
                self.known += 10 * each.padding[0] + each.padding[1] + each.kernel_size[0]
            if type(each) is nn.Linear or each.__class__ in (nn.Conv1d, nn.Tanh):
                self.known += 0.5
            self.known += {nn.Linear: 0.25}.get(type(each), 0.0)

    def forward(self, x):
        for block in self.blocks:
            x = block["conv"](x)
        x = self.plane(x.unsqueeze(1)).squeeze(1)
        return self.last(x) + float(self.field) + self.known


class Places(nn.Module):
    """Parts of tensors by narrow, elements by tensors, and what the last round of a loop leaves."""

    shapes = ((3, 4, 5),)

    def __init__(self):
        super().__init__()
        self.table = nn.Parameter(torch.randn(4, 4))

    def forward(self, x):
        mask = torch.zeros_like(x)
        mask[1].narrow(1, 2, 2).fill_(1.5)
        mask.narrow(0, 0, 1).copy_(x[1:2])
        tags = torch.tensor([0, 3, 2])
        for number in range(2):
            scale = self.table[tags[number], tags[number + 1]] + self.table[1, tags[0]]
        return mask + scale * self.table[tags, tags][0]


class Remembering(nn.Module):
    """A state of two tensors that a method begins anew, hands on and keeps."""

    shapes = ((4, 1, 3),)

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 2)
        self.hidden = self.begin()

    def begin(self):
        return torch.zeros(1, 1, 2), torch.zeros(1, 1, 2)

    def features(self, x):
        self.hidden = self.begin()
        out, self.hidden = self.lstm(x, self.hidden)
        return out.view(len(x), -1) + self.hidden[1].sum()

    def forward(self, x):
        return self.features(x)
