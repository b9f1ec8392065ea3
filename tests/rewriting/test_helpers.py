"""Helpers that are plain Python: learning rates as PyTorch's, and the patterns of einops."""

from __future__ import annotations

import ast
import importlib
import sys
import types

import mindspore
import numpy as np
import pytest
from rewriting.conversion import ROWS, converted

from converter.rewriting.compat import ORDER
from converter.rewriting.helpers import FOLDER, modules_by_name, text_of, written

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def compat() -> types.ModuleType:
    """The helper module with everything that is written by hand."""
    module = types.ModuleType("compat_of_test")
    sys.modules[module.__name__] = module
    exec(compile(text_of(set(modules_by_name()), ROWS), "_torch_compat.py", "exec"), module.__dict__)
    return module


def test_the_order_of_the_helpers():
    """Each module stands in it once; a class stands behind those from which it derives."""
    assert sorted(ORDER) == sorted(path.stem for path in FOLDER.glob("[!_]*.py"))
    names = modules_by_name()
    for name in names:
        found = written(name)
        bases = [each.id for each in getattr(found.tree, "bases", ()) if isinstance(each, ast.Name)]
        assert all(written(base).place < found.place for base in bases if base in names), name


def test_an_argument_keeps_its_place_when_one_before_it_is_left_out(tmp_path):
    text = converted(tmp_path, "import torch\ndef f(x: torch.Tensor):\n    return x.clip(max=1.0)\n").text
    assert "x.clamp(None, 1.0)" in text


@pytest.mark.parametrize("jit", [False, True], ids=["PyNative", "graph"])
@pytest.mark.parametrize("name", ["larger", "smaller"])
def test_the_larger_of_two_or_along_an_axis(tmp_path, monkeypatch, name, jit):
    x, y = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    function = {"larger": torch.max, "smaller": torch.min}[name]
    (tmp_path / f"helper_{name}_{jit}.py").write_text(text_of({name}, ROWS), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)  # graph mode reads the file
    run = getattr(importlib.import_module(f"helper_{name}_{jit}"), name)
    run = mindspore.jit(run) if jit else run
    both = run(mindspore.Tensor(x), mindspore.Tensor(y))
    np.testing.assert_array_equal(both.asnumpy(), function(torch.tensor(x), torch.tensor(y)).numpy())
    values, indices = run(mindspore.Tensor(x), 1, True)
    expected = function(torch.tensor(x), 1, True)
    np.testing.assert_array_equal(values.asnumpy(), expected[0].numpy())
    np.testing.assert_array_equal(indices.asnumpy(), expected[1].numpy())


SCHEDULES = {
    "StepLR": {"step_size": 3},
    "MultiStepLR": {"milestones": [2, 5], "gamma": 0.5},
    "ExponentialLR": {"gamma": 0.9},
    "ConstantLR": {"factor": 0.5, "total_iters": 4},
    "LinearLR": {"start_factor": 0.1, "total_iters": 4},
    "PolynomialLR": {"total_iters": 6, "power": 2.0},
    "CosineAnnealingLR": {"T_max": 4, "eta_min": 0.01},
    "CosineAnnealingWarmRestarts": {"T_0": 3, "T_mult": 2},
    "LambdaLR": {"lr_lambda": lambda epoch: 0.95**epoch},
    "MultiplicativeLR": {"lr_lambda": lambda epoch: 0.95},
    "OneCycleLR": {"max_lr": 0.5, "total_steps": 12},
    "CyclicLR": {"base_lr": 0.1, "max_lr": 0.5, "step_size_up": 3, "step_size_down": 2, "mode": "triangular2"},
}


def rates(schedulers, group, name: str, options: dict) -> list[tuple[float, float]]:
    """The learning rates and momenta of some steps."""
    if name == "warmup":
        first = schedulers.LinearLR(group, start_factor=0.1, total_iters=3)
        second = schedulers.CosineAnnealingLR(group, T_max=6)
        scheduler = schedulers.SequentialLR(group, [first, second], milestones=[3])
    else:
        scheduler = getattr(schedulers, name)(group, **options)
    found = []
    for _ in range(10):
        found.append((scheduler.get_last_lr()[0], group.param_groups[0]["momentum"]))
        scheduler.step()
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", [*SCHEDULES, "warmup"])
def test_learning_rates_are_those_of_pytorch(compat, name):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.4, momentum=0.9)
    wanted = rates(torch.optim.lr_scheduler, optimizer, name, SCHEDULES.get(name, {}))
    group = types.SimpleNamespace(param_groups=[{"lr": 0.4, "momentum": 0.9}])
    assert np.allclose(rates(compat, group, name, SCHEDULES.get(name, {})), wanted, rtol=1e-6)


