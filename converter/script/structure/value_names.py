"""Value names: variables that only an operator named (`add_17`) get the names of what they are.

First come roles (`roles.py`) and the parameters of the classes that take a value. Then a value that goes on as the
only one of its kind keeps its variable, `x = x + y`. What is left is named after what was done to it: `padded`.
Names go from inner classes to outer ones, then back for inputs that only the caller can name.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from converter.base.names import identifier
from converter.script.expressions import Arg, Attribute, Binary, Call, Conditional, Constant, Index, Name, Slice, walk
from converter.script.program import Cell, Member
from converter.script.statements import (
    Assign,
    Block,
    Branch,
    For,
    Statement,
    Variable,
    blocks_of,
    bound_within,
    defined_by,
    expressions_in,
)
from converter.script.structure.live_ranges import LiveRanges
from converter.script.structure.operator_names import is_operator_name
from converter.script.structure.regions import last_reads
from converter.script.structure.roles import Roles, Takers, called, viewed

_GENERIC = """
    x y z h out output outputs hidden hidden_state hidden_states features embeddings inputs_embeds net tokens feat
"""
GENERIC = frozenset(_GENERIC.split())
"""Names of the value that goes from layer to layer."""
_ELEMENTWISE = """
    abs add clamp clip elu erf exp gelu hardsigmoid hardswish hardtanh leaky_relu log maximum minimum mish mul pow
    prelu relu relu6 selu sigmoid silu softplus square sqrt sub tanh
