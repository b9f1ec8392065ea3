"""Which constants of a model that torch exported are trained."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph.normalize.harness import normalized

from converter.base.trained import FROZEN, TRAINED
from converter.graph.origins import is_frozen, is_trained_number, trained

SCALED = """g (float[n,4] x) => (float[n,4] y) {
    c = Constant <value = float[4] {1.0, 0.5, 0.25, 0.125}> ()
    a = Mul (x, c) b = Mul (a, w) y = Mul (b, s)
}"""


def parse(text: str, producer: str, **tensors: np.ndarray) -> onnx.ModelProto:
    header = f'<ir_version: 8, opset_import: ["" : 17], producer_name: "{producer}">'
    model = onnx.parser.parse_model(f"{header}\n{text}")
    model.graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in tensors.items())
    return model


def known(model: onnx.ModelProto) -> dict[str, bool | None]:
    """What is known of each float constant of a normalised model."""
    values = normalized(model).graph.initializers.values()
    return {value.name or "": trained(value) for value in values if value.dtype.is_floating_point()}


W, S = np.arange(4, dtype=np.float32), np.array(2.6, np.float32)


def test_initializers_of_torch_are_its_parameters_and_constant_nodes_are_not() -> None:
    assert known(parse(SCALED, "pytorch", w=W, s=S)) == {"c": False, "w": True, "s": True}


def test_other_exporters_write_weights_either_way() -> None:
    assert set(known(parse(SCALED, "tool", w=W, s=S)).values()) == {None}


def test_a_frozen_module_has_no_initializers() -> None:
    constant = "{ w = Constant <value = float[4] {1.0, 2.0, 3.0, 4.0}> () s = Identity (w)"
    assert set(known(parse(SCALED.replace("{", constant, 1), "pytorch")).values()) == {None}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("inv_freq", False), ("h.0.attn.masked_bias", False), ("onnx::Mul_7", None), ("layers.0.layer_scale", True)],
)
def test_names_tell_parameters_from_buffers(name: str, expected: bool | None) -> None:
    model = parse(SCALED, "pytorch", **{name: W}, s=S)
    model.graph.node[2].input[1] = name
    assert known(model)[name] is expected


def test_a_parameter_that_the_frontend_knows_as_frozen() -> None:
    model = parse(SCALED, "pytorch", w=W, s=S)
    model.graph.initializer[0].metadata_props.add(key=TRAINED, value=FROZEN)
    assert is_frozen(normalized(model).graph.initializers["w"])


def test_a_number_that_is_trained_is_none_of_a_formula() -> None:
    found = normalized(parse(SCALED, "pytorch", w=W, s=S)).graph.initializers
    assert is_trained_number(found["s"])
    assert not is_trained_number(found["w"])


def test_scales_of_quantised_operators_are_measured() -> None:
    text = "g (float[n,4] x) => (float[n,4] y) { q = QuantizeLinear (x, s) d = DequantizeLinear (q, s) y = Mul (d, w) }"
    assert known(parse(text, "tool", w=W, s=S)) == {"w": None, "s": False}


@pytest.mark.parametrize(
    ("names", "layer", "expected"),
    [
        (("val_1", "val_2"), "Conv(x, w)", (False, False)),
        (("gamma", "beta"), "Conv(x, w)", (True, True)),
        (("val_1", "val_2"), "Relu(x)", (None, None)),
    ],
)
def test_a_norm_of_buffers_behind_a_convolution_is_not_trained(names, layer, expected) -> None:
    """`FrozenBatchNorm2d` of a detector: the older exporter computes its scale and its shift."""
    text = "g (float[1,3,4,4] x) => (float[1,3,4,4] y) {{ c = {} s = Mul(c, {}) y = Add(s, {}) }}".format(layer, *names)
    channels = np.arange(1, 4, dtype=np.float32).reshape(1, 3, 1, 1)
    model = parse(text, "pytorch", w=np.ones((3, 3, 1, 1), np.float32), **dict.fromkeys(names, channels))
    found = known(model)
    assert tuple(found[name] for name in names) == expected
