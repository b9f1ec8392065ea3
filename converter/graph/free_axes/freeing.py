"""Freeing one axis: a walk over the nodes that finds where each value carries the batch, and cures what fixes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from converter.graph.edit import Edit
from converter.graph.free_axes.carried import Carried, after_view
from converter.graph.free_axes.worlds import Extents, World
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_nodes, subgraphs

RATIO = 1009
"""The batch of the second world is this many times that of the first: a prime that no extent of a network has."""

SHAPE_INPUTS: Mapping[str, frozenset[int]] = {
    "ConstantOfShape": frozenset({0}),
    "Expand": frozenset({1}),
    "Pad": frozenset({1, 3}),
    "Reshape": frozenset({1}),
    "Resize": frozenset({2, 3}),
    "Slice": frozenset({1, 2, 3, 4}),
    "Split": frozenset({1}),
    "Tile": frozenset({1}),
}
"""Operator → the inputs that may depend on the batch, since they say shapes."""


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    """The axis cannot be freed at a node; the message says why, as the end of a sentence about the node."""


@dataclass(frozen=True)
class Obstacle:
    """A node at which an axis cannot be freed, and the reason."""

    node: ir.Node
    reason: str


class _Stopped(Exception):  # noqa: N818 - it is an answer, not an error
    """The walk ended at a node."""

    def __init__(self, obstacle: Obstacle) -> None:
        super().__init__(obstacle.reason)
        self.obstacle = obstacle


Rule = Callable[["Freeing", ir.Node], None]
"""Checks a node that the batch reaches and cures its inputs.

Raises:
    Refused: it works on the batch as a whole.
