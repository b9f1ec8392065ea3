"""The float network of a quantised one, in each form in which onnxruntime quantises."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from graph.normalize.harness import parse
from onnx.reference import ReferenceEvaluator
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from converter.errors import BadParamError
from converter.frontends import Request, dequantised, load
from converter.graph.normalize import WITH_SCALES, dequantise, normalize

WEIGHTS = {
    "stem_weight": (8, 3, 3, 3),
    "stem_bias": (8,),
    "conv_weight": (8, 8, 3, 3),
    "fc_weight": (4, 8),
    "fc_bias": (4,),
}
FLOAT = """
g (float[n,3,8,8] x) => (float[n,4] logits) {
    a = Conv <pads = [1, 1, 1, 1]> (x, stem_weight, stem_bias)
    b = Relu (a)
    c = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (b)
    d = Conv <pads = [1, 1, 1, 1]> (c, conv_weight)
    e = Add (c, d)
    f = Relu (e)
    g = GlobalAveragePool (f)
    h = Flatten (g)
    logits = Gemm <transB = 1> (h, fc_weight, fc_bias)
}
"""


def images(seed: int) -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(seed).normal(size=(2, 3, 8, 8)).astype(np.float32)}


class Images(CalibrationDataReader):
    """Images from which onnxruntime measures ranges."""

    def __init__(self) -> None:
        self._left = iter([images(seed) for seed in range(4)])

    def get_next(self) -> dict[str, np.ndarray] | None:  # type: ignore[override]
        return next(self._left, None)


@pytest.fixture(scope="module")
def float_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = parse(FLOAT, 17)
    random = np.random.default_rng(0)
    for name, shape in WEIGHTS.items():
        array = (random.normal(size=shape) / 4).astype(np.float32)
        model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
    for number, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{number}"
    file = tmp_path_factory.mktemp("dequantise") / "float.onnx"
    onnx.save(model, file)
    return file


def static(form: str, kind: QuantType) -> object:
    def quantise(float_file: Path, file: Path) -> None:
        options = {"quant_format": QuantFormat[form], "activation_type": kind, "weight_type": QuantType.QInt8}
        quantize_static(float_file, file, Images(), per_channel=form == "QDQ", **options)

    return quantise


def dynamic(float_file: Path, file: Path) -> None:
    quantize_dynamic(float_file, file, weight_type=QuantType.QInt8)


FORMS = {
    "QDQ, uint8": static("QDQ", QuantType.QUInt8),
    "QDQ, int8": static("QDQ", QuantType.QInt8),
    "QOperator, uint8": static("QOperator", QuantType.QUInt8),
    "QOperator, int8": static("QOperator", QuantType.QInt8),
    "dynamic": dynamic,
}


@pytest.fixture(scope="module", params=FORMS)
def made(request: pytest.FixtureRequest, float_file: Path) -> ir.Model:
    file = float_file.with_name(f"{list(FORMS).index(request.param)}.onnx")
    FORMS[request.param](float_file, file)
    model = normalize(onnx.load(file), file.parent, kept=WITH_SCALES)
    assert dequantise(model)
    return model


def run(model: onnx.ModelProto) -> np.ndarray:
    return ReferenceEvaluator(model).run(None, images(9))[0]


def test_the_nodes_are_those_of_the_float_network(made: ir.Model, float_file: Path) -> None:
    products = {"Add": 9, "MatMul": 9, "Gemm": 9, "Reshape": 9}  # a bias may stand behind its product
    kinds = Counter(node.op_type for node in made.graph) - Counter(products)
    wanted = Counter(node.op_type for node in onnx.load(float_file).graph.node) - Counter(products)
    assert kinds == wanted


def test_weights_and_outputs_keep_their_names(made: ir.Model) -> None:
    assert {"stem_weight", "conv_weight", "fc_weight"} <= set(made.graph.initializers)
    assert [value.name for value in made.graph.outputs] == ["logits"]


def test_results_are_those_of_the_float_network(made: ir.Model, float_file: Path) -> None:
    result, wanted = run(ir.to_proto(made)), run(onnx.load(float_file))
    np.testing.assert_allclose(result, wanted, atol=0.02 * np.abs(wanted).max())


def test_a_float_network_is_refused(float_file: Path, tmp_path: Path) -> None:
    with pytest.raises(BadParamError, match="finds nothing that is quantised"):
        dequantised(load(Request(float_file)), tmp_path)


RELU_LEFT_OUT = """
g (float[n,4] x) => (float[n,4] y) {{
    scale = Constant <value = float {{0.5}}> ()
    zero = Constant <value = {kind} {{{zero}}}> ()
    a = Neg (x)
    q = QuantizeLinear (a, scale, zero)
    d = DequantizeLinear (q, scale, zero)
    y = Neg (d)
}}
"""


@pytest.mark.parametrize(
    ("kind", "zero", "nodes"),
    [("uint8", 0, ["Neg", "Relu", "Neg"]), ("int8", -128, ["Neg", "Relu", "Neg"]), ("int8", 0, ["Neg", "Neg"])],
)
def test_a_saturation_at_zero_is_a_relu(kind: str, zero: int, nodes: list[str]) -> None:
    model = normalize(parse(RELU_LEFT_OUT.format(kind=kind, zero=zero), 17), Path())
    assert dequantise(model)
    assert [node.op_type for node in model.graph] == nodes


def test_integers_at_the_ends_stay() -> None:
    text = """
    g (uint8[n,4] x) => (uint8[n,4] y) {
        scale = Constant <value = float {0.5}> ()
        zero = Constant <value = uint8 {3}> ()
        d = DequantizeLinear (x, scale, zero)
        a = Neg (d)
        q = QuantizeLinear (a, scale, zero)
        e = DequantizeLinear (q, scale, zero)
        f = Neg (e)
        y = QuantizeLinear (f, scale, zero)
    }
    """
    model = normalize(parse(text, 17), Path())
    assert dequantise(model)
    assert [node.op_type for node in model.graph] == ["DequantizeLinear", "Neg", "Neg", "QuantizeLinear"]
