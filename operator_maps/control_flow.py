"""Control flow: If, Loop and Scan as Python's if, while and for, which run in PyNative and in graph mode."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from converter.normalize import varying_axes
from converter.operator_maps.rounds import Rounds
from converter.rows import Arg, Branch, Node, Operand, PyValue, Value, Written, expr

_NO_LIMIT = 2**31 - 1
"""A trip count from here on means no limit: exporters write the largest integer."""


def if_(node: Node, condition: Operand, *, then_branch: ir.Graph, else_branch: ir.Graph) -> Arg:
    """ONNX If: an if statement; only the branch that is taken when the condition is known."""
    chosen = _known(condition)
    if chosen is not None:
        return node.inline(then_branch if chosen else else_branch)
    targets = tuple(node.variable(i) for i in range(len(node.ir.outputs)))
    test = node.resolve(condition.number_or_tensor())
    return Written(Branch(targets, test, node.block(then_branch), node.block(else_branch)), targets)


def loop(node: Node, count: Operand | None, condition: Operand | None, *initial: Operand, body: ir.Graph) -> Arg:
    """ONNX Loop: `for i in range(n)` when only the count ends it, else a while statement.

    Scan outputs are collected in a list when the number of rounds is a Python value, else in a tensor that grows.
    Declines a list that is carried through a loop whose number of rounds is computed: graph mode has no such lists.
    """
    keep = True if condition is None else _known(condition)
    limit = 0 if keep is False else _limit(count)
    counted = keep is False or (keep is True and limit is not None and _stays_true(body))
    in_python = counted and not isinstance(limit, Operand)
    if not in_python and not all(isinstance(start.value.type, ir.TensorType) for start in initial):
        raise node.decline("it carries a list, and the number of rounds is computed: graph mode has no such lists")

    index, proceed = Value("i"), Value("proceed")
    states = tuple(node.variable(k) for k in range(len(initial)))
    block = node.block(body, (PyValue((index,), ()), PyValue((True,), ()) if counted else proceed, *states))
    proceeds, *results = block.results
    rounds = Rounds(node, block)
    for state, start, formal, result in zip(states, initial, body.inputs[2:], results, strict=False):
        rounds.carry(state, start if in_python else _resizable(start, varying_axes(formal)), result)
    outputs: list[Arg] = list(states)
    for k in range(len(states), len(results)):
        if in_python:
            outputs.append(rounds.stack(k, results[k]) if limit != 0 else rounds.nothing(k, body.outputs[k + 1]))
        else:
            outputs.append(rounds.grow(k, results[k], body.outputs[k + 1]))

    if counted:
        return Written(
            rounds.for_(index, expr("int({0})", limit) if isinstance(limit, Operand) else limit), tuple(outputs)
        )
    test: Arg = proceed
    if limit is not None or body.inputs[0].uses():
        rounds.carry(index, 0, expr("{0} + 1", index))
        test = proceed if limit is None else expr("{0} & ({1} < {2})", proceed, index, limit)
    rounds.carry(proceed, condition if condition and keep is None else expr("ms.Tensor(True)"), proceeds)
    return Written(rounds.while_(test), tuple(outputs))


def scan(
    node: Node,
    *inputs: Operand,
    body: ir.Graph,
    num_scan_inputs: int,
    scan_input_axes: Sequence[int] = (),
    scan_input_directions: Sequence[int] = (),
    scan_output_axes: Sequence[int] = (),
    scan_output_directions: Sequence[int] = (),
) -> Arg:
    """ONNX Scan: a for statement over the slices of its last inputs; what the rounds give is stacked."""
    carried = len(inputs) - num_scan_inputs
    axes = tuple(scan_input_axes) or (0,) * num_scan_inputs
    backward = tuple(scan_input_directions) or (0,) * num_scan_inputs
    first = inputs[carried]
    extents = first.shape_python()
    count = expr("len({0})", first) if extents is None else extents[axes[0]]

    index = Value("i")
    slices = [
        _slice(node, x, axis, expr("{0} - 1 - {1}", count, index) if reverse else index)
        for x, axis, reverse in zip(inputs[carried:], axes, backward, strict=True)
    ]
    states = tuple(node.variable(k) for k in range(carried))
    rounds = Rounds(node, node.block(body, (*states, *slices)))
    results = rounds.block.results
    for state, start, result in zip(states, inputs, results, strict=False):
        rounds.carry(state, start, result)
    outputs: list[Arg] = list(states)
    for k, result in enumerate(results[carried:]):
        axis = scan_output_axes[k] if scan_output_axes else 0
        reverse = bool(scan_output_directions) and scan_output_directions[k] == 1
        outputs.append(rounds.stack(carried + k, result, axis, reverse))
    return Written(rounds.for_(index, node.resolve(count)), tuple(outputs))


def _slice(node: Node, x: Operand, axis: int, position: Arg) -> Arg:
    """`x[i]`, `x[:, i]`: one slice along an axis."""
    if axis < 0:
        if x.rank is None:
            raise node.decline(f"the rank of '{x.name}' is unknown")
        axis += x.rank
    return node.resolve(expr(f"{{0}}[{':, ' * axis}{{1}}]", x, position))


def _known(condition: Operand) -> bool | None:
    """The condition's value when the model fixes it."""
    items = condition.items()
    return items[0] if items is not None and isinstance(items[0], bool) else None


def _limit(count: Operand | None) -> Arg:
    """The largest number of rounds, a Python value or a tensor; None when there is no limit."""
    items = None if count is None else count.items()
    if items is None:
        return count
    return None if isinstance(items[0], int) and items[0] >= _NO_LIMIT else items[0]


def _resizable(x: Operand, axes: Sequence[int]) -> Arg:
    """What a loop starts from, when rounds change some extents: graph mode must not take these for fixed."""
    if not axes:
        return x
    extents = x.shape_python() or ()
    bounds = ", ".join(f":ms.mutable({{{axis + 1}}})" if axis in axes else ":" for axis in range(max(axes) + 1))
    return expr(f"{{0}}[{bounds}]", x, *extents[: max(axes) + 1])


def _stays_true(body: ir.Graph) -> bool:
    """Whether a loop's body hands its condition on as it is, or a fixed True."""
    value = body.outputs[0]
    producer = value.producer()
    while producer is not None and producer.op_type == "Identity" and producer.inputs[0] is not None:
        value = producer.inputs[0]
        producer = value.producer()
    return value is body.inputs[1] or (value.const_value is not None and bool(value.const_value.numpy().all()))


ROWS = {
    "If": if_,
    "Loop": loop,
    "Scan": scan,
}
