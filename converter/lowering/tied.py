"""Tied weights: a matrix that several nodes of the source use is one parameter, of one member of the Cell."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import Any

from converter.base.weight_steps import Step, joined, reshape, shape_after, transpose
from converter.script import Arg, Attribute, Member, Program, Weight, expr


class Holders:
    """The members that hold the matrices of the source, in the order in which they were made."""

    def __init__(self) -> None:
        self._held: dict[int, list[tuple[Weight, Member, str]]] = {}

    def add(self, member: Member) -> None:
        """Record the matrices of a new member; equal vectors of two layers are not taken for one."""
        for name, weight in member.weights.items():
            if len(weight.shape) > 1:
                self._held.setdefault(id(weight.tensor), []).append((weight, member, name))

    def drop(self, gone: Container[int]) -> None:
        """Forget members by their id."""
        self._held = {
            key: kept
            for key, items in self._held.items()
            if (kept := [item for item in items if id(item[1]) not in gone])
        }

    def find(self, tensor: Any, steps: Sequence[Step] = (), *, in_layer: bool = False) -> tuple[Member, Arg] | None:
        """The member that holds a tensor, and the tensor after `steps` as an expression of it; None if there is none.

        Args:
            tensor: a tensor of the source.
            steps: the weight steps from it to what is wanted.
            in_layer: whether only layers count, not parameters of the Cell itself.
        """
        for weight, member, name in self._held.get(id(tensor), ()):
            if name or not in_layer:
                viewed = _viewed(Attribute(member, name) if name else member, weight, steps)
                if viewed is not None:
                    return member, viewed
        return None

    def parameters_of_layers(self) -> Iterator[tuple[Member, Arg]]:
        """The parameters of the Cell whose matrix a layer holds as well, each with the expression that replaces it."""
        for items in list(self._held.values()):
            for weight, member, name in items:
                if not name and weight.trained and (found := self.find(weight.tensor, weight.steps, in_layer=True)):
                    yield member, found[1]


def notes_on_tied(program: Program) -> tuple[str, ...]:
    """A sentence for each matrix that the source trains as one weight and the script as several parameters."""
    named: dict[int, list[tuple[str, Weight]]] = {}
    for name, weight in program.parameters():
        is_part = "'slice'" in repr(weight.steps)  # also inside a concatenation, as the halves of a Keras GRU's bias
        if weight.trained and len(weight.tensor.shape) > 1 and not is_part:
            named.setdefault(id(weight.tensor), []).append((name, weight))
    return tuple(
        f"The source trains '{items[0][1].source_name}' as one weight, the script as {len(items)} parameters "
        f"({', '.join(name for name, _ in items)}), which training moves apart. To train them as one, give each the "
        "sum of their gradients."
        for items in named.values()
        if len(items) > 1
    )


def _viewed(parameter: Arg, held: Weight, steps: Sequence[Step]) -> Arg | None:
    """A parameter, which is `held`, as the view of the same tensor that `steps` make; None if it cannot be that."""
    back = _reversed(held)
    if back is None:
        return None
    viewed, shape = parameter, held.shape
    for step in joined((*back, *steps), held.shape):
        match step["op"]:
            case "transpose":
                viewed = expr("{0}.T", viewed) if len(shape) == 2 else expr("{0}.transpose({1})", viewed, step["perm"])
            case "reshape":
                viewed = expr("{0}.reshape({1})", viewed, tuple(step["shape"]))
            case _:
                return None
        shape = shape_after([step], shape)
    return viewed


def _reversed(weight: Weight) -> list[Step] | None:
    """The steps from a parameter back to its tensor; None if a step takes or adds elements."""
    back: list[Step] = []
    shape = tuple(int(dim) for dim in weight.tensor.shape)
    for step in weight.steps:
        match step["op"]:
            case "transpose":
                back.append(transpose(*(step["perm"].index(axis) for axis in range(len(shape)))))
            case "reshape":
                back.append(reshape(*shape))
            case _:
                return None
        shape = shape_after([step], shape)
    return back[::-1]
