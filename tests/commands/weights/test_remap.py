"""Remap: from the same source the same checkpoint, from a newer one its values; what does not fit is listed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper, parser
from paths import MODELS

from converter import convert
from converter.base.stages import Stages
from converter.commands.weights.remap import Remapped, remap
from converter.errors import (
    BadParamError,
    BaseConverterError,
    CheckPointGenerationError,
    FileSaveError,
    ModelLoadingError,
    WeightMatchError,
)
from converter.weights.readers import read

RANDOM = np.random.default_rng(0)
STAGES = dict.fromkeys(("read", "write"), BaseConverterError)


def translated(model: Path, folder: Path) -> tuple[Path, Path]:
    """Translate a model; returns its weight map and checkpoint."""
    ends = model.with_name(f"{model.name}.json")
    options = {}
    if ends.exists():
        told = json.loads(ends.read_text())
        shapes = [",".join(map(str, shape)) or "-" for shape in told["shapes"]]
        options = {"input_nodes": told["inputs"], "output_nodes": told["outputs"], "shape": shapes}
    convert(model, output=folder, verify=False, **options)
    return folder / f"weight_map_of_{model.stem}.json", folder / f"{model.stem}.ckpt"


def again(weights: Path, source: Path, output: Path, rename: str = "", base: Path | None = None) -> Remapped:
    names = output.with_name("names.txt")
    output.parent.mkdir(exist_ok=True)
    names.write_text(rename)
    return remap(weights, source, output, names if rename else None, base, Stages(STAGES))


@pytest.mark.parametrize(
    "name",
    [
        "mnist.onnx",
        "squeezenet_fp16.onnx",
        "silero_vad_16k.onnx",
        "magika.onnx",
        "tiny_time_mixer.onnx",
        "mnist_tf.pb",
        "ds_cnn_s.pb",
        "fsrcnn_x2.pb",
    ],
)
def test_the_same_source_gives_the_same_file(tmp_path, name):
    weights, before = translated(MODELS / name, tmp_path)
    done = again(weights, MODELS / name, tmp_path / "new" / "again.ckpt")
    assert (tmp_path / "new" / "again.ckpt").read_bytes() == before.read_bytes()
    assert (done.kept, done.statistics) == ((), ())


def test_a_torch_state_gives_the_same_file(exported, tmp_path):
    _, state, weights, before = exported
    again(weights, state, tmp_path / "again.ckpt")
    assert (tmp_path / "again.ckpt").read_bytes() == before.read_bytes()


def test_a_newer_torch_state(exported, tmp_path):
    import torch

    network, _, weights, _ = exported
    state = {name: torch.rand_like(tensor.float()).to(tensor.dtype) for name, tensor in network.state_dict().items()}
    torch.save({"epoch": 1, "state_dict": {f"model.{name}": value for name, value in state.items()}}, tmp_path / "n.pt")
    done = again(weights, tmp_path / "n.pt", tmp_path / "new.ckpt", r"state_dict\.model\.(.*) -> \1")
    assert done == Remapped(made=len(state) - 1, kept=(), unused=())
    new = read(tmp_path / "new.ckpt").tensors
    for ours, theirs in [("conv.weight", "conv.weight"), ("norm.gamma", "norm.weight"), ("fc.weight", "fc.weight")]:
        np.testing.assert_array_equal(new[ours].load().reshape(-1), state[theirs].numpy().reshape(-1))


def test_a_folded_norm_is_noticed(exported, tmp_path):
    _, state, weights, _ = exported
    entries = [
        entry for entry in json.loads(weights.read_text())["net"] if "norm" not in entry["source_weight"]["name"]
    ]
    (tmp_path / "map.json").write_text(json.dumps({"net": entries}))
    done = again(tmp_path / "map.json", state, tmp_path / "new.ckpt")
    assert done.unused == ("norm.weight", "norm.bias", "norm.running_mean", "norm.running_var")
    assert done.statistics == ("norm.running_mean", "norm.running_var")


def test_a_tensorflow_checkpoint(tmp_path):
    tf = pytest.importorskip("tensorflow", reason="needs TensorFlow, which is optional")
    v1 = tf.compat.v1
    with tf.Graph().as_default() as graph, v1.Session() as session:
        x = v1.placeholder(tf.float32, [1, 8, 8, 3], "x")
        kernel = v1.get_variable("conv/kernel", [3, 3, 3, 4])
        matrix = v1.get_variable("dense/kernel", [4, 5])
        hidden = tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, kernel, 1, "SAME")), [1, 2])
        tf.matmul(hidden, matrix, name="y")
        step = v1.get_variable("step", [], tf.int64)
        session.run(v1.global_variables_initializer())
        frozen = v1.graph_util.convert_variables_to_constants(session, graph.as_graph_def(), ["y"])
        (tmp_path / "net.pb").write_bytes(frozen.SerializeToString())
        v1.train.Saver().save(session, str(tmp_path / "same"))
        session.run([variable.assign(variable + 1) for variable in (kernel, matrix)])
        v1.train.Saver({"ema/conv/k": kernel, "ema/dense/k": matrix, "step": step}).save(
            session, str(tmp_path / "newer")
        )
        values = session.run([kernel, matrix])
    weights, before = translated(tmp_path / "net.pb", tmp_path)

    again(weights, tmp_path / "same", tmp_path / "again.ckpt")
    assert (tmp_path / "again.ckpt").read_bytes() == before.read_bytes()

    again(weights, tmp_path / "newer.index", tmp_path / "newer.ckpt", r"ema/(.*)/k -> \1/kernel")
    tensors = read(tmp_path / "newer.ckpt").tensors
    new = sorted((tensor.load() for tensor in tensors.values()), key=lambda array: -array.ndim)
    np.testing.assert_array_equal(new[0], values[0].transpose(3, 2, 0, 1))
    np.testing.assert_array_equal(new[1].reshape(-1), values[1].T.reshape(-1))


# A model whose weight map is known by heart


def write_model(file: Path, dtype: type = np.float32, **arrays: np.ndarray) -> Path:
    """y = (x @ kernel + bias) * mask, where any of the three may be given another value, or None to leave it out."""
    values = {"kernel": np.eye(4, 20), "bias": np.arange(20.0), "mask": np.ones(20)} | arrays
    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[1,4] x) => (float[1,20] y) { p = MatMul (x, kernel)  s = Add (p, bias)  y = Mul (s, mask) }
    """)
    for name, array in values.items():
        if array is not None:
            model.graph.initializer.append(numpy_helper.from_array(array.astype(dtype), name))
    onnx.save(model, file)
    return file


