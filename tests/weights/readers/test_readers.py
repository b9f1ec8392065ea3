"""Readers: every kind of file, with names, shapes, types and values, and what is no such file."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from harness import model_of, save
from onnx import numpy_helper, parser

from converter.errors import ConverterError, ModelLoadingError, RuntimeIntegrityError, UnknownModelError
from converter.weights.readers import read, read_mindspore, read_weights

RANDOM = np.random.default_rng(0)
ARRAYS = {
    "conv/kernel": RANDOM.normal(size=(3, 2, 4)).astype(np.float32),
    "half": RANDOM.normal(size=5).astype(np.float16),
    "bfloat": RANDOM.normal(size=(2, 2)).astype(ml_dtypes.bfloat16),
    "table": np.arange(6).reshape(2, 3),
    "scalar": np.array(3.5, np.float32),
}


def onnx_model(folder: Path, **options) -> Path:
    tensors = [numpy_helper.from_array(array, name) for name, array in ARRAYS.items()]
    end = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [3, 2, 4])
    node = onnx.helper.make_node("Identity", ["conv/kernel"], ["y"])
    graph = onnx.helper.make_graph([node], "net", [], [end], tensors)
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10),
        folder / "net.onnx",
        **options,
    )
    return folder / "net.onnx"


def external_onnx_model(folder: Path) -> Path:
    return onnx_model(folder, save_as_external_data=True, location="net.data", size_threshold=0)


def safetensors(folder: Path) -> Path:
    from safetensors.numpy import save_file

    save_file(ARRAYS, folder / "net.safetensors")
    return folder / "net.safetensors"


def npz(folder: Path) -> Path:
    np.savez(folder / "net.npz", **{name: array for name, array in ARRAYS.items() if name != "bfloat"})
    return folder / "net.npz"


def torch_state(folder: Path, suffix: str = ".pth", **options) -> Path:
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    state = {
        name: torch.tensor(array.astype(np.float32), dtype=torch.bfloat16)
        if array.dtype == ml_dtypes.bfloat16
        else torch.nn.Parameter(torch.tensor(array), requires_grad=array.dtype.kind == "f")
        for name, array in ARRAYS.items()
    }
    torch.save(state, folder / f"net{suffix}", **options)
    return folder / f"net{suffix}"


def legacy_torch_state(folder: Path) -> Path:
    return torch_state(folder, ".bin", _use_new_zipfile_serialization=False)


def mindspore_checkpoint(folder: Path, kind: str = "ckpt") -> Path:
    save(ARRAYS, folder / f"net.{kind}")
    return folder / f"net.{kind}"


def mindspore_safetensors(folder: Path) -> Path:
    return mindspore_checkpoint(folder, "safetensors")


def tensorflow_checkpoint(folder: Path) -> Path:
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is optional")
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        for name, array in ARRAYS.items():
            tf.compat.v1.get_variable(name, initializer=tf.constant(array))
        session.run(tf.compat.v1.global_variables_initializer())
        tf.compat.v1.train.Saver().save(session, str(folder / "model.ckpt"), 10)
    return folder / "model.ckpt-10"


def frozen_graph(folder: Path) -> Path:
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is optional")
    with tf.Graph().as_default() as graph:
        for name, array in ARRAYS.items():
            tf.constant(array, name=name)
    (folder / "net.pb").write_bytes(graph.as_graph_def().SerializeToString())
    return folder / "net.pb"


@pytest.mark.parametrize(
    ("write", "kind"),
    [
        (onnx_model, "ONNX model"),
        (external_onnx_model, "ONNX model"),
        (safetensors, "safetensors"),
        (torch_state, "PyTorch state"),
        (legacy_torch_state, "PyTorch state"),
        (mindspore_checkpoint, "MindSpore checkpoint"),
        (mindspore_safetensors, "safetensors"),
        (tensorflow_checkpoint, "TensorFlow checkpoint"),
        (frozen_graph, "frozen TensorFlow graph"),
        (npz, "NumPy archive"),
    ],
)
def test_every_kind(tmp_path, write, kind):
    contents = read(write(tmp_path))
    assert contents.kind == kind
    wanted = {name: array for name, array in ARRAYS.items() if (name, kind) != ("bfloat", "NumPy archive")}
    assert set(contents.tensors) == set(wanted)
    for name, want in wanted.items():
        tensor = contents.tensors[name]
        assert (tensor.array.name, tensor.array.shape, tensor.array.dtype) == (name, want.shape, want.dtype.name)
        got = tensor.load()
        assert got.dtype.name == want.dtype.name  # MindSpore has a bfloat16 of its own
        np.testing.assert_array_equal(got.astype(np.float64), want.astype(np.float64))


def test_onnx_weights_in_nodes_subgraphs_and_functions(tmp_path):
    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17, "lib" : 1]>
        net (bool c, float[2] x) => (float[2] y)
        <float[2] outer = {1, 2}>
        {
            inner = Constant <value = float[2] {3, 4}> ()
            a = Add (outer, inner)
            b = lib.F (a)
            y = If (c) <
                then_branch = g1 () => (float[2] t) <float[2] then_w = {5, 6}> { t = Add (b, then_w) },
                else_branch = g2 () => (float[2] e) { w = Constant <value = float[2] {7, 8}> ()  e = Add (b, w) }
            >
        }
        <domain: "lib", opset_import: ["" : 17]> F (p) => (q) {
            v = Constant <value = float[2] {9, 10}> ()
            q = Add (p, v)
        }
    """)
    onnx.save(model, tmp_path / "net.onnx")
    tensors = read(tmp_path / "net.onnx").tensors
    first = {name: tensor.load().flat[0] for name, tensor in tensors.items()}
    assert {name: first[name] for name in ("outer", "inner", "then_w", "w")} == {
        "outer": 1,
        "inner": 3,
        "then_w": 5,
        "w": 7,
    }
    assert set(first.values()) == {1, 3, 5, 7, 9}


