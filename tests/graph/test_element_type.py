"""Element type: the network computes in another type and means the same; its ends and its weights' origins stay."""

from __future__ import annotations

import json
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx.reference import ReferenceEvaluator

from converter.base.weight_steps import SOURCE
from converter.graph import change_element_type
from converter.graph.normalize import normalize

WEIGHT = np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32)
NUMPY = {"float32": np.float32, "float16": np.float16, "bfloat16": ml_dtypes.bfloat16}
ONNX = {"float32": "float", "float16": "float16", "bfloat16": "bfloat16"}


def normalized(own: str, *, body: str) -> ir.Model:
    """A network of `own` type, of which `body` makes y of x, the weight w and the condition c."""
    text = f'<ir_version: 10, opset_import: ["": 18]> net (TYPE[N,4] x, bool c) => (TYPE[N,4] y) {{ {body} }}'
    model = onnx.parser.parse_model(text.replace("TYPE", ONNX[own]))
    model.graph.initializer.append(onnx.numpy_helper.from_array(WEIGHT.astype(NUMPY[own]), "w"))
    return normalize(model, Path())


BODIES = {
    "plain": "y = MatMul (x, w)",
    "branches": "y = If (c) <then_branch = a () => (TYPE[N,4] p) { p = MatMul (x, w) }, "
    "else_branch = b () => (TYPE[N,4] q) { q = Mul (x, x) }>",
    "mask": "low = Constant <value = TYPE {-3e38}> () a = MatMul (x, w) d = Less (a, x) e = Where (d, low, a) "
    "y = Softmax <axis = -1> (e)",
    "passed on": "m = MatMul (x, w) y = Add (m, x)",
}


@pytest.mark.parametrize("body", [name for name in BODIES if name != "mask"])
@pytest.mark.parametrize(("own", "wanted"), [("float32", "float16"), ("float16", "float32"), ("float32", "bfloat16")])
def test_it_means_the_same(own, wanted, body):
    model = normalized(own, body=BODIES[body])
    x = np.random.default_rng(1).normal(size=(3, 4)).astype(NUMPY[own])
    feeds = [{"x": x, "c": np.array(c)} for c in (True, False)]
    before = [run(model, each) for each in feeds]
    assert change_element_type(model, wanted) == (
        f"The script computes in {wanted}, and the model in {own}. Inputs and outputs keep their types."
    )
    for each, expected in zip(feeds, before, strict=True):
        found = run(model, each)
        assert found.dtype == expected.dtype == NUMPY[own]
        np.testing.assert_allclose(found.astype(np.float32), expected.astype(np.float32), rtol=0.1, atol=0.05)


def run(model: ir.Model, feeds: dict[str, np.ndarray]) -> np.ndarray:
    proto = onnx.ModelProto()
    proto.CopyFrom(ir.to_proto(model))
    names = {value.name for value in proto.graph.input}
    (found,) = ReferenceEvaluator(proto).run(None, {name: value for name, value in feeds.items() if name in names})
    return np.asarray(found)


def test_weights_are_converted_when_they_are_read():
    model = normalized("float32", body=BODIES["plain"])
    change_element_type(model, "bfloat16")
    tensor = model.graph.initializers["w"].const_value
    assert tensor is not None
    assert tensor.dtype == ir.DataType.BFLOAT16
    np.testing.assert_array_equal(tensor.numpy(), WEIGHT.astype(ml_dtypes.bfloat16))
    assert json.loads(tensor.metadata_props[SOURCE]) == {
        "name": "w",
        "shape": [4, 4],
        "dtype": "float32",
        "transform": [{"op": "cast", "dtype": "bfloat16"}],
    }


def test_the_lowest_number_of_a_mask_stays_finite():
    model = normalized("float32", body=BODIES["mask"])
    change_element_type(model, "float16")
    found = run(model, {"x": np.full((2, 4), 100, np.float32)})
    assert np.isfinite(found).all()


def test_an_epsilon_does_not_become_zero():
    body = "e = Constant <value = float {1e-12}> () a = Mul (x, x) b = Add (a, e) d = Sqrt (b) y = Div (x, d)"
    model = normalized("float32", body=body)
    change_element_type(model, "float16")
    assert np.isfinite(run(model, {"x": np.zeros((2, 4), np.float32)})).all()


def test_conversions_between_the_two_types_go():
    body = "f = Cast <to = 1> (x) g = Mul (f, f) h = Cast <to = 10> (g) y = MatMul (h, w)"
    model = normalized("float16", body=body)
    change_element_type(model, "float32")
    assert [node.op_type for node in model.graph] == ["Cast", "Mul", "MatMul", "Cast"]


def test_nothing_to_change():
    assert change_element_type(normalized("float16", body=BODIES["plain"]), "float16") is None
