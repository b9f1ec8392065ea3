"""Control flow: If, Loop and Scan as Python's if, while and for statements, which run in PyNative and in graph mode."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir

from converter.graph import keeps_its_condition
from converter.rows import Arg, Branch, Node, Operand, PyValue, Variable, Written, expr
from converter.shapes import FAR
from operator_maps.lib.iterations import MAX_UNROLLED, Iterations, extents_before_loop


def if_(node: Node, condition: Operand, *, then_branch: ir.Graph, else_branch: ir.Graph) -> Arg:
    """ONNX If: an if statement; if the condition is a constant, only the branch that is taken.

    Raises:
        Unsupported: the branches have inputs, or another number of outputs than the node; or only one branch returns
            an optional value, and the condition is computed: graph mode must know whether there is a value.
    """
    if not len(then_branch.outputs) == len(else_branch.outputs) == len(node.ir.outputs):
        raise node.decline("its branches give another number of values than it has outputs")
    if then_branch.inputs or else_branch.inputs:
        raise node.decline("its branches have inputs of their own, which ONNX does not allow")
    chosen = _constant_condition(condition)
    if chosen is not None:
        return node.inline(then_branch if chosen else else_branch)
    targets = tuple(node.variable(i) for i in range(len(node.ir.outputs)))
    test = node.resolve(condition.number_or_tensor())
    if any(_is_none(a) != _is_none(b) for a, b in zip(then_branch.outputs, else_branch.outputs, strict=True)):
        raise node.decline("only one of its branches gives a value, and its condition is computed")
    return Written(Branch(targets, test, node.block(then_branch), node.block(else_branch)), targets)


def _is_none(value: ir.Value) -> bool:
    """Whether an optional value is known to be absent."""
    producer = value.producer()
    return producer is not None and producer.op_type == "Optional" and not any(producer.inputs)


def loop(node: Node, count: Operand | None, condition: Operand | None, *initial: Operand, body: ir.Graph) -> Arg:
    """ONNX Loop: `for i in range(n)`, with a break if it has a condition; `while` if it has only a condition.

    Raises:
        Unsupported: the trip count is computed, and a loop-carried value is a list, or the shape of a stacked output is
            unknown: graph mode compiles one iteration for all.
    """
    keep = True if condition is None else _constant_condition(condition)
    limit: Arg = 0 if keep is False else _trip_count(count)
    counted = keep is False or (keep is True and limit is not None and keeps_its_condition(body))
    scanned = list(zip(node.used, body.outputs[1:], strict=True))[len(initial) :]
    lists = [x.name for x in initial if not isinstance(x.value.type, ir.TensorType)]
    unknown = any(used and extents_before_loop(node, output) is None for used, output in scanned)
    rolled = not (counted and _is_unrolled(limit, bool(lists) or unknown))
    if rolled and lists:
        raise node.decline(f"it carries the list '{lists[0]}', and its trip count is computed")

    index, proceed = Variable("i"), Variable("proceed")
    states = tuple(node.variable(k) for k in range(len(initial)))
    block = node.block(body, (PyValue((index,), ()), PyValue((True,), ()) if counted else proceed, *states))
    proceeds, *results = block.results
    iterations = Iterations(node, block, rolled)
    for state, start, formal, result in zip(states, initial, body.inputs[2:], results, strict=False):
        iterations.carry(state, iterations.resizable(start, formal), result)
    known = limit if counted else None
    stacks = [iterations.stack(k, results[k], body.outputs[k + 1], known) for k in range(len(states), len(results))]
    if counted:
        return Written(iterations.for_(index, limit), (*states, *stacks))
    iterations.carry(proceed, expr("ms.Tensor(True)") if keep else condition, proceeds)
    if limit is not None:
        return Written(iterations.for_(index, limit, proceed), (*states, *stacks))
    if body.inputs[0].uses():
        iterations.count(index)
    return Written(iterations.while_(proceed), (*states, *stacks))


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
    """ONNX Scan: a for statement over slices of its scanned inputs; the outputs of all iterations are stacked."""
    carried = len(inputs) - num_scan_inputs
    if not 0 < num_scan_inputs <= len(inputs):
        raise node.decline("it has no inputs to scan, or fewer than it says")
    axes = tuple(scan_input_axes) or (0,) * num_scan_inputs
    backward = tuple(scan_input_directions) or (0,) * num_scan_inputs
    extent = inputs[carried].shape_python()
    count = expr("len({0})", inputs[carried]) if extent is None else extent[axes[0]]
    outputs = body.outputs[carried:]
    unknown = any(
        used and extents_before_loop(node, output) is None
        for used, output in zip(node.used[carried:], outputs, strict=True)
    )

    index = Variable("i")
    slices = [
        _slice(node, x, axis, expr("{0} - 1 - {1}", count, index) if reverse else index)
        for x, axis, reverse in zip(inputs[carried:], axes, backward, strict=True)
    ]
    states = tuple(node.variable(k) for k in range(carried))
    iterations = Iterations(node, node.block(body, (*states, *slices)), rolled=not _is_unrolled(count, unknown))
    results = iterations.block.results
    for state, start, formal, result in zip(states, inputs, body.inputs, results, strict=False):
        iterations.carry(state, iterations.resizable(start, formal), result)
    out_axes = tuple(scan_output_axes) or (0,) * len(outputs)
    out_backward = tuple(scan_output_directions) or (0,) * len(outputs)
    stacks = [
        iterations.stack(
            k, results[k], outputs[k - carried], count, out_axes[k - carried], bool(out_backward[k - carried])
        )
        for k in range(carried, len(results))
    ]
    return Written(iterations.for_(index, count), (*states, *stacks))


def _is_unrolled(count: Arg, required: bool) -> bool:
    """Whether graph mode is to unroll a loop: it is short, or unrolling is required to compile it."""
    if isinstance(count, Operand):
        return False
    return required or (isinstance(count, int) and 0 < count <= MAX_UNROLLED)


def _slice(node: Node, x: Operand, axis: int, position: Arg) -> Arg:
    """`x[i]`, `x[:, i]`: one slice along an axis."""
    if axis < 0:
        if x.rank is None:
            raise node.decline(f"the rank of '{x.name}' is unknown")
        axis += x.rank
    return node.resolve(expr(f"{{0}}[{':, ' * axis}{{1}}]", x, position))


def _constant_condition(condition: Operand) -> bool | None:
    """The condition's value if it is a constant, else None."""
    items = condition.items()
    return items[0] if items is not None and isinstance(items[0], bool) else None


def _trip_count(count: Operand | None) -> Arg:
    """The maximum trip count, a Python value or a tensor; None if there is no limit."""
    items = None if count is None else count.items()
    if items is None:
        return count
    return None if isinstance(items[0], int) and items[0] >= FAR else items[0]


ROWS = {
    "If": if_,
    "Loop": loop,
    "Scan": scan,
}
