"""Rewriting: find patterns in a graph and replace each by an operator."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import onnx_ir as ir

from converter.errors import REPORT_IT, SubGraphSearchingError
from converter.graph.annotations import FOLDED
from converter.graph.constants import new_initializer
from converter.graph.fusions.log import FusionLog, NoMatch
from converter.graph.fusions.pattern import Match, PartialMatch, Pattern, pattern_of, variables_of
from converter.graph.fusions.replacement import replace
from converter.graph.queries import rank_of, readers_of, shape_of
from converter.graph.shape_inference import infer_node
from converter.graph.traits import Trait, has_trait
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs
from converter.shapes import Dim, Dims

_MOST_REPLACEMENTS = 10
"""Limit of replacements per node of a model; more mean that fusions replace each other's results without end."""

DOMAIN = "fusion"
"""The domain of operators that ONNX does not have."""

FEWEST = 4
"""A failed match of at least so many nodes is a near miss, which is logged."""

Shape: TypeAlias = Dims
"""The extents of a tensor: numbers, symbolic dimensions, None where unknown."""


@dataclass(frozen=True)
class FusedOperator:
    """An operator that ONNX does not have: its fusions, its shape and reference functions, and its row.

    Attributes:
        name: its name in the domain `fusion`.
        phase: when its steps run, a key of `converter.graph.fusions.PHASES`.
        steps: the fusions that replace nodes by it.
        shape: a function from the shapes of the inputs (None for an omitted one) and the attributes to the output's
            shape, or a list of shapes for several outputs; called only when all ranks are known.
        reference: a function from the inputs, NumPy arrays or None, and the attributes to the output, or a tuple.
        row: the row of the operator tables.
        dtype: the element type of the outputs; None for that of the first input.
    """

    name: str
    phase: str
    steps: Sequence[Step]
    shape: Callable[..., Shape | list[Shape]]
    reference: Callable[..., Any]
    row: Callable[..., Any]
    dtype: ir.DataType | None = None

    def node(self, inputs: Sequence[ir.Value | None], outputs: int = 1, **attributes: Any) -> ir.Node:
        """A new node; its outputs have the type of the operator, and the shapes that `shape` returns."""
        node = ir.node(self.name, inputs, attributes, domain=DOMAIN, num_outputs=outputs)
        shapes = [None if value is None else shape_of(value) for value in inputs]
        known = all(value is None or shape is not None for value, shape in zip(inputs, shapes, strict=True))
        found = self.shape(*shapes, **attributes) if known else [None] * outputs
        for output, shape in zip(node.outputs, found if isinstance(found, list) else [found], strict=False):
            output.type = inputs[0].type if inputs[0] is not None else None
            if self.dtype is not None:
                output.type = ir.TensorType(self.dtype)
            output.shape = None if shape is None else ir.Shape(shape)
        return node


def shape_of_first(x: Shape, **attributes: Any) -> Shape:
    """The shape of a result that has the shape of the first input."""
    return x