"""
ELEMENTWISE = frozenset(_ELEMENTWISE.split())
_WORDS = {
    "abs": "magnitude",
    "avg_pool2d": "pooled",
    "avgpool2d": "pooled",
    "adaptive_avg_pool2d": "pooled",
    "cat": "joined",
    "ceil": "bounded",
    "clamp": "bounded",
    "clip": "bounded",
    "concat": "joined",
    "cos": "cosine",
    "cumsum": "running_total",
    "einsum": "product",
    "elu": "activation",
    "exp": "exponential",
    "flip": "flipped",
    "full": "filled",
    "gather": "selected",
    "gather_elements": "selected",
    "gather_nd": "selected",
    "gelu": "activation",
    "hardsigmoid": "gate",
    "hardswish": "activation",
    "grid_sample": "sampled",
    "interpolate": "resized",
    "leaky_relu": "activation",
    "log": "logarithm",
    "log_softmax": "log_probabilities",
    "matmul": "product",
    "max": "largest",
    "max_pool2d": "pooled",
    "maxpool2d": "pooled",
    "maximum": "bounded",
    "mean": "mean",
    "min": "smallest",
    "minimum": "bounded",
    "norm": "norm",
    "ones": "filled",
    "pad": "padded",
    "pow": "power",
    "relu": "activation",
    "reshape": "reshaped",
    "rsqrt": "inverse_root",
    "roll": "rolled",
    "sigmoid": "gate",
    "silu": "activation",
    "sin": "sine",
    "softmax": "probabilities",
    "softplus": "activation",
    "sqrt": "root",
    "square": "squared",
    "stack": "stacked",
    "sum": "total",
    "tanh": "activation",
    "tile": "repeated",
    "transpose": "transposed",
    "where": "chosen",
}
"""Function → what its result is, where nothing better is known."""
_WORDS |= {"zeros": "filled", "zeros_like": "filled", "ones_like": "filled", "full_like": "filled"}
WIDEST_PARTS = 40
"""Characters of the names of all parts without their numbers; of longer ones only a letter is written."""
LONGEST_ELEMENT = 16
"""Elements of longer names are letters in a loop over several streams, whose first line names what they are of."""
_ORDINALS = ("first", "second", "third", "fourth", "fifth")
_UNPACKING = frozenset({"split", "unbind"})
_BINARY = {"+": "total", "-": "difference", "*": "product", "/": "quotient", "//": "quotient", "**": "power"}
_VAGUE = (GENERIC - {"hidden"}) | {*_ORDINALS, *_WORDS.values(), *_BINARY.values()}
"""What says no more of one of several results than its place."""


Known: TypeAlias = dict[Variable, list[str]]
"""Names that inputs of classes may have, where their callers have none for them."""


def name_values_by_role(cell: Cell, known: Known) -> None:
    """Name the variables and inputs of a Cell whose roles are certain; Cells that it calls come first.

    What its own inputs may be called is added to `known`.
    """
    roles = Roles(cell, known)
    known |= {value: names for value in cell.inputs if (names := [*roles.names[value], *roles.others[value]])}
    _Namer(cell).name({value: names for value, names in roles.names.items() if is_operator_name(value.hint)})


def _names_of_results(cell: Cell) -> dict[Variable, list[str]]:
    """The names of several results of one call: those that they have in its class, `hidden, cell`, not `first, rnn`.

    The results of a layer that is the only one of its kind keep the layer's names, though its inputs have the same.
    """
    takers = Takers(cell)
    found: dict[Variable, list[str]] = {}
    own: list[Variable] = []
    for statement in cell.body.walk():
        made = defined_by(statement)
        if not isinstance(statement, Assign) or not isinstance(statement.value, Call) or len(made) < 2:
            continue
        called_class = takers.of(statement.value)
        if called_class is None:
            own += [value for value in made if not value.assigned and not is_operator_name(value.hint)]
        elif len(made) == len(called_class.body.results) and any(value.hint in _ORDINALS for value in made):
            for value, result in zip(made, called_class.body.results, strict=True):
                name = re.sub(r"_\d+$", "", identifier(result.hint)) if isinstance(result, Variable) else ""
                means = len(name) > 1 and name not in _VAGUE and not is_operator_name(name)
                if means and (value.hint in _ORDINALS or not value.assigned):
                    found[value] = [name]
    if len({value.hint for value in own}) == len(own):
        found |= {value: [value.hint] for value in own}
    return found


def name_remaining_values(cells: Sequence[Cell], known: Known) -> None:
    """Name all other variables and inputs, the entry class (the last one) first."""
    given: dict[Cell, dict[int, set[str]]] = defaultdict(lambda: defaultdict(set))
    for cell in reversed(cells):
        if cell is not cells[-1]:
            _name_inputs(cell, given[cell], known)
        _Namer(cell).name_all()
        takers = Takers(cell)
        for item in expressions_in(cell.body):
            for part in walk(item):
                if isinstance(part, Call) and (taker := takers.of(part)) is not None:
                    for place, value in enumerate(part.positional):
                        value = viewed(value)
                        given[taker][place].add(identifier(value.hint) if isinstance(value, Variable) else "")
    for cell in cells:
        _Namer(cell).name(_names_of_results(cell))


def _name_inputs(cell: Cell, given: dict[int, set[str]], known: Known) -> None:
    """Name the inputs of a class that only operators named, as its callers name them, else by letters."""
    letters = iter("yzuvw")
    for place, value in enumerate(cell.inputs):
        if is_operator_name(value.hint) or (place and re.fullmatch(r"x(_\d+)?", value.hint)):
            names = {re.sub(r"_\d+$", "", name) for name in given[place]}
            name = names.pop() if len(names) == 1 else ""
            taken = {identifier(other.hint) for other in cell.inputs if other is not value}
            if not name or name in taken or name in GENERIC or is_operator_name(name):
                possible = (role for role in known.get(value, ()) if role not in taken)
                name = next(possible, "") or next((letter for letter in letters if letter not in taken), "y")
            value.hint = name


class _Namer:
    """Gives names that no other living variable has.

    A variable lives from the statement that defines it to the last one that reads it. One that a statement's blocks
    define lives as long as the statement.
    """

    def __init__(self, cell: Cell) -> None:
        self._cell = cell
        statements = cell.body.statements
        self._last = last_reads(statements, cell.body.results)
        self._made: dict[Variable, float] = dict.fromkeys(cell.inputs, -1.0)
        self._order: list[tuple[int, Statement]] = []
        for position, statement in enumerate(statements):
            for value in defined_by(statement):
                self._made.setdefault(value, position if isinstance(statement, (Assign, Branch)) else position - 0.5)
            for inner in _inner(statement):
                for value in (*bound_within(inner), *(() if inner is statement else defined_by(inner))):
                    self._made.setdefault(value, position - 0.5)
                    self._last[value] = max(self._last.get(value, position), position)
            self._order.append((position, statement))
        self._live = LiveRanges(self._made, self._last)

    def name(self, possible: dict[Variable, list[str]]) -> None:
        """Give variables the first of their possible names that is free."""
        for value in sorted((value for value in possible if value in self._made), key=lambda v: self._made[v]):
            self._give(value, possible[value])

    def name_all(self) -> None:
        """Name every variable that only an operator named."""
        for position, statement in self._order:
            if isinstance(statement, For):
                self._name_elements(statement)
            for value in defined_by(statement):
                if is_operator_name(value.hint) and not value.assigned:
                    self._give(value, [*self._flowing(statement, value, position), *_words(statement, value)])
            if isinstance(statement, For):
                self._name_within(statement, position)
            for inner in _inner(statement):
                if inner is not statement:
                    for value in (*bound_within(inner), *defined_by(inner)):
                        if is_operator_name(value.hint) and not value.assigned:
                            self._give(value, list(_words(inner, value)))

    def _name_within(self, loop: For, position: int) -> None:
        """Name what a loop computes in each step, beside what is live around it."""
        around = [v for v, made in self._made.items() if made < position - 0.5 and self._last.get(v, -1) >= position]
        given = [*around, *loop.carried, loop.index, *loop.more]
        step = Cell("", "", inputs=given, body=Block(loop.body.statements, (*loop.body.results, *given)))
        _Namer(step).name_all()
        for whole, result in zip(loop.carried, loop.body.results, strict=True):
            match result:
                case Binary(operator="+", left=Variable() as left, right=(Variable() as value,)) if left is whole:
                    name = identifier(value.hint)
                    if name not in GENERIC and len(name) > 1 and not name.endswith("ed"):
                        self._give(whole, [f"all_{name}" if name.endswith("s") else f"{name}s", whole.hint])

    def _name_elements(self, loop: For) -> None:
        """Name what a loop takes in each step after what it is a part of: `key_t` of `keys`."""
        overs = loop.over.args if called(loop.over) == "zip" else (loop.over,)
        for element, over in zip((loop.index, *loop.more), overs, strict=True):
            whole = over.value if isinstance(over, Index) else over
            own = len(element.hint) == 1 and element.assigned  # nothing goes on from one step to the next
            if not (own or element.hint.endswith("_t")) or not isinstance(whole, Variable) or whole.hint in GENERIC:
                continue
            name = identifier(whole.hint).removesuffix("s")
            if whole.hint.endswith("s") and (len(name) <= LONGEST_ELEMENT if own else whole.hint != "parts"):
                self._give(element, [name if own else f"{name}_t"])

    def _give(self, value: Variable, names: Iterable[str]) -> None:
        names = [name for name in names if name]
        if not names:
            return
        self._live.take(value)
        value.hint = next((name for name in names if self._live.is_free(name, value)), names[0])
        value.assigned = True
        self._live.give(value, value.hint)

    def _flowing(self, statement: Statement, value: Variable, position: int) -> Iterator[str]:
        """The names of variables that end here and go on in `value`."""
        if not isinstance(statement, Assign) or len(statement.targets) != 1:
            return
        seen = viewed(statement.value)
        if isinstance(seen, Index):
            yield _alternate(seen)
        seen = _sliced(seen)
        if isinstance(seen, Variable) and self._ends(seen, position):
            yield seen.hint
        if value.dims == ():
            return
        for operand in _operands(statement.value):
            if self._ends(operand, position) and identifier(operand.hint) in GENERIC - {"outputs"}:
                yield operand.hint

    def _ends(self, value: Variable, position: int) -> bool:
        return self._last.get(value) == position and value in self._made


def _inner(statement: Statement) -> Iterator[Statement]:
    """A statement and those of its blocks."""
    yield statement
    for block in blocks_of(statement):
        yield from block.walk()


def _sliced(item: Arg) -> Arg:
    """What an expression takes slices of; itself for other expressions."""
    while isinstance(item, Index) and all(map(_keeps_axis, _slices(item))):
        item = viewed(item.value)
    return item


def _keeps_axis(part: Arg) -> bool:
    return isinstance(part, Slice) or part == Constant(...)


def _slices(item: Index) -> Sequence[Arg]:
    """What stands within the brackets of an index, for each axis."""
    return item.index if isinstance(item.index, tuple) else (item.index,)


def _alternate(item: Index) -> str:
    """The name of every other element of a named tensor: `query_even`, `query_odd`."""
    of, steps = viewed(item.value), [part for part in _slices(item) if isinstance(part, Slice) and _is(part.step, 2)]
    if not isinstance(of, Variable) or len(steps) != 1 or not all(map(_keeps_axis, _slices(item))):
        return ""
    name = re.sub(r"_(even|odd)$", "", identifier(of.hint))
    if name in GENERIC or is_operator_name(name):
        return ""
    return f"{name}_{'odd' if _is(steps[0].start, 1) else 'even'}"


def _is(item: Arg, number: int) -> bool:
    return item in (number, Constant(number))


def _operands(item: Arg) -> Iterator[Variable]:
    """The variables from whose elements an expression is computed, the main one first."""
    item = viewed(item)
    match item:
        case Variable():
            yield item
        case Binary():
            yield from _operands(item.left)
            yield from _operands(item.right)
        case Conditional():
            yield from _operands(item.then)
            yield from _operands(item.orelse)
        case Index():
            yield from _operands(item.value)
        case Call(function=Attribute(value=value)) if not isinstance(value, Name):
            yield from _operands(value)
        case Call(args=args):
            for part in args:
                yield from _operands(part)
        case tuple() | list():
            for part in item:
                yield from _operands(part)


def _part(statement: Assign, count: int, place: int) -> str:
    """One of the results of a statement: `keys_3` of parts of keys, `first` of two, or of few parts without a name."""
    whole = next(_operands(statement.value), None)
    name = "part" if whole is None or is_operator_name(whole.hint) else identifier(whole.hint)
    unnamed = name == "part" or name in GENERIC or len(name) == 1 or called(statement.value) not in _UNPACKING
    wide = count * len(name) >= WIDEST_PARTS
    if count == 2 or ((unnamed or wide) and count <= len(_ORDINALS)):
        return _ORDINALS[place]
    return f"{name[0] if wide else name}_{place}"


def _words(statement: Statement, value: Variable) -> Iterator[str]:
    """What the value is, from what computes it: a layer's name, or what its last function does."""
    if isinstance(statement, Assign) and len(statement.targets) == 1 and not isinstance(statement.targets[0], tuple):
        made = viewed(statement.value)
        layer = made
        while isinstance(layer, Call) and called(layer) in ELEMENTWISE and layer.args:
            layer = viewed(layer.args[0])
        while isinstance(layer, Index):
            layer = layer.value
        if isinstance(layer, Call) and isinstance(layer.function, Member) and layer.function.name:
            yield "" if is_operator_name(layer.function.name) else layer.function.name
        if isinstance(made, Binary):
            yield _BINARY.get(made.operator, "")
        elif isinstance(made, Index):
            yield "part" if value.dims != () else "size"
        if called(made) in _UNPACKING and (whole := next(_operands(made), None)) is not None:
            name = identifier(whole.hint)
            yield "parts" if len(name) == 1 or name.endswith("s") or whole.hint in GENERIC else f"{name}s"
        yield _WORDS.get(called(made), "")
        if value.dims == ():
            yield "size"
            yield "count"
    elif isinstance(statement, Assign):
        targets = statement.targets[0] if len(statement.targets) == 1 else statement.targets
        if isinstance(targets, tuple) and value in targets:
            yield _part(statement, len(targets), targets.index(value))
    yield from "yzuvw"
