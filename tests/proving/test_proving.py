"""A network of a script is built in PyTorch and from the result, and what differs is named with its line."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import converter
from converter.errors import BadParamError, ConverterError, ModelLoadingError, ParamMissingError, WeightMatchError
from converter.proving.building import built
from converter.proving.values import name_of, sample, tensors_in

NET = """\
import torch
import torch.nn as nn
import torch.nn.functional as F


class ConvBNReLU(nn.Sequential):
    def __init__(self, inputs, outputs):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Net(nn.Module):
    def __init__(self, classes=3):
        super().__init__()
        self.stem = ConvBNReLU(2, 4)
        self.drop = nn.Dropout(0.3)
        self.head = nn.utils.weight_norm(nn.Linear(4, classes), dim=None)  # with a length of no axes

    def forward(self, x):
        x = self.stem(x).mean(3).mean(2)
        x = F.gelu(x)
        return {"scores": self.head(self.drop(x)), "features": x}
"""
WRONG = """\
from converter.rewriting import call
ROWS = {"torch.nn.functional.gelu": call("(input, approximate='none')", "ops.tanh({input})", ignored="approximate")}
"""
SHAPE = ["2,2,8,8"]


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("proving")
    (folder / "provednet.py").write_text(NET)
    return folder / "provednet.py"


@pytest.fixture
def module(source: Path, monkeypatch: pytest.MonkeyPatch) -> torch.nn.Module:
    monkeypatch.syspath_prepend(str(source.parent))
    made = built("provednet:Net()")
    del sys.modules["provednet"]
    return made


def test_the_result_is_proved_and_its_weights_become_a_checkpoint(tmp_path, source, module):
    weights = tmp_path / "weights.pth"
    torch.save({"state_dict": {f"module.{name}": value for name, value in module.state_dict().items()}}, weights)
    result = converter.convert_script(
        source, output=tmp_path / "out", verify_network="provednet:Net()", shape=SHAPE, weights=weights
    )
    assert result.verification is not None
    found = {(each.mode, each.output): each.verdict for each in result.verification.outputs}
    names = ["scores", "features", "gradients in training mode, 6 parameters", "running statistics after a step, 2"]
    assert found == {(mode, name): "same" for mode in ("PyNative", "graph") for name in names}
    assert len(result.verification.nodes) == 7
    import mindspore as ms

    loaded = ms.load_checkpoint(str(tmp_path / "out" / "provednet.ckpt"))
    assert np.array_equal(loaded["stem.1.moving_mean"].asnumpy(), module.stem[1].running_mean.numpy())
    assert np.array_equal(loaded["head.weight_v"].asnumpy(), module.head.weight_v.detach().numpy())
    data = json.loads((tmp_path / "out" / "report_of_provednet.json").read_text())
    assert data["verification"]["verdict"] == "same"
    entries = json.loads((tmp_path / "out" / "weight_map_of_provednet.json").read_text())["provednet"]
    assert {"stem.1.gamma", "head.bias"} <= {each["converted_weight"]["name"] for each in entries}


def test_what_differs_is_named_with_its_line_of_the_source(tmp_path, source):
    rows = tmp_path / "rows.py"
    rows.write_text(WRONG)
    out = tmp_path / "out"
    result = converter.convert_script(
        source, output=out, verify_network="provednet:Net()", shape=SHAPE, operator_map=rows
    )
    assert result.verdict == "differs"
    first = result.verification.first_difference
    line = NET.splitlines().index('        return {"scores": self.head(self.drop(x)), "features": x}') + 1
    assert (first.node, first.operator, first.position) == ("drop", "torch.nn.Dropout", f"provednet.py, line {line}")
    assert "its inputs differ already" in (out / "report_of_provednet.txt").read_text()
    data = json.loads((out / "report_of_provednet.json").read_text())["verification"]["first_difference"]
    assert data["line"] == line


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        ({"verify_network": "provednet.Net"}, BadParamError, "is no call"),
        ({"verify_network": "provednet:Net()", "shape": ()}, ParamMissingError, "--shape"),
        ({"verify_network": None, "weights": "w.pth"}, ParamMissingError, "--verify_network"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_runs(tmp_path, source, options, error, text):
    with pytest.raises(error, match=text):
        converter.convert_script(source, output=tmp_path / "out", **{"shape": SHAPE, **options})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("nomodule_at_all:Net", BadParamError),
        ("provednet:Nothing", BadParamError),
        ("provednet:Net(classes='x')", ModelLoadingError),
    ],
)
def test_a_call_that_makes_nothing(source, monkeypatch, call, error):
    monkeypatch.syspath_prepend(str(source.parent))
    with pytest.raises(error) as raised:
        built(call)
    assert call.partition("(")[0] in raised.value.message
    sys.modules.pop("provednet", None)


def test_weights_that_lack_one_are_an_error_and_nothing_is_written(tmp_path, source, module):
    weights = tmp_path / "weights.pth"
    state = module.state_dict()
    del state["head.bias"]
    torch.save(state, weights)
    with pytest.raises(WeightMatchError) as raised:
        converter.convert_script(
            source, output=tmp_path / "out", verify_network="provednet:Net()", shape=SHAPE, weights=weights
        )
    assert isinstance(raised.value, ConverterError)
    assert raised.value.details == ("missing: head.bias (3,)",)
    assert not (tmp_path / "out").exists()


def test_tensors_are_found_by_their_paths():
    found = tensors_in({"a": [1.0, (2.0, None)], "b": 3.0}, lambda value: isinstance(value, float))
    assert [(name_of(path), value) for path, value in found] == [("a.0", 1.0), ("a.1.0", 2.0), ("b", 3.0)]


def test_a_sample_has_the_same_places_for_arrays_of_one_size():
    array = np.arange(10_000)
    assert np.array_equal(sample(array) * 2, sample(array * 2))
    assert sample(array[:10]).tolist() == list(range(10))
