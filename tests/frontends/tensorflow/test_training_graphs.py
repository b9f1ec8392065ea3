"""Training graphs: the network in them is found, set to inference, and equals the source."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np
import onnx
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

import models_tf1
import onnxruntime
from models_tf1 import tf, v1

import converter
from converter.base.trained import BIASED
from converter.errors import ModelLoadingError, ParamMissingError, UnknownModelError
from converter.frontends import Request, Source, frontend_in, load
from converter.frontends.checkpoint import files, prefix_of
from converter.frontends.tensorflow.training import freeze


@dataclass(frozen=True)
class Case:
    """A saved training, and the source that was made of it."""

    saved: models_tf1.Saved
    source: Source

    def operators(self) -> Counter[str]:
        return Counter(node.op_type for node in self.source.model.graph.node)

    def attributes(self, operator: str, name: str) -> list[float]:
        nodes = [node for node in self.source.model.graph.node if node.op_type == operator]
        return [onnx.helper.get_attribute_value(a) for node in nodes for a in node.attribute if a.name == name]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Makes a training of `models_tf1` and loads it, once for all tests."""
    made: dict[str, Case] = {}

    def case(name: str) -> Case:
        if name not in made:
            saved = models_tf1.GRAPHS[name](tmp_path_factory.mktemp(name))
            made[name] = Case(saved, load(Request(saved.prefix.with_name("net.ckpt.meta"))))
        return made[name]

    return case


def feeds(source: Source) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    shapes = {end: [3 if isinstance(dim, str) else dim for dim in end.shape] for end in source.inputs}
    return {
        end.name: random.normal(size=shape).astype(end.dtype)
        if end.dtype.kind == "f"
        else random.integers(0, 9, shape).astype(end.dtype)
        for end, shape in shapes.items()
    }


def check(source: Source) -> None:
    given = feeds(source)
    session = onnxruntime.InferenceSession(source.model.SerializeToString())
    made = session.run(None, {end.value: given[end.name] for end in source.inputs})
    expected = frontend_in(source.original.frontend).run(source.original, given)
    for one, other in zip(made, expected, strict=True):
        np.testing.assert_allclose(one, other, 1e-4, 1e-5)


@pytest.mark.parametrize("name", models_tf1.GRAPHS)
def test_the_network_is_found_and_equals_the_source(trained, name):
    case = trained(name)
    assert tuple(end.name for end in case.source.inputs) == case.saved.inputs
    assert tuple(end.name for end in case.source.outputs) == case.saved.outputs
    assert all(label in case.source.notes[0].partition("no weight is reached: ")[2] for label in case.saved.labels)
    check(case.source)


def test_the_values_of_a_loop_have_one_order(tmp_path):
    """tf2onnx takes them from a set of names."""
    prefix = models_tf1.greedy_decoder_1(tmp_path).prefix
    code = (
        "import sys; from pathlib import Path; from converter.frontends import Request, load\n"
        "sys.stdout.buffer.write(load(Request(Path(sys.argv[1]))).model.SerializeToString())"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code, str(prefix)], env=environment, stdout=subprocess.PIPE)
        for environment in ({**os.environ, "PYTHONHASHSEED": f"{seed}"} for seed in (1, 2))
    ]
    one, other = (run.communicate()[0] for run in runs)
    assert one == other
    assert len(one) > 1000


RATES = {
    "lenet_with_placeholders": 0.5,
    "lenet_with_iterator": 0.3,
    "lenet_with_queue": 0.5,
    "two_rates_in_a_vector": 0.5,
    "resnet_with_switch": 0.1,
    "resnet_with_if": 0.1,
}


@pytest.mark.parametrize("name", RATES)
def test_dropout_is_kept(trained, name):
    case = trained(name)
    assert case.operators()["Dropout"] == (2 if name == "two_rates_in_a_vector" else 1)
    ratio = next(node.input[1] for node in case.source.model.graph.node if node.op_type == "Dropout")
    tensor = next(tensor for tensor in case.source.model.graph.initializer if tensor.name == ratio)
    assert float(onnx.numpy_helper.to_array(tensor)) == pytest.approx(RATES[name])
    assert any("0.5 is a guess" in note for note in case.source.notes) == (
        name in ("lenet_with_placeholders", "two_rates_in_a_vector")
    )


@pytest.mark.parametrize("name", [name for name in models_tf1.GRAPHS if name.startswith("resnet")])
def test_batch_norms_are_kept_with_their_momentum(trained, name):
    case = trained(name)
    assert case.operators()["BatchNormalization"] == 3
    momentum = 0.8 if "moments" in name else 0.9
    assert case.attributes("BatchNormalization", "momentum") == pytest.approx([momentum] * 3)
    weights = {tensor.name for tensor in case.source.model.graph.initializer}
    assert {"conv0/kernel", "bn0/gamma", "block1/bn1/beta"} <= weights
    norms = [node for node in case.source.model.graph.node if node.op_type == "BatchNormalization"]
    marked = [any(entry.key == BIASED for entry in node.metadata_props) for node in norms]
    assert marked == ["moments" in name] * 3


@pytest.mark.parametrize("name", ["net.ckpt.meta", "net.ckpt", "net.ckpt.index", "net.ckpt.data-00000-of-00001", "."])
def test_every_file_and_the_folder_mean_the_checkpoint(trained, name):
    case = trained("lenet_with_placeholders")
    source = load(Request(case.saved.prefix.parent / name))
    assert source.model.SerializeToString() == case.source.model.SerializeToString()
    assert {path.name for path in source.files} == {"net.ckpt.meta", "net.ckpt.index", "net.ckpt.data-00000-of-00001"}


