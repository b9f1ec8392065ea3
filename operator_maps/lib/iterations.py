"""Iterations: build a for or while statement from a loop's body, its loop-carried values and its stacked outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.graph import Trait, has_trait, varying_axes
from converter.rows import Arg, Assign, Block, For, Node, Operand, Variable, While, expr

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops

MAX_UNROLLED = 50
"""Largest trip count of an unrolled loop. Graph mode unrolls a `for` over a constant range: 50 iterations compile in
about 3 s, about 300 fail."""


class Iterations:
    """A loop under construction: its body, a `Block`, and its loop-carried values.

    Attributes:
        rolled: whether graph mode compiles one iteration for all. Then no iteration may change the length of a list or
            a static shape.
    """

    def __init__(self, node: Node, body: Block, rolled: bool) -> None:
        self.node = node
        self.block = body
        self.rolled = rolled
        self._carried: list[tuple[Variable, Arg, Arg]] = []

    def carry(self, variable: Variable, initial: Arg, result: Arg) -> None:
        """Add a loop-carried value: it is `initial` before the first iteration, and `result` after each iteration."""
        self._carried.append((variable, self.node.resolve(initial), self.node.resolve(result)))

    def count(self, index: Variable) -> None:
        """Count the iterations of a `while` statement: graph mode makes a list of the numbers of a `range`."""
        self.carry(index, expr("ms.mutable(0)"), expr("{0} + 1", index))

    def resizable(self, initial: Operand, formal: ir.Value) -> Arg:
        """The initial value for the body's input `formal`.

        In a rolled loop, axes whose extent an iteration changes are made dynamic, or graph mode would take their extent
        for constant.
        """
        axes = varying_axes(formal)
        if not self.rolled or not axes:
            return initial
        bounds = ", ".join(f":ms.mutable({{{i + 1}}})" if i in axes else ":" for i in range(max(axes) + 1))
        return expr(f"{{0}}[{bounds}]", initial, *(initial.shape_python() or ())[: max(axes) + 1])

    def collect(self, index: int, item: Arg) -> Arg:
        """Append the item of every iteration to a list, the value of output `index`; None if the output is not read."""
        if not self.node.used[index]:
            return None
        items = self.node.variable(index)
        self.block.statements.append(Assign((), expr("{0}.append({1})", items, item)))
        self.carry(items, [], items)
        return items

    def stack(
        self, index: int, item: Arg, output: ir.Value, count: Arg = None, axis: int = 0, backward: bool = False
    ) -> Arg:
        """Stack the items of all iterations along `axis` as the value of output `index`, in reverse if `backward`.

        Items are collected in a list; in a rolled loop, in a tensor that grows by concatenation. `count` is the number
        of iterations if it is known.

        Raises:
            Unsupported: the loop is rolled, and the shape of an item is not known before the loop.
        """
        if self.rolled and self.node.used[index]:
            return self._grow(index, item, output, count, axis, backward)
        items = self.collect(index, item)
        items = expr("{0}[::-1]", items) if backward and items is not None else items
        return items and (expr("ops.stack({0}, {1})", items, axis) if axis else expr("ops.stack({0})", items))

    def _grow(self, index: int, item: Arg, output: ir.Value, count: Arg, axis: int, backward: bool) -> Arg:
        """A tensor that grows. Behind the loop it is reshaped: graph mode takes its extent for 0 (MindSpore 2.10)."""
        shape = extents_before_loop(self.node, output)
        if shape is None:
            raise self.node.decline(f"its trip count is computed, and so is the shape of '{output.name}'")
        rows = self.node.variable(index)
        axis = axis % (len(shape) + 1)
        empty = (*shape[:axis], expr("ms.mutable(0)"), *shape[axis:])
        row = expr("{0}.unsqueeze({1})", item, axis)
        both = (row, rows) if backward else (rows, row)
        self.carry(
            rows,
            expr("ops.zeros({0}, dtype={1})", empty, self.node.mindspore_dtype(output.dtype)),
            expr("ops.cat({0}, {1})", both, axis) if axis else expr("ops.cat({0})", both),
        )
        if not self.node.ir.outputs[index].uses():
            return rows
        if count is not None and not isinstance(count, Operand):
            return expr("{0}.reshape({1})", rows, (*shape[:axis], count, *shape[axis:]))
        return expr("{0}({1}, {2})", as_long_as_it_grew, rows, (0,) * len(shape)) if axis == 0 else rows

    def for_(self, index: Variable, count: Arg, condition: Arg = None) -> For:
        """Make the statement `for index in range(count)`, which ends before an iteration in which `condition` is false.

        Args:
            index: the iteration variable.
            count: the trip count, a Python value or a tensor.
            condition: a boolean tensor, or None.
        """
        if isinstance(count, Operand):
            count = expr("int({0})", count)
        elif self.rolled:
            count = expr("ms.mutable({0})", count)
        carried, initial, self.block.results = self._columns()
        loop = For(index, self.node.resolve(expr("range({0})", count)), carried, initial, self.block)
        loop.condition = condition
        return loop

    def while_(self, condition: Arg) -> While:
        """Make the statement `while condition`."""
        carried, initial, self.block.results = self._columns()
        return While(carried, initial, condition, self.block)

    def _columns(self) -> tuple[tuple[Variable, ...], tuple[Arg, ...], tuple[Arg, ...]]:
        carried, initial, results = zip(*self._carried, strict=True) if self._carried else ((), (), ())
        return carried, initial, results


def extents_before_loop(node: Node, value: ir.Value) -> tuple[Arg, ...] | None:
    """The extents of a value in a loop's body, as expressions that are valid before the loop; None if impossible."""
    if value.shape is None:
        return None
    rank = len(value.shape)
    found = tuple(
        dim if isinstance(dim, int) else _outside(node, dim) or _before_broadcasting(node, value, axis - rank)
        for axis, dim in enumerate(value.shape)
    )
    return None if None in found else found


def _before_broadcasting(node: Node, value: ir.Value, axis: int) -> Arg:
    """The extent of an axis, counted from the last, of an operand that is as long as the result: not of extent 1.

    Of two operands whose extents have different names, shape inference cannot tell which one is repeated; the items of
    a loop have all one shape, that of a loop-carried value.
    """
    waiting, seen = [value], set()
    while waiting:
        result = waiting.pop()
        maker = result.producer()
        if maker is None or result in seen or not (has_trait(maker, Trait.ELEMENTWISE) or maker.op_type == "Identity"):
            continue
        seen.add(result)
        for operand in maker.inputs:
            if operand is None or operand.shape is None or len(operand.shape) < -axis:
                continue
            dim = operand.shape[axis]
            extent = dim if isinstance(dim, int) else _outside(node, dim)
            if extent is not None and extent != 1:
                return extent
            waiting.append(operand)
    return None


def _outside(node: Node, dim: ir.SymbolicDim) -> Arg:
    """A symbolic dimension, read from the shape of an input of the loop that has the same symbolic dimension."""
    for x in node.inputs:
        for axis, other in enumerate(x.value.shape or ()):
            if dim.value is not None and other == dim:
                return expr("{0}.shape[{1}]", x, axis)
    return None


def as_long_as_it_grew(rows, item):
    """What a loop stacked, `item` being the place of one element of each row: graph mode takes its extent for 0."""
    return rows[: int(ops.sum(ops.ones_like(rows[(slice(None), *item)], dtype=ms.int32)))]
