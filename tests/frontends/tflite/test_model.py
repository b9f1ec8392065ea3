"""Models of TensorFlow Lite: float, with stored weights of fewer bits, and quantised; names; what it is cut at."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

from frontends.agreement import check, operators, origins
from models_keras import randomize

from converter import frontends
from converter.errors import ModelLoadingError
from converter.frontends.source import Request, Source
from converter.frontends.tensorflow.runtime import quiet_tensorflow

with quiet_tensorflow() as tf:
    import keras
    from keras import layers
    from tensorflow.lite.python import schema_py_generated as schema
    from tensorflow.lite.tools import flatbuffer_utils
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2


def load(path, *, inputs=(), outputs=()) -> Source:
    return frontends.load(Request(path, inputs, outputs))


def _samples():
    for _ in range(4):
        yield [np.random.default_rng(0).uniform(-1, 1, (1, 8, 8, 16)).astype(np.float32)]


def _write(converter, file, **settings) -> None:
    supported = settings.pop("supported", {})
    for name, value in settings.items():
        setattr(converter, name, value)
    for name, value in supported.items():
        setattr(converter.target_spec, name, value)
    file.write_bytes(converter.convert())


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A network in every form."""
    root = tmp_path_factory.mktemp("tflite")
    keras.utils.set_random_seed(0)
    stack = [
        layers.Conv2D(32, 3, name="conv"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(6.0),
        layers.DepthwiseConv2D(3, strides=2, padding="same", name="depthwise"),
        layers.Flatten(),
        layers.Dense(4, name="scores"),
    ]
    network = keras.Sequential([keras.Input((8, 8, 16), name="image"), *stack])
    randomize(network)
    spec = tf.TensorSpec((1, 8, 8, 16), tf.float32, "image")
    traced = tf.function(lambda image: network(image, training=False)).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(traced)  # else the converter leaves variables, which do not run
    int8 = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]}
    smaller = {"optimizations": [tf.lite.Optimize.DEFAULT]}
    for name, settings in {
        "float16": {**smaller, "supported": {"supported_types": [tf.float16]}},
        "stored_int8": smaller,
        "int8": {**smaller, "supported": int8, "representative_dataset": _samples, "inference_input_type": tf.int8},
    }.items():
        _write(tf.lite.TFLiteConverter.from_concrete_functions([frozen]), root / f"{name}.tflite", **settings)
    _write(tf.lite.TFLiteConverter.from_keras_model(network), root / "float32.tflite")
    return root


@pytest.mark.parametrize(
    ("name", "output", "batch"), [("float32", "output_0", "N"), ("float16", "Identity", 1)], ids=["float32", "float16"]
)
def test_a_float_model(folder, name, output, batch):
    source = load(folder / f"{name}.tflite")
    assert [(end.name, end.shape) for end in source.inputs] == [("image", (batch, 8, 8, 16))]
    assert [end.name for end in source.outputs] == [output]
    assert (operators(source)["Conv"], operators(source)["Transpose"]) == (2, 2)
    assert all(";" not in node.name for node in source.model.graph.node)
    check(source, tolerance=1e-4)
    casts = [step for steps in origins(source).values() for step in steps if step["op"] == "cast"]
    assert bool(casts) == bool(source.notes) == (name == "float16")


