"""Other extents: what an exporter wrote for the extents of the example only is written again, or a note says so."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra")
pytest.importorskip("onnxscript", reason="torch's current exporter needs it")

from converter.frontends.pytorch.agreement import is_wrong, session_of  # noqa: E402 - it imports torch
from converter.frontends.pytorch.exporters import with_current  # noqa: E402
from converter.frontends.pytorch.inputs import Input, example  # noqa: E402
from converter.frontends.pytorch.loading import Loaded  # noqa: E402
from converter.frontends.pytorch.other_extents import at_other_extents  # noqa: E402


class Scaled(torch.nn.Module):
    """A module that asks for the number of its samples."""

    def __init__(self, single):
        super().__init__()
        self.single = single

    def forward(self, x):
        return x * 2 if self.single(x.shape[0]) else x + 1


class Padded(torch.nn.Module):
    """A module that pads lengths to a multiple of 4."""

    def forward(self, x):
        if x.shape[1] % 4:
            x = torch.nn.functional.pad(x, (0, -x.shape[1] % 4))
        return x.reshape(x.shape[0], -1, 4).sum(2)


def _exported(module, shape, extents, file):
    """A module as torch exports it for an example of these extents; what was done about the others."""
    loaded = Loaded(module.eval())
    inputs = [Input("x", shape, example(extents, torch.float32, 0))]
    with_current(loaded, inputs, ["output"], file)
    return loaded, at_other_extents(loaded, inputs, ["output"], file)


@pytest.mark.parametrize(
    ("single", "wrong"), [(lambda n: n == 1, 1), (lambda n: n == 3, 3)], ids=["one sample", "one sample more"]
)
def test_a_branch_on_the_number_of_samples_is_said(tmp_path, single, wrong):
    _, found = _exported(Scaled(single), ("N", 4), (2, 4), tmp_path / "net.onnx")
    assert found is not None
    assert not found.cured
    assert f"right at 'x (2, 4)', not at 'x ({wrong}, 4)'" in found.note


def test_a_branch_on_the_length_is_taken_as_the_one_that_serves_all(tmp_path):
    file = tmp_path / "net.onnx"
    loaded, found = _exported(Padded(), ("N", "T"), (2, 16), file)
    assert found is None
    for length in (8, 11, 13):
        values = {"x": torch.randn(3, length)}
        (got,) = session_of(file).run(None, {"x": values["x"].numpy()})
        np.testing.assert_allclose(got, loaded.run(values).numpy(), 1e-5, 1e-6)


def test_extents_that_become_whole_numbers_are_exported_free(tmp_path):
    from frontends.pytorch import nets

    file = tmp_path / "net.onnx"
    shape, extents = ("N", 4, 6, 4), (2, 4, 6, 4)
    loaded = Loaded(nets.CountedWindows().eval())
    inputs = [Input("x", ("N", *shape[1:]), example(extents, torch.float32, 0))]
    fixed = [Input("x", extents, inputs[0].value)]
    with_current(loaded, fixed, ["output"], file)
    assert is_wrong(loaded, {"x": torch.randn(3, 4, 6, 4)}, file)
    assert at_other_extents(loaded, inputs, ["output"], file) is None
    assert not is_wrong(loaded, {"x": torch.randn(3, 4, 6, 4)}, file)
