"""Changes that MindSpore announces: each is survived by what scripts say, or documented."""

from __future__ import annotations

import inspect
import re

import mindspore as ms
import pytest
from paths import ROOT
from written_calls import written_calls

ANNOUNCED = re.compile(r"(after|from) version 2\.(9|\d\d)", re.IGNORECASE)
REMOVED = re.compile(r"(interface|API)\S* (is deprecated and )?will be removed|deprecated from version", re.IGNORECASE)

RENAMED = {
    "nn.Dropout": "keep_prob",
    "nn.Dropout1d": "x",
    "nn.Dropout2d": "x",
    "nn.Dropout3d": "x",
    "nn.Embedding": "vocab_size embedding_size use_one_hot embedding_table",
    "nn.GRUCell": "has_bias",
    "nn.GroupNorm": "gamma_init beta_init",
    "nn.LSTMCell": "has_bias",
    "nn.PReLU": "channel w",
    **{f"ops.bessel_{kind}": "x" for kind in ("i0", "i0e", "i1", "i1e")},
    "ops.cholesky": "input_x",
    "ops.all": "axis keep_dims",
    "ops.amax": "axis keepdims initial where",
    "ops.amin": "axis keepdims initial where",
    "ops.any": "axis keep_dims",
    "ops.argmin": "axis keepdims",
    "ops.avg_pool1d": "",
    "ops.avg_pool2d": "",
    "ops.avg_pool3d": "",
    "ops.cat": "axis",
    "ops.celu": "x",
    "ops.chunk": "axis",
    "ops.conv1d": "pad_mode",
    "ops.conv2d": "pad_mode",
    "ops.conv3d": "pad_mode",
    "ops.cumsum": "x axis",
    "ops.dropout": "seed",
    "ops.elu": "input_x",
    "ops.flatten": "order",
    "ops.gelu": "",
    "ops.leaky_relu": "alpha",
    "ops.log_softmax": "axis",
    "ops.mean": "x axis keep_dims",
    "ops.mish": "x",
    "ops.nll_loss": "label_smoothing",
    "ops.ones": "shape",
    "ops.pad": "padding",
    "ops.prod": "axis keep_dims",
    "ops.rand": "seed",
    "ops.randn": "seed",
    "ops.relu6": "x",
    "ops.repeat_interleave": "axis",
    "ops.selu": "input_x",
    "ops.silu": "",
    "ops.softmax": "axis",
    "ops.softsign": "x",
    "ops.sort": "axis",
    "ops.split": "axis",
    "ops.sqrt": "x",
    "ops.squeeze": "axis",
    "ops.stack": "axis",
    "ops.threshold": "thr",
    "ops.var": "ddof",
    "ops.where": "",
    "ops.zeros": "",
}
"""Names whose calls survive what is announced, and the keywords that no call may have for that."""

PAGE = (ROOT / "docs" / "mindspore_versions.md").read_text(encoding="utf-8")
DOCUMENTED = {name for row in re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(\S+)`", row)}
CALLS = written_calls()


def announcement(name: str) -> str:
    """The docstring of a name, on one line, if it announces a change; else empty."""
    room, _, function = name.partition(".")
    text = " ".join((inspect.getdoc(getattr(getattr(ms, room), function, None)) or "").split())
    return text if ANNOUNCED.search(text) else ""


def test_what_is_announced_is_handled_or_documented():
    announced = {name for name in CALLS if announcement(name)}
    assert announced <= RENAMED.keys() | DOCUMENTED
    assert not RENAMED.keys() & DOCUMENTED


def test_the_names_are_those_of_today():
    """Nothing is listed that is not announced, or that no script holds."""
    assert [name for name in {*RENAMED, *DOCUMENTED} if not announcement(name)] == []
    assert RENAMED.keys() <= CALLS.keys()


@pytest.mark.parametrize("name", RENAMED)
def test_no_call_has_a_keyword_that_goes(name):
    assert CALLS[name].isdisjoint(RENAMED[name].split())
    assert not REMOVED.search(announcement(name))


def test_calls_are_found_wherever_they_are_written():
    assert {"ops.relu", "nn.Conv2d", "nn.Conv3dTranspose", "ops.clip_by_norm", "ops.tensor_scatter_elements"} <= set(
        CALLS
    )
    assert "stride" in CALLS["ops.conv2d"]
    assert "keepdim" in CALLS["ops.sum"]
