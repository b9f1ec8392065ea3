"""The user's inputs: what is no .npz file is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx_ir as ir
import pytest

from converter.errors import BadParamError
from converter.frontends.source import Endpoint
from converter.verification.edges import roles_of
from converter.verification.inputs import other_inputs, verification_inputs


@pytest.mark.parametrize(
    ("returned", "total", "past", "length"),
    [
        ("past + new", "total", "past", 20),
        ("total", "total", "past", 16),
        ("past + other", "total", "past", 16),
        ("total_new", "total_new", "past_new", 20),
        ("past + 1", "past + 1", "past", 17),
        ("past + new, new + twin", "total", "past", 20),
    ],
)
def test_a_mask_is_as_long_as_past_and_new_tokens(returned: str, total: str, past: str, length: int) -> None:
    shapes = {"mask": (total,), "past": (past,), "twin": ("twin",), "x": ("new",)}
    kind, known = np.dtype(np.float32), {total: 16, past: 16, "twin": 16, "new": 4}
    inputs = [ir.val(name, ir.DataType.FLOAT, shape) for name, shape in shapes.items()]
    outputs = [ir.val(f"present.{dim}", ir.DataType.FLOAT, (dim,)) for dim in returned.split(", ")]
    graph = ir.Graph(inputs, outputs, nodes=[])
    ends = [
        Endpoint(name, name, kind, shape, tuple(known[dim] for dim in shape), guessed=frozenset({total, past}))
        for name, shape in shapes.items()
    ]
    made = verification_inputs(graph, ends, None)
    assert {name: len(array) for name, array in made.items()} == {"mask": length, "past": 16, "twin": 16, "x": 4}


X = np.ones((2, 3), np.float32)


def truncated(path: Path) -> None:
    np.savez(path.with_suffix(".npz"), x=X)
    path.write_bytes(path.with_suffix(".npz").read_bytes()[:-40])


def damaged(path: Path) -> None:
    np.savez_compressed(path.with_suffix(".npz"), x=np.arange(600, dtype=np.float32).reshape(200, 3))
    data = bytearray(path.with_suffix(".npz").read_bytes())
    data[120:160] = bytes(40)
    path.write_bytes(data)


def one_array(path: Path) -> None:
    with path.open("wb") as stream:
        np.save(stream, X)


@pytest.mark.parametrize(
    "write", [truncated, damaged, one_array, lambda path: path.write_bytes(b""), lambda path: path.write_text("x")]
)
def test_a_file_that_is_no_archive(write, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    file = tmp_path / "inputs"
    write(file)
    ends = [Endpoint("x", "x", np.dtype(np.float32), (2, 3), (2, 3))]
    graph = ir.Graph([ir.val("x", ir.DataType.FLOAT, (2, 3))], [], nodes=[])
    with pytest.raises(BadParamError, match=r"cannot be read as an \.npz file"):
        verification_inputs(graph, ends, file)


@pytest.mark.parametrize(
    ("dtype", "shape", "reader", "largest"),
    [
        (np.uint8, (1, 8, 8, 3), "Cast", 255),
        (np.int8, (64, 4), "DequantizeLinear", 127),
        (np.uint8, (64, 4), "Cast", 1),
        (np.int64, (1, 8, 8, 3), "Cast", 1),
    ],
)
def test_levels_of_8_bits_take_all_values(dtype: type, shape: tuple[int, ...], reader: str, largest: int) -> None:
    value = ir.val("x", ir.DataType.from_numpy(np.dtype(dtype)), shape)
    graph = ir.Graph([value], [], nodes=[ir.node(reader, [value])])
    made = verification_inputs(graph, [Endpoint("x", "x", np.dtype(dtype), shape, shape)], None)["x"]
    assert made.dtype == dtype
    assert largest * 0.9 <= made.max() <= largest


@pytest.mark.parametrize(("offsets", "largest"), [([0, 10, 38], 4), ([0, -3, 0], 42), ([90], 0)])
def test_indices_are_less_by_what_is_added_to_them(offsets: list[int], largest: int) -> None:
    """Fields of a recommender have their rows one behind the other in one table."""
    value, table = ir.val("x", ir.DataType.INT64, (500, 3)), ir.val("table", ir.DataType.FLOAT, (43, 8))
    constant = ir.val("offsets", const_value=ir.tensor(np.array(offsets)))
    added = ir.node("Add", [constant, value])
    graph = ir.Graph([value], [], nodes=[added, ir.node("Gather", [table, added.outputs[0]])])
    ends = [Endpoint("x", "x", np.dtype(np.int64), (500, 3), (500, 3))]
    assert verification_inputs(graph, ends, None)["x"].max() == largest


@pytest.mark.parametrize(
    ("shape", "extents", "dtype", "reader", "largest"),
    [
        (("V", 8), (7, 8), np.int64, "Gather", 6),
        (("V", 8), (7, 8), np.int64, "ScatterND", 6),
        ((5, "V"), (5, 7), np.int64, "Gather", 4),
        (("V", 8), (7, 8), np.float32, "Gather", 6),
        (("V", 8, 4, 4), (3, 8, 4, 4), np.float32, "RoiAlign", 2),
    ],
)
def test_indices_are_less_than_a_free_extent(
    shape: tuple[int | str, ...], extents: tuple[int, ...], dtype: type, reader: str, largest: int
) -> None:
    """Edges of a graph name its nodes, regions an image of the batch; some models hold indices as floats."""
    x, data = ir.val("x", ir.DataType.from_numpy(np.dtype(dtype)), (500, 1)), ir.val("data", ir.DataType.FLOAT, shape)
    cast = ir.node("Cast", [x], {"to": ir.DataType.INT64})
    given = [data, data, cast.outputs[0]] if reader == "RoiAlign" else [data, cast.outputs[0], data]
    graph = ir.Graph([data, x], [], nodes=[cast, ir.node(reader, given)])
    ends = [Endpoint("data", "data", np.dtype(np.float32), shape, extents), _integers_or_floats(dtype)]
    found = verification_inputs(graph, ends, None)["x"]
    assert (found.min() >= 0, int(found.max())) == (True, largest)
    assert roles_of(graph, ends)["x"].use == ("index" if dtype is np.int64 else "size")


def _integers_or_floats(dtype: type) -> Endpoint:
    return Endpoint("x", "x", np.dtype(dtype), (500, 1), (500, 1))


def test_where_the_source_refuses_the_integers_begin_with_1() -> None:
    graph = ir.Graph([ir.val("lengths", ir.DataType.INT64, (8,))], [], nodes=[])
    ends = [Endpoint("lengths", "lengths", np.dtype(np.int64), (8,), (8,))]
    assert verification_inputs(graph, ends, None)["lengths"].min() == 0
    (others,) = other_inputs(graph, ends, None)
    assert others["lengths"].tolist() == [1] * 8