def test_stored_weights_of_int8_become_floats(folder):
    source = load(folder / "stored_int8.tflite")
    assert not {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"} & set(operators(source))
    assert source.original.precision == "int8"
    assert len(source.notes) == 2
    check(source, tolerance=0.1)


def test_a_quantised_model_keeps_its_integers(folder):
    source = load(folder / "int8.tflite")
    assert source.inputs[0].dtype == np.int8
    assert operators(source)["QuantizeLinear"] >= 3
    assert not source.notes
    check(source, tolerance=0.05)


def _lstm(file, hidden=3, features=4):
    """The operator that TensorFlow Lite makes of an LSTM of Keras 2 whose batch is fixed."""
    random = np.random.default_rng(0)
    whole, graph, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    whole.version, whole.buffers, graph.tensors = 3, [schema.BufferT()], []

    def tensor(name, shape, *, constant=False, variable=False):
        made = schema.TensorT()
        made.name, made.shape, made.buffer, made.isVariable = name, shape, len(whole.buffers), variable
        whole.buffers.append(schema.BufferT())
        if constant:
            whole.buffers[-1].data = np.frombuffer(random.uniform(-1, 1, shape).astype(np.float32).tobytes(), np.uint8)
        graph.tensors.append(made)
        return len(graph.tensors) - 1

    x = tensor("x", [1, 6, features])
    weights = [tensor(f"w_{gate}", [hidden, features], constant=True) for gate in "ifco"]
    recurrent = [tensor(f"r_{gate}", [hidden, hidden], constant=True) for gate in "ifco"]
    biases = [tensor(f"b_{gate}", [hidden], constant=True) for gate in "ifco"]
    states = [tensor(name, [1, hidden], variable=True) for name in ("hidden", "cell")]
    none = -1
    operator.inputs = [x, *weights, *recurrent, *[none] * 3, *biases, none, none, *states, *[none] * 4]
    operator.outputs = [tensor("y", [1, 6, hidden])]
    operator.builtinOptionsType = schema.BuiltinOptions.UnidirectionalSequenceLSTMOptions
    operator.builtinOptions = schema.UnidirectionalSequenceLSTMOptionsT()
    operator.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.TANH
    operator.builtinOptions.cellClip = 10.0
    graph.inputs, graph.outputs, graph.operators = [x], operator.outputs, [operator]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM
    whole.operatorCodes, whole.subgraphs = [code], [graph]
    flatbuffer_utils.write_model(whole, str(file))


def test_an_lstm_in_one_operator(tmp_path):
    _lstm(tmp_path / "lstm.tflite")
    source = load(tmp_path / "lstm.tflite")
    assert operators(source)["LSTM"] == 1
    assert source.notes == (
        "'hidden', 'cell': each call begins with the saved state, and what it writes there is left out.",
    )
    check(source)


@pytest.mark.parametrize(
    "function",
    [
        tf.nn.gelu,
        lambda x: tf.nn.gelu(x, approximate=True),
        lambda x: tf.clip_by_value(x, -1.0, 1.0),
        lambda x: tf.clip_by_value(x, 0.0, 1.0),
    ],
    ids=["gelu", "gelu by tanh", "from -1 to 1", "from 0 to 1"],
)
def test_activations_in_one_operator(tmp_path, function):
    spec = tf.TensorSpec((2, 5), tf.float32, "x")
    traced = tf.function(function).get_concrete_function(spec)
    _write(tf.lite.TFLiteConverter.from_concrete_functions([traced]), tmp_path / "net.tflite")
    source = load(tmp_path / "net.tflite")
    assert not any(node.domain for node in source.model.graph.node)
    check(source)


def test_tensors_without_names(folder, tmp_path):
    whole = flatbuffer_utils.read_model(str(folder / "float32.tflite"))
    whole.signatureDefs = None
    for tensor in whole.subgraphs[0].tensors:
        tensor.name = None
    flatbuffer_utils.write_model(whole, str(tmp_path / "nameless.tflite"))
    source = load(tmp_path / "nameless.tflite")
    assert [end.name for end in source.inputs] == ["tensor_0"]
    check(source, tolerance=1e-4)


def test_it_is_cut_inside(folder):
    whole = load(folder / "float32.tflite")
    value = next(node.output[0] for node in whole.model.graph.node if node.op_type == "Clip")
    source = load(folder / "float32.tflite", inputs=(value,))
    assert operators(source)["Conv"] == 1
    onnx.checker.check_model(source.model)
    check(source)


def test_a_damaged_file(tmp_path):
    (tmp_path / "net.tflite").write_bytes(b"\x1c\x00\x00\x00TFL3 and no more")
    with pytest.raises(ModelLoadingError, match="cannot be loaded by TensorFlow Lite"):
        load(tmp_path / "net.tflite")
