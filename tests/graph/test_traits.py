"""The table of traits says what ONNX says: by the operators' schemas, and by what onnx's evaluator computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import helper
from onnx.defs import OpSchema
from onnx.reference import ReferenceEvaluator

from converter.graph.annotations import OPSET
from converter.graph.traits import TRAITS, Trait, has_trait, operators_with

SCHEMAS = {
    schema.name: onnx.defs.get_schema(schema.name, OPSET)
    for schema in onnx.defs.get_all_schemas()
    if schema.domain == "" and not schema.deprecated
}
X = np.array([[[-2.5, 0.25], [1.5, 3.0], [0.5, -0.75]], [[4.0, 8.0], [16.0, 32.0], [2.0, 7.0]]], np.float32)
"""[2, 3, 2], no element twice."""
ATTRIBUTES: Mapping[str, dict[str, Any]] = {
    "BitCast": {"to": onnx.TensorProto.INT32},
    "BitShift": {"direction": "LEFT"},
    "Cast": {"to": onnx.TensorProto.INT32},
    "Concat": {"axis": 1},
    "DepthToSpace": {"blocksize": 2},
    "Gather": {"axis": 1},
    "Mod": {"fmod": 1},
    "RegexFullMatch": {"pattern": ".*"},
    "SpaceToDepth": {"blocksize": 2},
    "Split": {"num_outputs": 2},
}
DOMAINS = {"Acos": np.tanh(X), "Acosh": 1 + abs(X), "Asin": np.tanh(X), "Atanh": np.tanh(X) * np.float32(0.99)}
DOMAINS |= dict.fromkeys(("Log", "Sqrt"), abs(X))
MOVED: Mapping[str, tuple[np.ndarray, ...]] = {
    "Concat": (X, X + 100),
    "DepthToSpace": (np.arange(2 * 8 * 3 * 3, dtype=np.float32).reshape(2, 8, 3, 3),),
    "Expand": (X, np.array([4, 1, 3, 1])),
    "Flatten": (X,),
    "Gather": (X, np.array([2, 0, -1])),
    "GatherElements": (X, np.array([[[1, 0], [1, 1], [0, 0]]])),
    "GatherND": (X, np.array([[1, 2], [0, -1]])),
    "Identity": (X,),
    "Reshape": (X, np.array([3, -1])),
    "ReverseSequence": (X, np.array([2, 1, 2])),
    "Slice": (X, np.array([2]), np.array([-9]), np.array([1]), np.array([-1])),
    "SpaceToDepth": (np.arange(2 * 2 * 6 * 4, dtype=np.float32).reshape(2, 2, 6, 4),),
    "Split": (X,),
    "Squeeze": (X[:, :1], np.array([1])),
    "Tile": (X, np.array([1, 2, 3])),
    "Transpose": (X,),
    "Unsqueeze": (X, np.array([0, 2])),
}


def compute(op_type: str, *inputs: np.ndarray) -> list[np.ndarray]:
    names = [f"x{i}" for i in range(len(inputs))]
    outputs = ["y", "z"] if op_type == "Split" else ["y"]
    node = helper.make_node(op_type, names, outputs, **ATTRIBUTES.get(op_type, {}))
    types = [helper.np_dtype_to_tensor_dtype(x.dtype) for x in inputs]
    formal = [helper.make_tensor_value_info(name, dtype, None) for name, dtype in zip(names, types, strict=True)]
    graph = helper.make_graph([node], "g", formal, [helper.make_empty_tensor_value_info(name) for name in outputs])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    return ReferenceEvaluator(model).run(None, dict(zip(names, inputs, strict=True)))


def typed(op_type: str, x: np.ndarray) -> np.ndarray:
    """`x` in the first type of the operator's first input that can hold it."""
    allowed = SCHEMAS[op_type].inputs[0].types
    if "tensor(float)" in allowed:
        return x
    if "tensor(bool)" in allowed:
        return x > 1
    if "tensor(string)" in allowed:
        return x.astype(str).astype(object)
    return abs(x).astype(np.uint8) % 8


def test_every_operator_is_one_of_onnx() -> None:
    assert TRAITS.keys() <= SCHEMAS.keys()
    assert list(TRAITS) == sorted(TRAITS)
    assert all(TRAITS.values())


def test_all_that_broadcasts_is_there() -> None:
    said = {name for name, schema in SCHEMAS.items() if "multidirectional" in schema.doc}
    assert said - {"StringConcat"} <= operators_with(Trait.BROADCASTING)


