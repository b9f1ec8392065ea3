"""Losses of torch that an exporter writes without an argument, or refuses, beside torch's own."""

from __future__ import annotations

import itertools

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from torch.nn import functional  # noqa: E402

from converter.frontends.pytorch.losses import cross_entropy, gaussian_nll_loss  # noqa: E402

SHAPES = {"rows": (5, 8), "images": (2, 8, 3, 4), "one": (8,)}


def check(known, ours, x, *others, **options):
    expected, found = known(x, *others, **options), ours(known, x, *others, **options)
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(*(torch.autograd.grad(each.sum(), x)[0] for each in (found, expected)))


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("soft", [False, True], ids=["classes", "probabilities"])
def test_cross_entropy(shape, soft):
    x = torch.randn(shape, requires_grad=True)
    classes = torch.randint(0, 7, (*shape[:1], *shape[2:]) if len(shape) > 1 else ())
    classes.view(-1)[:1] = 7 if len(shape) > 1 else 3
    target = torch.rand(shape) if soft else classes
    for weight, smoothing, reduction in itertools.product((None, torch.rand(8)), (0.0, 0.1), ("mean", "sum", "none")):
        options = {} if soft or len(shape) == 1 else {"ignore_index": 7}
        options |= {"weight": weight, "label_smoothing": smoothing, "reduction": reduction}
        check(functional.cross_entropy, cross_entropy, x, target, **options)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_gaussian_likelihood(reduction):
    x, target = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4)
    variance = torch.rand(3, 4).mul_(torch.tensor([0.0, 1, 1, 1])).requires_grad_()
    for options in ({}, {"full": True, "eps": 0.1}):
        check(functional.gaussian_nll_loss, gaussian_nll_loss, x, target, variance, reduction=reduction, **options)
        known = functional.gaussian_nll_loss(x, target, variance, reduction=reduction, **options).sum()
        ours = gaussian_nll_loss(None, x, target, variance, reduction=reduction, **options).sum()
        torch.testing.assert_close(*(torch.autograd.grad(each, variance)[0] for each in (ours, known)))
