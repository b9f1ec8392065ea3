"""Models of Keras: files of every kind, names of ends, layers of one's own, and dropout."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

from frontends.agreement import check, operators, origins
from models_keras import randomize

import converter
from converter import frontends
from converter.errors import BadParamError, GraphInitError, ModelLoadingError, ParamMissingError, RuntimeIntegrityError
from converter.frontends.source import Request, Source
from converter.frontends.tensorflow.runtime import quiet_tensorflow
from converter.weights.readers import read

with quiet_tensorflow():
    import keras
    from keras import layers

PROJECT = Path(__file__).parent


def load(path, *, inputs=(), outputs=(), shapes=(), **options) -> Source:
    return frontends.load(Request(path, inputs, outputs, shapes, options))


def classifier() -> keras.Model:
    image = keras.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, name="conv")(image)
    x = layers.ReLU()(layers.BatchNormalization(name="norm", momentum=0.98)(x))
    x = layers.Dropout(0.3, name="drop")(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, [layers.Dense(5, name="scores")(x), layers.Dense(2, name="box")(x)], name="net")


def of_two_inputs() -> keras.Model:
    words, shift = keras.Input((None,), name="words", dtype="int32"), keras.Input((6,), name="shift")
    pooled = layers.GlobalAveragePooling1D()(layers.Embedding(10, 6)(words))
    return keras.Model(
        {"words": words, "shift": shift},
        {"sum": layers.add([pooled, shift]), "product": layers.multiply([pooled, shift])},
    )


def recurrent() -> keras.Model:
    stack = [layers.Bidirectional(layers.LSTM(4, return_sequences=True)), layers.GRU(5, dropout=0.2), layers.Dense(3)]
    return keras.Sequential([keras.Input((None, 6)), *stack])


def with_a_lambda() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), layers.Lambda(lambda x: x * 2, name="twice"), layers.Dense(2)])


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder with a file of each model, in both formats."""
    folder = tmp_path_factory.mktemp("keras")
    for build in (classifier, of_two_inputs, recurrent, with_a_lambda):
        keras.utils.clear_session()  # names count from the start
        keras.utils.set_random_seed(0)
        network = build()
        randomize(network)
        for suffix in ("keras", "h5"):
            network.save(folder / f"{build.__name__}.{suffix}")
    return folder


@pytest.mark.parametrize("suffix", ["keras", "h5"])
@pytest.mark.parametrize(
    ("name", "inputs", "outputs", "weights"),
    [
        ("classifier", ["image"], ["scores", "box"], {"conv/kernel", "norm/moving_mean", "scores/bias"}),
        ("of_two_inputs", ["shift", "words"], ["product", "sum"], {"embedding/embeddings"}),
        (
            "recurrent",
            None,
            ["dense"],
            {"bidirectional/forward_lstm/lstm_cell/kernel", "gru/gru_cell/bias"},
        ),
    ],
)
def test_a_file_of_keras(files, name, suffix, inputs, outputs, weights):
    source = load(files / f"{name}.{suffix}")
    assert inputs is None or [end.name for end in source.inputs] == inputs
    assert [end.name for end in source.outputs] == outputs
    assert weights <= set(origins(source))
    known = read(files / f"{name}.{suffix}").tensors.keys()
    assert {origin for origin in origins(source) if "/" in origin and "__" not in origin} <= known
    check(source, tolerance=1e-4)


def test_layers_keep_the_names_that_keras_gave_them(tmp_path):
    """TensorFlow numbers the scopes of a model that is called again: `conv2d_1_2`."""
    keras.utils.clear_session()
    convolutions = [layers.Conv2D(filters, 3) for filters in (2, 3, 4)]
    network = keras.Sequential([keras.Input((8, 8, 3)), *convolutions, layers.Flatten(), layers.Dense(2)])
    network.save(tmp_path / "net.keras")
    result = converter.convert(tmp_path / "net.keras", output=tmp_path, verify=False)
    script = next(path for path in result.files if path.suffix == ".py").read_text(encoding="utf-8")
    assert re.findall(r"self\.(\w+) = nn\.", script) == ["conv2d", "conv2d_1", "conv2d_2", "dense"]


