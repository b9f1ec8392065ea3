"""Losses of a few steps from given weights, for each way to take a step; PyTorch and MindSpore print the same numbers."""

import numpy as np
import torch
import torch.nn as nn
from torch.optim import SGD, Adam, AdamW, RMSprop, lr_scheduler

RANDOM = np.random.default_rng(0)
X = torch.from_numpy(RANDOM.normal(size=(12, 5)).astype(np.float32))
Y = torch.from_numpy(RANDOM.normal(size=(12, 2)).astype(np.float32))
WEIGHTS = [RANDOM.normal(0, 0.5, shape).astype(np.float32) for shape in ((4, 5), (4,), (2, 4), (2,))]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(5, 4)
        self.norm = nn.BatchNorm1d(4)
        self.out = nn.Linear(4, 2)

    def forward(self, x):
        return self.out(torch.tanh(self.norm(self.hidden(x))))


def network():
    net = Net()
    with torch.no_grad():
        for parameter, value in zip((net.hidden.weight, net.hidden.bias, net.out.weight, net.out.bias), WEIGHTS):
            parameter.copy_(torch.from_numpy(value))
    return net


def groups():
    net, criterion = network(), nn.MSELoss(reduction="sum")
    optimizer = SGD(
        [{"params": net.hidden.parameters(), "lr": 0.01}, {"params": net.out.parameters()}],
        lr=0.002,
        momentum=0.9,
        weight_decay=0.01,
    )
    scheduler = lr_scheduler.MultiStepLR(optimizer, milestones=[2], gamma=0.1)
    losses = []
    for _ in range(4):
        loss = criterion(net(X), Y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        losses.append(loss.item())
    return losses


def accumulated():
    net, criterion = network(), nn.SmoothL1Loss()
    optimizer = Adam(net.parameters(), lr=0.05, betas=(0.5, 0.9))
    losses = []
    optimizer.zero_grad()
    for step in range(6):
        rows = slice(6 * (step % 2), 6 * (step % 2) + 6)
        prediction = net(X[rows])
        loss = criterion(prediction, Y[rows]) / 2
        losses.append(loss.item())
        loss.backward()
        if step % 2 == 1:
            nn.utils.clip_grad_value_(net.parameters(), 0.05)
            optimizer.step()
            optimizer.zero_grad()
    return losses


def adversaries():
    first, second = network(), nn.Linear(2, 1)
    nn.init.constant_(second.weight, 0.3)
    nn.init.constant_(second.bias, 0.1)
    of_first, of_second = AdamW(first.parameters(), lr=0.02), RMSprop(second.parameters(), lr=0.01)
    criterion = nn.BCEWithLogitsLoss()
    ones, zeros = torch.ones(12, 1), torch.zeros(12, 1)
    losses = []
    for _ in range(3):
        second.zero_grad()
        real = criterion(second(Y), ones)
        real.backward()
        made = first(X)
        unreal = criterion(second(made.detach()), zeros)
        unreal.backward()
        of_second.step()
        first.zero_grad()
        fooled = criterion(second(made), ones)
        fooled.backward()
        norm = nn.utils.clip_grad_norm_(first.parameters(), 0.5)
        of_first.step()
        losses += [real.item(), unreal.item(), fooled.item(), norm.item()]
    return losses


def in_branches(scaler=None):
    net, criterion = network(), nn.MSELoss()
    optimizer = SGD(net.parameters(), lr=0.1)
    losses = []
    for step in range(6):
        prediction = net(X)
        loss = criterion(prediction, Y)
        losses += [loss.item(), prediction.sum().item()]
        if step % 3 != 2:
            optimizer.zero_grad()
            if scaler is None:
                loss.backward()
            else:
                scaler.scale(loss).backward()
            optimizer.step()
    return losses


class Teacher(nn.Module):
    """No gradient flows through what these methods give, and a norm without weights has none."""

    def __init__(self):
        super().__init__()
        self.net, self.norm = network(), nn.BatchNorm1d(2, affine=False)
        nn.init.ones_(self.net.out.weight[1])
        nn.init.constant_(self.net.hidden.bias[:2], 0.5)
        self.register_buffer("count", torch.zeros(2))

    @torch.no_grad()
    def targets(self, x):
        return self.net(x) * 2, x.shape[0]

    def weights(self, x):
        with torch.no_grad():
            scale = self.net(x).sigmoid()
            return scale.mean()

    def forward(self, x):
        target, count = self.targets(x)
        return ((self.norm(self.net(x)) - target) ** 2).sum() / count * self.weights(x)

    @torch.no_grad()
    def tick(self, x):
        seen = self.count.mul_(0.5).add_(x.mean())
        self.net.out.weight.view(-1)[0] = 0.1
        self.net.out.bias.detach().mul_(0.9)
        return seen.sum()


def without_gradients():
    net = Teacher()
    optimizer = SGD(net.parameters(), lr=0.1)
    losses = [sum(each.numel() for each in net.parameters())]
    for _ in range(3):
        loss = net(X)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), net.tick(X).item(), net.count.sum().item()]
    return losses


