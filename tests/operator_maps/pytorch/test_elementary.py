"""Rows with one text each, run beside PyTorch in both modes: values and shapes are the same."""

from __future__ import annotations

import importlib
import sys

import mindspore as ms
import numpy as np
import pytest
from rewriting.conversion import project

torch = pytest.importorskip("torch")

_TEXT = """
torch.acos(x)
torch.arccos(x)
torch.arctanh(x)
x.atan()
torch.acosh(x + 1)
x.sinh()
x.tan()
torch.exp2(x)
x.log1p()
x.frac()
torch.isfinite(x)
torch.logit(x)
torch.fmod(x, y)
torch.remainder(i, 3)
torch.atan2(x, y)
torch.hypot(x, y)
x.logical_xor(b)
torch.bitwise_and(i, j)
torch.ge(x, y)
x.less(y)
torch.isclose(x, x)
torch.nan_to_num(x)
x.argmin(1)
torch.argsort(x, 1, descending=True)
torch.masked_fill(x, b, 1.0)
torch.addcmul(x, x, y, value=0.5)
x.addcdiv(x, y)
torch.addmm(x[:, :3], x, y.t())
x.cumprod(1)
x.logsumexp(1)
torch.dot(x[0], y[0])
torch.clamp_max(x, 0.1)
x.clamp_max(0.1)
torch.clamp(x, -0.5, y[0, 0].abs().detach())
x.clip(y.min(), 0.5)
x.ravel()
torch.broadcast_to(x, (2, 3, 4))
torch.take_along_dim(x, index, 0)
x.take(index)
x.diag_embed()
x.scatter_add(0, index, y[:2])
x.scatter_reduce(0, index, y[:2], reduce="amax")
x.scatter_reduce(0, index, y[:2], "amin", include_self=False)
x.index_add(0, index[0, :2], y[:2])
x.index_add(1, index[0, :2], y[:, :2])
x.index_fill(0, index[0, :2], 1.5)
x.masked_scatter(b, y)
x.unfold(1, 2, 2)
x.unfold(0, 2, 1)
x.select(1, 2)
torch.std_mean(x, 1)[0]
F.rms_norm(x, (4,), y[0], 1e-6)
F.avg_pool2d(x[None, None], *pool)
F.conv2d(x[None, None], y[None, None, :2, :3], padding=pad)
torch.finfo(x.dtype).eps * x
x.reshape_as(y.t())
x.clip(0.2, 0.4)
torch.concatenate([x, y], dim=1)
torch.cat([x, x.argmax(1, keepdim=True)], 1)
torch.cat((x.argmax(1, keepdim=True), x), dim=1)
torch.stack([x > 0, x], -1)
torch.concat([x.max(1)[1][:, None], x[:, :1]], dim=1)
x.mean(1, keepdims=True)
torch.div(i, 3, rounding_mode="floor")
i.div(j, rounding_mode="floor")
torch.div(i, j, rounding_mode="trunc")
x.div(y, rounding_mode="floor")
torch.div(-x, y, rounding_mode="trunc")
x.clip(max=0.4)
torch.nan_to_num(x, posinf=1.0)
F.interpolate(x[None, None], scale_factor=1.3)
F.interpolate(x[None], scale_factor=1.7, mode="linear")
F.interpolate(x[None, None], size=(5, 7), mode="bicubic")
F.avg_pool2d(x[None, None], (3, 1), 1, (1, 0))
x.quantile(0.3, dim=1)
x.median(1).values
torch.zeros(3, 4).scatter_(1, index[:, :1], 1)
F.conv_transpose2d(x[None, None], y[None, None], stride=2, padding=1, output_padding=1)
F.kl_div(x.log(), y, reduction="batchmean")
F.max_pool1d(x[None], 3, 2, 1)
torch.einsum("ij,kj", x, y)
torch.einsum("...ij,jk->...ik", x[None], y.t())
torch.einsum("ii->i", x[:, :3])
torch.einsum("ij,kj,kl->il", x, y, y)
torch.einsum("ij,kj->i", x, y)
torch.fft.rfft(x, dim=1).real
torch.fft.irfft(torch.fft.rfft(x, dim=0), n=3, dim=0)
torch.linalg.matrix_power(x[:, :3], 2)
torch.sparse_coo_tensor(index[:, :2], y[0, :2], (3, 2)).to_dense()
F.softmax(x)
F.log_softmax(x[None])
nn.Softmax()(x)
F.one_hot(j)
F.mse_loss(x, y, size_average=False)
F.l1_loss(x, y, reduce=False)
nn.BCELoss(None, False)(x, y)
(x > 0.5).nonzero(as_tuple=True)[1]
torch.FloatTensor([1, 2]) * x[0, 0]
torch.Tensor(x.size()).fill_(2)
x.type(torch.LongTensor)
x.type("torch.DoubleTensor")
torch.autograd.Variable(x, requires_grad=False) + 1
x.sum(axis=1, keepdims=True)
torch.cdist(x, y, p=2)
F.max_unpool2d(*F.max_pool2d(x[None, None], 2, return_indices=True), 2)
F.max_pool2d(x[None, None], 3, 2, 1, return_indices=True)[1]
nn.MaxPool2d(2, 2, ceil_mode=True, return_indices=True)(x[None, None])[0]
nn.MaxUnpool1d(2)(*nn.MaxPool1d(2, return_indices=True)(x[None]))
F.pad(x, (0, -1))
F.pad(x, (1, 2), value=0.5)
F.pad(i, (1, 0, 0, 2), "constant", 3)
F.pad(x[None], (1, 2), mode="reflect")
nn.ZeroPad2d((1, 0, 2, 1))(x[None])
nn.ConstantPad1d(1, 0.5)(x)
torch.arange(end=x.shape[0], dtype=x.dtype)
F.pad(x[None, None], [0 * pool[1] - 1, 1, 1, -1])
F.selu(x - 0.5)
F.elu(x - 0.5, 0.7)
nn.ELU(alpha=0.7)(x - 0.5)
nn.SELU()(0.5 - x)
x.std(False)
torch.bincount(j[0], minlength=12)
x.repeat(list(pool))
torch.special.expit(x)
torch.special.entr(x)
torch.special.ndtr(x)
torch.special.i0(x)
torch.special.gammaln(x + 1)
torch.special.log_softmax(x, 1)
torch.linalg.svdvals(x)
torch.linalg.svd(x, full_matrices=False)[0].abs()
torch.linalg.qr(x)[1].abs()
torch.linalg.cholesky(x @ x.T + torch.eye(3))
torch.linalg.solve(x @ x.T + torch.eye(3), y)
torch.linalg.solve(x @ x.T + torch.eye(3), y[:, 0])
torch.linalg.slogdet(x @ x.T + torch.eye(3))[1]
torch.linalg.pinv(x)
torch.linalg.cross(x[:, :3], y[:, :3])
torch.linalg.vecdot(x, y)
torch.linalg.matrix_norm(x)
torch.linalg.matrix_norm(x, 1)
torch.linalg.diagonal(x)
torch.logdet(x @ x.T + torch.eye(3))
torch.svd(x)[1]
torch.vander(x[0], 3)
torch.trapezoid(x, dim=0)
torch.trapezoid(x, y[0])
torch.cov(x)
torch.corrcoef(x)
torch.copysign(x, i)
torch.fmax(x, y)
torch.true_divide(i, j)
torch.hsplit(x, 2)[1]
F.pdist(x)
torch.hamming_window(7) * x[0, 0]
torch.stft(x.reshape(-1), 4, 2, return_complex=True).transpose(0, 1).abs()
torch.abs(torch.fft.rfft(x) * y[:, :3])
((x[0, 0] + 1) * torch.view_as_complex(x.reshape(3, 2, 2)) * torch.complex(y[:, :2], x[:, 2:])).imag
torch.stft(x.reshape(-1), 4, 2, window=torch.hann_window(4), return_complex=True).real
torch.stft(x, 4, return_complex=False, pad_mode="constant", normalized=True)
torch.istft(torch.stft(x.reshape(-1), 4, 1, return_complex=True), 4, 1, length=10)
"""
EXPRESSIONS = _TEXT.strip().splitlines()