def test_nested_torch_states(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    torch.save({"epoch": 3, "state_dict": {"w": torch.ones(2)}, "m": [torch.zeros(1), {}]}, tmp_path / "net.pt")
    assert list(read(tmp_path / "net.pt").tensors) == ["state_dict.w", "m.0"]


@pytest.mark.parametrize(
    "name",
    ["model.ckpt-10", "model.ckpt-10.index", "model.ckpt-10.meta", "model.ckpt-10.data-00000-of-00001", "."],
    ids=str,
)
def test_a_tensorflow_checkpoint_goes_by_many_names(tmp_path, name):
    tensorflow_checkpoint(tmp_path)
    assert set(read(tmp_path / name).tensors) == set(ARRAYS)


@pytest.mark.parametrize("name", [".", "variables", "saved_model.pb"], ids=str)
def test_a_saved_model(tmp_path, name):
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is optional")
    module = tf.Module()
    module.w = tf.Variable(tf.ones(3), name="w")
    tf.saved_model.save(module, str(tmp_path))
    assert set(read(tmp_path / name).tensors) == {"w"}  # not the graph of objects


def test_a_checkpoint_of_tensorflow_2(tmp_path):
    """Its optimizer is no weight of the network."""
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is optional")
    kernel = tf.Variable(tf.ones((3, 2)), name="dense/kernel")
    step = tf.Variable(0, name="step")
    slot = tf.Variable(tf.zeros((3, 2)), name="Adam/m/dense/kernel")
    optimizer = tf.Module()
    optimizer.momentum = slot
    tf.train.Checkpoint(net=kernel, step=step, optimizer=optimizer).write(str(tmp_path / "net"))
    assert set(read(tmp_path / "net").tensors) == {"dense/kernel", "step", "Adam/m/dense/kernel"}
    assert set(read_weights(tmp_path / "net").tensors) == {"dense/kernel", "step"}


def test_a_saved_model_of_keras_has_every_variable_once(tmp_path):
    keras = pytest.importorskip("keras", reason="needs Keras, which is optional")
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="head")])
    network.export(str(tmp_path / "saved"), verbose=False)
    assert sorted(name.rpartition("head")[2] for name in read(tmp_path / "saved").tensors) == ["/bias", "/kernel"]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("missing.onnx", None, "No such file"),
        ("missing", None, "No such file"),
        ("net.onnx", b"text", "is not an ONNX model"),
        ("net.pb", b"text", "is not a frozen TensorFlow graph"),
        ("net.pth", b"text", "is damaged"),
        ("net.ckpt", b"text", "is damaged"),
        ("net.safetensors", b"text", "is damaged"),
        ("net.index", b"text", "is damaged"),
        ("net.pth", b"", "is empty"),
        ("net.bin", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, data, message):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelLoadingError, match=message):
        read(tmp_path / name)


@pytest.mark.parametrize("name", ["net.txt", "folder", "net"])
def test_kinds_that_are_not_read(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "net.txt").write_text("text")
    (tmp_path / "net").write_text("text")
    with pytest.raises(UnknownModelError, match=r"of no kind that is read: \.onnx, "):
        read(tmp_path / name)


@pytest.mark.parametrize("write", [torch_state, mindspore_checkpoint, safetensors])
def test_truncated_files(tmp_path, write):
    file = write(tmp_path)
    file.chmod(0o600)
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(ModelLoadingError, match="is damaged"):
        read(file)


def test_tensorflow_data_that_is_cut(tmp_path):
    prefix = tensorflow_checkpoint(tmp_path)
    data = prefix.with_name(f"{prefix.name}.data-00000-of-00001")
    data.write_bytes(data.read_bytes()[:4])
    with pytest.raises(ModelLoadingError, match="is damaged"):
        read(prefix).tensors["conv/kernel"].load()


class Evil:
    def __reduce__(self):
        return os.mkdir, ("was_here",)