class Kept:
    """Attributes that one method computes, and losses of them in others."""

    def __init__(self):
        self.net, self.other = network(), nn.Linear(2, 1)
        nn.init.constant_(self.other.weight, 0.3)
        nn.init.constant_(self.other.bias, 0.1)

    def forward(self):
        self.made = self.net(X)

    def judge(self):
        loss = (self.other(self.made.detach()) ** 2).mean()
        loss.backward()
        return loss.item()

    def fool(self):
        pair = torch.cat((self.made, Y), 1)
        self.loss = (self.other(pair[:, :2]) - 1).abs().mean() + pair.mean()
        self.loss.backward()
        return self.loss.item()


def of_attributes():
    model, losses = Kept(), []
    optimizer = SGD([*model.net.parameters(), *model.other.parameters()], lr=0.1)
    for _ in range(3):
        model.forward()
        optimizer.zero_grad()
        losses += [model.judge(), model.fool()]
        optimizer.step()
    return losses


def words_one_after_the_other():
    """CTC of targets that stand one behind the other, and a buffer that takes the form of each batch."""
    net, criterion = nn.Linear(5, 6), nn.CTCLoss(zero_infinity=True)
    nn.init.constant_(net.bias, 0.1)
    nn.init.eye_(net.weight)
    held = torch.zeros(2)
    held.resize_(X.size()).copy_(X)
    steps = held.view(6, 2, 5)
    words, lengths = torch.IntTensor([1, 2, 2, 3, 5]), torch.IntTensor([2, 3])
    optimizer = SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        loss = criterion(net(steps).log_softmax(2), words, torch.IntTensor([6, 6]), lengths)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    one = nn.functional.ctc_loss(net(steps)[:, 0].log_softmax(1), words[:2], torch.tensor(6), torch.tensor(2))
    return [*losses, one.item()]


def fetched_ahead():
    """What the loss was computed of changes before its gradients are asked for; a network is a part of another one."""
    net = nn.Sequential(network(), nn.Identity())
    net.register_buffer("scale", torch.full((1,), 2.0))
    net[0].load_state_dict(network().state_dict())
    optimizer = SGD(net.parameters(), lr=0.1)
    x, y = X[:6], Y[:6]
    losses = [len(list(net.parameters())), sum(each.numel() for each in net.buffers() if each.is_floating_point())]
    for step in range(3):
        loss = ((net(x) * net.scale - y) ** 2).mean()
        rows = slice(6 * (step % 2), 6 * (step % 2) + 6)
        x, y = X[rows], Y[rows]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def leaves():
    """Tensors that ask for gradients themselves, and losses that gather in a list."""
    w = torch.zeros(5, requires_grad=True)
    optimizer = Adam([w], lr=0.1)
    losses = []
    for _ in range(3):
        parts = []
        for row in range(12):
            if row > 8:
                break
            parts.append((torch.sigmoid(X[row] @ w) - Y[row, 0]) ** 2)
        loss = torch.stack(parts).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), w.sum().item()]
    return losses


def by_hand():
    """Steps that the script takes itself, and an average of the weights."""
    net, average, criterion = network(), network(), nn.MSELoss()
    losses = []
    for _ in range(3):
        loss = criterion(net(X), Y)
        net.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in net.parameters():
                parameter -= 0.1 * parameter.grad
        for old, new in zip(average.parameters(), net.parameters()):
            old.data = old.data * 0.5 + new.data * 0.5
            old.data *= 1.1
        losses += [loss.item(), criterion(average(X), Y).item()]
    return losses


class Rounded(torch.autograd.Function):
    """Steps forward, a straight line backward."""

    @staticmethod
    def forward(ctx, x, scale):
        ctx.save_for_backward(x)
        ctx.scale = scale
        return torch.round(x * scale) / scale

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        grad = grad_output.clone()
        grad[x.abs() > ctx.scale] = 0
        return grad, None