@pytest.mark.parametrize("length", [None, 5], ids=["free", "fixed"])
def test_a_layer_of_each_step_is_called_once(tmp_path, length):
    """A batch norm sees the steps apart where their number is fixed: it stays in a loop that Keras unrolls."""
    network = keras.Sequential(
        [
            keras.Input((length, 6, 6, 3)),
            layers.TimeDistributed(layers.Conv2D(4, 3), name="conv"),
            layers.TimeDistributed(layers.BatchNormalization(), name="norm") if length else layers.ReLU(),
            layers.TimeDistributed(layers.Flatten(), name="flat"),
            layers.TimeDistributed(layers.Dense(2), name="scores"),
        ]
    )
    randomize(network)
    network.save(tmp_path / "net.keras")
    source = load(tmp_path / "net.keras")
    assert operators(source)["Conv"] == operators(source)["MatMul"] == 1
    assert operators(source)["BatchNormalization"] == (length or 0)
    assert not operators(source).keys() & {"Loop", "Scan"}
    check(source)


def test_texts_of_several_lengths(tmp_path):
    """The masks of an embedding go through recurrent layers in both directions; both axes are free."""
    stack = [
        layers.Embedding(9, 6, mask_zero=True),
        layers.Bidirectional(layers.GRU(4, return_sequences=True)),
        layers.Bidirectional(layers.LSTM(3, return_sequences=True), merge_mode="sum"),
        layers.TimeDistributed(layers.Dense(2)),
    ]
    network = keras.Sequential([keras.Input((None,), dtype="int32"), *stack])
    randomize(network)
    network.save(tmp_path / "net.keras")
    result = converter.convert(tmp_path / "net.keras", output=tmp_path, edges="none")
    assert result.verification.verdict == "same"
    script = next(path for path in result.files if path.suffix == ".py").read_text(encoding="utf-8")
    assert "steps = []" not in script  # the number of steps is free: no list in graph mode


def test_dropout_and_batch_norm_are_kept_for_training(files):
    source = load(files / "classifier.keras")
    assert operators(source)["Dropout"] == operators(source)["BatchNormalization"] == 1
    node = next(node for node in source.model.graph.node if node.op_type == "Dropout")
    assert len(node.input) == 2  # no training mode: it acts in training only
    norm = next(node for node in source.model.graph.node if node.op_type == "BatchNormalization")
    momentum = next(attribute.f for attribute in norm.attribute if attribute.name == "momentum")
    assert momentum == pytest.approx(0.98)
    assert not source.notes


def test_dropout_that_cannot_be_kept_is_named(files):
    assert load(files / "recurrent.keras").notes == ("'gru': its dropout, which acts in training only, is left out.",)


def test_noise_and_augmentation_are_named(tmp_path):
    stack = [layers.RandomFlip(name="flip"), layers.GaussianNoise(0.1, name="noise"), layers.Flatten(), layers.Dense(2)]
    keras.Sequential([keras.Input((4, 4, 3)), *stack]).save(tmp_path / "net.keras")
    assert load(tmp_path / "net.keras").notes == ("'flip', 'noise': acts in training only, and is left out.",)


def test_it_is_cut_inside(files):
    source = load(files / "classifier.keras", inputs=("net_1/norm_1/batchnorm/add_1",), outputs=("box",))
    assert operators(source)["Conv"] == 0
    check(source, 8)


def test_the_code_of_a_lambda_needs_trust(files):
    with pytest.raises(ParamMissingError, match=r"'twice': the Python code .* Add --trust"):
        load(files / "with_a_lambda.keras")
    check(load(files / "with_a_lambda.keras", trust=True))


@pytest.fixture(scope="session")
def tagger(tmp_path_factory):
    sys.path.insert(0, str(PROJECT))
    try:
        from own_layers import Tagger
    finally:
        sys.path.remove(str(PROJECT))
    network, file = Tagger(), tmp_path_factory.mktemp("own") / "tagger.keras"
    network(np.zeros((2, 3), np.float32), np.zeros((2, 5), np.int32))
    randomize(network)
    network.save(file)
    network.save_weights(file.with_name("tagger.weights.h5"))
    return file


