"""Rounds: how a loop is written down. Its variables, and what becomes of the values that every round gives."""

from __future__ import annotations

import onnx_ir as ir

from converter.rows import Arg, Assign, Block, For, Node, Value, While, expr


class Rounds:
    """A loop that is being written: a body, and the variables that it carries from round to round."""

    def __init__(self, node: Node, body: Block) -> None:
        self.node = node
        self.block = body
        self._carried: list[tuple[Value, Arg, Arg]] = []

    def carry(self, variable: Value, initial: Arg, result: Arg) -> None:
        """Carry a variable, from `initial` on; each round gives it `result`."""
        self._carried.append((variable, self.node.resolve(initial), self.node.resolve(result)))

    def collect(self, index: int, item: Arg) -> Value:
        """Collect what every round gives for an output in a list."""
        items = self.node.variable(index)
        self.block.statements.append(Assign((), expr("{0}.append({1})", items, item)))
        self.carry(items, [], items)
        return items

    def stack(self, index: int, item: Arg, axis: int = 0, backward: bool = False) -> Arg:
        """Stack what every round gives for an output, the last one first when `backward`."""
        if not self.node.used[index]:
            return None
        items: Arg = self.collect(index, item)
        if backward:
            items = expr("{0}[::-1]", items)
        return expr("ops.stack({0}, {1})", items, axis) if axis else expr("ops.stack({0})", items)

    def grow(self, index: int, item: Arg, output: ir.Value) -> Arg:
        """Stack what every round gives for an output by letting a tensor grow: for loops that graph mode must compile.

        Raises:
            Declined: the shape of what a round gives is not fixed.
        """
        if not self.node.used[index]:
            return None
        rows = self.node.variable(index)
        self.carry(
            rows, self._empty(output, expr("ms.mutable(0)")), expr("ops.cat(({0}, {1}.expand_dims(0)))", rows, item)
        )
        return rows

    def nothing(self, index: int, output: ir.Value) -> Arg:
        """What a loop without a single round gives for an output."""
        return self._empty(output, 0) if self.node.used[index] else None

    def for_(self, index: Value, count: Arg) -> For:
        """Write `for index in range(count)`."""
        carried, initial, self.block.results = self._columns()
        return For(index, self.node.resolve(count), carried, initial, self.block)

    def while_(self, condition: Arg) -> While:
        """Write `while condition`."""
        carried, initial, self.block.results = self._columns()
        return While(carried, initial, self.node.resolve(condition), self.block)

    def _empty(self, output: ir.Value, length: Arg) -> Arg:
        shape = output.shape
        if shape is None or not shape.is_static():
            raise self.node.decline(f"it stacks '{output.name}', the shape of which is not fixed")
        return expr("ops.zeros({0}, {1})", (length, *shape), self.node.mindspore_dtype(output.dtype))

    def _columns(self) -> tuple[tuple[Value, ...], tuple[Arg, ...], tuple[Arg, ...]]:
        carried, initial, results = zip(*self._carried, strict=True) if self._carried else ((), (), ())
        return carried, initial, results
