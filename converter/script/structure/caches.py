"""Caches: layers that each take inputs of the network of their own, and return outputs of their own, become a loop.

A decoder takes the keys and values that each layer computed for earlier tokens, `past_key_values.0.key`, …, and returns
them with those of the new tokens. All of them become one tuple each.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from converter.base.names import identifier
from converter.script.expressions import Arg, Binary, Call, Constant, Index, Slice, Starred, invoke
from converter.script.program import Member, class_of
from converter.script.statements import Assign, Block, For, Variable
from converter.script.structure.dimensions import localize_dimensions
from converter.script.structure.regions import Item, Region
from converter.script.structure.sequences import list_of

_FLOWING = "hidden_states"


@dataclass(frozen=True)
class Bundle:
    """A loop over layers with caches.

    Attributes:
        past: the tuple of the inputs `inputs[start:stop]` of the network.
        present: the tuple of its outputs that the loop makes.
        values: each of these inputs and outputs → the element of the tuple.
        moved: a statement of a layer → the loop; an instance → the list that contains it.
    """

    past: Variable
    start: int
    stop: int
    present: Variable
    values: Mapping[Variable, Arg]
    moved: Mapping[Any, Any]


@dataclass(frozen=True)
class _Layer:
    """A call of a layer: its member, arguments, and the variables that it assigns."""

    item: Assign
    member: Member
    args: tuple[Arg, ...]
    targets: tuple[Variable, ...]


def bundle_caches(
    region: Region, uses: Mapping[Variable | Member, int], inputs: Sequence[Variable], results: Sequence[Arg]
) -> Bundle | None:
    """Make a loop of the first run of layers with caches in a region; None if there is none.

    Args:
        region: its items are changed.
        uses: how often each variable and member is read, results included.
        inputs: those of the network.
        results: those of the network.
    """
    position = 0
    while position < len(region.items):
        run = _run_at(region.items, position, uses)
        found = _Form.of(run, uses, inputs, results) if len(run) > 1 else None
        if found is not None:
            if not region.inner():
                localize_dimensions(region)
                run = _run_at(region.items, position, uses)
            loop, bundle = found.loop(run)
            region.items[position : position + len(run)] = [loop]
            return bundle
        position += max(len(run), 1)
    return None


def results_with(bundle: Bundle, results: Sequence[Arg]) -> tuple[Arg, ...]:
    """The results of the network, with `*present` for the elements of the tuple."""
    found: list[Arg] = []
    for result in results:
        item = bundle.values.get(result, result) if isinstance(result, Variable) else result
        if isinstance(item, Index) and item.value is bundle.present:
            item = Starred(bundle.present)
        if item not in found or not isinstance(item, Starred):
            found.append(item)
    return tuple(found)


def short_name(hint: str) -> str:
    """The name of an input of a layer, from that of all layers: `past_key` for `past_key_values_3_key`."""
    name = re.sub(r"_\d+(?=_|$)", "", identifier(hint))
    return re.sub(r"^past_key_values?_(?=.)", "past_", name)


def _run_at(items: Sequence[Item], start: int, uses: Mapping[Variable | Member, int]) -> list[_Layer]:
    """The longest run of calls of one class that begins at `start`, each with a result of the one before it."""
    run: list[_Layer] = []
    for item in items[start:]:
        layer = _layer(item, uses)
        if layer is None or (run and class_of(layer.member) is not class_of(run[0].member)):
            break
        if run and not set(run[-1].targets) & {arg for arg in layer.args if isinstance(arg, Variable)}:
            break
        run.append(layer)
    return run


def _layer(item: Item, uses: Mapping[Variable | Member, int]) -> _Layer | None:
    match item:
        case Assign(targets=targets, value=Call(function=Member() as member, names=()) as call):
            variables = tuple(target for target in targets if isinstance(target, Variable))
            if len(variables) == len(targets) > 1 and class_of(member) is not None and uses[member] == 1:
                return _Layer(item, member, call.args, variables)
    return None


@dataclass(frozen=True)
class _Form:
    """How the layers of a run are connected.

    Attributes:
        flows_in: the argument that is a result of the layer before; flows_out: the result that goes on.
        own: arguments that are inputs of the network → the place among the inputs of one layer.
        made: results that are outputs of the network → the place among the outputs of one layer.
        past: the inputs of all layers; present: the outputs of all layers.
        start: the place of the first of them among the inputs of the network.
    """

    flows_in: int
    flows_out: int
    own: Mapping[int, int]
    made: Mapping[int, int]
    past: Sequence[Variable]
    present: Sequence[Variable]
    start: int

    @staticmethod
    def of(
        run: Sequence[_Layer],
        uses: Mapping[Variable | Member, int],
        inputs: Sequence[Variable],
        results: Sequence[Arg],
    ) -> _Form | None:
        """The form of a run; None if the layers differ in it."""
        flow = _flow(run)
        if flow is None:
            return None
        flows_in, flows_out = flow
        if any(uses[each.targets[flows_out]] != 1 for each in run[:-1]):
            return None
        count = len(run[0].args)
        varying = [i for i in range(count) if i != flows_in and any(each.args[i] != run[0].args[i] for each in run)]
        taken = _places([[each.args[i] for i in varying] for each in run], inputs)
        given = [i for i in range(len(run[0].targets)) if i != flows_out]
        made = _places([[each.targets[i] for i in given] for each in run], results)
        if taken is None or made is None:
            return None
        start, width = taken[0], len(run) * len(varying)
        return _Form(
            flows_in,
            flows_out,
            dict(zip(varying, taken[1], strict=True)),
            dict(zip(given, made[1], strict=True)),
            inputs[start : start + width],
            [part for part in results[made[0] : made[0] + len(run) * len(given)] if isinstance(part, Variable)],
            start,
        )

    def loop(self, run: Sequence[_Layer]) -> tuple[For, Bundle]:
        """The loop over the layers of a run."""
        first, last, step = run[0], run[-1], len(self.own)
        past, present = _tuple_of(self.past, "past"), _tuple_of(self.present, "present")
        taken = {i: Variable(short_name(str(first.args[i].hint))) for i in self.own}
        names = {i: Variable(short_name(first.targets[i].hint), first.targets[i].dims) for i in self.made}
        begun, flowing, layer = first.args[self.flows_in], last.targets[self.flows_out], Variable("layer")
        onwards = Variable(_FLOWING, flowing.dims, assigned=True)
        for value in (begun, flowing):
            if isinstance(value, Variable) and value.path:  # no input of the network
                value.hint, value.assigned = _FLOWING, True
        args = [taken.get(i, arg) for i, arg in enumerate(first.args)]
        args[self.flows_in] = flowing
        targets = [names.get(i, onwards) for i in range(len(first.targets))]
        body = Block([Assign(tuple(targets), Call(layer, tuple(args)))])
        made = sorted(self.made, key=lambda i: self.made[i])
        body.results = (onwards, Binary("+", present, tuple(names[i] for i in made)))
        layers = list_of([each.member for each in run])
        order = sorted(self.own, key=lambda i: self.own[i])
        parts = [past if step == 1 else Index(past, _every(self.own[i], step)) for i in order]
        loop = For(
            layer,
            invoke("zip", layers, *parts),
            (flowing, present),
            (begun, ()),
            body,
            first.item.scopes,
            more=tuple(taken[i] for i in order),
        )
        elements = [*_elements(past, self.past), *_elements(present, self.present)]
        moved = {each.item: loop for each in run} | {each.member: layers for each in run}
        return loop, Bundle(past, self.start, self.start + len(self.past), present, dict(elements), moved)


def _flow(run: Sequence[_Layer]) -> tuple[int, int] | None:
    """The argument that each layer takes from the one before it, and the result that it is of it; None if several."""
    pairs = {
        tuple((i, before.targets.index(arg)) for i, arg in enumerate(after.args) if arg in before.targets)
        for before, after in itertools.pairwise(run)
    }
    only = pairs.pop()
    return only[0] if not pairs and len(only) == 1 else None


def _places(rows: Sequence[Sequence[Arg]], among: Sequence[Arg]) -> tuple[int, list[int]] | None:
    """Where the elements of all rows stand among others, and their order in a row; None if not without gaps."""
    places = {part: i for i, part in enumerate(among) if isinstance(part, Variable)}
    found = [[places.get(part, -1) if isinstance(part, Variable) else -1 for part in row] for row in rows]
    flat = [place for row in found for place in row]
    if not flat or -1 in flat:
        return None
    start, width = min(flat), len(found[0])
    order = [place - start for place in found[0]]
    regular = all([place - start - i * width for place in row] == order for i, row in enumerate(found))
    return (start, order) if regular and sorted(order) == list(range(width)) else None


def _tuple_of(values: Sequence[Variable], otherwise: str) -> Variable:
    """A variable for a tuple, named after what the names of its elements begin with."""
    hints = {re.split(r"[._]\d", value.hint)[0] for value in values}
    return Variable(hints.pop() if len(hints) == 1 else otherwise)


def _every(start: int, step: int) -> Slice:
    return Slice(Constant(start) if start else None, None, Constant(step))


def _elements(whole: Variable, values: Sequence[Variable]) -> list[tuple[Variable, Arg]]:
    return [(value, Index(whole, Constant(i))) for i, value in enumerate(values)]
