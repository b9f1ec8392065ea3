"""The context of a row: what the translation of a graph offers to the node that is being translated."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import onnx_ir as ir

from converter.base.weight_steps import Step
from converter.script import Arg, Block, Cell, Member, Statement, Variable, Weight
from converter.shapes import PyValue


class Unsupported(Exception):  # noqa: N818 - it is an answer, not an error
    """Raised by a row that cannot translate a case; the node becomes a stub with the reason."""


class Context(Protocol):
    """The methods of a translation in progress that `Node` and `Operand` call."""

    def deferred(self, value: ir.Value) -> PyValue | None:
        """The Python value of shape arithmetic for which no statement was written yet; None for any other value."""

    def view_of_weight(self, value: ir.Value) -> Weight | None:
        """The weight of which a value is a view (reshaped or transposed); None for any other value."""

    def python_value(self, value: ir.Value) -> PyValue | None:
        """A value as a Python value: shape arithmetic or a small constant; None for every other one."""

    def shape_of(self, value: ir.Value) -> PyValue:
        """A value's shape as a Python value."""

    def weight(self, value: ir.Value, steps: Sequence[Step] = ()) -> Weight:
        """A constant as a parameter; `steps` compute its array from the constant."""

    def resolve(self, item: Arg) -> Arg:
        """Replace the operands in an expression by variables, parameters and literals."""

    def variable(self, node: ir.Node, index: int) -> Variable:
        """A new variable for an output of a node."""

    def emit(self, statement: Statement) -> None:
        """Append a statement to the block that is being written."""

    def layer(self, constructor: Arg, weights: dict[str, Weight], hint: str, module: str) -> Member:
        """A member of the Cell for a layer with weights; an existing member if it is the same layer."""

    def cell_of(self, make: Callable[[], Cell]) -> Cell:
        """A class of the script that is made once, by `make`."""

    def tied(self, constructor: Arg, weights: dict[str, Weight], hint: str) -> dict[str, Arg] | None:
        """The parameters of a layer as tensors, if a layer of another form holds its matrix; else None."""

    def constant(self, weight: Weight, hint: str) -> Arg:
        """A constant as a tensor: a parameter, or a literal when it is small and not trained."""

    def subgraph(self, graph: ir.Graph, inputs: Sequence[Arg | PyValue] = ()) -> Block:
        """Translate a sub-graph to a block of its own."""

    def inline(self, graph: ir.Graph, inputs: Sequence[Arg | PyValue] = ()) -> tuple[Arg, ...]:
        """Translate a sub-graph into the block that is being written, and return the results."""
