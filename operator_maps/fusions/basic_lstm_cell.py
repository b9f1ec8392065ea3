"""BasicLSTMCell: one step of an LSTM that has one bias, as TensorFlow 1 and Keras write it.

`gates = concat(x, h) @ kernel + bias` or `x @ kernel + h @ recurrent + bias`, which are split in an order of the
source's choice; a number may be added to the forget gate (`forget_bias`). It becomes nn.LSTMCell, as a LSTMCell of two
biases does.

Inputs: x (batch, features), the hidden and the cell state (batch, H), the kernel (features + H, 4 * H), or transposed,
or (features, 4 * H) with the recurrent kernel (H, 4 * H), and the bias (4 * H). Outputs: the next hidden and cell
state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeGuard

import numpy as np
import onnx_ir as ir

from converter.base.trained import NO, TRAINED
from converter.graph import UniqueNames, attribute, is_float, shape_of
from converter.graph.fusions import FusedOperator, Match, NodeFusion, Shape, is_private, replace
from converter.rows import Arg, Node, Operand, Step, add, concatenate, slice_axis, transpose, zeros
from operator_maps.fusions.recurrent import lstm_step
from operator_maps.fusions.recurrent_cells import LSTM_STATE, Gemm, apply_cell, gemm_of, hidden_state


class _Product(NamedTuple):
    """`concat(x, h) @ kernel + bias`, or `x @ kernel + h @ recurrent + bias`."""

    x: ir.Value
    h: ir.Value
    kernel: ir.Value
    recurrent: ir.Value | None
    bias: ir.Value
    transposed: bool


def basic_lstm_cell(root: ir.Node, names: UniqueNames) -> bool:
    """Replace the product and the gates that give the next cell state, an Add, and the next hidden state."""
    cell = root.outputs[0]
    for match in LSTM_STATE.match(cell, Match()):
        f, forget_bias = _without_number(match.bound["f"])
        i, g, c = (match.bound[name] for name in "igc")
        split = i.producer()
        if split is None or split.op_type != "Split" or len(split.outputs) != 4 or not {f, g} <= {*split.outputs}:
            continue
        others = [part for part in split.outputs if part not in (i, f, g)]
        end = hidden_state(cell, others[0]) if len(others) == 1 else None
        product = _product(split)
        if end is None or product is None:
            continue
        nodes = [*match.nodes, *end]
        if not all(is_private(node, nodes) for node in nodes if node not in (root, end[-1])):
            continue
        gates = [split.outputs.index(part) for part in (i, f, g, others[0])]
        options = {"gates": gates, "forget_bias": forget_bias, "transposed": int(product.transposed)}
        h, c = _untrained(product.h, c)
        weights = product.kernel, product.recurrent, product.bias
        new = BASIC_LSTM_CELL.node([product.x, h, c, *weights], 2, **options)
        hidden = end[-1].outputs[0]
        replace(nodes, [new], {hidden: new.outputs[0], cell: new.outputs[1]}, at=root)
        return True
    return False


def _untrained(h: ir.Value, c: ir.Value) -> tuple[ir.Value, ir.Value]:
    """The states; zeros of a fixed batch, from which the first step starts, are one constant that is not trained."""
    zeros = [state for state in (h, c) if state.const_value is not None and not state.const_value.numpy().any()]
    for state in zeros:
        state.metadata_props[TRAINED] = NO
    return (h, h) if len(zeros) == 2 else (h, c)


def _without_number(value: ir.Value) -> tuple[ir.Value, float]:
    """What a number is added to, and the number: 0 if none is."""
    node = value.producer()
    if node is not None and node.op_type == "Add":
        for part, number in (tuple(node.inputs), tuple(reversed(node.inputs))):
            constant = None if number is None else number.const_value
            if part is not None and constant is not None and constant.size == 1:
                return part, float(constant.numpy().item())
    return value, 0.0


def _product(split: ir.Node) -> _Product | None:
    """The product that a Split along the last of two axes cuts in four equal parts."""
    added = split.inputs[0].producer() if split.inputs[0] is not None else None
    if added is None or attribute(split, "axis") not in (1, -1):
        return None
    found = _of_one_tensor(added) or _of_two_products(added)
    if found is None or not is_float(found.kernel):
        return None
    extents = [shape_of(each) or () for each in (found.kernel, found.recurrent, found.bias) if each is not None]
    if found.transposed:
        extents[0] = extents[0][::-1]
    rows, columns = sum(each[0] for each in extents[:-1]), extents[-1][0]  # type: ignore[misc]
    hidden = columns // 4  # type: ignore[operator]
    widths = [(shape_of(each) or ())[1:] for each in (found.x, found.h, *split.outputs)]
    right = widths == [(rows - hidden,), *[(hidden,)] * 5] and all(each[1:] in ((columns,), ()) for each in extents)
    return found if right else None


def _of_one_tensor(added: ir.Node) -> _Product | None:
    """`concat(x, h) @ kernel + bias`."""
    dense = gemm_of(added) or _of_add(added)
    concat = None if dense is None else dense.x.producer()
    if dense is None or concat is None or concat.op_type != "Concat" or len(concat.inputs) != 2:
        return None
    x, h = concat.inputs
    if x is None or h is None or dense.bias is None:
        return None
    return _Product(x, h, dense.weight, None, dense.bias, dense.transposed)


def _of_two_products(added: ir.Node) -> _Product | None:
    """`x @ kernel + h @ recurrent + bias`, added in any order; the kernel of the hidden state is (H, 4 * H)."""
    outer = [each for each in added.inputs if each is not None] if added.op_type == "Add" else []
    inner = [each for each in outer if (node := each.producer()) is not None and node.op_type == "Add"]
    if len(inner) != 1:
        return None
    terms = [each for each in (*inner[0].producer().inputs, *outer) if each is not None and each is not inner[0]]  # type: ignore[union-attr]
    biases = [each for each in terms if _is_constant(each)]
    made = [node for each in terms if (node := each.producer()) is not None and node.op_type == "MatMul"]
    kernels = [kernel for node in made if _is_constant(kernel := node.inputs[1])]
    if len(terms) != 3 or len(biases) != 1 or len(kernels) != 2:
        return None
    pairs = sorted(zip(made, kernels, strict=True), key=lambda pair: _is_recurrent(pair[1]))
    (x, _), (h, _) = (node.inputs for node, _ in pairs)
    if x is None or h is None:
        return None
    return _Product(x, h, pairs[0][1], pairs[1][1], biases[0], False)


def _is_recurrent(kernel: ir.Value) -> bool:
    """Whether a kernel, (H, 4 * H), can be that of the hidden state."""
    rows, columns = shape_of(kernel) or (0, 0)
    return columns == 4 * rows  # type: ignore[operator]


def _of_add(node: ir.Node) -> Gemm | None:
    """What a MatMul multiplies and an Add adds."""
    for value, bias in (tuple(node.inputs), tuple(reversed(node.inputs))) if node.op_type == "Add" else ():
        product = value.producer() if value is not None else None
        if product is None or product.op_type != "MatMul" or not _is_constant(bias):
            continue
        joined, kernel = product.inputs
        if joined is not None and _is_constant(kernel):
            return Gemm(joined, kernel, bias, False)
    return None


def _is_constant(value: ir.Value | None) -> TypeGuard[ir.Value]:
    return value is not None and value.const_value is not None


def reference(
    x: np.ndarray,
    h: np.ndarray,
    c: np.ndarray,
    kernel: np.ndarray,
    recurrent: np.ndarray | None,
    bias: np.ndarray,
    *,
    gates: Sequence[int],
    forget_bias: float = 0.0,
    transposed: int = 0,
) -> tuple[np.ndarray, ...]:
    """One step, in 64 bits."""
    matrix = (kernel.T if transposed else kernel).astype(np.float64)
    if recurrent is not None:
        matrix = np.concatenate([matrix, recurrent])
    parts = np.split(np.concatenate([x, h], -1) @ matrix + bias, 4, -1)
    i, f, g, o = (parts[place] for place in gates)
    made = lstm_step(np.concatenate([i, f + forget_bias, g, o], -1), np.zeros(1), h, c)
    return tuple(each.astype(x.dtype) for each in made)


def shapes(
    x: Shape, h: Shape, c: Shape, kernel: Shape, recurrent: Shape | None, bias: Shape, **options: object
) -> list[Shape]:
    """Those of the states."""
    return [h, c]


def row(
    node: Node,
    x: Operand,
    h: Operand,
    c: Operand,
    kernel: Operand,
    recurrent: Operand | None,
    bias: Operand,
    *,
    gates: Sequence[int],
    forget_bias: float = 0.0,
    transposed: int = 0,
) -> tuple[Arg, ...]:
    """One step of an LSTM: nn.LSTMCell, `hidden, cell = self.cell(x, (h, c))`.

    What is added to the forget gate is in `bias_hh`, which is not trained.
    """
    upright = [] if transposed else [transpose(1, 0)]
    columns, rows = kernel.weight(*upright).shape
    hidden = columns // 4
    order = [] if list(gates) == [0, 1, 2, 3] else [_in_order(gates, hidden)]
    added: list[list[Step]] = [[zeros(hidden)] for _ in gates]
    if forget_bias:
        added[1].append(add(forget_bias))
    if recurrent is not None:
        matrices = kernel.weight(*upright, *order), recurrent.weight(*upright, *order)
    else:
        first, second = slice_axis(1, 0, rows - hidden), slice_axis(1, rows - hidden, rows)
        matrices = kernel.weight(*upright, *order, first), kernel.weight(*upright, *order, second)
    weights = {"weight_ih": matrices[0], "weight_hh": matrices[1], "bias_ih": bias.weight(*order)}
    weights["bias_hh"] = bias.weight(concatenate(0, *added))
    return node.unpack(("hidden", "cell"), apply_cell(node, "nn.LSTMCell", weights, x, (h, c)))


def _in_order(gates: Sequence[int], hidden: int) -> Step:
    """The step that brings the gates, `hidden` rows each, into MindSpore's order."""
    return concatenate(0, *([slice_axis(0, gate * hidden, (gate + 1) * hidden)] for gate in gates))


BASIC_LSTM_CELL = FusedOperator(
    "BasicLSTMCell",
    phase="recurrent layers",
    steps=(NodeFusion("Add", basic_lstm_cell),),
    shape=shapes,
    reference=reference,
    row=row,
)