class Builder:
    """Creates the nodes of a replacement: `op.Gelu(x, approximate="tanh")` returns the new node's value."""

    def __init__(self, root: ir.Node, names: UniqueNames) -> None:
        self.nodes: list[ir.Node] = []
        self._root = root
        self._names = names

    def __getattr__(self, op_type: str) -> Callable[..., ir.Value]:
        def make(*inputs: ir.Value | None, **attributes: Any) -> ir.Value:
            node = self._add(ir.node(op_type, inputs, attributes))
            infer_node(node)
            return node.outputs[0]

        return make

    def fused(self, operator: FusedOperator, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """Create a node of an operator that ONNX does not have; return its first output."""
        return self._add(operator.node(inputs, **attributes)).outputs[0]

    def add(self, op_type: str, *inputs: ir.Value | None, outputs: int, **attributes: Any) -> ir.Node:
        """Create a node of several outputs, whose shapes and types are not inferred."""
        return self._add(ir.node(op_type, inputs, attributes, num_outputs=outputs))

    def _add(self, node: ir.Node) -> ir.Node:
        """Add a new node, named after the scope of the root."""
        scope = (self._root.name or "").rpartition("/")[0] or self._root.name
        node.name = self._names.fresh(f"{scope}/{node.op_type}")
        for place, output in enumerate(node.outputs):
            output.name = self._names.fresh(f"{node.name}/{place}") if place else node.name
        self.nodes.append(node)
        return node

    def constant(self, role: str, array: np.ndarray) -> ir.Value:
        """A new initializer."""
        assert isinstance(self._root.graph, ir.Graph)
        value = new_initializer(self._root.graph, self._names.fresh(f"{self._root.name}/{role}"), ir.tensor(array))
        value.meta[FOLDED] = True
        return value

    def reshaped(self, value: ir.Value, shape: Sequence[Dim]) -> ir.Value:
        """Reshape a value to a static shape; return the value itself if it has that shape."""
        if shape_of(value) == shape:
            return value
        return self.Reshape(value, self.constant("shape", np.array(shape, np.int64)))


@dataclass(frozen=True)
class Fusion:
    """A pattern, and the function that creates its replacement.

    Attributes:
        function: writes the pattern over its parameters, the variables.
        replacement: takes a `Builder` and, by their names, the values of those variables that it needs; returns the
            value that replaces the pattern's, or None when the match is not the operator. It raises NoMatch instead
            where the log should give the reason.
    """

    function: Callable[..., Pattern]
    replacement: Callable[..., ir.Value | None]

    @property
    def name(self) -> str:
        """Its name in the log: `batch_norm from running_factor_and_rest`."""
        return f"{self.replacement.__name__} from {self.function.__name__}"

    @cached_property
    def pattern(self) -> Pattern:
        """The pattern; its intermediate values must have no other uses."""
        return pattern_of(self.function)

    @cached_property
    def _wanted(self) -> list[str]:
        """The variables that are parameters of the replacement."""
        taken = variables_of(self.replacement)
        return [name for name in variables_of(self.function) if name in taken]

    def apply(self, root: ir.Node, context: Context) -> Sequence[ir.Node] | None:
        """Replace the nodes that end in `root` if they match; return the new nodes, or None if they do not match."""
        near_miss: NoMatch | None = None
        partial = PartialMatch() if context.log.is_detailed else None
        for match in self.pattern.match(root.outputs[0], Match(partial=partial)):
            try:
                nodes = self._replace(root, match, context.names)
            except NoMatch as reason:
                near_miss = near_miss or reason
            else:
                if nodes is not None:
                    context.log.match(self.name)
                    return nodes
                partial = None
        if near_miss is None and partial is not None and partial.length >= FEWEST:
            near_miss = NoMatch(partial.reason, partial.node)
        if near_miss is not None:
            context.log.miss(self.name, near_miss, root)
        return None

    def _replace(self, root: ir.Node, match: Match, names: UniqueNames) -> Sequence[ir.Node] | None:
        """Replace the nodes of a match; return the new nodes, or None if the match is not the operator.

        Raises:
            NoMatch: it is a near miss.
        """
        covered = set(match.nodes)
        inner = [node for node in match.nodes if node is not root and not is_private(node, covered)]
        if inner and len(covered) >= FEWEST:
            raise NoMatch("a value inside it is read elsewhere too", inner[0])
        if inner:
            return None
        if any(map(_adds_axes, match.nodes)):
            raise NoMatch("a constant has more axes than what it is applied to", root)
        builder = Builder(root, names)
        result = self.replacement(builder, **{name: match.bound.get(name) for name in self._wanted})
        if result is None or not (builder.nodes or not root.outputs[0].is_graph_output()):
            return None
        replace(match.nodes, builder.nodes, {root.outputs[0]: result}, at=root)
        return builder.nodes


@dataclass(frozen=True)
class Context:
    """What the steps of one conversion share: the names in use, and the log of matches and near misses."""

    names: UniqueNames
    log: FusionLog = field(default_factory=FusionLog)


@dataclass(frozen=True)
class NodeFusion:
    """A step that visits every node of one operator.

    Attributes:
        op_type: the operator, of ONNX.
        function: replaces a node and those around it, and returns whether it did; it raises NoMatch where the log
            should give the reason.
    """

    op_type: str
    function: Callable[[ir.Node, UniqueNames], bool]

    def __call__(self, model: ir.Model, context: Context) -> None:
        """Replace every occurrence, sub-graphs included."""
        name = f"{self.function.__name__} from {self.op_type}"
        for graph in all_graphs(model):
            for node in graph:
                if node.op_type == self.op_type and not node.domain:
                    try:
                        if self.function(node, context.names):
                            context.log.match(name)
                    except NoMatch as reason:
                        context.log.miss(name, reason, node)


Step: TypeAlias = Fusion | Callable[[ir.Model, Context], None]
"""A part of a phase: a fusion of a pattern, or a function that rewrites the model."""


def is_private(node: ir.Node, covered: Container[ir.Node]) -> bool:
    """Whether only the nodes `covered` read the results of a node."""
    return all(
        not output.is_graph_output() and all(user in covered for user in readers_of(output)) for output in node.outputs
    )


def _adds_axes(node: ir.Node) -> bool:
    """Whether a constant gives the result of an elementwise operator more axes than its other inputs have."""
    if not has_trait(node, Trait.BROADCASTING):
        return False
    constants = [rank_of(value) or 0 for value in node.inputs if value is not None and value.const_value is not None]
    others = [rank_of(value) for value in node.inputs if value is not None and value.const_value is None]
    known = [rank for rank in others if rank is not None]
    return len(known) == len(others) > 0 and max(constants, default=0) > max(known)


def rewrite(model: ir.Model, fusions: Sequence[Fusion], context: Context) -> None:
    """Replace every occurrence of these patterns, sub-graphs included; new nodes may match other patterns.

    Args:
        model: at the opset of normalisation.
        fusions: in the order in which they are tried.
        context: of the conversion.

    Raises:
        SubGraphSearchingError: the fusions replace each other's results without end.
    """
    if not fusions:
        return
    graphs = all_graphs(model)  # no fusion makes one
    left = _MOST_REPLACEMENTS * (1 + sum(map(len, graphs)))
    present = {node.op_type for graph in graphs for node in graph}
    by_root: dict[str, list[Fusion]] = defaultdict(list)
    for fusion in fusions:
        for op_type in fusion.pattern.roots:
            by_root[op_type].append(fusion)
    for graph in graphs:
        for node in graph:
            for fusion in by_root.get(node.op_type, ()):
                if fusion.pattern.needs <= present and (made := fusion.apply(node, context)) is not None:
                    present.update(new.op_type for new in made)
                    left -= 1
                    if not left:
                        raise SubGraphSearchingError(
                            f"fusions replace each other's results without end at '{node.name}'. {REPORT_IT}"
                        )
                    break
