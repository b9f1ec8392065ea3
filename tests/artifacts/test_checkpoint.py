"""Checkpoints: as MindSpore writes them, whatever the element type, and never more than a parameter in memory."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx_ir as ir
import pytest
from harness import save

from converter.artifacts import checkpoint
from converter.artifacts.tensors import LazyTensor, TensorSpec
from converter.base import shards
from converter.errors import BadParamError, CheckPointGenerationError
from converter.script import Cell, Member, Program, Weight, expr

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


def program(**shapes: tuple[int, ...]) -> Program:
    """A network whose members are parameters of ones."""
    members = [
        Member(name, expr("ms.Parameter(ops.zeros({0}))", shape), {"": Weight(ir.tensor(np.ones(shape, np.float32)))})
        for name, shape in shapes.items()
    ]
    return Program([Cell("MindSporeModel", members=members)], [])


@pytest.mark.parametrize(
    ("wanted", "shard_size", "file"),
    [
        (None, None, "net.ckpt"),
        ("safetensors", None, "net.safetensors"),
        (None, 1e-6, shards.INDEX),
        ("safetensors", 1e-6, shards.INDEX),
        ("safetensors", 1, "net.safetensors"),
    ],
)
def test_the_file_of_a_checkpoint(wanted: checkpoint.Format | None, shard_size: float | None, file: str) -> None:
    assert checkpoint.file_for(program(a=(500,)), "net", wanted, shard_size) == file
    assert checkpoint.file_for(program(), "net", wanted, shard_size) is None


def test_large_checkpoints(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "LARGE", 1000)
    monkeypatch.setattr(checkpoint, "SHARD", 3e-6)
    files = [checkpoint.file_for(program(a=(size,)), "net") for size in (200, 500, 800)]
    assert files == ["net.ckpt", "net.safetensors", shards.INDEX]
    assert checkpoint.file_for(program(a=(800,)), "net", "ckpt") == "net.ckpt"
    with pytest.raises(BadParamError, match=r"a \.ckpt is one file"):
        checkpoint.file_for(program(a=(800,)), "net", "ckpt", 1)


def test_shards_hold_every_parameter_once(tmp_path: Path) -> None:
    import mindspore as ms
    from mindspore import nn

    given = program(a=(500,), b=(400,), c=(10, 10), d=(2000,), e=(3,))
    asked: list[int] = []
    counted: list[LazyTensor] = []

    def reserve(count: int) -> list[Path]:
        asked.append(count)
        names = [f"net-{number}.safetensors" for number in range(count)]
        return [tmp_path / name for name in (*names, shards.NAME_MAP, shards.INDEX)]

    def each(parameters: Collection[LazyTensor]) -> Iterator[LazyTensor]:
        for parameter in parameters:
            counted.append(parameter)
            yield parameter

    index = checkpoint.write_shards(given, 3.5e-6, reserve, each)
    assert asked == [4]
    assert len(counted) == 5
    files = shards.files_of(index)
    assert [file.stat().st_size <= 3500 for file in files] == [True, True, False, True]  # `d` alone is larger
    loaded = [ms.load_checkpoint(str(file), format="safetensors") for file in files]
    assert [list(parameters) for parameters in loaded] == [["a"], ["b", "c"], ["d"], ["e"]]

    net = nn.Cell()
    for name, parameter in {name: value for each in loaded for name, value in each.items()}.items():
        net.insert_param_to_cell(name, ms.Parameter(ms.ops.zeros_like(parameter), name=name))
    left = ms.load_distributed_checkpoint(net, format="safetensors", unified_safetensors_dir=str(tmp_path))
    assert left == ([], [])
    assert all((parameter.asnumpy() == 1).all() for parameter in net.get_parameters())


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
sharded = sys.argv[3] == "shards"
options = {"shard_size": 0.02} if sharded else {"checkpoint_format": sys.argv[3]}
convert(sys.argv[1], output=sys.argv[2], verify=False, **options)
print(peak_memory() - before)
"""


@pytest.mark.parametrize("kind", ["ckpt", "safetensors", "shards"])
def test_a_model_need_not_fit_into_memory(tmp_path: Path, kind: str) -> None:
    command = [sys.executable, "-c", PEAK, str(large_model(tmp_path)), str(tmp_path / "out"), kind]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    written = (tmp_path / "out").glob("*.safetensors" if kind == "shards" else f"net.{kind}")
    sizes = [file.stat().st_size for file in written]
    assert len(sizes) == (12 if kind == "shards" else 1)
    assert sum(sizes) > LAYERS * WIDTH * WIDTH * 4
    assert int(done.stdout) < 60 * 2**20
