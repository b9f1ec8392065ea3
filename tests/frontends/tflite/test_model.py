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
