"""Passes: a function that changes a graph, with the properties of a graph that it needs and those that it ensures."""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import onnx_ir as ir

from converter.base.stages import Each
from converter.errors import ConverterError, SubGraphSearchingError, describe_unexpected


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
        needed: whether nothing can be translated without it; any other pass that raises is left out.
    """

    name: str
    run: Callable[[ir.Model], object]
    requires: Collection[Property] = ()
    ensures: Collection[Property] = ()
    breaks: Collection[Property] = ()
    needed: bool = False


class PassError(Exception):
    """A pass raised that can be left out; the error that it raised is the cause.

    Attributes:
        name: the pass.
        reason: the error, on one line.
    """

    def __init__(self, name: str, cause: Exception) -> None:
        super().__init__(f"in the pass '{name}'")
        self.name = name
        self.reason = describe_unexpected(cause)


class Pipeline:
    """Passes in their order.

    Args:
        passes: in the order in which they run.
        given: the properties that every model has before the first pass.

    Raises:
        ValueError: a pass requires a property that is neither given nor ensured by a pass before it.
    """

    def __init__(self, passes: Sequence[Pass], given: Collection[Property] = ()) -> None:
        self.passes, self._given = tuple(passes), frozenset(given)
        held = set(given)
        for each in self.passes:
            if missing := [item.value for item in each.requires if item not in held]:
                raise ValueError(f"the pass '{each.name}' requires what no pass before it ensures: {missing}")
            held = (held - {*each.breaks}) | {*each.ensures}
        self.ensures = frozenset(held)
        """The properties that hold after the last pass."""

    def without(self, names: Collection[str]) -> Pipeline:
        """These passes but for some, and for those that require what only these ensure."""
        if not names:
            return self
        kept, held = [], set(self._given)
        for each in self.passes:
            if each.needed or (each.name not in names and held.issuperset(each.requires)):
                kept.append(each)
                held = (held - {*each.breaks}) | {*each.ensures}
        return Pipeline(kept, self._given)

    def run(self, model: ir.Model, each: Each = iter) -> None:
        """Run all passes; `each` iterates over them. An error of a pass that is needed gets a note that names it.

        Raises:
            PassError: a pass that is not needed raised; the model may be changed in part.
            ConverterError: a pass found the model to be invalid.
        """
        for item in each(self.passes):
            try:
                item.run(model)
            except SubGraphSearchingError as error:
                raise PassError(item.name, error) from error
            except Exception as error:
                if item.needed or isinstance(error, ConverterError):
                    error.add_note(f"in the pass '{item.name}'")
                    raise
                raise PassError(item.name, error) from error


def notes_on(model: ir.Model) -> tuple[str, ...]:
    """A sentence for every pass that was left out, because it raised."""
    return tuple(
        f"The pass '{name}' failed ({reason}) and was left out: the script may be longer without it. Please report it."
        for name, reason in model.meta.get(_LEFT_OUT, {}).items()
    )


def run_passes(make: Callable[[], ir.Model], pipeline: Pipeline, each: Each = iter) -> ir.Model:
    """Run passes on a model that `make` makes; when one raises, on another one that it makes, without this pass."""
    left_out: dict[str, str] = {}
    while True:
        model = make()
        try:
            pipeline.without(left_out).run(model, each)
        except PassError as failure:
            if failure.name in left_out:
                raise
            left_out[failure.name] = failure.reason
        else:
            model.meta[_LEFT_OUT] = {**model.meta.get(_LEFT_OUT, {}), **left_out}
            return model


_LEFT_OUT = "left out"