SCRIPT = """import torch
import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def forward(self, x, y, i, j, b, index):
        pool, pad = (2, 1), (1, 0)
        return (
{}        )
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, list[np.ndarray]]:
    """What the expressions give in PyTorch and in both modes."""
    text = SCRIPT.format("".join(f"            {each},\n" for each in EXPRESSIONS))
    folder = tmp_path_factory.mktemp("source")
    for name, converted in project(folder, {"elementary_net.py": text}, "elementary_net.py").items():
        (folder / f"ms_{name}").write_text(converted.replace("import _torch_compat", "import ms__torch_compat"))
    sys.path.insert(0, str(folder))
    source, ours = importlib.import_module("elementary_net"), importlib.import_module("ms_elementary_net")
    sys.path.remove(str(folder))
    random = np.random.default_rng(0)
    x, y = (random.random((3, 4)).astype(np.float32) * 0.8 + 0.1 for _ in range(2))
    i, j = random.integers(-9, 9, (3, 4)), random.integers(1, 9, (3, 4))
    arrays = [x, y, i, j, x > 0.5, np.array([[0, 1, 2, 0], [2, 1, 0, 1]])]
    found = {"torch": [each.numpy() for each in source.Net()(*map(torch.tensor, arrays))]}
    for name, mode in (("pynative", ms.PYNATIVE_MODE), ("graph", ms.GRAPH_MODE)):
        ms.set_context(mode=mode)
        for _ in range(2):  # some of MindSpore's kernels are right only once
            found[name] = [each.asnumpy() for each in ours.Net()(*map(ms.Tensor, arrays))]
    ms.set_context(mode=ms.PYNATIVE_MODE)
    return found


@pytest.mark.parametrize("mode", ["pynative", "graph"])
@pytest.mark.parametrize("number", range(len(EXPRESSIONS)), ids=EXPRESSIONS)
def test_it_is_the_same(results, number, mode):
    np.testing.assert_allclose(results[mode][number], results["torch"][number], rtol=1e-4, atol=1e-5)


PADDING = """import torch.nn as nn
import torch.nn.functional as F


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.around = nn.ConstantPad2d((1, 0, 2, 1), 0.5)

    def forward(self, x):
        return F.pad(self.around(x), (0, 1))
"""


def test_the_gradient_of_padding_is_right_in_every_step_of_graph_mode(tmp_path, monkeypatch):
    """That of ops.pad is not: its kernel on the CPU cuts only once."""
    for name, converted in project(tmp_path, {"padding_net.py": PADDING}, "padding_net.py").items():
        (tmp_path / f"ms_{name}").write_text(converted.replace("import _torch_compat", "import ms__torch_compat"))
    monkeypatch.syspath_prepend(str(tmp_path))
    net = importlib.import_module("ms_padding_net").Net()
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    ms.set_context(mode=ms.GRAPH_MODE)

    def loss(value):
        return (net(value) ** 2).sum()

    step = ms.jit(ms.grad(loss))
    try:
        for _ in range(2):
            np.testing.assert_allclose(step(ms.Tensor(x)).asnumpy(), 2 * x, rtol=1e-6)
    finally:
        ms.set_context(mode=ms.PYNATIVE_MODE)
