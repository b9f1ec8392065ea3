"""Passes: a function that changes a graph, with the properties of a graph that it needs and those that it ensures."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from converter.base.stages import Each


class Property(enum.Enum):
    """A property of a graph, sub-graphs included."""

    SORTED = "nodes are in topological order"
    UNIQUE_NODE_NAMES = "every node has a name, and no two have the same"
    UNIQUE_VALUE_NAMES = "no two values have the same name"
    PLAIN_INPUTS = "no initializer is a graph input"
    NO_FUNCTIONS = "no node calls a local function"
    CONSTANTS_ARE_INITIALIZERS = "there are no Constant nodes"
    ONE_OPSET = "every node of ONNX's own domain is of the operator set that annotations.OPSET names"
    INFERRED = "types and shapes are known as far as inference knows them"
    REFINED = "extents that shape arithmetic tells are filled in"
    FOLDED = "what is constant is computed"
    NO_DEAD_CODE = "outputs need every node and every initializer"
    OUTPUTS_ARE_COMPUTED = "a node makes every output of the main graph that is not an input"


@dataclass(frozen=True)
class Pass:
    """A pass over a model, which it changes in place.

    Attributes:
        name: what it does, for messages: "fold constants".
        run: the function.
        requires: the properties that must hold before it.
        ensures: the properties that hold after it.
        breaks: the properties that may no longer hold after it.
    """

    name: str
    run: Callable[[ir.Model], object]
    requires: Collection[Property] = ()
    ensures: Collection[Property] = ()
    breaks: Collection[Property] = ()


class Pipeline:
    """Passes in their order.

    Args:
        passes: in the order in which they run.
        given: the properties that every model has before the first pass.

    Raises:
        ValueError: a pass requires a property that is neither given nor ensured by a pass before it.
    """

    def __init__(self, passes: Sequence[Pass], given: Collection[Property] = ()) -> None:
        self.passes = tuple(passes)
        held = set(given)
        for each in self.passes:
            if missing := [item.value for item in each.requires if item not in held]:
                raise ValueError(f"the pass '{each.name}' requires what no pass before it ensures: {missing}")
            held = (held - {*each.breaks}) | {*each.ensures}
        self.ensures = frozenset(held)
        """The properties that hold after the last pass."""

    def run(self, model: ir.Model, each: Each = iter) -> None:
        """Run all passes; an error gets a note that names its pass. `each` iterates over the passes."""
        for item in each(self.passes):
            try:
                item.run(model)
            except Exception as error:
                error.add_note(f"in the pass '{item.name}'")
                raise
