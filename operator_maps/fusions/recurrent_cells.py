"""GRUCell, LSTMCell: one step of a recurrent layer, of which torch's exporter writes the products and the gates.

Inputs: x (batch, features), the hidden state (batch, H) and for an LSTM the cell state, the weights
(gates * H, features) and (gates * H, H), and both biases or none. Outputs: the next states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import onnx_ir as ir

from converter.graph import UniqueNames, attribute
from converter.graph.fusions import (
    Builder,
    FusedOperator,
    Fusion,
    Match,
    NodeFusion,
    Pattern,
    Shape,
    is_private,
    op,
    pattern_of,
    replace,
)
from converter.rows import Arg, Node, Operand, Weight, expr, invoke
from operator_maps.fusions.recurrent import gru_step, lstm_step


class Gemm(NamedTuple):
    """`x @ weight + bias` of constants, or with the weight transposed."""

    x: ir.Value
    weight: ir.Value
    bias: ir.Value | None
    transposed: bool


class _Product(NamedTuple):
    """`x @ weight.T + bias`, cut into gates along the last axis."""

    x: ir.Value
    weight: ir.Value
    bias: ir.Value | None


def gru_state(
    h: Pattern, x_r: Pattern, h_r: Pattern, x_z: Pattern, h_z: Pattern, x_n: Pattern, h_n: Pattern
) -> Pattern:
    """The next state: gates of input and hidden state that reset, update and renew."""
    new = op.Tanh(op.Add(x_n, op.Mul(h_n, op.Sigmoid(op.Add(x_r, h_r)))))
    return op.Add(op.Mul(op.Sub(h, new), op.Sigmoid(op.Add(x_z, h_z))), new)


def gru_cell(
    builder: Builder,
    h: ir.Value,
    x_r: ir.Value,
    h_r: ir.Value,
    x_z: ir.Value,
    h_z: ir.Value,
    x_n: ir.Value,
    h_n: ir.Value,
) -> ir.Value | None:
    """GRUCell, when the gates are parts of two products, one of them of the hidden state."""
    cut = _cut((x_r, x_z, x_n)), _cut((h_r, h_z, h_n))
    given, state = (None if each is None else _product(each) for each in cut)
    if given is None or state is None or state.x is not h or not _fit(given, state, 3):
        return None
    return builder.fused(GRU_CELL, given.x, h, given.weight, state.weight, given.bias, state.bias)


def lstm_state(c: Pattern, i: Pattern, f: Pattern, g: Pattern) -> Pattern:
    """The next cell state: gates of input, forget and cell."""
    return op.Add(op.Mul(op.Sigmoid(f), c), op.Mul(op.Sigmoid(i), op.Tanh(g)))


LSTM_STATE = pattern_of(lstm_state)


def lstm_cell(root: ir.Node, names: UniqueNames) -> bool:
    """Replace the products and gates that give the next cell state, an Add, and the next hidden state, by LSTMCell."""
    cell = root.outputs[0]
    for match in LSTM_STATE.match(cell, Match()):
        i, f, g, c = (match.bound[name] for name in "ifgc")
        split = i.producer()
        end = hidden_state(cell, split.outputs[3]) if split is not None and len(split.outputs) == 4 else None
        total = None if end is None or split is None else _cut((i, f, g, split.outputs[3]))
        products = [] if total is None else _sum_of_products(total)
        if end is None or len(products) != 2:
            continue
        nodes = [*match.nodes, *end]
        if not all(is_private(node, nodes) for node in nodes if node not in (root, end[-1])):
            continue
        given, state = products
        if not _fit(given, state, 4):
            continue
        new = LSTM_CELL.node([given.x, state.x, c, given.weight, state.weight, given.bias, state.bias], 2)
        hidden = end[-1].outputs[0]
        replace(nodes, [new], {hidden: new.outputs[0], cell: new.outputs[1]}, at=root)
        return True
    return False


def hidden_state(cell: ir.Value, o: ir.Value) -> list[ir.Node] | None:
    """The nodes of `sigmoid(o) * tanh(cell)`, the product last; None if there are none."""
    for tanh in cell.consumers():
        for product in tanh.outputs[0].consumers() if tanh.op_type == "Tanh" else ():
            gates = [value.producer() for value in product.inputs if value is not None]
            gate = next((node for node in gates if node is not None and node.op_type == "Sigmoid"), None)
            if product.op_type == "Mul" and gate is not None and gate.inputs[0] is o:
                return [tanh, gate, product]
    return None


def _cut(parts: Sequence[ir.Value]) -> ir.Value | None:
    """What a Split along the last of two axes cuts into exactly these equal parts."""
    split = parts[0].producer()
    if split is None or split.op_type != "Split" or tuple(split.outputs) != tuple(parts):
        return None
    widths = {part.shape[-1] for part in parts if part.shape is not None and len(part.shape) == 2}
    return split.inputs[0] if attribute(split, "axis") in (1, -1) and len(widths) == 1 else None


def gemm_of(node: ir.Node) -> Gemm | None:
    """What a Gemm multiplies and adds, unless it scales it or computes its weights."""
    x, weight, bias = (*node.inputs, None)[:3] if node.op_type == "Gemm" and not node.domain else (None,) * 3
    if x is None or weight is None or weight.const_value is None or (bias is not None and bias.const_value is None):
        return None
    plain = attribute(node, "alpha") == attribute(node, "beta") == 1 and not attribute(node, "transA")
    return Gemm(x, weight, bias, bool(attribute(node, "transB"))) if plain else None


def _product(value: ir.Value) -> _Product | None:
    """The product that a Gemm computes with a constant weight."""
    node = value.producer()
    found = gemm_of(node) if node is not None and len(value.uses()) == 1 else None
    return None if found is None or not found.transposed else _Product(found.x, found.weight, found.bias)


def _sum_of_products(value: ir.Value) -> list[_Product]:
    """The products of input and hidden state that an Add adds; those of the input first."""
    node = value.producer()
    if node is None or node.op_type != "Add" or len(value.uses()) != 1:
        return []
    found = [product for each in node.inputs if each is not None and (product := _product(each)) is not None]
    by_name = sorted(found, key=lambda product: "hh" in (product.weight.name or ""))
    return sorted(by_name, key=lambda product: _is_square(product.weight, 4))


def _is_square(weight: ir.Value, gates: int) -> bool:
    """Whether a weight, (gates * H, H), takes the hidden state."""
    rows, columns = _extents(weight)
    return rows == gates * columns


def _fit(given: _Product, state: _Product, gates: int) -> bool:
    """Whether two products are those of one cell."""
    rows = {_extents(each.weight)[0] for each in (given, state)}
    biases = {None if each.bias is None else _extents(each.bias) for each in (given, state)}
    return _is_square(state.weight, gates) and len(rows) == 1 and biases in ({None}, {tuple(rows)})


def _extents(weight: ir.Value) -> tuple[int, ...]:
    """The shape of a constant."""
    assert weight.const_value is not None
    return tuple(int(extent) for extent in weight.const_value.shape.numpy())


def gru_reference(
    x: np.ndarray,
    h: np.ndarray,
    weight: np.ndarray,
    recurrent: np.ndarray,
    bias: np.ndarray | float | None = None,
    other: np.ndarray | float | None = None,
) -> np.ndarray:
    """One step of a GRU."""
    (new,) = gru_step(
        x @ weight.T + (0 if bias is None else bias), h @ recurrent.T + (0 if other is None else other), h
    )
    return new.astype(x.dtype)


def lstm_reference(
    x: np.ndarray,
    h: np.ndarray,
    c: np.ndarray,
    weight: np.ndarray,
    recurrent: np.ndarray,
    bias: np.ndarray | None = None,
    other: np.ndarray | None = None,
) -> tuple[np.ndarray, ...]:
    """One step of an LSTM."""
    given, state = (0 if each is None else each for each in (bias, other))
    made = lstm_step(x @ weight.T + given, h @ recurrent.T + state, h, c)
    return tuple(each.astype(x.dtype) for each in made)


def gru_row(
    node: Node,
    x: Operand,
    h: Operand,
    weight: Operand,
    recurrent: Operand,
    bias: Operand | None = None,
    other: Operand | None = None,
) -> Arg:
    """One step of a GRU: nn.GRUCell, `h = self.cell(x, h)`."""
    return apply_cell(node, "nn.GRUCell", _parameters(weight, recurrent, bias, other), x, h)


def lstm_row(
    node: Node,
    x: Operand,
    h: Operand,
    c: Operand,
    weight: Operand,
    recurrent: Operand,
    bias: Operand | None = None,
    other: Operand | None = None,
) -> tuple[Arg, ...]:
    """One step of an LSTM: nn.LSTMCell, `hidden, cell = self.cell(x, (h, c))`."""
    weights = _parameters(weight, recurrent, bias, other)
    return node.unpack(("hidden", "cell"), apply_cell(node, "nn.LSTMCell", weights, x, (h, c)))


def _parameters(*values: Operand | None) -> dict[str, Weight]:
    """The parameters of a cell by MindSpore's names, without those that are None."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {name: value.weight() for name, value in zip(names, values, strict=True) if value is not None}


