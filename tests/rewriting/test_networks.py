"""The networks of `networks.py`, converted and run in both modes beside PyTorch, with the same weights."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from rewriting.conversion import project

torch = pytest.importorskip("torch")
SOURCE = Path(__file__).with_name("networks.py").read_text(encoding="utf-8")
THEIRS: dict[str, type] = {}
exec(compile(SOURCE, "networks", "exec"), THEIRS)
NAMES = [name for name, each in THEIRS.items() if isinstance(each, type) and hasattr(each, "shapes")]


@pytest.fixture(scope="module")
def ours(tmp_path_factory):
    """The converted file as a module."""
    folder = tmp_path_factory.mktemp("networks")
    (folder / "out").mkdir()
    for path, text in project(folder, {"converted_networks.py": SOURCE}, "converted_networks.py").items():
        (folder / "out" / path).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder / "out")
        patch.delitem(sys.modules, "_torch_compat", raising=False)
        yield importlib.import_module("converted_networks")


@pytest.mark.parametrize("mode", [1, 0], ids=["pynative", "graph"])
@pytest.mark.parametrize("name", NAMES)
def test_a_network(ours, name, mode):
    if mode not in getattr(THEIRS[name], "modes", (0, 1)):
        pytest.skip("not in this mode")
    torch.manual_seed(0)
    theirs = THEIRS[name]().eval()
    inputs = [torch.randn(shape) for shape in theirs.shapes]
    with torch.no_grad():
        expected = theirs(*inputs)
    net = getattr(ours, name)().set_train(False)
    state = {key: value for key, value in theirs.state_dict().items() if not key.endswith("num_batches_tracked")}
    for parameter, value in zip(net.get_parameters(), state.values(), strict=True):
        parameter.set_data(ms.Tensor(value.numpy().reshape(parameter.shape), parameter.dtype))
    ms.set_context(mode=mode)
    try:
        found = net(*[ms.Tensor(each.numpy()) for each in inputs])
        found, expected = (each if isinstance(each, tuple) else (each,) for each in (found, expected))
        for one, other in zip(found, expected, strict=True):
            assert np.allclose(one.asnumpy(), other.numpy(), atol=2e-5), (one, other)
    finally:
        ms.set_context(mode=1)
