"""mindspore.mint: what `--api mint` writes, and that its functions give what PyTorch's do."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pytest

from converter import convert_script
from operator_maps import pytorch

torch = pytest.importorskip("torch")

with pytorch.MINT.open(encoding="utf-8", newline="") as file:
    FUNCTIONS = [(each["pytorch"], each["mindspore"]) for each in csv.DictReader(file)]
X, Y = np.random.default_rng(0).uniform(0.1, 0.9, (2, 3, 4)).astype(np.float32)
ARGUMENTS = (X,), (X, Y), (X, Y.T.copy())


def function(root: Any, name: str) -> Any:
    for part in name.split(".")[1:]:
        root = getattr(root, part)
    return root


@pytest.mark.parametrize(("name", "counterpart"), FUNCTIONS)
def test_a_function_of_mint_is_that_of_pytorch(name: str, counterpart: str) -> None:
    import mindspore as ms
    from mindspore import mint, nn

    class Called(nn.Cell):
        def construct(self, *inputs: Any) -> Any:
            return called(*inputs)

    called = function(mint, counterpart)
    for arrays in ARGUMENTS:
        try:
            expected = function(torch, name)(*map(torch.tensor, arrays)).numpy()
        except (TypeError, ValueError, RuntimeError):  # another number of arguments, or other shapes
            continue
        for mode in (ms.GRAPH_MODE, ms.PYNATIVE_MODE):
            ms.set_context(mode=mode)
            made = Called()(*map(ms.Tensor, arrays)).asnumpy()
            np.testing.assert_allclose(made, expected, 1e-4, 1e-5)
        return
    raise AssertionError(name)


@pytest.mark.parametrize(("api", "written"), [("mint", "mint.matmul(x, y)"), ("nn", "ops.matmul(x, y)")])
def test_what_is_written(tmp_path, api, written):
    source = tmp_path / "net.py"
    source.write_text("import torch\n\n\ndef f(x, y):\n    return torch.matmul(x, y)\n")
    result = convert_script(source, output=tmp_path / "out", api=api)
    text = result.files[0].read_text(encoding="utf-8")
    assert written in text
    assert ("from mindspore import mint" in text) == (api == "mint")