def apply_cell(node: Node, layer: str, weights: dict[str, Weight], x: Operand, state: Arg) -> Arg:
    """Make a nn.GRUCell or nn.LSTMCell with these parameters, and call it."""
    sizes = weights["weight_ih"].shape[1], weights["weight_hh"].shape[1]
    has_bias = () if "bias_ih" in weights else (False,)  # by position: MindSpore announces another name
    options = {"dtype": expr("ms.float16")} if x.dtype == ir.DataType.FLOAT16 else {}
    return node.apply(invoke(layer, *sizes, *has_bias, **options), weights, x, state)


def lstm_shapes(x: Shape, h: Shape, c: Shape, *weights: Shape | None) -> list[Shape]:
    """Those of the states."""
    return [h, c]


def gru_shape(x: Shape, h: Shape, *weights: Shape | None) -> Shape:
    """That of the state."""
    return h


GRU_CELL = FusedOperator(
    "GRUCell",
    phase="recurrent layers",
    steps=(Fusion(gru_state, gru_cell),),
    shape=gru_shape,
    reference=gru_reference,
    row=gru_row,
)
LSTM_CELL = FusedOperator(
    "LSTMCell",
    phase="recurrent layers",
    steps=(NodeFusion("Add", lstm_cell),),
    shape=lstm_shapes,
    reference=lstm_reference,
    row=lstm_row,
)