def write_tensors(file: Path, **arrays: np.ndarray) -> Path:
    from safetensors.numpy import save_file

    save_file(arrays, file)
    return file


@pytest.fixture
def known(tmp_path):
    """(weight map, checkpoint) of `write_model`."""
    return translated(write_model(tmp_path / "net.onnx"), tmp_path)


FLOATS = {
    "kernel": RANDOM.normal(size=(4, 20)).astype(np.float32),
    "bias": RANDOM.normal(size=20).astype(np.float32),
    "mask": RANDOM.normal(size=20).astype(np.float32),
}


@pytest.mark.parametrize("suffix", [".ckpt", ".safetensors"])
def test_newer_values_go_through_the_steps(known, tmp_path, suffix):
    newer = write_model(tmp_path / "newer.onnx", **FLOATS)
    again(known[0], newer, tmp_path / f"newer{suffix}")
    fresh = translated(newer, tmp_path / "fresh")
    want, got = read(fresh[1]).tensors, read(tmp_path / f"newer{suffix}").tensors
    assert set(got) == set(want)
    for name, tensor in want.items():
        np.testing.assert_array_equal(got[name].load(), tensor.load())


@pytest.mark.parametrize(
    ("change", "details"),
    [
        (
            {"bias": None},
            [r"bias: 'bias' float32 \(20\) is missing$"],
        ),
        (
            {"bias": None, "biases": FLOATS["bias"], "other": FLOATS["mask"]},
            [r"'bias' float32 \(20\) is missing\. Nearest: 'biases' float32 \(20\), 'other' float32 \(20\)$"],
        ),
        (
            {"kernel": FLOATS["kernel"].T},
            [r"'kernel' is float32 \(20, 4\), not float32 \(4, 20\)\. Nearest: 'kernel' .*, transposed$"],
        ),
        (
            {"kernel": None, "mask": FLOATS["mask"][:5], "kernel_2": FLOATS["kernel"]},
            [
                r"'kernel' .* is missing\. Nearest: 'kernel_2' float32 \(4, 20\)$",
                r"'mask' is float32 \(5\), not float32 \(20\)",
            ],
        ),
        ({"bias": FLOATS["bias"].astype(np.float64)}, [r"'bias' is float64 \(20\), not float32 \(20\)"]),
        ({"bias": np.arange(20)}, [r"'bias' is int64 \(20\), not float32 \(20\)"]),
    ],
)
def test_all_that_does_not_fit_is_listed(known, tmp_path, change, details):
    arrays = {name: array for name, array in (FLOATS | change).items() if array is not None}
    source = write_tensors(tmp_path / "new.safetensors", **{n: np.ascontiguousarray(a) for n, a in arrays.items()})
    before = set(tmp_path.rglob("*"))
    with pytest.raises(WeightMatchError, match=rf"msg: {len(details)} of 3 weights of '.*' cannot be made") as error:
        remap(known[0], source, tmp_path / "deep" / "new.ckpt", None, None, Stages(STAGES))
    assert len(error.value.details) == len(details)
    for detail, want in zip(sorted(error.value.details), sorted(details), strict=True):
        assert re.search(want, detail)
    assert set(tmp_path.rglob("*")) == before


