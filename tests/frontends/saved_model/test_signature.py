"""SavedModels: signatures, their names, and the variables behind them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")

from frontends.agreement import check, operators, origins

from converter import frontends
from converter.errors import BadParamError, ModelLoadingError, ParamMissingError
from converter.frontends.source import Request, Source
from converter.frontends.tensorflow.runtime import quiet_tensorflow

with quiet_tensorflow() as tf:
    v1 = tf.compat.v1

RANDOM = np.random.default_rng(0)


def values(*shape: int) -> np.ndarray:
    return RANDOM.uniform(-1, 1, shape).astype(np.float32)


class Module(tf.Module):
    """Two functions, a state that one of them writes, and a weight."""

    def __init__(self):
        super().__init__()
        self.kernel = tf.Variable(values(3, 2), name="dense/kernel")
        self.calls = tf.Variable(1.0, name="calls")

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, "x")])
    def forward(self, x):
        result = {"logits": tf.nn.relu(x @ self.kernel) + self.calls, "x": tf.reduce_sum(x, 1)}
        self.calls.assign_add(1.0)
        return result

    @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32, "x"), tf.TensorSpec((), tf.float32, "scale")])
    def scaled(self, x, scale):
        return x @ self.kernel * scale


def of_tensorflow_1(folder) -> None:
    """A graph with a variable, a placeholder and a name of its own for both ends."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3], "x")
        keep, trains = v1.placeholder(tf.float32, name="keep"), v1.placeholder(tf.bool, [], "trains")
        kernel = v1.get_variable("dense/kernel", initializer=values(3, 2), use_resource=False)
        y = tf.nn.softmax(tf.matmul(x, kernel), name="probabilities")
        noisy = v1.cond(trains, lambda: y * 2.0, lambda: v1.nn.dropout(y, keep_prob=keep))
        session.run(v1.global_variables_initializer())
        v1.saved_model.simple_save(session, f"{folder}/v1", {"features": x}, {"scores": y})
        switched = {"features": x, "keep_prob": keep, "is_training": trains}
        v1.saved_model.simple_save(session, f"{folder}/switched", switched, {"scores": noisy})


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """SavedModels of every kind, by name."""
    root, module = tmp_path_factory.mktemp("saved"), Module()
    one = {"serving_default": module.forward}
    two = {"forward": module.forward, "scaled": module.scaled}
    tf.saved_model.save(module, str(root / "one"), one)
    tf.saved_model.save(module, str(root / "two"), two)
    tf.saved_model.save(module, str(root / "none"))
    of_tensorflow_1(root)
    return root


def load(path, *, inputs=(), outputs=(), shapes=(), **options) -> Source:
    return frontends.load(Request(path, inputs, outputs, shapes, options))


@pytest.mark.parametrize(
    ("name", "signature", "inputs", "outputs"),
    [
        ("one", None, ["x"], ["logits", "x"]),
        ("one/saved_model.pb", None, ["x"], ["logits", "x"]),
        ("two", "scaled", ["scale", "x"], ["output_0"]),
        ("none", "scaled", ["x", "scale"], ["output"]),
        ("v1", None, ["features"], ["scores"]),
    ],
)
def test_ends_have_the_names_of_the_signature(folders, name, signature, inputs, outputs):
    source = load(folders / name, **({"signature": signature} if signature else {}))
    assert [end.name for end in source.inputs] == inputs
    assert [end.name for end in source.outputs] == outputs
    assert "dense/kernel" in origins(source)
    check(source)


@pytest.mark.parametrize("outputs", [(), ("scores", "cond/Identity")])
def test_switches_of_training_are_set(folders, outputs):
    source = load(folders / "switched", outputs=outputs)
    assert [end.name for end in source.inputs] == ["features"]
    assert "Set for inference: is_training:0 = False, keep_prob:0 = 1.0." in source.notes
    check(source)
    named = load(folders / "switched", inputs=("features", "keep_prob"), shapes=("N,3", "-"))
    assert [end.name for end in named.inputs] == ["features", "keep_prob"]


def test_what_a_signature_writes_to_its_state_is_left_out(folders):
    source = load(folders / "one")
    assert source.notes == ("'calls': each call begins with the saved state, and what it writes there is left out.",)
    assert not load(folders / "two", signature="scaled").notes


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [((), ("logits",)), (("x",), ("x",)), (("StatefulPartitionedCall/matmul",), ("logits",))],
)
def test_it_is_cut_at_any_tensor(folders, inputs, outputs):
    source = load(folders / "one", inputs=inputs, outputs=outputs)
    assert [end.name for end in source.outputs] == list(outputs)
    assert operators(source)["MatMul"] == (not inputs and outputs == ("logits",))
    check(source)


@pytest.mark.parametrize(
    ("name", "signature", "error", "message"),
    [
        ("two", None, ParamMissingError, "has the signatures 'forward', 'scaled'. Choose one with --signature."),
        ("none", None, ParamMissingError, "its functions are 'forward', 'scaled': choose one with --signature."),
        ("two", "scale", BadParamError, "has no signature 'scale'. Its signatures: 'forward', 'scaled'."),
        ("none", "scale", BadParamError, "has no signature 'scale'. Its functions: 'forward', 'scaled'."),
    ],
)
def test_the_choice_of_a_signature(folders, name, signature, error, message):
    with pytest.raises(error, match=message):
        load(folders / name, **({"signature": signature} if signature else {}))


def test_an_optimizer_of_keras_2(tmp_path):
    """TensorFlow asks the object for slots, which without Keras 2 it does not have."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    module = Module()
    module.optimizer = tf.Module()
    module.optimizer.momentum = tf.Variable(module.kernel)
    tf.saved_model.save(module, str(tmp_path), {"serving_default": module.forward})
    saved = SavedModel.FromString((tmp_path / "saved_model.pb").read_bytes())
    nodes = saved.meta_graphs[0].object_graph_def.nodes
    places = {child.local_name: child.node_id for child in nodes[0].children}
    optimizer = nodes[places["optimizer"]]
    optimizer.user_object.identifier = "optimizer"
    momentum = next(child.node_id for child in optimizer.children if child.local_name == "momentum")
    slot = {"original_variable_node_id": places["kernel"], "slot_name": "momentum", "slot_variable_node_id": momentum}
    optimizer.slot_variables.add(**slot)
    (tmp_path / "saved_model.pb").write_bytes(saved.SerializeToString())
    with pytest.raises(AttributeError, match="add_slot"):
        tf.saved_model.load(str(tmp_path))
    for _ in range(2):  # what stands for it is registered for the time of loading only
        check(load(tmp_path))


def test_a_folder_without_its_variables(folders, tmp_path):
    shutil.copytree(folders / "two", tmp_path / "net")
    shutil.rmtree(tmp_path / "net" / "variables")
    with pytest.raises(ModelLoadingError, match=r"cannot be loaded as a SavedModel: .* Export or copy"):
        load(tmp_path / "net", signature="scaled")