"""


class Freeing:
    """One axis of a graph that is being freed.

    Two worlds go along: the shapes at the batch of the file, and those at `RATIO` times that batch. Axes that differ
    carry the batch.

    Args:
        model: the graph.
        letter: the name of the axis in the shapes of the inputs.
        extents: every free dimension of the inputs → its extent in the file, or an example.
        rules: operator → its rule.
    """

    def __init__(self, model: ir.Model, letter: str, extents: Mapping[str, int], rules: Mapping[str, Rule]) -> None:
        self.batch = extents[letter]
        self.file = World(extents)
        self.other = World({**extents, letter: self.batch * RATIO})
        self.carried: dict[ir.Value, Carried] = {}
        self._graph = model.graph
        self._names = UniqueNames.of(model)
        self._rules = rules
        for value in model.graph.inputs:
            axes = [axis for axis, dim in enumerate(value.shape or ()) if not isinstance(dim, int)]
            for axis in axes:
                if value.shape is not None and str(value.shape[axis].value) == letter:  # type: ignore[union-attr]
                    self.carried[value] = Carried(axis)

    def run(self) -> Obstacle | None:
        """Walk over the graph; return the node at which the axis cannot be freed, or None if it is free."""
        try:
            self.walk(self._graph)
        except _Stopped as stopped:
            return stopped.obstacle
        return None

    def walk(self, graph: ir.Graph) -> None:
        """Visit the nodes of a graph, or of a sub-graph whose inputs are known."""
        for node in list(graph):
            try:
                self.visit(node)
            except Refused as refused:
                raise _Stopped(Obstacle(node, str(refused))) from refused

    def visit(self, node: ir.Node) -> None:
        """Find the shapes of a node's outputs in both worlds, after those of its inputs.

        Raises:
            Refused: the axis cannot be freed at this node.
        """
        reached = [value for value in read_by(node) if value in self.carried or self.depends(value)]
        if not reached:
            self._settle_unreached(node)
            return
        if self._evaluate(node):
            return
        for index, value in enumerate(node.inputs):
            if value is not None and self.depends(value) and index not in SHAPE_INPUTS.get(node.op_type, ()):
                raise Refused("computes with the extent itself")
        rule = None if node.domain else self._rules.get(node.op_type)
        if rule is None:
            raise Refused("is an operator whose work on a batch is not known")
        rule(self, node)

    def depends(self, value: ir.Value | None) -> bool:
        """Whether a value is shape arithmetic with the batch in it."""
        if value is None:
            return False
        known = self.file.arithmetic.computed.get(value)
        return known is not None and known != self.other.arithmetic.computed.get(value)

    def settle(self, node: ir.Node, outer: int | None = None) -> None:
        """Infer the outputs of a node, and where they carry the batch.

        Args:
            node: its inputs are cured.
            outer: the factor before the batch in the axis that carries it; left out, the same as in the inputs.
        """
        inputs = [value for value in node.inputs if value is not None and value in self.carried]
        for world in (self.file, self.other):
            if reason := world.infer(node):
                raise Refused(f"fits no other extent: {reason}" if inputs else f"has no shape: {reason}")
        kept = False
        for value in node.outputs:
            if (axis := self.grown(value)) is None:
                continue
            self.carried[value] = Carried(axis, self._outer(inputs, value, axis) if outer is None else outer)
            kept = True
        if inputs and not kept:
            raise Refused("makes one result of all its elements")

    def edit(self, node: ir.Node) -> Edit:
        """How to change a node."""
        return Edit(node, self._names)

    def extent(self, value: ir.Value) -> int:
        """The extent of the axis of a value that carries the batch, in the file."""
        shape = self.file.shape(value)
        assert shape is not None
        return shape[self.carried[value].axis]

    def shape(self, value: ir.Value | None) -> Extents:
        """The extents of a value in the file.

        Raises:
            Refused: one is unknown.
        """
        shape = self.file.shape(value)
        if shape is None:
            raise Refused(f"reads '{value.name if value else ''}', whose shape is not known")
        return shape

    def declare(self, value: ir.Value, shape: Extents, place: Carried | None = None) -> None:
        """Set the shape of a value that no node makes: its extents in the file, and where it carries the batch."""
        other = list(shape)
        self.carried.pop(value, None)
        if place is not None:
            other[place.axis] *= RATIO
            self.carried[value] = place
        self.file.set(value, shape)
        self.other.set(value, tuple(other))

    def take(self, value: ir.Value, other: ir.Value) -> None:
        """Give a value the shape of another one, and its place of the batch."""
        self.declare(value, self.shape(other), self.carried.get(other))

    def alike(self, one: ir.Value, other: ir.Value) -> bool:
        """Whether two values have the same shape and the same place of the batch."""
        return self.shape(one) == self.shape(other) and self.carried.get(one) == self.carried.get(other)

    # Cures

    def broadcast(self, node: ir.Node, index: int, axis: int, like: ir.Value) -> None:
        """Let an input without the batch fit the axis of `like` that carries it, by an operator that broadcasts."""
        value = node.inputs[index]
        if self.shape(value)[axis] != 1:
            self._spread(node, index, axis, like, expand=False)

    def expand(self, node: ir.Node, index: int, axis: int, like: ir.Value) -> None:
        """Repeat an input without the batch for every element of the axis of `like` that carries it."""
        self._spread(node, index, axis, like, expand=True)

    def first_sample(self, node: ir.Node, index: int, axis: int) -> None:
        """Let an input hold one sample on this axis, where it has one for each of the file's batch."""
        value, edit = node.inputs[index], self.edit(node)
        assert value is not None
        if self.shape(value)[axis] not in (1, self.batch):
            raise Refused(f"reads '{value.name}' of extent {self.shape(value)[axis]}")
        if self.shape(value)[axis] != 1:
            edit.set_input(index, self._one_sample(edit, value, axis, 1, 1))

    def expand_by_input(self, node: ir.Node, index: int, place: Carried) -> None:
        """Repeat an input without the batch for every sample, as an input of the graph counts them."""
        like = next(value for value in self._graph.inputs if value in self.carried)
        if place.outer != 1:
            raise Refused("has an initial state whose axis holds more than the batch")
        self._spread(node, index, place.axis, like, expand=True)

    def _spread(self, node: ir.Node, index: int, axis: int, like: ir.Value, *, expand: bool) -> None:
        outer, extent = self.carried[like].outer, self.extent(like)
        inner = extent // (outer * self.batch)
        edit, value = self.edit(node), node.inputs[index]
        assert value is not None
        shape = self.shape(value)
        if shape[axis] != extent:
            raise Refused(f"reads '{value.name}' of extent {shape[axis]} beside {extent}")
        one = self._one_sample(edit, value, axis, outer, inner)
        if outer * inner == 1:
            spread = one if not expand else self._repeated(edit, "Expand", one, axis, self._count(edit, like, 1))
        elif outer == 1:
            spread = self._repeated(edit, "Tile", one, axis, self._count(edit, like, inner))
        else:
            raise Refused(f"reads '{value.name}', whose axis {axis} holds more than the batch")
        edit.set_input(index, spread)

    def _one_sample(self, edit: Edit, value: ir.Value, axis: int, outer: int, inner: int) -> ir.Value:
        """The value for a batch of 1: its first sample, if all samples are equal."""
        if self.batch == 1:
            return value
        if value.const_value is None:
            return self._before_expansion(edit, value, axis)
        array = value.const_value.numpy()
        samples = array.reshape(*array.shape[:axis], outer, self.batch, inner, *array.shape[axis + 1 :])
        first = samples.take([0], axis + 1)
        if not np.array_equal(np.broadcast_to(first, samples.shape), samples):
            raise Refused(f"reads '{value.name}', which is another constant for each of the {self.batch} samples")
        return edit.constant("sample", first.reshape(*array.shape[:axis], outer * inner, *array.shape[axis + 1 :]))

    def _before_expansion(self, edit: Edit, value: ir.Value, axis: int) -> ir.Value:
        """The value for a batch of 1, if an Expand repeats one sample."""
        node = value.producer()
        source = node.inputs[0] if node is not None and node.op_type == "Expand" else None
        shape, own = self.shape(value), self.file.shape(source)
        if source is not None and own is not None:
            one, at = (*shape[:axis], 1, *shape[axis + 1 :]), axis - len(shape) + len(own)
            if own == one:
                return source
            if at < 0 or own[at] == 1:
                return self._new(edit, "Expand", source, edit.ints("shape", one))
        raise Refused(f"reads '{value.name}', which is computed for {self.batch} samples")

    def _count(self, edit: Edit, like: ir.Value, factor: int) -> ir.Value:
        """The number of samples, a vector of one element: an axis of `like` divided by a factor."""
        axis = self.carried[like].axis
        count = self._new(edit, "Shape", like, start=axis, end=axis + 1)
        return count if factor == 1 else self._new(edit, "Div", count, edit.ints("factor", [factor]))

    def _repeated(self, edit: Edit, op_type: str, value: ir.Value, axis: int, count: ir.Value) -> ir.Value:
        rank = len(self.shape(value))
        parts = [edit.ints("ones", [1] * axis)] if axis else []
        parts += [count]
        parts += [edit.ints("ones", [1] * (rank - axis - 1))] if axis + 1 < rank else []
        shape = parts[0] if len(parts) == 1 else self._new(edit, "Concat", *parts, axis=0)
        return self._new(edit, op_type, value, shape)

    def _new(self, edit: Edit, op_type: str, *inputs: ir.Value | None, **attributes: int) -> ir.Value:
        """A new node before the one that is edited."""
        value = edit.before(op_type, *inputs, **attributes)
        node = value.producer()
        assert node is not None
        self.visit(node)
        return value

    # Shapes

    def _settle_unreached(self, node: ir.Node) -> None:
        """A node that the batch does not reach has the same shapes in both worlds."""
        if self._evaluate(node):
            return
        for value in node.outputs:
            self.file.declare(value)
            self.other.declare(value)
        if any(self.file.shape(value) is None for value in node.outputs) and not subgraphs(node):
            self.file.infer(node)
            self.other.infer(node)

    def _evaluate(self, node: ir.Node) -> bool:
        """Evaluate a node as shape arithmetic in both worlds; return whether it is such."""
        done = [world.evaluate(node) for world in (self.file, self.other)]
        if all(done):
            return True
        for world in (self.file, self.other):
            world.forget(node)
        return False

    def grown(self, value: ir.Value) -> int | None:
        """The axis of a value that carries the batch; None if none does."""
        shape, other = self.file.shape(value), self.other.shape(value)
        if shape is None or other is None:
            if value.name and (value.uses() or value.is_graph_output()):
                raise Refused("has a result whose shape is not known")
            return None
        grown = [axis for axis, (one, two) in enumerate(zip(shape, other, strict=False)) if one != two]
        if len(shape) != len(other) or len(grown) > 1:
            raise Refused("has the batch on several axes of its result")
        if grown and other[grown[0]] != shape[grown[0]] * RATIO:
            raise Refused("makes an axis that does not grow with the batch")
        return grown[0] if grown else None

    def _outer(self, inputs: Iterable[ir.Value], output: ir.Value, axis: int) -> int:
        """The factor before the batch, in a node that does not change the axis that carries it."""
        extent = self.shape(output)[axis]
        factors = {self.carried[value].outer for value in inputs}
        if not factors:  # made of a shape: all samples are equal
            return 1
        if len(factors) > 1 or any(self.extent(value) != extent for value in inputs):
            raise Refused("joins values that hold the batch in different ways")
        return factors.pop()

    def view(self, node: ir.Node) -> None:
        """Settle a node that gives the elements of its first input another shape."""
        value, made = node.inputs[0], node.outputs[0]
        assert value is not None
        for world in (self.file, self.other):
            if reason := world.infer(node):
                raise Refused(f"fits no other extent: {reason}")
        axis = self.grown(made)
        shape, target = self.shape(value), self.shape(made)
        if axis is None or value not in self.carried:
            raise Refused("leaves no axis for the batch")
        place = after_view(shape, self.carried[value], target, axis, self.batch)
        if place is None:
            raise Refused("mixes the samples of the batch")
        self.carried[made] = place


def read_by(node: ir.Node) -> Iterator[ir.Value]:
    """The values that a node reads, those that its sub-graphs capture included."""
    yield from (value for value in node.inputs if value is not None)
    for inner in subgraphs(node):
        yield from inner.outputs
        for each in all_nodes(inner):
            yield from (value for value in each.inputs if value is not None)