def test_layers_of_ones_own(tagger):
    project = str(PROJECT)
    with pytest.raises(ParamMissingError, match=r"of 'tagger': 'features', 'ids'\. Give them with --shape"):
        load(tagger, project_path=project)
    source = load(tagger, project_path=project, shapes=("N,3", "N,L"))
    assert [(end.name, end.dtype.name) for end in source.inputs] == [("features", "float32"), ("ids", "int32")]
    assert operators(source)["Dropout"] == 1
    check(source)  # the weights are read, which Keras alone does not do


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, ParamMissingError, r"'tagger\.keras' has a 'Tagger', which Keras does not have.* --project_path\."),
        ({"project_path": "nowhere"}, BadParamError, "--project_path '.*nowhere' is no folder"),
    ],
)
def test_layers_that_are_not_found(tagger, options, error, message):
    with pytest.raises(error, match=message):
        load(tagger, **options)


def test_weights_alone_are_no_model(tagger):
    with pytest.raises(ModelLoadingError, match=r"holds weights only.* model\.save\('net\.keras'\)"):
        load(tagger.with_name("tagger.weights.h5"))


def test_a_file_of_keras_1(files, tmp_path):
    import h5py

    file = tmp_path / "older.h5"
    file.write_bytes((files / "classifier.h5").read_bytes())
    with h5py.File(file, "a") as opened:
        opened.attrs["keras_version"] = "1.2.2"
    with pytest.raises(ModelLoadingError, match=r"Keras 1\.2\.2 wrote 'older\.h5'.* Load it in Keras 2\.3"):
        load(file)


@pytest.mark.parametrize("changed", [False, True], ids=["same layers", "changed layers"])
def test_a_file_of_keras_2_without_keras_2(files, tmp_path, monkeypatch, changed):
    import h5py

    file = tmp_path / "old.h5"
    file.write_bytes((files / "classifier.h5").read_bytes())
    with h5py.File(file, "a") as opened:
        opened.attrs["keras_version"] = "2.15.0"
        if changed:  # an option of a layer that Keras 3 no longer has
            opened.attrs["model_config"] = opened.attrs["model_config"].replace('"units"', '"groups": 1, "units"')
    monkeypatch.setitem(sys.modules, "tf_keras", None)
    if not changed:
        check(load(file))
        return
    with pytest.raises(RuntimeIntegrityError, match=r"Keras 2\.15\.0 wrote 'old\.h5'.* pip install"):
        load(file)


def test_a_damaged_file(tmp_path):
    (tmp_path / "net.keras").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(ModelLoadingError, match="is no file of Keras, or is damaged"):
        load(tmp_path / "net.keras")


def test_a_layer_that_keras_does_not_trace_with_free_extents(tmp_path):
    image = keras.Input((None, None, 3))
    keras.Model(image, layers.UpSampling2D(2, interpolation="bilinear")(image)).save(tmp_path / "net.keras")
    with pytest.raises(GraphInitError, match="UpSampling2D asks for a number where the model leaves an extent free"):
        load(tmp_path / "net.keras")


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_file_of_keras_2(tmp_path, suffix):
    tf_keras = pytest.importorskip("tf_keras", reason="Keras 2 is not installed")
    image = tf_keras.Input((8, 8, 3), name="image")
    x = tf_keras.layers.DepthwiseConv2D(3, name="depthwise")(image)
    x = tf_keras.layers.BatchNormalization(name="norm")(x)
    x = tf_keras.layers.Dropout(0.25)(tf_keras.layers.GlobalAveragePooling2D()(x))
    network = tf_keras.Model(image, tf_keras.layers.Dense(5, name="scores")(x))
    network.save(tmp_path / f"net.{suffix}")
    source = load(tmp_path / f"net.{suffix}")
    assert [end.name for end in (*source.inputs, *source.outputs)] == ["image", "scores"]
    assert {"depthwise/depthwise_kernel", "norm/moving_mean", "scores/kernel"} <= set(origins(source))
    assert operators(source)["Dropout"] == 1
    check(source)
