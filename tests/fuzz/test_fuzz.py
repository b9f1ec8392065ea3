"""Some cases of each kind; `tests/fuzz/run.py` and `sweep.py` run as many as are wanted."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import onnx
import pytest
from fuzz import comparing
from fuzz.building import run
from fuzz.comparing import MODES, _by_tanh, findings
from fuzz.damaged_files import CORPUS, damaged_files
from fuzz.disguises import CHANGES, Change, branch, function, iterations, other_type
from fuzz.explained import cut_off, explanation, not_allowed, of_no_iterations
from fuzz.outcome import outcome, outcome_of_weights
from fuzz.random_graphs import FAMILIES, random_model
from fuzz.sweep import differences, kind_of
from fuzz.sweep_cases import CASES
from fuzz.unfolding import unfolded
from fuzz.wrong_models import TEXTS, model_named, wrong_models
from hypothesis import HealthCheck, given, settings
from onnx import helper

few = settings(max_examples=20, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
some = settings(few, max_examples=60)


@few
@given(wrong_models())
def test_wrong_models(data: bytes) -> None:
    outcome("net.onnx", data)


@few
@given(damaged_files("onnx"))
def test_damaged_models(data: bytes) -> None:
    outcome("net.onnx", data)


@some
@given(damaged_files("safetensors"))
def test_damaged_safetensors(data: bytes) -> None:
    outcome_of_weights("net.safetensors", data)


@some
@given(damaged_files("ckpt"))
def test_damaged_checkpoints(data: bytes) -> None:
    outcome_of_weights("net.ckpt", data)


@settings(few, max_examples=5)
@given(damaged_files("pb"))
def test_damaged_graphs(data: bytes) -> None:
    outcome("net.pb", data)


@pytest.mark.parametrize("path", sorted(CORPUS.iterdir()), ids=lambda path: path.name)
def test_what_once_went_wrong(path: Path) -> None:
    convert = outcome if path.suffix in (".onnx", ".pb") else outcome_of_weights
    convert(path.name, path.read_bytes())


@pytest.mark.parametrize("name", TEXTS)
def test_the_right_models_are_right(name: str) -> None:
    """Else all that is made of them would be wrong in the same way."""
    assert outcome("net.onnx", model_named(name).SerializeToString()) == "converted"


@pytest.mark.parametrize("family", FAMILIES)
def test_random_graphs(family: str) -> None:
    modes = list(MODES)[: 2 if family == "chains" else 1]
    model, feeds, wanted = random_model(family, 0)
    assert [each for each in findings(model, feeds, wanted, modes) if not each.explained] == []


@pytest.mark.parametrize("family", ["views", "binary", "reduction", "control_flow"])
def test_random_graphs_in_another_form(family: str) -> None:
    model, feeds, wanted = random_model(family, 1)
    assert [each for each in findings(model, feeds, wanted, ["PyNative"]) if not each.explained] == []


SMALL = """<ir_version: 10, opset_import: ["" : 20]>
    g (float[2,3] x, int64[1] i) => (float[2,3] y, float[1,3] z) <float[3] w = {1.0, -2.0, 0.5}, int64 k = {1}> {
        p = Mul (x, w)  c = Cast <to=1> (k)  y = Add (p, c)  z = Gather (y, i)
    }"""


@pytest.mark.parametrize("first", range(4))
def test_single_nodes(first: int) -> None:
    """Of the cases that `sweep.py` runs, one in sixteen."""
    for case in CASES[first::64]:
        unexplained = [found for found in differences(case, ("PyNative",)) if kind_of(found[1]) == "differs"]
        assert unexplained == [], case


@pytest.mark.parametrize("change", [change for change, _ in CHANGES], ids=lambda change: change.__name__)
def test_another_form_computes_the_same(change: Change) -> None:
    model = onnx.parser.parse_model(SMALL)
    feeds = {"x": np.arange(6, dtype=np.float32).reshape(2, 3) / 4, "i": np.array([1])}
    wanted = run(model, [feeds])[0]
    changed = onnx.ModelProto.FromString(model.SerializeToString())
    change(changed, feeds, Random(1))
    assert changed != model
    for got, want in zip(run(changed, [feeds])[0], wanted, strict=True):
        assert change is other_type or got.dtype == want.dtype
        np.testing.assert_array_equal(got[0] if change is iterations else got, want)


@pytest.mark.parametrize("changes", [(branch,), (iterations,), (function,), (function, branch)])
def test_nodes_inside_are_found(changes: tuple[Change, ...]) -> None:
    feeds = {"x": np.arange(6, dtype=np.float32).reshape(2, 3) / 4, "i": np.array([1])}
    changed = onnx.parser.parse_model(SMALL)
    for change in changes:
        change(changed, feeds, Random(1))
    made = unfolded(changed, feeds)
    assert [node.op_type for node in made.graph.node][:4] == ["Mul", "Cast", "Add", "Gather"]
    del made.graph.output[:]
    made.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in made.graph.node[2].output)
    np.testing.assert_array_equal(run(made, [feeds])[0], [feeds["x"] * [1, -2, 0.5] + 1])


def test_a_wrong_script_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(comparing.TOLERANCE, "float32", -1.0)
    found = list(findings(*random_model("dense", 0), ["PyNative"]))
    assert found
    assert found[0].node


@pytest.mark.parametrize(
    ("node", "shapes", "allowed"),
    [
        ("PRelu (a, b)", ((2, 3), (3,)), True),
        ("PRelu (a, b)", ((1, 1), (3,)), False),
        ('Einsum <equation = "ij,jk->ik"> (a, b)', ((2, 3), (3, 4)), True),
        ('Einsum <equation = "ij,jk->ik"> (a, b)', ((2, 1), (3, 4)), False),
        ("Concat <axis = 1> (a, b)", ((2, 0), (2, 3)), True),
        ("Concat <axis = 1> (a, b)", ((0, 1), (2, 3)), False),
        ("MaxPool <kernel_shape = [2, 2]> (a)", ((1, 1, 2, 2),), True),
        ("MaxPool <kernel_shape = [2, 2]> (a)", ((1, 1, 1, 2),), False),
        ("Compress <axis = 0> (a, b)", ((2, 3), (2,)), True),
        ("Compress <axis = 0> (a, b)", ((2, 3), (3,)), False),
        ("Compress (a, b)", ((2, 3), (3,)), True),
        ('Resize <axes = [-1], keep_aspect_ratio_policy = "not_larger"> (a)', ((1, 2),), False),
        ('SoftmaxCrossEntropyLoss <reduction = "mean"> (a, b)', ((2, 3), (1,)), False),
        ("SoftmaxCrossEntropyLoss (a, b, c)", ((2, 3), (2,), (3,)), True),
        ("SoftmaxCrossEntropyLoss (a, b, c)", ((2, 3), (2,), (4,)), False),
        ("TreeEnsembleRegressor <target_treeids=[0,0], target_nodeids=[1,1], target_ids=[0,1]> (a)", ((2, 1),), True),
        ("TreeEnsembleRegressor <target_treeids=[0,0], target_nodeids=[1,1], target_ids=[0,0]> (a)", ((2, 1),), False),
        ("RotaryEmbedding (a, b, b, c)", ((1, 2, 3, 4), (5, 2), (1, 3)), True),
        ("RotaryEmbedding (a, b, b, c)", ((1, 2, 3, 6), (5, 2), (1, 3)), False),
        ("LinearRegressor <coefficients = [1.0, 2.0], intercepts = [0.0]> (a)", ((2, 1),), False),
        ("Reshape (a, b)", ((3, 0), (2,)), False),
        ("Reshape (a, b)", ((0, 0), (2,)), True),
        ("Reshape <allowzero = 1> (a, b)", ((3, 0), (2,)), True),
    ],
)
def test_inputs_that_onnx_does_not_allow(node: str, shapes: tuple[tuple[int, ...], ...], allowed: bool) -> None:
    made = onnx.parser.parse_node(f"y = {node}")
    arrays = {name: np.zeros(shape) for name, shape in zip("abc", shapes, strict=False)}
    assert (not_allowed(made, arrays) == "") == allowed


@pytest.mark.parametrize(
    ("what", "explained"),
    [
        ("float32[0, 3] for float32[0, 0]", True),
        ("float32[0] for float32[0, 0]", True),
        ("float32[1, 3] for float32[1, 0]", False),
        ("float16[0, 3] for float32[0, 3]", False),
    ],
)
def test_a_loop_that_never_runs(what: str, explained: bool) -> None:
    changed = onnx.parser.parse_model(SMALL)
    iterations(changed, {"x": np.zeros((2, 3), np.float32), "i": np.array([1])}, Random(1))
    assert bool(of_no_iterations(changed, what)) == explained
    assert not of_no_iterations(onnx.parser.parse_model(SMALL), what)


@pytest.mark.parametrize(
    ("sizes", "part", "whole"),
    [([1, 4], (0, 0.25, 1, 1), True), ([1, 4], (0, 0, 1, 1), False), ([1, 5], (0, 0.25, 1, 1), False)],
)
def test_a_part_of_an_axis_that_keeps_its_extent(sizes: list[int], part: tuple[float, ...], whole: bool) -> None:
    arrays = {"x": np.zeros((1, 4), np.float32), "sizes": np.array(sizes), "part": np.array(part, np.float32)}
    attributes = {"coordinate_transformation_mode": b"tf_crop_and_resize"}
    assert bool(explanation("Resize", "off by 1.0e+00", "ordinary", arrays, attributes)) == whole


@pytest.mark.parametrize(("number", "far"), [(-3.0, True), (0.5, False)])
def test_a_tanh_that_is_a_little_off(number: float, far: bool) -> None:
    text = '<ir_version: 8, opset_import: ["": 17]> g (float[1] x) => (float[1] y) { t = Tanh (x) y = Add (t, one) }'
    model = onnx.parser.parse_model(text.replace("{ t", "<float one = {1}> { t"))
    feeds = {"x": np.array([number], np.float32)}
    assert bool(_by_tanh(model, feeds, run(model, [feeds])[0] or [])) == far


def test_shapes_of_a_branch_that_is_not_taken() -> None:
    """Graph mode compiles it, and raises for extents that do not fit in it."""
    text = """<ir_version: 10, opset_import: ["" : 21]> g (float[N] x, float[M] z, bool c) => (float[K] y) {
        y = If (c) <then_branch = t () => (float[K] a) { a = Add (x, z) },
                    else_branch = e () => (float[K] b) { b = SIN }>
    }"""
    feeds = {"x": np.ones(2, np.float32), "z": np.ones(3, np.float32), "c": np.array(False)}
    model = onnx.parser.parse_model(text.replace("SIN", "Sin (x)"))
    found = list(findings(model, [feeds], [run(model, [feeds])[0]], ["graph"]))
    assert [bool(each.explained) for each in found] == [True]
    wrong = [np.zeros(2, np.float32)]
    assert not all(each.explained for each in findings(model, [feeds], [wrong], ["graph"]))


@pytest.mark.parametrize(("number", "near"), [(0.99999994, True), (0.3, False), (2.4999998, True)])
def test_rounding_decides_what_is_cut_off(number: float, near: bool) -> None:
    assert bool(cut_off(onnx.parser.parse_node("y = Cast <to = 7> (x)"), {"x": np.array([number], np.float32)})) == near