def test_no_code_is_run(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    monkeypatch.chdir(tmp_path)
    for new in (True, False):
        torch.save({"w": Evil()}, "net.pth", _use_new_zipfile_serialization=new)
        with pytest.raises(ModelLoadingError, match=r"holds more than tensors.*state_dict\(\)"):
            read(Path("net.pth"))
    assert not Path("was_here").exists()


def test_torchscript_is_not_run(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "net.pt")
    with pytest.raises(ModelLoadingError, match="holds more than tensors"):
        read(tmp_path / "net.pt")


def test_external_data_outside_the_folder(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(8))
    (tmp_path / "net").mkdir()
    model = model_of("Add", [np.ones(2, np.float32)] * 2, constants=[1])
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../secret")
    (tmp_path / "net" / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(ModelLoadingError, match="outside the model's folder"):
        read(tmp_path / "net" / "net.onnx")


@pytest.mark.parametrize(
    ("file", "package", "extra"),
    [("net.pb", "tensorflow", "tensorflow"), ("net.index", "tensorflow", "tensorflow"), ("net.pt", "torch", "pytorch")],
)
def test_missing_packages(tmp_path, monkeypatch, file, package, extra):
    (tmp_path / file).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(RuntimeIntegrityError, match=rf'pip install "onnx2mindspore\[{extra}\]"'):
        read(tmp_path / file)


@pytest.mark.parametrize("name", ["net.onnx", "missing.ckpt", "folder"])
def test_only_checkpoints_of_mindspore(tmp_path, name):
    onnx_model(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(ConverterError, match=r"name a \.ckpt or a \.safetensors|No such file"):
        read_mindspore(tmp_path / name)


# Recognition by content


@pytest.mark.parametrize(
    "write", [onnx_model, safetensors, torch_state, npz], ids=["onnx", "safetensors", "torch", "npz"]
)
def test_a_file_of_another_name(tmp_path, write):
    file = write(tmp_path)
    kind = read(file).kind
    assert read(file.rename(tmp_path / "checkpoint.ckpt")).kind == kind
    assert set(read(tmp_path / "checkpoint.ckpt").tensors) >= {"half", "table"}


# Weights in several files


def sharded(folder: Path, suffix: str) -> Path:
    """Two files and an index, as `save_pretrained` writes them."""
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    files = {}
    for number, names in enumerate((["half", "table"], ["conv/kernel", "bfloat", "scalar"]), start=1):
        file = folder / f"{stem}-{number:05}-of-00002.{suffix}"
        some = {name: ARRAYS[name] for name in names}
        if suffix == "safetensors":
            from safetensors.numpy import save_file

            save_file(some, file)
        else:
            torch = pytest.importorskip("torch", reason="needs torch, which is optional")
            torch.save({name: torch.tensor(np.float32(array)) for name, array in some.items()}, file)
        files |= dict.fromkeys(names, file.name)
    index = folder / f"{stem}.{suffix}.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    return index


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
@pytest.mark.parametrize("what", ["index", "folder"])
def test_shards(tmp_path, suffix, what):
    index = sharded(tmp_path, suffix)
    found = read(index if what == "index" else tmp_path)
    assert found.kind == f"{'safetensors' if suffix == 'safetensors' else 'PyTorch state'}, 2 files"
    assert set(found.tensors) == set(ARRAYS)
    np.testing.assert_array_equal(found.tensors["table"].load(), ARRAYS["table"])


def test_shards_of_mindspore(tmp_path):
    index = sharded(tmp_path, "safetensors")
    assert set(read_mindspore(index).tensors) == set(read_mindspore(tmp_path).tensors) == set(ARRAYS)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more": "model-00001-of-00002.safetensors"}, "lacks 'more'"),
        ({"more": "model-00003-of-00002.safetensors"}, "No such file"),
        ({"more": "../secret.safetensors"}, "other folders"),
        (None, "is not an index"),
    ],
)
def test_an_index_that_does_not_fit(tmp_path, change, message):
    index = sharded(tmp_path, "safetensors")
    files = json.loads(index.read_text())["weight_map"]
    index.write_text("[1]" if change is None else json.dumps({"weight_map": files | change}))
    with pytest.raises(ModelLoadingError, match=message):
        read(index)


# Training checkpoints


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {0: {"exp_avg": state["fc.weight"]}}}},
        lambda state: {"model_state_dict": {f"module.{name}": value for name, value in state.items()}},
        lambda state: {"model": {f"_orig_mod.module.{name}": value for name, value in state.items()}},
        lambda state: {"net": {"state_dict": state}},
    ],
)
def test_the_weights_of_a_training(tmp_path, wrap):
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    state = {"fc.weight": torch.ones(2, 3), "fc.bias": torch.zeros(2)}
    torch.save(wrap(state), tmp_path / "net.pt")
    assert list(read_weights(tmp_path / "net.pt").tensors) == list(state)


def test_a_network_whose_member_is_called_model(tmp_path):
    torch = pytest.importorskip("torch", reason="needs torch, which is optional")
    torch.save({"model.fc.weight": torch.ones(2), "head.weight": torch.ones(3)}, tmp_path / "net.pt")
    assert list(read_weights(tmp_path / "net.pt").tensors) == ["model.fc.weight", "head.weight"]


def test_pickles_in_an_npz_are_not_loaded(tmp_path):
    np.savez(tmp_path / "net.npz", w=np.array([Evil()], dtype=object))
    with pytest.raises(ModelLoadingError, match="is damaged"):
        read(tmp_path / "net.npz").tensors["w"].load()