def test_a_plateau_lowers_the_rate_as_in_pytorch(compat):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.4)
    ours = types.SimpleNamespace(param_groups=[{"lr": 0.4}])
    both = [
        (each, of.ReduceLROnPlateau(each, patience=1, factor=0.5, cooldown=1))
        for of, each in ((torch.optim.lr_scheduler, optimizer), (compat, ours))
    ]
    for loss in (1.0, 1.1, 1.2, 1.3, 0.5, 0.6, 0.7, 0.8, 0.9):
        for _, scheduler in both:
            scheduler.step(loss)
        assert optimizer.param_groups[0]["lr"] == ours.param_groups[0]["lr"]


OPTIMIZERS = [
    ("SGD", {"momentum": 0.9, "dampening": 0.1, "weight_decay": 0.1}),
    ("SGD", {"momentum": 0.9, "nesterov": True, "maximize": True}),
    ("Adam", {"eps": 1e-2, "weight_decay": 0.1}),
    ("Adam", {"amsgrad": True, "betas": (0.5, 0.6)}),
    ("AdamW", {"eps": 1e-3, "weight_decay": 0.5}),
    ("RMSprop", {"momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    ("RMSprop", {"alpha": 0.5}),
    ("Adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.2}),
    ("Adadelta", {"weight_decay": 0.1, "eps": 1e-3}),
    ("Adamax", {"weight_decay": 0.1}),
    ("NAdam", {"weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("RAdam", {"betas": (0.5, 0.7), "weight_decay": 0.1}),
    ("Rprop", {"etas": (0.4, 1.3)}),
    ("ASGD", {"lambd": 0.01, "t0": 3.0, "weight_decay": 0.1}),
]


@pytest.mark.parametrize(("name", "options"), OPTIMIZERS)
def test_optimizers_take_the_steps_of_pytorch(compat, name, options):
    """Two parameters, of which the second has no gradient at every other step; a state that is saved and loaded."""
    random = np.random.default_rng(0)
    start = random.normal(size=(2, 3)).astype(np.float32)
    theirs = [torch.nn.Parameter(torch.tensor(each)) for each in start]
    ours = [compat.Parameter(compat.Tensor(each), name=f"p{place}") for place, each in enumerate(start)]
    pairs = getattr(torch.optim, name)(theirs, lr=0.1, **options), getattr(compat, name)(ours, lr=0.1, **options)
    for step in range(8):
        for place, gradient in enumerate(random.normal(size=(2, 3)).astype(np.float32)):
            used = step % 2 == 0 or place == 0
            theirs[place].grad = torch.tensor(gradient) if used else None
            ours[place].gradient = compat.Tensor(gradient) if used else None
        if step == 4:
            state = compat.tensors(compat.plain(pairs[1].state_dict()))
            pairs = pairs[0], getattr(compat, name)(ours, lr=0.7, **options)
            pairs[1].load_state_dict(state)
        for each in pairs:
            each.step()
        for wanted, found in zip(theirs, ours, strict=True):
            assert np.allclose(wanted.detach().numpy(), found.asnumpy(), atol=1e-5), step


A, B = np.array([[0.5, 1.5], [2.0, 0.7]], np.float32), np.array([[0.9, 0.4], [1.1, 2.5]], np.float32)
DISTRIBUTIONS = {
    "Normal": ((A, B), A),
    "LogNormal": ((A, B), B),
    "Laplace": ((A, B), B),
    "Exponential": ((A,), B),
    "Gamma": ((A, B), B),
    "Beta": ((A, B), B / 3),
    "Dirichlet": ((A,), np.array([[0.3, 0.7], [0.6, 0.4]], np.float32)),
    "OneHotCategorical": ((A,), np.eye(2, dtype=np.float32)),
    "MultivariateNormal": ((A, np.array([[2.0, 0.5], [0.5, 1.0]], np.float32)), B),
}


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("independent", [False, True])
def test_distributions_are_those_of_pytorch(compat, name, independent):
    given, value = DISTRIBUTIONS[name]
    theirs = getattr(torch.distributions, name)(*map(torch.tensor, given))
    ours = getattr(compat, name)(*map(compat.Tensor, given))
    if independent:
        theirs, ours = torch.distributions.Independent(theirs, 1), compat.Independent(ours, 1)
    assert np.allclose(theirs.log_prob(torch.tensor(value)).numpy(), ours.log_prob(compat.Tensor(value)), atol=1e-4)
    assert np.allclose(theirs.entropy().numpy(), ours.entropy().asnumpy(), atol=1e-4)
    assert np.allclose(theirs.mean.numpy(), ours.mean.asnumpy(), atol=1e-5)
    drawn = ours.sample((4000,))
    assert drawn.shape == tuple(theirs.sample((4000,)).shape)
    if name != "LogNormal":  # too wide
        assert np.allclose(drawn.asnumpy().mean(0), theirs.mean.numpy(), atol=0.25)


@pytest.mark.parametrize("event", [False, True])
def test_mixtures_are_those_of_pytorch(compat, event):
    """Two mixtures of two components, of numbers or of vectors of two numbers."""
    weights, loc, scale = A, np.stack([A, -B]), np.stack([B, A])

    def mixture(library, tensor):
        if not event:
            return library.MixtureSameFamily(library.Categorical(tensor(weights)), library.Normal(tensor(A), tensor(B)))
        parts = library.Independent(library.Normal(tensor(loc), tensor(scale)), 1)
        return library.MixtureSameFamily(library.Categorical(tensor(weights)), parts)

    theirs, ours = mixture(torch.distributions, torch.tensor), mixture(compat, compat.Tensor)
    value = A if event else A[0]
    assert np.allclose(theirs.log_prob(torch.tensor(value)).numpy(), ours.log_prob(compat.Tensor(value)), atol=1e-4)
    assert np.allclose(theirs.mean.numpy(), ours.mean.asnumpy(), atol=1e-5)
    drawn = ours.sample((4000,))
    assert drawn.shape == tuple(theirs.sample((4000,)).shape)
    assert np.allclose(drawn.asnumpy().mean(0), theirs.mean.numpy(), atol=0.25)


@pytest.mark.parametrize("name", ["LazyLinear", "LazyConv2d", "LazyBatchNorm2d"])
def test_lazy_layers_become_what_they_stand_for(compat, name):
    options = {"LazyLinear": (3,), "LazyConv2d": (5, 3)}.get(name, ())
    ours, theirs = getattr(compat, name)(*options), getattr(torch.nn, name)(*options)
    x = np.ones((2, 4, 6, 7), np.float32)
    assert ours(compat.Tensor(x)).shape == tuple(theirs(torch.tensor(x)).shape)
    sizes = sorted(tuple(each.shape) for each in ours.trainable_params())
    assert sizes == sorted(tuple(each.shape) for each in theirs.parameters())
    assert not isinstance(ours, compat.LazyLayer)


def test_layers_begin_again_as_those_of_pytorch(compat):
    """Also by the `super()` of a class that has reset_parameters of its own."""

    class Own(compat.Conv2d):
        def reset_parameters(self):
            compat.reset_parameters(super())

    pairs = [
        (Own(30, 40, 3), torch.nn.Conv2d(30, 40, 3)),
        (compat.nn.LSTM(3, 100), torch.nn.LSTM(3, 100)),
        (compat.BatchNorm2d(4), torch.nn.BatchNorm2d(4)),
    ]
    for ours, theirs in pairs:
        for parameter in ours.get_parameters():
            compat.constant_(parameter, 7)
        compat.reset_parameters(ours)
        found = sorted(float(each.abs().max()) for each in ours.trainable_params())
        assert np.allclose(found, sorted(float(each.abs().max()) for each in theirs.parameters()), atol=0.02)


def test_lbfgs_takes_the_steps_of_pytorch(compat):
    """On the function of Rosenbrock, several calls of `step`, each with its iterations."""
    theirs = torch.nn.Parameter(torch.tensor([-1.0, 1.5]))
    ours = compat.Parameter(compat.Tensor(np.array([-1.0, 1.5], np.float32)), name="x")
    optimizers = torch.optim.LBFGS([theirs], lr=0.1, max_iter=7), compat.LBFGS([ours], lr=0.1, max_iter=7)

    def loss_of(x):
        return (1 - x[0]) ** 2 + 5 * (x[1] - x[0] ** 2) ** 2

    def closure_of_theirs():
        optimizers[0].zero_grad()
        loss = loss_of(theirs)
        loss.backward()
        return loss

    def closure_of_ours():
        x, y = ours.asnumpy()
        gradient = np.array([-2 * (1 - x) - 20 * x * (y - x * x), 10 * (y - x * x)], np.float32)
        ours.gradient = compat.Tensor(gradient)
        return loss_of((x, y))

    for _ in range(4):
        wanted, found = optimizers[0].step(closure_of_theirs), optimizers[1].step(closure_of_ours)
        assert np.allclose(float(wanted.detach()), found, rtol=1e-4)
        assert np.allclose(theirs.detach().numpy(), ours.asnumpy(), rtol=1e-3)


def test_a_loss_that_changes_what_is_trained(compat):
    """`set_requires_grad(critic, True)` between two networks stands in the function that computes the loss."""
    network, critic = (compat.nn.Linear(2, 1, weight_init="ones", bias=False) for _ in range(2))
    critic.weight.requires_grad = False
    x = compat.Tensor(np.array([[1, 2]], np.float32))

    def forward():
        y = network(x)
        critic.weight.requires_grad = True
        return (y * critic(x)).mean()

    compat.backward(forward, network, critic)
    assert np.allclose(compat.gradient_of(critic.weight).asnumpy(), [[3, 6]])
    assert np.allclose(compat.gradient_of(network.weight).asnumpy(), [[3, 6]])


def test_dropout2d_drops_channels_of_any_rank(compat):
    drop = compat.Dropout2d(0.5)
    drop.set_train()
    for shape in ((64, 8), (16, 8, 5), (16, 8, 3, 3)):
        dropped = drop(compat.Tensor(np.ones(shape, np.float32))).asnumpy().reshape(*shape[:2], -1)
        assert set(np.unique(dropped)) == {0.0, 2.0}
        assert (dropped == dropped[..., :1]).all()


def test_patterns_of_einops(compat):
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    x = compat.Tensor(values)
    flat = compat.rearrange(x, "b c (h p) -> (b h) p c", p=2)
    assert (flat.asnumpy() == values.reshape(2, 3, 2, 2).transpose(0, 2, 3, 1).reshape(4, 2, 3)).all()
    assert (compat.rearrange(x, "b ... -> b (...)").asnumpy() == values.reshape(2, 12)).all()
    assert (compat.repeat(x, "b c w -> b (r c) w", r=2).asnumpy() == np.tile(values, (1, 2, 1))).all()
    assert np.allclose(compat.reduce(x, "b c w -> b 1 w", "mean").asnumpy(), values.mean(1, keepdims=True))
    product = compat.einops_einsum(x, x, "b i d, b j d -> b i j").asnumpy()
    assert np.allclose(product, values @ values.transpose(0, 2, 1))
    with pytest.raises(ValueError, match="does not fit"):
        compat.rearrange(x, "b c (h p) -> b c h p", p=3)


def test_a_rate_that_a_script_sets_counts_in_graph_mode(compat):
    parameter = compat.Parameter(compat.Tensor(np.ones(2, np.float32)), name="x")
    optimizer = compat.SGD([parameter], lr=0.0)
    compat.ms.set_context(mode=compat.ms.GRAPH_MODE)
    try:
        for rate in (0.0, 0.5):
            optimizer.param_groups[0]["lr"] = rate
            parameter.gradient = compat.Tensor(np.ones(2, np.float32))
            optimizer.step()
        assert compat.ms.get_context("mode") == compat.ms.GRAPH_MODE
    finally:
        compat.ms.set_context(mode=compat.ms.PYNATIVE_MODE)
    assert parameter.asnumpy().tolist() == [0.5, 0.5]


def test_two_writers_of_summaries_write_one_record(compat, tmp_path):
    train, test = compat.SummaryWriter(tmp_path / "train"), compat.SummaryWriter(str(tmp_path / "test"))
    for step in range(2):
        train.add_scalar("loss", compat.Tensor(0.5), step)
        test.add_scalar("loss", 0.25)
        test.add_image("image", np.ones((4, 4, 3)), step, dataformats="HWC")
    train.add_text("name", "nothing")
    train.close()
    assert compat.SummaryWriter.record is not None
    test.close()
    (written,) = tmp_path.rglob("*events*")
    assert b"test/loss" in written.read_bytes()


def test_map_of_a_lambda_becomes_a_list(tmp_path):
    source = (
        "import torch\nfrom torch import nn\nclass A(nn.Module):\n    def forward(self, x, h):\n"
        "        q, k = map(lambda t: t.view(h, -1), (x, x))\n        return q @ k.t()\n"
    )
    assert "q, k = [t.view(h, -1) for t in (x, x)]" in converted(tmp_path, source).text


@pytest.mark.parametrize(
    ("line", "became"),
    [
        ("y = torch.linspace(0, 1, 5, dtype=torch.float64)", "y = ops.linspace(start=0, end=1, steps=5"),
        ("y = x.to(args.device).cuda()", "y = x\n"),
        ("y = x.size(0)", "y = x.shape[0]"),
        ("y = x.detach().cpu().numpy()", "y = ops.stop_gradient(x).asnumpy()"),
        ("y = net.to(torch.device('cuda'))", "y = net\n"),
        ("y = torch.zeros(2, device=args.device.type)", "y = ops.zeros((2,))"),
        ("y = args.device.type == 'cuda'", "y = args.device.partition(\":\")[0] == 'cuda'"),
        ("y = torch.ones(2).device.type", 'y = "cpu"'),
        ("y = f'{torch.ones(2).device}'", "y = f'{\"cpu\"}'"),
        ("y = x.data.numpy()", "y = x.data.asnumpy()"),
        ("y = torch.LongTensor(range(3))", "y = ms.Tensor(list(range(3)), ms.int64)"),
        ("y = torch.tensor(range(3))", "y = ms.tensor(list(range(3)))"),
        ("y = torch.t(torch.ones(2, dtype=bool))", "y = ops.t(ops.ones((2,), dtype=ms.bool_))"),
        ("y = torch.ones(9)[np.random.permutation(9)]", "y = ops.ones((9,))[compat.index(np.random.permutation(9))]"),
        ("y = torch.ones(9)[: np.argmax(x)]", "y = ops.ones((9,))[: int(np.argmax(x))]"),
        ("y = torch.ones(9)[np.where(x > 1)]", "y = ops.ones((9,))[tuple(map(compat.index, np.where(x > 1)))]"),
        ("y = torch.ones(9)[range(2)]", "y = ops.ones((9,))[list(range(2))]"),
    ],
)
def test_what_is_clear_without_the_kind_of_a_receiver(tmp_path, line, became):
    made = converted(tmp_path, f"import numpy as np\nimport torch\ndef step(x, net, args):\n    {line}\n    return y\n")
    assert became in made.text
    assert all(record.converted for record in made.records)


def test_the_gradient_of_selu(compat):
    x = np.linspace(-3, 3, 7, dtype=np.float32)
    theirs = torch.tensor(x, requires_grad=True)
    torch.selu(theirs).sum().backward()
    ours = mindspore.grad(lambda x: compat.selu(x).sum())(mindspore.Tensor(x))
    np.testing.assert_allclose(ours.asnumpy(), theirs.grad.numpy(), rtol=1e-5)


def test_other_settings_of_layers(compat):
    """Of a layer of which nobody knows how, it is refused; of anything else the attribute changes."""
    plain = types.SimpleNamespace(stride=1)
    compat.set_setting(plain, "stride", 2)
    assert plain.stride == 2
    dropout = mindspore.nn.Dropout(p=0.5)
    compat.set_setting(dropout, "p", 0.25)
    assert (dropout.p, dropout.dropout.keep_prob) == (0.25, 0.75)
    with pytest.raises(NotImplementedError, match="stride of a MaxPool2d"):
        compat.set_setting(mindspore.nn.MaxPool2d(2), "stride", 1)


def test_one_process_is_a_group_of_its_own(compat, monkeypatch):
    monkeypatch.delenv("MS_ROLE", raising=False)
    compat.init_process_group()
    compat.all_reduce(None, "avg")
    compat.barrier()
    assert (compat.rank(), compat.processes()) == (0, 1)