def test_views_are_data_movement() -> None:
    assert operators_with(Trait.VIEW) < operators_with(Trait.DATA_MOVEMENT)
    assert operators_with(Trait.ELEMENTWISE) == operators_with(Trait.UNARY) | operators_with(Trait.BROADCASTING)


def test_the_attributes_and_inputs_that_a_trait_names_are_there() -> None:
    for name in operators_with(Trait.REDUCTION):
        assert [formal.name for formal in SCHEMAS[name].inputs] == ["data", "axes"]
        assert "keepdims" in SCHEMAS[name].attributes
    assert operators_with(Trait.REDUCTION) == {name for name in SCHEMAS if name.startswith("Reduce")}
    for name in operators_with(Trait.INDEXES_AXIS):
        assert SCHEMAS[name].inputs[1].name == "indices"
        assert helper.get_attribute_value(SCHEMAS[name].attributes["axis"].default_value) == 0
    for name in operators_with(Trait.INDEXES_LEADING_AXES):
        assert SCHEMAS[name].inputs[1].name == "indices"
    for name in operators_with(Trait.RECURRENT):
        assert [formal.name for formal in SCHEMAS[name].inputs[:4]] == ["X", "W", "R", "B"]
    for name, schema in SCHEMAS.items():
        bodies = schema.attributes.get("body")
        loops = bodies is not None and bodies.type == OpSchema.AttrType.GRAPH and name != "SequenceMap"
        assert loops == (name in operators_with(Trait.LOOP)), name


def test_what_is_random_has_a_seed() -> None:
    seeded = {name for name, schema in SCHEMAS.items() if "seed" in schema.attributes}
    assert seeded - {"Dropout"} == operators_with(Trait.RANDOM)


@pytest.mark.parametrize("op_type", sorted(operators_with(Trait.UNARY)))
def test_unary_operators_work_element_by_element(op_type: str) -> None:
    x = typed(op_type, DOMAINS.get(op_type, X))
    (whole,) = compute(op_type, x)
    assert whole.shape == x.shape
    for place in np.ndindex(x.shape):
        (alone,) = compute(op_type, x[place].reshape(1))
        np.testing.assert_allclose(alone[0], whole[place], rtol=1e-6)


@pytest.mark.parametrize("op_type", sorted(operators_with(Trait.BROADCASTING)))
def test_broadcasting_operators_work_element_by_element(op_type: str) -> None:
    if op_type == "Where":
        inputs = [X[:, :1] > 1, X, X[0, 0] * 2]
    else:
        inputs = [typed(op_type, abs(X)), typed(op_type, abs(X[0, ::-1, :1]) + 1)]
    (whole,) = compute(op_type, *inputs)
    assert whole.shape == X.shape
    spread = np.broadcast_arrays(*inputs)
    for place in np.ndindex(X.shape):
        (alone,) = compute(op_type, *(each[place].reshape(1) for each in spread))
        np.testing.assert_allclose(alone[0], whole[place], rtol=1e-6)
    if op_type in operators_with(Trait.COMMUTATIVE):
        np.testing.assert_array_equal(compute(op_type, *reversed(spread))[0], whole)


@pytest.mark.parametrize("op_type", sorted(operators_with(Trait.BROADCASTING) - operators_with(Trait.COMMUTATIVE)))
def test_other_operators_do_not_commute(op_type: str) -> None:
    a, b = typed(op_type, abs(X)), typed(op_type, abs(X) * 2 + 1)
    if op_type == "Where":
        assert SCHEMAS[op_type].min_input == 3
    else:
        assert not np.array_equal(compute(op_type, a, b)[0], compute(op_type, b, a)[0])


@pytest.mark.parametrize("op_type", sorted(operators_with(Trait.DATA_MOVEMENT)))
def test_data_movement_keeps_elements(op_type: str) -> None:
    inputs = MOVED[op_type]
    sources = inputs if op_type == "Concat" else inputs[:1]
    results = compute(op_type, *inputs)
    for result in results:
        assert np.isin(result, np.concatenate([source.ravel() for source in sources])).all()
    if op_type in operators_with(Trait.VIEW):
        np.testing.assert_array_equal(np.sort(results[0], None), np.sort(inputs[0], None))


def test_operators_of_other_domains_have_no_traits() -> None:
    x = ir.Value(name="x")
    assert has_trait(ir.node("Transpose", [x]), Trait.VIEW)
    assert not has_trait(ir.node("Transpose", [x], domain="other"), Trait.VIEW)
    assert not has_trait(ir.node("Conv", [x]), Trait.VIEW | Trait.ELEMENTWISE)
