"""Containers of the helper module: what is added later runs, and its parameters have PyTorch's names."""

from __future__ import annotations

import numpy as np
import pytest

ms = pytest.importorskip("mindspore")
from mindspore import nn  # noqa: E402
from rewriting.conversion import converted  # noqa: E402

from converter.rewriting.compat import containers, einsum, functions, layers  # noqa: E402


def names(cell) -> list[str]:
    """The names of the parameters of a cell."""
    return [parameter.name for parameter in cell.get_parameters()]


class Net(nn.Cell):
    """A network whose containers are filled after they have been assigned."""

    def __init__(self):
        super().__init__()
        self.blocks = containers.CellList()
        for _ in range(2):
            self.blocks.append(nn.Dense(2, 2, has_bias=False))
        self.features = containers.Sequential()
        containers.add_module(self.features, "first", nn.Dense(2, 2, has_bias=False))
        self.tail = nn.SequentialCell(nn.Dense(2, 2, has_bias=False))
        containers.add_module(self.tail, "last", nn.Dense(2, 2, has_bias=False))
        self.by_name = containers.ModuleDict()
        self.by_name["a"] = nn.Dense(2, 2, has_bias=False)

    def construct(self, x):
        for block in self.blocks:
            x = block(x)
        for _, cell in self.by_name.items():
            x = cell(x)
        return self.tail(self.features(x))


NAMES = ["blocks.0.weight", "blocks.1.weight", "features.first.weight", "tail.0.weight", "tail.last.weight"]
NAMES += ["by_name.a.weight"]


def test_names_of_what_is_added_later():
    assert names(Net()) == NAMES
    assert names(nn.SequentialCell(Net())) == [f"0.{name}" for name in NAMES]


@pytest.mark.parametrize("mode", [1, 0], ids=["pynative", "graph"])
def test_what_is_added_later_runs(mode):
    ms.set_context(mode=mode)
    net = Net()
    for parameter in net.get_parameters():
        parameter.set_data(ms.Tensor(2 * np.eye(2), ms.float32))
    assert net(ms.Tensor(np.ones((1, 2)), ms.float32)).asnumpy().tolist() == [[64.0, 64.0]]
    ms.set_context(mode=1)


@pytest.mark.parametrize("mode", [1, 0], ids=["pynative", "graph"])
@pytest.mark.parametrize(
    ("equation", "first", "second"),
    [("bhid,bhjd->bhij", (1, 2, 4, 3), (1, 2, 5, 3)), ("i,j->ij", (3,), (4,)), ("bhd,kd->bhk", (2, 3, 4), (5, 4))],
)
def test_einsum(mode, equation, first, second):
    class Einsum(nn.Cell):
        def construct(self, x, y):
            return einsum.einsum(equation, x, y)

    ms.set_context(mode=mode)
    x, y = (np.random.default_rng(0).standard_normal(shape).astype(np.float32) for shape in (first, second))
    assert np.allclose(Einsum()(ms.Tensor(x), ms.Tensor(y)).asnumpy(), np.einsum(equation, x, y), atol=1e-5)
    ms.set_context(mode=1)


def test_functions_of_few_scripts():
    x = ms.Tensor([3, 1, 3, 2])
    values, inverse, counts = functions.unique(x, return_inverse=True, return_counts=True)
    assert [values.asnumpy().tolist(), counts.asnumpy().tolist()] == [[1, 2, 3], [1, 1, 2]]
    assert inverse.asnumpy().tolist() == [2, 0, 2, 1]
    assert functions.diff(x).asnumpy().tolist() == [-2, 2, -1]
    assert [part.asnumpy().tolist() for part in functions.tensor_split(x, 3)] == [[3, 1], [3], [2]]
    assert [part.asnumpy().tolist() for part in functions.tensor_split(x, (1,))] == [[3], [1, 3, 2]]


@pytest.mark.parametrize("mode", [1, 0], ids=["pynative", "graph"])
def test_the_row_for_padding_is_not_trained(mode):
    ms.set_context(mode=ms.PYNATIVE_MODE if mode else ms.GRAPH_MODE)
    table = layers.Embedding(4, 2, padding_idx=-4)
    assert not table.embedding_table.asnumpy()[0].any()
    ids = ms.Tensor(np.array([[0, 1], [3, 0]]))

    def total(ids):
        return table(ids).sum()

    gradient = ms.grad(total, None, table.trainable_params())(ids)[0]
    assert gradient.asnumpy().tolist() == [[0, 0], [1, 1], [0, 0], [1, 1]]


class Shifted(layers.Embedding):
    """An embedding of a script's own, as OPT's of positions."""

    def construct(self, ids):
        return super().construct(ids + 2)


@pytest.mark.parametrize("mode", [1, 0], ids=["pynative", "graph"])
def test_an_embedding_that_a_script_derives_from(mode):
    ms.set_context(mode=ms.PYNATIVE_MODE if mode else ms.GRAPH_MODE)
    table = Shifted(5, 2)
    found = table(ms.Tensor(np.array([0, 2])))
    ms.set_context(mode=ms.PYNATIVE_MODE)
    assert np.array_equal(found.asnumpy(), table.weight.asnumpy()[[2, 4]])


def test_a_slice_of_modules_keeps_the_names_of_their_parameters(tmp_path):
    text = """
        import torch.nn as nn

        class Net(nn.Module):
            def __init__(self, n: int):
                super().__init__()
                self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
                self.n = n

            def forward(self, x):
                for layer in self.layers[: self.n]:
                    x = layer(x)
                return x
    """
    assert "for layer in compat.part(self.layers, None, self.n):" in converted(tmp_path, text).text


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("(nn.ReLU() for _ in range(2))", "(list(nn.ReLU() for _ in range(2)))"),
        ("((nn.ReLU() for _ in range(2)))", "(list((nn.ReLU() for _ in range(2))))"),
        ("(more)", "(list(more))"),
        ("([nn.ReLU()])", "([nn.ReLU()])"),
    ],
)
def test_a_list_of_modules_is_extended_by_a_list(tmp_path, given, text):
    source = f"from torch import nn\ndef f(more):\n    layers = nn.ModuleList([nn.ReLU()])\n    layers.extend{given}\n"
    assert f"layers.extend{text}\n" in converted(tmp_path, source).text