class Reversed(torch.autograd.Function):
    """Reverses gradients; gives two results."""

    @staticmethod
    def forward(x):
        return x * 1, x.abs()

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.sign = x.sign()

    @staticmethod
    def backward(ctx, grad, grad_abs):
        return -grad - grad_abs * ctx.sign


rounded = Rounded.apply


def with_own_gradients():
    """Functions whose gradients are not those of their forward."""
    net, criterion = network(), nn.MSELoss()
    optimizer = SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        plain, size = Reversed.apply(Rounded.apply(net(X), 4.0))
        loss = criterion(plain + size, Y) + rounded(net(X), 8).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def by_name():
    """Groups of parameters by their names, and the names of a state."""
    net = nn.Sequential(network(), nn.Embedding(3, 2), nn.LayerNorm(2))
    decay = [p for n, p in net.named_parameters() if n.endswith("weight") and "norm" not in n]
    rest = [p for n, p in net.named_parameters() if n.endswith("bias") or "norm.weight" in n]
    state = {n: v for n, v in net.state_dict().items() if not n.endswith("num_batches_tracked")}
    net.load_state_dict({n: v * 0 for n, v in state.items()}, strict=False)
    running = [n for n, _ in net.named_buffers() if n.startswith("0.norm.running_")]
    counts = [sum(p.numel() for p in group) for group in (decay, rest)]
    return [*counts, len(state), len(running), sum(abs(p).sum().item() for p in net.parameters())]


class OfStatistics(nn.Module):
    """A norm written with its function, and a buffer that is assigned."""

    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(5, 2, bias=False)
        self.scale = nn.Buffer(torch.full((2,), 2.0))
        self.register_buffer("mean", torch.zeros(2))
        self.register_buffer("var", torch.ones(2))

    def forward(self, x):
        normed = nn.functional.batch_norm(self.hidden(x), self.mean, self.var, None, None, self.training, 0.2)
        return normed * self.scale


def with_buffers():
    """Statistics that a function moves, gradients that the script changes, a state of an optimizer that comes back."""
    net, criterion = OfStatistics(), nn.MSELoss()
    net.load_state_dict({**net.state_dict(), "hidden.weight": torch.from_numpy(WEIGHTS[0][:2])})
    optimizer = Adam(net.parameters(), lr=0.1)
    losses = [len(list(net.buffers())), len(list(net.parameters()))]
    for step in range(4):
        loss = criterion(net(X), Y)
        optimizer.zero_grad()
        loss.backward()
        for p in net.parameters():
            p.grad.data.clamp_(-0.1, 0.1)
            p.grad *= 2
        if step == 1:
            saved = optimizer.state_dict()
            optimizer = Adam(net.parameters(), lr=0.5)
            optimizer.load_state_dict(saved)
        optimizer.step()
        losses += [loss.item(), net.var.sum().item()]
    net.eval()
    return [*losses, net(X).sum().item()]


def attacked():
    """The gradient of an input."""
    net = network().eval()
    x = X.clone()
    x.requires_grad_()
    loss = (net(x) - Y).pow(2).sum()
    net.zero_grad()
    loss.backward()
    return [x.grad.sum().item(), net.out.weight.grad.sum().item(), net(x + 0.1 * x.grad.sign()).sum().item()]


def filled(net):
    """A network whose parameters are given, one after another."""
    drawn = np.random.default_rng(1)
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.from_numpy(drawn.normal(0, 0.5, tuple(p.shape)).astype(np.float32)))
    return net


