"""Rounds: how a loop is written down. Its variables, and what becomes of the values that every round gives."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph.annotations import varying_axes
from converter.rows import Arg, Assign, Block, For, Node, Operand, Variable, While, expr

UNROLLED = 50
"""Graph mode unrolls a loop over a fixed range; so many rounds take it 3 s to compile, and it fails at some 300."""


class Iterations:
    """A loop that is being written: a body, and the variables that it carries from round to round.

    Attributes:
        rolled: whether graph mode compiles one round for all, so that none may change a list's length or a fixed shape.
    """

    def __init__(self, node: Node, body: Block, rolled: bool) -> None:
        self.node = node
        self.block = body
        self.rolled = rolled
        self._carried: list[tuple[Variable, Arg, Arg]] = []

    def carry(self, variable: Variable, initial: Arg, result: Arg) -> None:
        """Carry a variable, from `initial` on; each round gives it `result`."""
        self._carried.append((variable, self.node.resolve(initial), self.node.resolve(result)))

    def resizable(self, initial: Operand, formal: ir.Value) -> Arg:
        """What the body's input `formal` starts from; graph mode must not take extents for fixed that rounds change."""
        axes = varying_axes(formal)
        if not self.rolled or not axes:
            return initial
        bounds = ", ".join(f":ms.mutable({{{i + 1}}})" if i in axes else ":" for i in range(max(axes) + 1))
        return expr(f"{{0}}[{bounds}]", initial, *(initial.shape_python() or ())[: max(axes) + 1])

    def collect(self, index: int, item: Arg) -> Arg:
        """Collect what every round gives for an output in a list."""
        if not self.node.used[index]:
            return None
        items = self.node.variable(index)
        self.block.statements.append(Assign((), expr("{0}.append({1})", items, item)))
        self.carry(items, [], items)
        return items

    def stack(self, index: int, item: Arg, output: ir.Value, axis: int = 0, backward: bool = False) -> Arg:
        """Stack what every round gives for an output along an axis, the last one first when `backward`.

        Collected in a list; in a rolled loop, in a tensor that grows.

        Raises:
            Declined: the loop is rolled, and the shape of what a round gives is not known before it.
        """
        if self.rolled and self.node.used[index]:
            return self._grow(index, item, output, axis, backward)
        items = self.collect(index, item)
        items = expr("{0}[::-1]", items) if backward and items is not None else items
        return items and (expr("ops.stack({0}, {1})", items, axis) if axis else expr("ops.stack({0})", items))

    def _grow(self, index: int, item: Arg, output: ir.Value, axis: int, backward: bool) -> Arg:
        shape = extents(self.node, output)
        if shape is None:
            raise self.node.decline(f"the number of rounds is computed, and so is the shape of '{output.name}'")
        rows = self.node.variable(index)
        axis = axis % (len(shape) + 1)
        empty = (*shape[:axis], expr("ms.mutable(0)"), *shape[axis:])
        row = expr("{0}.expand_dims({1})", item, axis)
        both = (row, rows) if backward else (rows, row)
        self.carry(
            rows,
            expr("ops.zeros({0}, {1})", empty, self.node.mindspore_dtype(output.dtype)),
            expr("ops.cat({0}, {1})", both, axis) if axis else expr("ops.cat({0})", both),
        )
        return rows

    def for_(self, index: Variable, count: Arg, condition: Arg = None) -> For:
        """Write `for index in range(count)`, which ends early where the condition is false.

        Args:
            index: the variable.
            count: a Python value; or a tensor, which is read once.
            condition: a tensor.
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
        """Write `while condition`."""
        carried, initial, self.block.results = self._columns()
        return While(carried, initial, condition, self.block)

    def _columns(self) -> tuple[tuple[Variable, ...], tuple[Arg, ...], tuple[Arg, ...]]:
        carried, initial, results = zip(*self._carried, strict=True) if self._carried else ((), (), ())
        return carried, initial, results


def extents(node: Node, value: ir.Value) -> tuple[Arg, ...] | None:
    """The extents of a value inside a loop, as they can be written before it; None when they cannot."""
    if value.shape is None:
        return None
    found = tuple(dim if isinstance(dim, int) else _outside(node, dim) for dim in value.shape)
    return None if None in found else found


def _outside(node: Node, dim: ir.SymbolicDim) -> Arg:
    """A free extent, read from an input of the loop that has one of this name."""
    for x in node.inputs:
        for axis, other in enumerate(x.value.shape or ()):
            if dim.value is not None and other == dim:
                return expr("{0}.shape[{1}]", x, axis)
    return None