def test_a_rule_that_matches_nothing_is_mentioned(known, tmp_path):
    source = write_tensors(tmp_path / "new.safetensors", kernel=FLOATS["kernel"], b=FLOATS["bias"])
    with pytest.raises(WeightMatchError) as error:
        again(known[0], source, tmp_path / "new.ckpt", "# names\nbeta -> bias\nkernel -> kernel")
    assert error.value.details[-1] == "--rename, line 2, matches no name"


def test_what_the_source_lacks_comes_from_the_base(known, tmp_path):
    source = write_tensors(tmp_path / "new.safetensors", kernel=FLOATS["kernel"], bias=FLOATS["bias"])
    done = again(known[0], source, tmp_path / "new.ckpt", base=known[1])
    assert (done.made, len(done.kept)) == (2, 1)
    entries = {
        e["source_weight"]["name"]: e["converted_weight"]["name"] for e in json.loads(known[0].read_text())["net"]
    }
    tensors = read(tmp_path / "new.ckpt").tensors
    np.testing.assert_array_equal(tensors[entries["bias"]].load(), FLOATS["bias"])
    np.testing.assert_array_equal(tensors[entries["mask"]].load(), np.ones(20, np.float32))
    assert done.kept == (entries["mask"],)


def test_a_base_does_not_excuse_another_shape(known, tmp_path):
    source = write_tensors(tmp_path / "new.safetensors", **(FLOATS | {"bias": FLOATS["bias"][:3]}))
    with pytest.raises(WeightMatchError):
        again(known[0], source, tmp_path / "new.ckpt", base=known[1])


def test_a_narrower_type_is_widened(known, tmp_path):
    half = FLOATS["bias"].astype(np.float16)
    again(known[0], write_tensors(tmp_path / "n.safetensors", **(FLOATS | {"bias": half})), tmp_path / "new.ckpt")
    arrays = [tensor.load() for tensor in read(tmp_path / "new.ckpt").tensors.values()]
    assert any(np.array_equal(array, half.astype(np.float32)) for array in arrays)
    assert {array.dtype.name for array in arrays} == {"float32"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda entries: "no JSON", "is not a weight map"),
        (lambda entries: [], "is not a weight map"),
        (lambda entries: {"net": [{"converted_weight": {}}]}, "is not a weight map"),
        (lambda entries: {"net": entries, "other": []}, "is not a weight map"),
        (lambda entries: {"net": [entries[0] | {"transform": [{"op": "flip"}]}]}, "unknown transform 'flip'"),
        (lambda entries: {"net": [entries[0] | {"transform": [{}]}]}, "do not fit"),
        (lambda entries: {"net": [entries[0] | {"transform": [{"op": "reshape", "shape": [7]}]}]}, "do not fit"),
        (lambda entries: {"net": [entries[0] | {"transform": [{"op": "cast", "dtype": "int8"}]}]}, "they make int8"),
        (lambda entries: {"net": [entries[0] | {"transform": [{"op": "cast", "dtype": "?!"}]}]}, "do not fit"),
        (lambda entries: {"net": [entries[0] | {"transform": "text"}]}, "is not a weight map"),
    ],
)
def test_malformed_maps(known, tmp_path, change, message):
    made = change(json.loads(known[0].read_text())["net"])
    (tmp_path / "map.json").write_text(made if isinstance(made, str) else json.dumps(made))
    before = set(tmp_path.rglob("*"))
    with pytest.raises(BadParamError, match=message):
        remap(tmp_path / "map.json", tmp_path / "net.onnx", tmp_path / "new.ckpt", None, None, Stages(STAGES))
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"map_file": "missing.json"}, BadParamError, "No such file"),
        ({"source": "missing.onnx"}, ModelLoadingError, "No such file"),
        ({"base": "missing.ckpt"}, ModelLoadingError, "No such file"),
        ({"rename": "missing.txt"}, BadParamError, "No such file"),
        ({"output": "new.npz"}, BadParamError, r"\.ckpt or \.safetensors"),
        ({"output": "net.onnx/new.ckpt"}, FileSaveError, "cannot be written"),
    ],
)
def test_files_that_are_missing(known, tmp_path, changes, error, message):
    paths = {"map_file": known[0].name, "source": "net.onnx", "output": "new.ckpt", "rename": None, "base": None}
    given = {name: path and tmp_path / path for name, path in (paths | changes).items()}
    before = set(tmp_path.rglob("*"))
    with pytest.raises(error, match=message):
        remap(**given, stages=Stages(STAGES))
    assert set(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["new.ckpt", "new.safetensors", "deep/er/new.safetensors"])
def test_a_failed_write_leaves_the_earlier_file(known, tmp_path, name):
    resource = pytest.importorskip("resource", reason="only Unix limits the size of files")
    (tmp_path / "new.ckpt").write_text("earlier")
    before, limits = set(tmp_path.rglob("*")), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(CheckPointGenerationError, match=r"(?i)cannot be written: .*file too large"):
            remap(known[0], tmp_path / "net.onnx", tmp_path / name, None, None, Stages(STAGES))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (tmp_path / "new.ckpt").read_text() == "earlier"
    assert set(tmp_path.rglob("*")) == before
