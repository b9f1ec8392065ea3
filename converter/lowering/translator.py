"""Translate: translate the graph to a program, node by node, with the rows of the operator tables.

A row returns a node's translation. Shape arithmetic is deferred: it is evaluated as Python values
(`converter.shapes`), and written when a row uses it. A node that has no row, or that its row declines, becomes a stub
that raises when it is executed, and its record says what to do. Every node that the source has gets a record.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import Any

import numpy as np
import onnx_ir as ir

from converter import shapes
from converter.base.scope import NETWORK, Scope
from converter.base.stages import Each
from converter.base.weight_steps import MOST_STEPS, Step, joined, reshape, transpose
from converter.graph import Trait, has_trait, is_folded, is_viewed_alike, merged_nodes_of, operator_of, refusal_of
from converter.graph.hints import assigned_names, is_fixed, is_frozen, is_trained_number, scopes
from converter.lowering.context import Unsupported
from converter.lowering.members import Members
from converter.lowering.node import Node, Operand
from converter.lowering.stubs import describe, stub
from converter.lowering.tables import Tables, attribute_types
from converter.script import (
    Arg,
    Assign,
    Block,
    Call,
    Cell,
    Expression,
    Member,
    Program,
    Record,
    Statement,
    Unpacked,
    Variable,
    Weight,
    Written,
    called_member,
    expr,
    map_block,
    map_parts,
    mindspore_dtype,
    visit,
    with_members,
)
from converter.shapes import dims_of, kind_of


def translate(model: ir.Model, tables: Tables, each: Each = iter) -> Program:
    """Translate a normalised model to a program: `MindSporeModel`, behind classes that rows write.

    `each` wraps the iteration.
    """
    return Translator(tables).program(model.graph, each)


class Translator:
    """The state of one translation: the expressions of all values translated so far."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.values: dict[ir.Value, Arg] = {}
        self.arithmetic = shapes.ShapeArithmetic(self.shape_of, self.size_of)
        self.python = self.arithmetic.computed
        self.views: dict[ir.Value, Weight] = {}
        self.cell = Cell("MindSporeModel")
        self.block = self.cell.body
        self.records: list[Record] = []
        self._scopes: tuple[Scope, ...] = ()
        self._recorded: tuple[Scope, ...] = ()
        self._deferred: dict[ir.Node, Record] = {}
        self._twins: list[tuple[Record, Record]] = []
        self._assigned_names = functools.lru_cache(maxsize=1)(assigned_names)  # asked for each output of a node
        self.members = Members(self.cell.members)
        self._made: dict[Callable[[], Cell], Cell] = {}

    def program(self, graph: ir.Graph, each: Each = iter) -> Program:
        """Translate the main graph."""
        kind = scopes.network_class(graph)
        self.cell.doc = f"The whole network. Source: {kind}." if kind else "The whole network."
        for value in graph.inputs:
            name = "x" if value.name == "input" else value.name  # `input` is a builtin function
            variable = Variable(name or "x", dims_of(value.shape))
            self.values[value] = variable
            self.cell.inputs.append(variable)
        for node in each(graph):
            self._translate(node)
        self.block.results = tuple(self.tensor(value) for value in graph.outputs)
        if tied := self.members.merge_tied():
            map_block(self.block, lambda item: with_members(item, tied))
        for twin, record in self._twins:
            twin.converted, twin.became, twin.anchor = record.converted, record.became, record.anchor
            twin.composed = record.composed
        return Program([*self._made.values(), self.cell], self.records)

    # One node

    def _translate(self, node: ir.Node) -> None:
        self._scopes = scopes.scopes_of(node)
        self._recorded = (NETWORK,) if scopes.is_of_network(node) else ()
        path = "/".join(scope.name for scope in self._scopes)
        record = Record(operator_of(node), node.name or "", path)
        twins = [Record(*absorbed) for absorbed in merged_nodes_of(node)]
        self.records += [record, *twins] if record.operator else []  # a fusion may add nodes that the source lacks
        self._twins += [(twin, record) for twin in twins]
        statements, members, records = len(self.block.statements), len(self.members), len(self.records)
        try:
            if self._defer_shape_arithmetic(node):
                self._deferred[node] = record
                return
            self._write(node, self._result(node), record)
            record.composed = _is_composed(self.block.statements[statements:])
        except Exception as error:
            del self.block.statements[statements:]
            self.members.drop_from(members)
            reason = (
                str(error) if isinstance(error, Unsupported) else f"its row failed ({type(error).__name__}: {error})"
            )
            self._write_stub(node, reason, record)
            for inner in self.records[records:]:  # nodes of its sub-graphs
                inner.converted, inner.anchor = False, record.anchor
                inner.became = f"It stands in a sub-graph of {record.operator} ({record.name}), which didn't convert."
        self._attribute_to_consumer(node, record)

    def _result(self, node: ir.Node) -> Arg:
        row = self.tables.find(node.domain, node.op_type)
        if row is None:
            refusal = refusal_of(node)
            raise Unsupported(refusal[1] if refusal else "there is no row for this operator")
        types = attribute_types(row.operator)
        for name, value in node.attributes.items():
            if value.type.value != types.get(name, value.type.value):
                raise Unsupported(f"its attribute {name} is of another type than the operator's")
        inputs = [None if value is None else Operand(self, value) for value in node.inputs]
        while inputs and inputs[-1] is None:
            inputs.pop()
        return row(Node(self, node), inputs, {name: attribute(value) for name, value in node.attributes.items()})

    def _write(self, node: ir.Node, result: Arg, record: Record) -> None:
        """Write a row's result: the statement that it contains, if any, then an assignment for each output."""
        record.became = describe(result)
        if isinstance(result, Written):
            self.emit(result.statement)
            record.anchor = _anchor(result.statement)
            result = result.outputs
        if isinstance(result, Unpacked):
            targets = tuple(self._target(node, i) for i in range(len(node.outputs)))
            statement = Assign(targets, self.resolve(result.value))
            self.emit(statement)
            record.anchor = statement
            return
        items = result if isinstance(result, tuple) else (result,)
        for i, (item, output) in enumerate(zip_longest(items[: len(node.outputs)], node.outputs)):
            if item is None:
                if output.uses() or output.is_graph_output():
                    raise Unsupported(f"its output {i} ({output.name}) has no counterpart")
            elif _is_computed(item):
                statement = Assign((self._target(node, i),), self.resolve(item))
                self.emit(statement)
                record.anchor = record.anchor or _anchor(statement)
            elif isinstance(item, shapes.PyValue):
                self.python[output] = shapes.PyValue(self.resolve(item.items), item.shape)
            else:  # an input or a variable as it is: nothing to write
                self.values[output] = self.resolve(item)

    def _target(self, node: ir.Node, index: int) -> Variable | None:
        output = node.outputs[index]
        if not output.uses() and not output.is_graph_output():
            return None
        self.values[output] = variable = self.variable(node, index)
        return variable

    def variable(self, node: ir.Node, index: int) -> Variable:
        """A new variable for an output of a node."""
        name, path = self._assigned_names(node)[index], scopes.dotted(self._scopes)
        hint = name or scopes.variable_hint(node, index)
        return Variable(hint, dims_of(node.outputs[index].shape), path, assigned=name is not None)

    def _write_stub(self, node: ir.Node, reason: str, record: Record) -> None:
        inputs = [value for value in node.inputs if value is not None and value in self.values]
        value, remedy = stub(node, reason, tuple(self.values[value] for value in inputs))
        targets = tuple(self._target(node, i) for i in range(len(node.outputs)))
        statement = Assign(targets, value)
        self.emit(statement)
        record.converted, record.became, record.anchor = False, remedy, statement

    # Python values

    def _defer_shape_arithmetic(self, node: ir.Node) -> bool:
        """Whether a node is shape arithmetic or a view of a weight: no statement is written for it yet."""
        if self.arithmetic.evaluate(node):
            for output in node.outputs:
                if output in self.python:
                    self.python[output] = self._with_short_items(self.python[output], node)
            return True
        view = self._reshaped_weight(node)
        if view is not None:
            self.views[node.outputs[0]] = view
        return view is not None

    def _with_short_items(self, value: shapes.PyValue, node: ir.Node) -> shapes.PyValue:
        """A Python value in which each long expression is replaced by a variable."""
        if not any(map(shapes.is_long, value.items)):
            return value
        if value.unknown_length:
            assigned = None if value.whole is None else self._assigned(value.whole, node)
            return value if assigned is None else shapes.of_unknown_length(assigned)
        items = tuple(self._assigned(item, node) if shapes.is_long(item) else item for item in value.items)
        return shapes.PyValue(items, value.shape)

    def _assigned(self, item: Arg, node: ir.Node) -> Variable:
        """Assign a Python expression to a new variable, and return it."""
        variable = Variable(scopes.variable_hint(node, 0), (), scopes.dotted(self._scopes))
        self.emit(Assign((variable,), self.resolve(item)))
        return variable

    def _reshaped_weight(self, node: ir.Node) -> Weight | None:
        """The weight that a view of a constant produces: the view becomes a weight step. None for any other node."""
        source, output = node.inputs[0] if node.inputs else None, node.outputs[0]
        if not has_trait(node, Trait.VIEW) or source is None or output.shape is None or not is_viewed_alike(source):
            return None
        known = source.const_value is not None
        if source in self.views:
            known = len(self.views[source].steps) < MOST_STEPS
        if not known or kind_of(source.dtype) != "f" or not all(isinstance(dim, int) for dim in output.shape):
            return None
        if node.op_type == "Transpose":
            default = tuple(reversed(range(len(output.shape))))
            return self.weight(source, [transpose(*node.attributes.get_ints("perm", default))])
        return self.weight(source, [reshape(*output.shape.numpy())])

    def python_value(self, value: ir.Value) -> shapes.PyValue | None:
        """A value as a Python value, if it is one; a number that is trained is a tensor."""
        return None if is_trained_number(value) else self.arithmetic.get(value)

    def shape_of(self, value: ir.Value) -> shapes.PyValue:
        """A value's shape as a Python value; that of a filled tensor is what it was given."""
        filled = value.producer()
        if (
            filled is not None
            and filled.op_type == "ConstantOfShape"
            and (given := self.arithmetic.get(filled.inputs[0]))
        ):
            return given
        return shapes.shape_of(*self._extents(value))

    def size_of(self, value: ir.Value) -> shapes.PyValue:
        """The number of a value's elements as a Python value."""
        return shapes.size_of(*self._extents(value))

    def _extents(self, value: ir.Value) -> tuple[Arg, list[int | None] | None]:
        """A value as a tensor, None if its shape is fixed; its extents, None where free or if the rank is unknown."""
        if value.shape is None:
            return self.tensor(value), None
        dims = [dim if isinstance(dim, int) else None for dim in value.shape]
        return (self.tensor(value) if None in dims else None), dims

    def _attribute_to_consumer(self, node: ir.Node, record: Record) -> None:
        """Anchor the records of the shape arithmetic that a node consumes at the statement of that node."""
        results = [value for graph in subgraphs_of(node) for value in graph.outputs]
        pending = [value for value in (*node.inputs, *results) if value is not None]
        while pending:
            producer = pending.pop().producer()
            absorbed = self._deferred.pop(producer, None) if producer is not None else None
            if absorbed is not None:
                is_view = producer.outputs[0] in self.views  # type: ignore[union-attr]
                absorbed.became = "a step on the way to a parameter" if is_view else "Python arithmetic on shapes"
                absorbed.anchor = record.anchor
                pending += [value for value in producer.inputs if value is not None]  # type: ignore[union-attr]

    def deferred(self, value: ir.Value) -> shapes.PyValue | None:
        """The Python value of shape arithmetic for which no statement was written yet; None for any other value."""
        return self.python.get(value)

    def view_of_weight(self, value: ir.Value) -> Weight | None:
        """The weight of which a value is a view (reshaped or transposed); None for any other value."""
        return self.views.get(value)

    # Tensors

    def resolve(self, item: Arg) -> Arg:
        """Replace the operands in an expression by variables, parameters and literals."""
        if isinstance(item, Operand):
            return self.tensor(item.value)
        return item.item() if isinstance(item, np.generic) else map_parts(item, self.resolve)

    def tensor(self, value: ir.Value) -> Arg:
        """The expression of a value in the script, as a tensor."""
        known = self.values.get(value)
        if known is not None:
            return known
        if value in self.python:
            dtype, evaluated = mindspore_dtype(value.dtype or ir.DataType.INT64), self.python[value]
            if evaluated.literal or evaluated.unknown_length or len(evaluated.items) > 1 or evaluated.rank > 1:
                return expr("ms.Tensor({0}, {1})", evaluated.arg, dtype)
            number = expr("ops.scalar_to_tensor({0}, {1})", *evaluated.items, dtype)  # of a type that graph mode knows
            return expr("{0}.reshape((1,))", number) if evaluated.rank else number
        if (held := self.members.held(value.const_value)) is not None:
            return held
        if value.const_value is not None or value in self.views:
            return self.members.constant_of(value, self.weight)
        raise Unsupported(f"nothing makes the value '{value.name}'")

    def weight(self, value: ir.Value, steps: Sequence[Step] = ()) -> Weight:
        """A constant as a parameter; `steps` compute its array from the constant."""
        if value in self.views:
            view = self.views[value]
            return replace(view, steps=joined((*view.steps, *steps), view.tensor.shape))
        if value.const_value is None:
            raise Unsupported(f"'{value.name}' is not a constant")
        trained = kind_of(value.dtype) == "f" and not is_folded(value) and not is_fixed(value)
        return Weight(value.const_value, tuple(steps), trained, is_frozen(value))

    def layer(self, constructor: Arg, weights: dict[str, Weight], hint: str, module: str) -> Member:
        """A member of the Cell for a layer with weights; an existing member if it is the same layer."""
        return self.members.layer(constructor, weights, hint, module)

    def cell_of(self, make: Callable[[], Cell]) -> Cell:
        """A class of the script that is made once, by `make`."""
        if make not in self._made:
            self._made[make] = make()
        return self._made[make]

    def tied(self, constructor: Arg, weights: dict[str, Weight], hint: str) -> dict[str, Arg] | None:
        """The parameters of a layer as tensors, if a layer of another form holds its matrix; else None."""
        return self.members.tied(constructor, weights, hint)

    def constant(self, weight: Weight, hint: str) -> Arg:
        """A constant as a tensor: a parameter, or a literal when it is small and not trained."""
        return self.members.constant(weight, hint)

    # Blocks

    def emit(self, statement: Statement) -> None:
        """Append a statement to the block that is being written."""
        statement.scopes = self._scopes or self._recorded
        self.block.statements.append(statement)

    def subgraph(self, graph: ir.Graph, inputs: Sequence[Arg | shapes.PyValue] = ()) -> Block:
        """Translate a sub-graph to a block of its own; captured values keep their variables."""
        outer, self.block = self.block, Block()
        try:
            self.block.results = self.inline(graph, inputs)
            return self.block
        finally:
            self.block = outer

    def inline(self, graph: ir.Graph, inputs: Sequence[Arg | shapes.PyValue] = ()) -> tuple[Arg, ...]:
        """Translate a sub-graph's nodes into the block that is being written, and return the results."""
        around = self._scopes
        for value, item in zip(graph.inputs, inputs, strict=True):
            if isinstance(item, shapes.PyValue):
                self.python[value] = item
            elif _is_computed(item) and len(value.uses()) > 1:
                self.values[value] = variable = Variable(value.name or "x", dims_of(value.shape))
                self.emit(Assign((variable,), item))
            else:
                self.values[value] = item
        for node in graph:
            self._translate(node)
        self._scopes = around
        return tuple(self.tensor(value) for value in graph.outputs)


