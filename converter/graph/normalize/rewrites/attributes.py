"""Operators with unchanged meaning in another form: attributes that were removed, renamed, or became inputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnx

from converter.graph.edit import Edit, RefusedError
from converter.graph.traits import Trait, operators_with

Rewrite = Callable[[Edit], None]


def drop(*names: str) -> Rewrite:
    """Remove attributes that have no effect in inference."""

    def rewrite(edit: Edit) -> None:
        for name in names:
            edit.take(name)

    return rewrite


def spell_out(**defaults: Any) -> Rewrite:
    """Set the older version's default values explicitly, because the newer version has other defaults."""

    def rewrite(edit: Edit) -> None:
        edit.set(**{name: value for name, value in defaults.items() if name not in edit.node.attributes})

    return rewrite


def ints_to_input(name: str, index: int, default: Any = None, wrap: bool = False) -> Rewrite:
    """Turn an attribute of integers into the input at `index`; `wrap` turns a number into a vector of one element."""

    def rewrite(edit: Edit) -> None:
        numbers = edit.take(name, default)
        if numbers is not None:
            edit.set_input(index, edit.ints(name, [numbers] if wrap else numbers))

    return rewrite


def respell(name: str, spellings: Mapping[str, str]) -> Rewrite:
    """Rename values of a string attribute."""

    def rewrite(edit: Edit) -> None:
        if (value := edit.get(name)) in spellings:
            edit.set(**{name: spellings[value]})

    return rewrite


def rename(op_type: str) -> Rewrite:
    """Rename the operator to `op_type`."""

    def rewrite(edit: Edit) -> None:
        edit.node.op_type = op_type

    return rewrite


def clip_11(edit: Edit) -> None:
    """Clip-6 takes its limits as attributes."""
    for index, name in ((1, "min"), (2, "max")):
        limit = edit.take(name)
        if limit is not None:
            edit.set_input(index, edit.like(name, limit, edit.input(0)))


def pad_2(edit: Edit) -> None:
    """Pad-1 calls its pads `paddings`."""
    edit.set(pads=edit.take("paddings"))


def pad_11(edit: Edit) -> None:
    """Pad-2 takes pads and value as attributes."""
    edit.set_input(1, edit.ints("pads", edit.take("pads")))
    value = edit.take("value", 0.0)
    if value != 0.0:
        edit.set_input(2, edit.like("value", value, edit.input(0)))


def slice_10(edit: Edit) -> None:
    """Slice-1 takes starts, ends and axes as attributes."""
    for index, name in enumerate(("starts", "ends", "axes"), 1):
        numbers = edit.take(name)
        if numbers is not None:
            edit.set_input(index, edit.ints(name, numbers))


def split_2(edit: Edit) -> None:
    """Split-1 may take its sizes as an input, of the data's type."""
    if edit.input(1) is not None:
        edit.set(split=[int(size) for size in edit.array(edit.input(1))])
        edit.node.resize_inputs(1)
    spell_out(axis=0)(edit)


def split_18(edit: Edit) -> None:
    """Split-13 without sizes splits evenly into as many outputs as it has."""
    if edit.input(1) is None:
        edit.set(num_outputs=len(edit.node.outputs))


def reshape_5(edit: Edit) -> None:
    """Reshape-1 takes the shape as an attribute."""
    edit.take("consumed_inputs")
    edit.set_input(1, edit.ints("shape", edit.take("shape", [])))


def tile_6(edit: Edit) -> None:
    """Tile-1 repeats along one axis."""
    tiles, axis = (int(edit.array(edit.input(index)).item()) for index in (1, 2))
    repeats = np.ones(len(edit.shape(edit.input(0))), np.int64)
    repeats[axis] = tiles
    edit.become("Tile", [edit.input(0), edit.constant("repeats", repeats)])


def cast_6(edit: Edit) -> None:
    """Cast-1 has the type's name as a string."""
    name = str(edit.get("to")).upper()
    if name not in dict(onnx.TensorProto.DataType.items()):
        raise RefusedError(f"its type '{edit.get('to')}' is unknown")
    edit.set(to=onnx.TensorProto.DataType.Value(name))


def selu_6(edit: Edit) -> None:
    """Selu-1 has default values with fewer digits."""
    edit.take("consumed_inputs")
    spell_out(alpha=1.6732, gamma=1.0507)(edit)


def lp_pool_2(edit: Edit) -> None:
    """The order of the norm is a float in (Global)LpPool-1, and an integer since."""
    order = edit.take("p", 2.0)
    if order != int(order):
        raise RefusedError(f"the order of its norm is {order}, and ONNX takes integers")
    edit.set(p=int(order))


# fmt: off
_CONSUMED = (
    "Abs", "Add", "BatchNormalization", "Ceil", "Clip", "Div", "Dropout", "Elu", "Exp", "Floor", "HardSigmoid",
    "InstanceNormalization", "LeakyRelu", "Log", "Max", "Mean", "Min", "Mul", "Neg", "PRelu", "Reciprocal", "Relu",
    "Sigmoid", "Sqrt", "Sub", "Sum", "Tanh",
)
# fmt: on

REWRITES: dict[tuple[str, int], Rewrite] = {
    **{(name, 6): drop("consumed_inputs") for name in _CONSUMED},
    **{(name, 18): ints_to_input("axes", 1) for name in operators_with(Trait.REDUCTION) - {"ReduceSum"}},
    **{(name, 13): ints_to_input("axes", 1) for name in ("ReduceSum", "Squeeze", "Unsqueeze")},
    **{(name, 7): drop("output_sequence") for name in operators_with(Trait.RECURRENT)},  # unused outputs are omitted
    ("Cast", 6): cast_6,
    ("Clip", 11): clip_11,
    ("Concat", 4): spell_out(axis=1),
    ("DFT", 20): ints_to_input("axis", 2, default=1),
    ("Gemm", 7): drop("broadcast"),
    ("GlobalLpPool", 2): lp_pool_2,
    ("GridSample", 20): respell("mode", {"bilinear": "linear", "bicubic": "cubic"}),
    ("LpPool", 2): lp_pool_2,
    ("Pad", 2): pad_2,
    ("Pad", 11): pad_11,
    ("Reshape", 5): reshape_5,
    ("RoiAlign", 16): spell_out(coordinate_transformation_mode="output_half_pixel"),
    ("Scatter", 11): rename("ScatterElements"),
    ("Selu", 6): selu_6,
    ("Slice", 10): slice_10,
    ("Split", 2): split_2,
    ("Split", 13): ints_to_input("split", 1),
    ("Split", 18): split_18,
    ("Tile", 6): tile_6,
    ("TopK", 10): ints_to_input("k", 1, wrap=True),
}