def test_a_folder_means_its_newest_checkpoint(tmp_path):
    for name in ("a-1", "a-2", "a-10"):
        (tmp_path / f"{name}.meta").touch()
    (tmp_path / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/a-2"\n')
    assert prefix_of(tmp_path) == tmp_path / "a-2"


def test_a_switch_that_is_given_stays_an_input(trained):
    saved = trained("lenet_with_placeholders").saved
    source = load(Request(saved.prefix, ("images:0", "keep_prob"), saved.outputs, ("-", "-")))
    assert [end.name for end in source.inputs] == ["images:0", "keep_prob:0"]
    assert "Dropout" not in {node.op_type for node in source.model.graph.node}


@pytest.mark.parametrize("missing", ["meta", "index"])
def test_a_file_that_is_missing(trained, tmp_path, missing):
    saved = trained("lenet_with_queue").saved
    for path in saved.prefix.parent.glob("net.ckpt.*"):
        if path.suffix != f".{missing}":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises((ModelLoadingError, UnknownModelError), match=r"its graph is missing|but not the values"):
        load(Request(next(tmp_path.glob("net.ckpt.*"))))


@pytest.mark.parametrize("damaged", ["meta", "index"])
def test_a_file_that_is_damaged(trained, tmp_path, damaged):
    saved = trained("lenet_with_queue").saved
    for path in saved.prefix.parent.glob("net.ckpt.*"):
        data = path.read_bytes()
        (tmp_path / path.name).write_bytes(data[: len(data) // 2] if path.suffix == f".{damaged}" else data)
    with pytest.raises(ModelLoadingError, match="damaged"):
        load(Request(tmp_path / "net.ckpt"))


def test_ends_that_are_not_certain_are_listed_with_commands(tmp_path):
    with models_tf1.tensorflow_1() as graph:
        x = v1.placeholder(tf.float32, [None, 6], "x")
        models_tf1.dense(x, 3, "boxes")
        models_tf1.dense(x, 2, "classes")
        prefix = models_tf1.save(graph, tmp_path)
    with pytest.raises(ParamMissingError) as caught:
        load(Request(prefix, shapes=("5,6",)))
    start = f"mindconverter --model_file {prefix} --shape 5,6 --output_nodes"
    assert caught.value.details == (f"{start} boxes/BiasAdd:0", f"{start} classes/BiasAdd:0")


def test_the_values_of_a_saver_that_renames(tmp_path):
    """As an evaluation restores the averages of the weights."""
    with models_tf1.tensorflow_1() as graph:
        models_tf1.dense(v1.placeholder(tf.float32, [None, 6], "x"), 3, "scores")
        kernel, bias = v1.trainable_variables()
        saver = v1.train.Saver({"scores/kernel/ExponentialMovingAverage": kernel, "b": bias})
        with v1.Session(graph=graph) as session:
            session.run(v1.global_variables_initializer())
            expected = session.run(kernel)
            saver.save(session, str(tmp_path / "net.ckpt"))
    source = load(Request(tmp_path))
    tensors = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in source.model.graph.initializer}
    np.testing.assert_array_equal(tensors["scores/kernel/ExponentialMovingAverage"], expected)
    assert "b" in tensors


@pytest.mark.parametrize("left_out", ["nothing", "the loss", "the training"])
def test_a_frozen_graph_with_its_training(tmp_path, trained, left_out):
    """A `.pb` with gradients, an `is_training` to feed, and constants for its variables.

    Frozen for its optimizer, it has no loss: gradients do not need its value. Frozen for its output, it has branches
    and a dropout for training.
    """
    saved = trained("resnet_with_switch").saved
    graph = files.read_graph(saved.prefix)
    frozen = type(graph)()
    frozen.CopyFrom(graph)
    freeze.freeze(frozen, files.Values(graph, saved.prefix), [node.name for node in graph.node])
    if left_out != "nothing":
        steps = [node.name for node in frozen.node if "Apply" in node.op] if left_out == "the loss" else []
        frozen = v1.graph_util.extract_sub_graph(frozen, ["logits/BiasAdd", *steps])
    (tmp_path / "net.pb").write_bytes(frozen.SerializeToString())
    source = load(Request(tmp_path / "net.pb"))
    assert any("but not the loss" in note for note in source.notes) == (left_out == "the loss")
    assert [end.name for end in source.inputs] == ["images:0"]
    assert [end.name for end in source.outputs] == ["logits/BiasAdd:0"]
    check(source)


def test_a_later_checkpoint_can_be_remapped(tmp_path, trained):
    """The weight map leads to the variables' names."""
    import mindspore as ms

    from converter.commands.weights.command import main

    saved = trained("resnet_that_trains").saved
    converter.convert(saved.prefix, output=tmp_path, verify=False)
    with tf.Graph().as_default(), v1.Session() as session:
        saver = v1.train.import_meta_graph(f"{saved.prefix}.meta")
        saver.restore(session, str(saved.prefix))
        kernel = next(v for v in v1.global_variables() if v.op.name == "block1/conv1/kernel")
        changed = session.run(kernel) + 1
        session.run(v1.assign(kernel, changed))
        saver.save(session, str(tmp_path / "later"), write_meta_graph=False)
    files = ["--source", str(tmp_path / "later.index"), "--output", str(tmp_path / "later.ckpt")]
    assert main(["remap", "--weight_map", str(tmp_path / "weight_map_of_net.json"), *files]) == 0
    before, after = (ms.load_checkpoint(str(tmp_path / name)) for name in ("net.ckpt", "later.ckpt"))
    different = {name for name in before if not np.array_equal(before[name].asnumpy(), after[name].asnumpy())}
    assert different == {"block1_conv1.weight"}
    np.testing.assert_array_equal(after["block1_conv1.weight"].asnumpy(), changed.transpose(3, 2, 0, 1))