def _is_computed(item: Arg) -> bool:
    """Whether a result needs a statement that computes it: an expression, or a list that is not empty."""
    return isinstance(item, Expression) or (isinstance(item, list) and bool(item))


def subgraphs_of(node: ir.Node) -> Iterator[ir.Graph]:
    """The bodies of an If, Loop or Scan."""
    return (value.as_graph() for value in node.attributes.values() if value.type == ir.AttributeType.GRAPH)


def attribute(value: ir.Attr) -> Any:
    """An attribute as a Python value: floats as the shortest decimal, tensors and graphs as onnx_ir's."""
    match value.type:
        case ir.AttributeType.FLOAT:
            return shapes.shortest(np.float32(value.value))
        case ir.AttributeType.FLOATS:
            return tuple(shapes.shortest(np.float32(item)) for item in value.value)
        case ir.AttributeType.INTS | ir.AttributeType.STRINGS:
            return tuple(value.value)
        case _:
            return value.value


def _anchor(statement: Statement) -> Member | Statement:
    """The place of a node in the script: the layer that its statement calls, else the statement."""
    return (called_member(statement.value) if isinstance(statement, Assign) else None) or statement


def _is_composed(statements: Sequence[Statement]) -> bool:
    """Whether a node became several calls, or uses a helper function."""
    parts = [part for statement in statements for part in visit(statement)]
    return sum(isinstance(part, Call) for part in parts) > 1 or any(map(inspect.isfunction, parts))