def penalised():
    """The penalty on the gradient of a critic (WGAN-GP), and a second derivative."""
    critic = filled(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1)))
    optimizer = Adam(critic.parameters(), lr=0.05)
    losses = []
    for _ in range(3):
        between = (0.3 * X + 0.7 * X.flip(0)).requires_grad_(True)
        scores = critic(between)
        slope = torch.autograd.grad(
            outputs=scores, inputs=between, grad_outputs=torch.ones(scores.size()), create_graph=True, retain_graph=True
        )[0]
        (bend,) = torch.autograd.grad(slope[:, 0].sum(), between, create_graph=True)
        loss = critic(X).mean() + ((slope.norm(2, dim=1) - 1) ** 2).mean() + bend.pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class Words(nn.Module):
    """Sequences of several lengths, and layers whose weights are computed."""

    def __init__(self):
        super().__init__()
        self.rnn = nn.LSTM(5, 3, batch_first=True, bidirectional=True)
        self.out = nn.utils.spectral_norm(nn.Linear(6, 2))
        self.scaled = nn.utils.parametrizations.weight_norm(nn.Conv1d(2, 2, 1))

    def forward(self, x, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        packed, (hidden, _) = self.rnn(packed)
        padded, lengths = nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
        return self.scaled(self.out(padded).transpose(1, 2)), hidden, packed.data


class Signs(torch.optim.Optimizer):
    """An optimizer of the script's own."""

    def __init__(self, params, lr=0.01, beta=0.5):
        super().__init__(params, dict(lr=lr, beta=beta))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["mean"] = torch.zeros_like(p)
                mean = state["mean"]
                mean.mul_(group["beta"]).add_(p.grad, alpha=1 - group["beta"])
                p.data = p.data - group["lr"] * mean.sign()


def of_lengths():
    net = filled(Words())
    with torch.no_grad():
        net.out.weight_u.copy_(torch.tensor([0.6, 0.8]))
        net.scaled.bias.zero_()
    optimizer, average = Signs(net.parameters()), filled(Words())
    losses = []
    for _ in range(3):
        out, hidden, flat = net(X.view(3, 4, 5), torch.tensor([2, 3, 1]))
        loss = out.pow(2).mean() + hidden.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses += [loss.item(), out.shape[-1], flat[:2].sum().item(), flat.shape[0]]
    own = net.state_dict()
    for name, value in average.state_dict().items():
        value *= 0.5
        value += 0.5 * own[name]
    return [*losses, average.rnn.weight_ih_l0.sum().item()]


def growing():
    """An optimizer that gets parameters one after another, whose moments stay."""
    net = network()
    optimizer = SGD([net.out.weight], lr=0.01, momentum=0.9, nesterov=True)
    optimizer.add_param_group({"params": [net.out.bias], "lr": 0.1})
    results = {}
    losses = []
    for step in range(4):
        loss = (net(X) - Y).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step == 1:
            optimizer.add_param_group({"params": net.hidden.parameters(), "weight_decay": 0.1})
        results["loss"] = loss.detach()
        losses.append(float(f"{results['loss']:.5f}"))
    return losses


def of_two_sizes():
    """A loss of logits of two sizes in one step: MindSpore's own mean divides the gradient of one by the other's size."""
    net, losses = network(), []
    optimizer, criterion = SGD(net.parameters(), lr=0.5), nn.BCEWithLogitsLoss(pos_weight=torch.tensor([2.0]))
    for _ in range(3):
        out = net(X)
        loss = criterion(out, (Y > 0).float()) + nn.functional.binary_cross_entropy_with_logits(out[:2], Y[:2].sigmoid())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


class Meter:
    """What a script keeps of its losses: tensors, too."""

    def __init__(self):
        self.last, self.total = 0, 0

    def add(self, value):
        self.last, self.total = value, self.total + value

    def __str__(self):
        return "{last:.5f} {total:.5f}".format(**self.__dict__)


def of_values():
    """`x.data` lets no gradient through, a state is carried from step to step, and a layer is called twice in one."""
    net, meter = filled(nn.Sequential(nn.utils.spectral_norm(nn.Linear(5, 5)), nn.Tanh(), nn.Linear(5, 3))), Meter()
    with torch.no_grad():
        net[0].weight_u.copy_(torch.tensor([0.6, 0.8, 0.0, 0.0, 0.0]))
        net[0].weight_v.fill_(0.2)
    optimizer, state = torch.optim.Adam(net.parameters(), lr=0.01, eps=1e-2), (torch.zeros(12, 3),)
    for _ in range(3):
        state = tuple([each.data for each in state])
        log = nn.functional.log_softmax(net(X) + state[0] + net(-X), dim=1)
        loss = (-((1 - log.data.exp()) ** 2) * log).mean()
        meter.add(loss.detach()[None][0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state = (log,)
    return [float(each) for each in str(meter).split()]


def of_spectra():
    """Complex products, and the magnitude of a spectrum, which gradients flow through."""
    net, losses = filled(nn.Linear(5, 3)), []
    optimizer = torch.optim.RMSprop(net.parameters(), lr=0.01)
    window = torch.hann_window(4)
    for _ in range(3):
        spectrum = torch.stft(X, 4, 1, window=window, return_complex=True)
        mask = net(X)[:, :, None]
        loss = (spectrum * mask).abs().mean() + torch.fft.irfft(torch.fft.rfft(X) * mask[:, :, 0]).std()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return [*losses, window.element_size()]


class Frozen(nn.Module):
    """A module with its own `train`, `to` and `state_dict`, which call those of its base."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(5)
        self.out = nn.Linear(5, 2)
        self.conv = nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False)

    def train(self, mode=True):
        super().train(mode)
        self.norm.eval()
        return self

    def to(self, *args, **kwargs):
        return super(Frozen, self).to(*args, **kwargs)

    def state_dict(self, *args, **kwargs):
        return {name: value for name, value in super().state_dict(*args, **kwargs).items() if "norm" not in name}

    def forward(self, x):
        return self.conv(self.out(self.norm(x))[None, None])[0, 0].sum() + x.sum()


def changed_later(module):
    """Other settings of layers that have been made."""
    for each in module.modules():
        if isinstance(each, nn.Conv2d) or isinstance(each, nn.ConvTranspose2d):
            each.stride = (1, 1)
            each.padding = 2
        elif isinstance(each, nn.BatchNorm1d):
            each.momentum = 0.5


def with_own_training():
    found = []
    for change in (False, True):
        inner = Frozen().to("cpu")
        nn.init.constant_(inner.conv.weight, 0.1)
        nn.init.constant_(inner.out.weight, 0.2)
        nn.init.constant_(inner.out.bias, 0.3)
        net = nn.Sequential(nn.BatchNorm1d(5), inner)
        if change:
            changed_later(net)
        for module in (net, net.eval(), net):
            module.train(module is not None)
            found += [net(X).item(), float(inner.norm.training), float(net[0].training), net[0].running_mean.sum().item()]
    return [*found, float(len(inner.state_dict()))]


class Temperature:
    """A tensor of its own that learns from what is detached."""

    def __init__(self):
        self.log_alpha = torch.zeros(1, requires_grad=True)
        self.optimizer = Adam([self.log_alpha], lr=0.1)
        self.net = filled(nn.Linear(5, 1))
        self.of_net = SGD(self.net.parameters(), lr=0.1)

    def step(self, x):
        entropy = self.net(x).square()
        loss = (self.log_alpha.exp().detach() * entropy).mean()
        self.of_net.zero_grad()
        loss.backward()
        self.of_net.step()
        of_alpha = -(self.log_alpha * (entropy - 1.0).detach()).mean()
        self.optimizer.zero_grad()
        of_alpha.backward()
        self.optimizer.step()
        return [loss.item(), of_alpha.item(), self.log_alpha.item()]


def of_temperature():
    own = Temperature()
    return [value for _ in range(3) for value in own.step(X)]


class Shared(nn.Module):
    """Features that one method computes and the loss of another reads, with statistics that move once a step."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
        self.head = nn.Linear(3, 1)
        self.optimizer = SGD(self.parameters(), lr=0.1)

    def forward(self):
        self.features = self.body(self.x)

    def learn(self):
        self.loss = self.head(self.features).square().mean()
        self.optimizer.zero_grad()
        self.loss.backward()
        self.optimizer.step()

    def step(self, x):
        self.x = x
        self.forward()
        self.learn()
        return [self.loss.item(), *self.body[1].running_mean.tolist(), *self.body[1].running_var.tolist()]


def of_shared_features():
    net = filled(Shared())
    maker, critic = filled(nn.Sequential(nn.Linear(5, 5), nn.BatchNorm1d(5))), filled(nn.Linear(5, 1))
    found = [value for _ in range(3) for value in net.step(X)]
    for _ in range(2):
        made = maker(X)
        apart = critic(made.detach()).mean()
        apart.backward()
        through = critic(made).square().mean()
        through.backward()
        found += [apart.item(), through.item(), *maker[1].running_mean.tolist()]
    return found


if __name__ == "__main__":
    plain = groups() + accumulated() + adversaries() + in_branches()
    print(
        *[f"{value:.5f}" for value in plain + fetched_ahead() + leaves() + by_hand() + with_own_gradients() + by_name()],
        *[f"{value:.5f}" for value in with_buffers() + attacked() + penalised() + of_lengths() + growing() + of_two_sizes()],
        *[f"{value:.5f}" for value in of_values() + of_spectra() + with_own_training() + of_temperature()],
        *[f"{value:.5f}" for value in without_gradients() + of_attributes() + of_shared_features()],
        *[f"{value:.5f}" for value in words_one_after_the_other()],
    )
