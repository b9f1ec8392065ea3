"""Values that a module of PyTorch detaches."""

from __future__ import annotations

import pytest

import converter

torch = pytest.importorskip("torch", reason="PyTorch is an extra")


@pytest.mark.parametrize("refused", [False, True], ids=["current", "older"])
def test_detached_values_get_no_gradient(tmp_path, refused):
    """A straight-through estimator; a branch on a value is what only the older exporter takes."""

    class Rounded(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = torch.nn.Linear(4, 4), torch.nn.Linear(4, 2)

        def forward(self, x):
            z = self.first(x)
            if refused and z.sum() > 1e9:
                z = z + 0.0
            return self.last(z + (torch.round(z) - z).detach())

    result = converter.convert(Rounded().eval(), torch.ones(2, 4), output=tmp_path, verify=False)
    assert "ops.stop_gradient(ops.round(x) - x)" in result.files[0].read_text(encoding="utf-8")
