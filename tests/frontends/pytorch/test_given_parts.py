"""Parts of given inputs: states and caches of tensors in tuples, lists and dictionaries."""

from __future__ import annotations

import functools
from pathlib import Path

import onnx
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

import converter  # noqa: E402
from converter.errors import BadParamError  # noqa: E402
from converter.frontends.pytorch.exporters import with_older  # noqa: E402
from converter.frontends.pytorch.given_parts import in_parts, signature_of  # noqa: E402
from converter.frontends.pytorch.inputs import Input  # noqa: E402
from converter.frontends.pytorch.loading import Loaded  # noqa: E402


class Decoder(torch.nn.Module):
    """A cell of which each step returns the caches that the next one is given."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = torch.nn.Linear(3, 3)

    def forward(self, x, caches, *, scale=1, more=None):
        caches = [(torch.cat([key, x], 1), value * scale) for key, value in caches]
        x = self.cell(x) + sum(key.sum(1, keepdim=True) - value for key, value in caches)
        return x + more["a"] if more else x, caches


def values(batch: int, past: int) -> dict[str, object]:
    caches = [(torch.randn(batch, past, 3), torch.randn(batch, 1, 3)) for _ in range(2)]
    return {"x": torch.randn(batch, 1, 3), "caches": caches, "scale": 2, "more": {"a": torch.randn(3)}}


PARTS = ["x", "caches_0_0", "caches_0_1", "caches_1_0", "caches_1_1", "more_a"]


def test_every_tensor_is_an_input_and_the_module_stays_as_it_is():
    net, given = Decoder(), values(2, 4)
    taking, tensors = in_parts(net, given)
    assert list(tensors) == PARTS
    assert "forward" not in vars(net)
    assert taking.cell is net.cell
    torch.testing.assert_close(taking(**tensors), net(**given))
    other = values(3, 5)
    torch.testing.assert_close(taking(**in_parts(net, other)[1]), net(**other))


class Sum(torch.nn.Module):
    def forward(self, x, *others, scale=1):
        return x * scale + sum(others)


def test_any_number_of_arguments():
    tensors = {"x": torch.ones(2), "others": (torch.ones(2) * 2, torch.ones(2) * 3), "scale": torch.tensor(4.0)}
    taking, parts = in_parts(Sum(), tensors)
    assert list(parts) == ["x", "others_0", "others_1", "scale"]
    torch.testing.assert_close(taking(**parts), torch.ones(2) * 9)
    torch.testing.assert_close(taking(*parts.values()), torch.ones(2) * 9)  # as torch's older exporter calls it


class Batch(torch.nn.Module):
    def forward(self, x, /, **batch):
        return x - batch["y"]


def test_arguments_that_have_no_name_of_their_own():
    given = {"x": torch.ones(2), "y": torch.zeros(2)}
    taking, parts = in_parts(Batch(), given)
    assert list(parts) == ["x", "y"]
    torch.testing.assert_close(taking(**parts), torch.ones(2))


def test_a_traced_module():
    x, y = torch.ones(2), torch.zeros(2)
    traced = torch.jit.trace(torch.nn.Bilinear(2, 2, 1), (x, y))
    assert list(signature_of(traced).parameters) == ["input1", "input2"]
    assert in_parts(traced, {"input1": x, "input2": y})[0] is traced


def test_tensors_alone_need_no_other_module():
    net, x = torch.nn.Linear(3, 3), torch.ones(1, 3)
    assert in_parts(net, {"input": x})[0] is net
    assert in_parts(net, {"input": x.numpy()})[0] is net


@pytest.mark.parametrize("given", [{"x": [1, 2]}, {"x": torch.ones(1), "y": object()}], ids=["no tensor", "an object"])
def test_what_is_no_tensor(given):
    with pytest.raises(BadParamError, match="are no tensors"):
        in_parts(Decoder(), given)


def test_a_conversion_with_a_free_batch_and_past(tmp_path: Path):
    shapes = ["N,1,3", *["N,P,3", "N,1,3"] * 2, "3"]
    result = converter.convert(Decoder(), values(2, 4), shape=shapes, output=tmp_path, edges="none")
    assert result.verdict == "same"
    script = (tmp_path / "Decoder.py").read_text(encoding="utf-8")
    assert f"def construct(self, {', '.join(PARTS)}):" in script
    assert "caches_1_0  float32 (N, P, 3)" in script


def test_a_default_that_the_code_itself_sets(tmp_path: Path):
    """Transformers gives `use_cache` by name; the older exporter gave the parameters before `y` by position."""

    def uncached(forward):
        @functools.wraps(forward)
        def called(self, *args, **options):
            return forward(self, *args, **{"cache": False} | options)

        return called

    class Net(torch.nn.Linear):
        @uncached
        def forward(self, x, cache=None, y=None):
            return x if cache else super().forward(x + y)

    net, x, y = Net(3, 3), torch.ones(2, 3), torch.zeros(2, 3)
    file = tmp_path / "net.onnx"
    inputs = [Input(name, (2, 3), value) for name, value in (("x", x), ("y", y))]
    with_older(Loaded(net.eval()), inputs, ["output"], file)
    assert [each.name for each in onnx.load(file).graph.input] == ["x", "y"]
