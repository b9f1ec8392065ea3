"""Checkpoints: as MindSpore writes them, whatever the element type, and never more than a parameter in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from harness import save

from converter.artifacts import checkpoint
from converter.artifacts.tensors import LazyTensor, TensorSpec
from converter.errors import CheckPointGenerationError

RANDOM = np.random.default_rng(0)
INTEGERS = [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
TYPES = ["bool", *INTEGERS, "float16", "float32", "float64"]
ARRAYS = {
    **{f"b.{dtype}": RANDOM.integers(0, 2, (2, 3)).astype(dtype) for dtype in TYPES},
    **{f"a.scalar_{dtype}": np.array(1, dtype) for dtype in TYPES},
    "bfloat": RANDOM.normal(size=(3, 5)).astype(ml_dtypes.bfloat16),
    "transposed": RANDOM.normal(size=(3, 200)).astype(np.float32).T,
    "empty": np.zeros((0, 3), np.float32),
    "gewölbe.日本": np.ones(1, np.float32),
}


@pytest.mark.parametrize("kind", ["ckpt", "safetensors"])
def test_it_is_what_mindspore_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    import mindspore as ms
    from mindspore.train import serialization

    from converter.verification.arrays import to_mindspore, to_numpy

    monkeypatch.setattr(checkpoint, "_PIECE", 1024)  # the large one comes in pieces
    monkeypatch.setattr(serialization, "SLICE_SIZE", 1)
    save(ARRAYS, tmp_path / f"ours.{kind}")
    theirs = [{"name": name, "data": to_mindspore(array)} for name, array in ARRAYS.items()]
    ms.save_checkpoint(theirs, str(tmp_path / f"theirs.{kind}"), format=kind)
    ours = tmp_path / f"ours.{kind}"
    assert ours.read_bytes() == (tmp_path / f"theirs.{kind}").read_bytes()
    assert ours.stat().st_mode == (tmp_path / f"theirs.{kind}").stat().st_mode

    loaded = ms.load_checkpoint(str(ours), format=kind)
    assert loaded.keys() == ARRAYS.keys() - ({"empty"} if kind == "ckpt" else set())
    for name, parameter in loaded.items():
        np.testing.assert_array_equal(to_numpy(parameter), ARRAYS[name])


@pytest.mark.parametrize("kind", ["ckpt", "safetensors"])
def test_values_that_are_not_what_is_known_of_them(tmp_path: Path, kind: str) -> None:
    with pytest.raises(ValueError, match=r"'w' is float32 \(2,\), and not float32 \(3,\)"):
        checkpoint.save(
            [LazyTensor(TensorSpec("w", (3,), "float32"), lambda: np.zeros(2, np.float32))], tmp_path / f"w.{kind}"
        )


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CheckPointGenerationError, match=r"'w\.ckpt' cannot be written: no such file or directory"):
        save({"w": np.zeros(1, np.float32)}, tmp_path / "missing" / "w.ckpt")


LAYERS, WIDTH = 48, 1024
"""Weights of 4 MB each."""


def large_model(folder: Path) -> Path:
    """A model of 200 MB: in a file beside it, most of which is a hole."""
    nodes, tensors, x = [], [], "x"
    for layer in range(LAYERS):
        weight, turned, y = f"layer{layer}.weight", f"turned{layer}", f"y{layer}"
        tensor = onnx.TensorProto(
            name=weight, data_type=onnx.TensorProto.FLOAT, dims=[WIDTH, WIDTH], data_location=onnx.TensorProto.EXTERNAL
        )
        place = {"location": "net.data", "offset": layer * WIDTH * WIDTH * 4, "length": WIDTH * WIDTH * 4}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor)
        if layer % 2:
            nodes.append(onnx.helper.make_node("Transpose", [weight], [turned], perm=[1, 0]))
        nodes.append(onnx.helper.make_node("MatMul", [x, turned if layer % 2 else weight], [y]))
        x = y
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", WIDTH]) for name in ("x", x)]
    model = onnx.helper.make_model(onnx.helper.make_graph(nodes, "net", ends[:1], ends[1:], tensors), ir_version=10)
    onnx.save(model, folder / "net.onnx")
    with (folder / "net.data").open("wb") as file:
        file.truncate(LAYERS * WIDTH * WIDTH * 4)
    return folder / "net.onnx"


PEAK = """
import sys
from converter import convert
from converter.base.stages import peak_memory
import converter.api, mindspore
before = peak_memory()
convert(sys.argv[1], output=sys.argv[2], checkpoint_format=sys.argv[3], verify=False)
print(peak_memory() - before)
"""


@pytest.mark.parametrize("kind", ["ckpt", "safetensors"])
def test_a_model_need_not_fit_into_memory(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-c", PEAK, str(large_model(tmp_path)), str(tmp_path / "out"), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert (tmp_path / f"out/net.{kind}").stat().st_size > LAYERS * WIDTH * WIDTH * 4
    assert int(done.stdout) < 60 * 2**20
