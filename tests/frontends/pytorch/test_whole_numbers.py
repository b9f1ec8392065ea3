"""Whole numbers of extents: `int` in the code of a module, while it is exported."""

from __future__ import annotations

import pytest
from frontends.pytorch import nets

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.frontends.pytorch.whole_numbers import extents_kept_free  # noqa: E402 - it imports torch


def exported(net: torch.nn.Module) -> torch.export.ExportedProgram:
    axes = {0: torch.export.Dim("N", min=2, max=50)}
    return torch.export.export(net, (torch.randn(3, 4, 6, 4),), dynamic_shapes=(axes,))


def test_int_leaves_extents_free():
    net = nets.CountedWindows().eval()
    with pytest.raises(Exception, match="N = "):
        exported(net)
    with extents_kept_free(net):
        program = exported(net)
    assert not hasattr(nets, "int")
    x = torch.randn(5, 4, 6, 4)
    assert torch.equal(program.module()(x), net(x))
