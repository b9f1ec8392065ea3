"""The source's own sensitivity: what differs no more than the source moves is the same within it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import parser

import converter
from converter.frontends.source import Original
from converter.verification.comparisons import SENSITIVE, Difference
from converter.verification.job import Job
from converter.verification.metrics import difference
from converter.verification.process import _of_two_runs
from converter.verification.sensitivity import REORDERED, Movement, excuse, is_reordered, movements


def test_how_far_a_source_moves() -> None:
    x = np.linspace(1, 2, 100, dtype=np.float32)
    steep, flat, short = movements(
        lambda feeds: [1e6 * feeds["x"], feeds["i"], feeds["x"][feeds["x"] > x]],
        {"x": x, "i": np.arange(3)},
        [1e6 * x, np.arange(3), x[:0]],
    )
    assert 0.05 < steep.moved < 0.5
    assert steep.number
    assert flat == Movement(0.0)
    assert not short.number


@pytest.mark.parametrize(
    ("got", "want", "reordered"),
    [
        ([3, 1, 2], [1, 2, 3], True),
        ([3, 1, 1], [1, 2, 3], False),
        ([1.0, 2.0], [2.00001, 1.0], True),
        ([1.0, 2.0], [2.1, 1.0], False),
        ([[1, 2]], [1, 2], False),
    ],
)
def test_the_same_elements_in_another_order(got: list, want: list, reordered: bool) -> None:
    assert is_reordered(np.array(got), np.array(want)) is reordered


def test_what_excuses_a_difference() -> None:
    off = Difference("differs", max_abs=0.2)
    assert excuse(off, Movement(0.3)) == "the source's own output moves by 3.00e-01"
    assert excuse(off, Movement(0.05)) == ""
    places = difference(np.arange(8), np.array([0, 1, 2, 3, 4, 5, 7, 6]))
    assert excuse(places, Movement(1.0, unequal=1)) == "of the source's own output 1 elements change"
    assert excuse(places, Movement(0.0)) == ""
    ordered = Difference("differs", max_abs=7.0, note=REORDERED)
    assert excuse(ordered, Movement(1.0)).startswith("only the order of near ties differs")
    assert excuse(ordered, Movement(0.0)) == "", "the source has no near ties"
    shape = difference(np.zeros(2), np.zeros(3))
    assert excuse(shape, Movement(0.0, number=False))
    assert not excuse(shape, Movement(0.0))


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0000001, "same within the source's own sensitivity"), (1.00005, "differs")]
)
def test_a_source_that_amplifies_rounding(factor: float, verdict: str, tmp_path: Path) -> None:
    text = """<ir_version: 8, opset_import: ["" : 18]> net (float[100] x) => (float[100] y) <float k = {1000000}>
        { n = Neg (x) m = Mul (n, k) y = Sin (m) }"""
    onnx.save(parser.parse_model(text), tmp_path / "net.onnx")
    rows = tmp_path / "rows.py"
    rows.write_text(f'from converter.rows import *\nROWS = {{"Neg": call("-{{0}} * {factor}")}}\n', encoding="utf-8")
    result = converter.convert(tmp_path / "net.onnx", output=tmp_path, operator_map=rows)
    assert result.verdict == verdict
    assert result.verification is not None
    assert all(node.verdict == "same" for node in result.verification.nodes)
    text = (tmp_path / "report_of_net.txt").read_text(encoding="utf-8")
    assert ("when its inputs move by one part in 10^7" in text) is verdict.startswith("same")


@pytest.mark.parametrize("ordered", [("y",), ()])
def test_only_what_an_operator_orders_is_reordered(ordered: tuple[str, ...]) -> None:
    """A picture with noise has nearly the same elements in another order, too."""
    job = Job(original=Original("", Path(), Path()), script=Path(), checkpoint=None, ordered=ordered)
    want = np.linspace(0, 1, 100000, dtype=np.float32)
    got = np.roll(want, 500)
    assert (REORDERED in _of_two_runs(got, got, [want, want], job, "y").note) is bool(ordered)


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, SENSITIVE), (1.001, "differs")])
def test_a_node_that_the_runtime_computes_inaccurately(factor: float, verdict: str, tmp_path: Path) -> None:
    """onnxruntime's InstanceNormalization is 3e-3 off where the variance is small beside the mean."""
    text = """<ir_version: 8, opset_import: ["" : 18]> net (float[1,1,64,64] x) => (float[1,1,64,64] y)
        <float k = {0.001}, float m = {110}, float[1] s = {1}, float[1] b = {0}>
        { d = Mul (x, k) e = Sub (d, m) n = InstanceNormalization (e, s, b) y = Neg (n) }"""
    onnx.save(parser.parse_model(text), tmp_path / "net.onnx")
    rows = tmp_path / "rows.py"
    rows.write_text(f'from converter.rows import *\nROWS = {{"Neg": call("-{{0}} * {factor}")}}\n', encoding="utf-8")
    result = converter.convert(tmp_path / "net.onnx", output=tmp_path, operator_map=rows, edges="report")
    assert result.verdict == verdict
    assert result.verification is not None
    assert bool(result.verification.edges) is (verdict == SENSITIVE)
    assert ("inaccurate, at n: with these computed in 64 bits" in result.verification.note) is (verdict == SENSITIVE)
