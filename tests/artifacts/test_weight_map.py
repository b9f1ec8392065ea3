"""From the source's arrays to the checkpoint's: steps, and the weight map that lists them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from harness import model_of
from onnx import numpy_helper

from converter import convert
from converter.artifacts import Entry, TensorSpec, weight_map
from converter.base.weight_steps import Step, apply, cast, concatenate, reshape, shape_after, slice_axis, transpose
from converter.errors import BadParamError
from converter.script.weights import Weight

ARRAY = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
RANDOM = np.random.default_rng(0)

STEPS: list[tuple[list[Step], np.ndarray]] = [
    ([], ARRAY),
    ([transpose(2, 0, 1)], ARRAY.transpose(2, 0, 1)),
    ([reshape(4, 6)], ARRAY.reshape(4, 6)),
    ([slice_axis(1, 1, 3)], ARRAY[:, 1:3]),
    ([slice_axis(2, 0, 1), reshape(2, 3)], ARRAY[:, :, 0]),
    ([cast("float16")], ARRAY.astype(np.float16)),
    ([concatenate(0, [slice_axis(0, 1, 2)], [slice_axis(0, 0, 1), transpose(0, 1, 2)])], ARRAY[::-1]),
    (
        [transpose(1, 0, 2), reshape(3, 8), slice_axis(0, 2, 3), cast("int32")],
        ARRAY[:, 2].reshape(1, 8).astype(np.int32),
    ),
]


@pytest.mark.parametrize(("steps", "want"), STEPS, ids=[str([step["op"] for step in steps]) for steps, _ in STEPS])
def test_steps(steps: list[Step], want: np.ndarray) -> None:
    got = apply(json.loads(json.dumps(steps)), ARRAY)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == want.dtype
    assert shape_after(steps, ARRAY.shape) == want.shape
    weight = Weight(ir.tensor(ARRAY, name="w"), tuple(steps))
    assert (weight.source_name, weight.shape, weight.dtype) == ("w", want.shape, want.dtype.name)
    np.testing.assert_array_equal(weight.array(), want)
    assert weight.array().flags.c_contiguous


@pytest.mark.parametrize(
    "step",
    [{"op": "flip"}, transpose(0, 1), reshape(5, 5), concatenate(0, [slice_axis(1, 0, 1)], [slice_axis(1, 0, 2)])],
)
def test_steps_that_do_not_fit_are_errors(step: Step) -> None:
    with pytest.raises(ValueError, match=r"unknown transform 'flip'|axes|reshape|dimensions"):
        apply([step], ARRAY)


def test_a_scalar_stays_one() -> None:
    assert Weight(ir.tensor(np.float32(3), name="scale")).array().shape == ()


def floats(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype(np.float32)


LSTM = [floats(4, 2, 3), floats(1, 20, 3), floats(1, 20, 5), floats(1, 40)]
MODELS: list[tuple[str, list[np.ndarray], dict[str, Any], set[str]]] = [
    ("Gemm", [floats(2, 4), floats(4, 3), floats(3)], {"transB": 0}, {"transpose"}),
    ("Gemm", [floats(2, 4), floats(3, 4), floats(3)], {"transB": 1}, set()),
    ("Conv", [floats(1, 3, 5, 5), floats(6, 3, 3, 3), floats(6)], {}, set()),
    ("Conv", [floats(1, 3, 5), floats(6, 3, 3), floats(6)], {}, {"reshape"}),
    ("LSTM", LSTM, {"hidden_size": 5}, {"concatenate", "slice", "reshape"}),
]


@pytest.mark.parametrize(
    ("operator", "inputs", "options", "operations"), MODELS, ids=["gemm", "gemm_t", "conv", "conv1d", "lstm"]
)
def test_the_map_leads_from_the_source_to_the_checkpoint(
    operator: str, inputs: list[np.ndarray], options: dict[str, Any], operations: set[str], tmp_path: Path
) -> None:
    import mindspore as ms

    model = model_of(operator, inputs, constants=range(1, len(inputs)), opset=21, **options)
    file = tmp_path / "small.onnx"
    onnx.save(model, file)
    convert(file, output=tmp_path, verify=False)
    entries = json.loads((tmp_path / "weight_map_of_small.json").read_text())["small"]
    loaded = ms.load_checkpoint(str(tmp_path / "small.ckpt"))
    source = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert [entry["converted_weight"]["name"] for entry in entries] == list(loaded)
    for entry in entries:
        ours, theirs = entry["converted_weight"], entry["source_weight"]
        array = source[theirs["name"]]
        assert (list(array.shape), array.dtype.name) == (theirs["shape"], theirs["data_type"])
        got = apply(entry.get("transform", []), array)
        np.testing.assert_array_equal(got, loaded[ours["name"]].asnumpy())
        assert (list(got.shape), got.dtype.name.title()) == (ours["shape"], ours["data_type"])
    assert operations == {step["op"] for entry in entries for step in every(entry.get("transform", []))}


def every(steps: list[Step]) -> Iterator[Step]:
    """All steps, those of the parts that are joined too."""
    for step in steps:
        yield step
        for inner in step.get("parts", []):
            yield from every(inner)


def test_a_parameter_in_parts(tmp_path):
    whole = TensorSpec("qkv", (6, 2), "float32")
    entries = (
        Entry(whole, TensorSpec("q", (2, 2), "float32"), (), (0, 2)),
        Entry(whole, TensorSpec("kv", (2, 4), "float32"), ({"op": "transpose", "perm": [1, 0]},), (2, 6)),
    )
    (tmp_path / "map.json").write_text(weight_map.text_of_entries(entries, "net"))
    assert weight_map.read(tmp_path / "map.json") == entries
    (tmp_path / "map.json").write_text((tmp_path / "map.json").read_text().replace('"axis": 0', '"axis": 1'))
    with pytest.raises(BadParamError, match="is not a weight map"):
        weight_map.read(tmp_path / "map.json")
