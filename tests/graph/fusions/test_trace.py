from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from converter.graph.fusions.trace import Trace


def weight(name: str, *shape: int) -> ir.Value:
    return ir.Value(
        name=name, const_value=ir.tensor(np.zeros(shape, np.float32)), type=ir.TensorType(ir.DataType.FLOAT)
    )


@pytest.mark.parametrize(("shapes", "wanted"), [(((1, 2), (2, 2)), [[0, 1], [2, 3], [4, 5]]), (((1, 2), (2,)), None)])
def test_elements_are_followed_where_shapes_fit(shapes, wanted):
    values = [weight(f"w{i}", *shape) for i, shape in enumerate(shapes)]
    node = ir.node("Concat", values, {"axis": 0}, name="both")
    node.outputs[0].name = "both"
    numbers = Trace().numbers(node.outputs[0])
    assert numbers is None if wanted is None else np.array_equal(numbers, wanted)
