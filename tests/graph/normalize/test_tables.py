"""One initializer for a table that a module reads several times."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from graph.normalize.harness import assert_equals_original, parse

TABLE = np.arange(18, dtype=np.float32)


def model(*names: str, table: np.ndarray = TABLE, other: np.ndarray | None = None, weight: bool = False) -> set[str]:
    """The initializers that are left of two tables, which nodes of these names read as Constant nodes."""
    made = parse("g (float[18] x) => (float[18] y, float[18] z) { y = Add (x, a) z = Mul (x, b) }", 17)
    made.producer_name = "pytorch"
    for node, name in zip(made.graph.node, names, strict=True):
        node.name = name
    tensors = [
        onnx.numpy_helper.from_array(each, f"table.{i}")
        for i, each in enumerate((table, table if other is None else other))
    ]
    for node, tensor in zip(list(made.graph.node), tensors, strict=True):
        node.input[1] = tensor.name
    if weight:
        made.graph.initializer.extend(tensors)
    else:
        made.graph.initializer.append(onnx.numpy_helper.from_array(TABLE[:1], "weight"))
        constants = [onnx.helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in tensors]
        rest = list(made.graph.node)
        del made.graph.node[:]
        made.graph.node.extend([*constants, *rest])
    return set(assert_equals_original(made).graph.initializers)


def test_a_table_that_one_module_reads_twice_is_one() -> None:
    assert model("/block/Add", "/block/Mul") == {"table.0"}


@pytest.mark.parametrize(
    ("names", "options"),
    [
        (("/block.0/Add", "/block.1/Mul"), {}),  # each module has its own
        (("/block/Add", "/block/Mul"), {"other": TABLE + 1}),
        (("/block/Add", "/block/Mul"), {"weight": True}),  # weights that are equal are trained apart
    ],
)
def test_others_stay_two(names: tuple[str, str], options: dict[str, object]) -> None:
    assert model(*names, **options) == {"table.0", "table.1"}  # type: ignore[arg-type]


@pytest.mark.parametrize(("shared", "left"), [(True, 1), (False, 2)])
def test_modules_share_what_is_computed_from_one_table(shared: bool, left: int) -> None:
    made = parse(
        "g (int64[1,18] x) => (int64[1,18] y, int64[1,18] z) <int64 n = {18}, int64 zero = {0}, int64 one = {1}> {"
        " c = Range (zero, n, one) d = Range (zero, n, one)"
        " a = Unsqueeze (c, zeros) b = Unsqueeze (d, zeros) y = Add (x, a) z = Mul (x, b) }",
        17,
    )
    made.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0]), "zeros"))
    for node, name in zip(made.graph.node, ("Range", "Range_1", *["block.0/A", "block.1/A"] * 2), strict=True):
        node.name = f"/{name}"
    if shared:
        made.graph.node[3].input[0] = "c"
    assert len(assert_equals_original(made).graph.initializers) == left
