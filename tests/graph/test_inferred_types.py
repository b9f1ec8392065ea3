"""Types inferred run by run are those of the whole model, unless shape arithmetic goes from one run to the next."""

from __future__ import annotations

import onnx
import pytest

from converter.graph import inferred_types as module
from converter.graph.inferred_types import inferred_types

MODEL = """
    <ir_version: 10, opset_import: ["" : 20]>
    g (float[N,4] x, bool b) => (float[] y) <int64[1] two = {2}, float[4] w = {1, 2, 3, 4}> {
        a = Relu(x)
        c = If(b) <then_branch = one () => (float[] p) { p = Add(a, w) }, else_branch = other () => (float[] q) {
            r = Tanh(x)
            q = If(b) <then_branch = in () => (float[] s) { s = Neg(r) },
                else_branch = out () => (float[] u) { u = Abs(a) }>
        }>
        d = NonZero(c)
        e = NonZero(a)
        f = Concat<axis=1>(d, e)
        z = Cast<to=1>(f)
        v = Transpose(z)
        y = ReduceMean(v, two)
    }
"""


def shapes(types: dict[str, onnx.TypeProto]) -> dict[str, list[int | str]]:
    """Extents by name; those that inference named are `?`."""
    return {
        name: [
            "?" if dim.dim_param.startswith("unk__") else dim.dim_param or dim.dim_value
            for dim in kind.tensor_type.shape.dim
        ]
        for name, kind in types.items()
    }


@pytest.fixture
def run_by_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_COPIED", 0)
    monkeypatch.setattr(module, "_MOST_COPIED_IN_RUN", 0)


def test_runs_know_what_runs_before_them_found(monkeypatch: pytest.MonkeyPatch) -> None:
    model = onnx.parser.parse_model(MODEL)
    whole = shapes(inferred_types(model, follow=True))
    assert whole["q"] == ["N", 4]
    assert whole["f"] == [2, "?"]
    monkeypatch.setattr(module, "_MOST_COPIED", 0)
    for most in (0, 20):  # a node is a run, several are
        monkeypatch.setattr(module, "_MOST_COPIED_IN_RUN", most)
        assert shapes(inferred_types(model, follow=True)) == whole


@pytest.mark.usefixtures("run_by_run")
def test_unknown_extents_of_two_runs_are_not_equal() -> None:
    types = inferred_types(onnx.parser.parse_model(MODEL), follow=True)
    found = {types[name].tensor_type.shape.dim[1].dim_param for name in "def"}
    assert len(found) == 3
    assert types["z"].tensor_type.shape.dim[1].dim_param == types["f"].tensor_type.shape.dim[1].dim_param


def test_a_large_initializer_is_not_copied_but_known() -> None:
    text = MODEL.replace("float[4] w = {1, 2, 3, 4}", "float[4] w = {1, 2, 3, 4}, float[1,2048] large")
    model = onnx.parser.parse_model(text.replace("e = NonZero(a)", "e = NonZero(a)\n        wide = Mul(large, large)"))
    model.graph.initializer.append(onnx.helper.make_tensor("large", 1, [1, 2048], [0.0] * 2048))
    assert shapes(inferred_types(model, follow=True))["wide"] == [1, 2048]
    assert len(model.graph.input) == 2  # the model itself stays as it is
