"""Roles: what a value is in its Cell, from what computes it and what reads it.

`query`, `key` and `value` are the operands of attention, `mask` is what a comparison computes, `indices` is what an
index is, `positions` counts. A role is read from the expressions alone, and is told only where it is certain.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from converter.script.expressions import (
    Arg,
    Attribute,
    Binary,
    Call,
    Conditional,
    Constant,
    Expression,
    Index,
    Name,
    Slice,
    Unary,
    is_literal,
    parts_of,
    walk,
)
from converter.script.program import Argument, Cell, Member, class_of, looped_over
from converter.script.statements import Assign, Block, For, Statement, Variable, While, defined_by, expressions_in
from converter.script.structure.operator_names import is_operator_name

_VIEWS = """
    astype broadcast_to contiguous expand_dims flatten moveaxis permute repeat_interleave reshape squeeze swapaxes tile
    transpose unsqueeze view
"""
VIEWS = frozenset(_VIEWS.split())
"""What leaves a value what it is: another shape, order of axes or type."""
_DROPPED = frozenset({"dropout", "identity"})
_PRODUCTS = frozenset({"matmul", "bmm", "batch_mat_mul"})
SOFTMAX = ("masked_softmax", "softmax", "softmax_or_nan")
"""What scripts call for a softmax."""
_COMPARISONS = frozenset({"<", "<=", ">", ">=", "==", "!=", "&", "|"})
_COMPARED = {"<": "is_less", "<=": "is_less", ">": "is_greater", ">=": "is_greater", "==": "is_equal", "!=": "differs"}
"""Comparison → what its result is called beside another mask."""
_TESTS = frozenset(
    {"equal", "greater", "greater_equal", "isfinite", "isinf", "isnan", "less", "less_equal", "not_equal"}
    | {f"logical_{name}" for name in ("and", "not", "or", "xor")}
)
_MADE = {
    "arange": "positions",
    "range": "positions",
    "argmax": "indices",
    "argmin": "indices",
    "argsort": "indices",
    "nonzero": "indices",
    "multinomial": "indices",
}
"""Function → what its result is."""
_TAKEN = {
    ("gather", 1): "indices",
    ("gather_nd", 1): "indices",
    ("gather_elements", 2): "indices",
    ("gather_d", 2): "indices",
    ("where", 0): "mask",
    ("masked_fill", 1): "mask",
    ("masked_fill", 0): "mask",
    ("broadcast_to", 1): "shape",
}
"""Function and place of the argument → what its argument is. A method's places are counted without the object."""
_GATES = {"gelu": "up", "relu": "up", "sigmoid": "value", "silu": "up"}
"""Activation of one half of a gated linear unit → what the other half is (Shazeer 2020)."""
_RECURRENT = frozenset({"gru", "grucell", "lstm", "lstmcell", "rnn", "rnncell"})
"""Layers whose second argument is the state that they begin with."""
_HIDING = -1e4
"""A number below this hides what it is added to from a softmax."""
_DEEPEST = 40
"""Steps that are followed from a value to what it is computed from."""


def called(item: Arg) -> str:
    """The name of the function or method that an expression calls: `reshape` of `x.reshape(shape)`; "" for others."""
    if not isinstance(item, Call):
        return ""
    match item.function:
        case Name():
            return item.function.path.rpartition(".")[2]
        case Attribute():
            return item.function.name
        case Member():
            made = item.function.constructor
            path = made.function.path if isinstance(made, Call) and isinstance(made.function, Name) else ""
            return path.rpartition(".")[2].lower()
    return str(getattr(item.function, "__name__", ""))


def viewed(item: Arg) -> Arg:
    """What an expression shows in another shape, order of axes, type or scale; itself for other expressions."""
    while isinstance(item, Expression):
        inner = _seen_through(item)
        if inner is None:
            break
        item = inner
    return item


def _seen_through(item: Expression) -> Arg | None:
    match item:
        case Call(function=Attribute(value=value)) if called(item) in VIEWS:
            return value
        case Call(function=Name(), args=(first, *_)) if called(item) in VIEWS | _DROPPED:
            return first
        case Call(function=Member(weights={}), args=(first, *_)) if called(item) in _DROPPED:
            return first
        case Index(value=value, index=index) if _adds_axes(index):
            return value
        case Binary(operator="*" | "/", left=left, right=right) if _is_number(right):
            return left
        case Binary(operator="*", left=left, right=right) if _is_number(left):
            return right
        case Unary(operator="-", operand=operand):
            return operand
        case Call(args=(test, guard, value)) if called(item) == "where" and _is_number(guard):
            return value if called(test) in ("isnan", "isfinite", "isinf") else None
    return None


def _rotated(item: Arg) -> Arg | None:
    """What rotary position embedding rotates: `x` of `x * cos + rotate_half(x) * sin` (Su et al. 2021)."""
    match item:
        case Binary(operator="+", left=Binary(operator="*", left=x), right=Binary(operator="*", left=turned)):
            return x if called(turned) == "rotate_half" and x in parts_of(turned) else None
    return None


def _adds_axes(index: Arg) -> bool:
    """Whether an index only adds axes: `[:, None]`."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part == Slice() or part in (Constant(None), Constant(...)) for part in parts)


def _is_number(item: Arg) -> bool:
    """Whether an expression is a number, or a power of a number: `16**-0.5`, `self.size**-0.5`."""
    if isinstance(item, Binary) and item.operator == "**":
        return isinstance(item.right, Constant) and (isinstance(item.left, Argument) or _is_number(item.left))
    return isinstance(item, Constant) or (is_literal(item) and not isinstance(item, (tuple, list)))


def _classes_in(item: Arg) -> Iterator[Cell]:
    """The classes of the elements that a list of layers is made of; not of what these are given."""
    if isinstance(item, Call) and isinstance(item.function, Cell):
        yield item.function
    else:
        for part in parts_of(item):
            yield from _classes_in(part)


class Takers:
    """The classes whose instances a Cell calls, the elements of a list that it loops over included."""

    def __init__(self, cell: Cell) -> None:
        self._elements: dict[Variable, Cell] = {}
        for statement in cell.body.walk():
            if isinstance(statement, For) and (layers := looped_over(statement)) is not None:
                classes = set(_classes_in(layers.constructor))
                if len(classes) == 1:
                    self._elements[statement.index] = classes.pop()

    def of(self, call: Call) -> Cell | None:
        """The class that a call is a call of; None for layers and functions."""
        if isinstance(call.function, Member):
            return class_of(call.function)
        return self._elements.get(call.function) if isinstance(call.function, Variable) else None


def _hides(item: Arg) -> bool:
    """Whether an argument is a number so small that a softmax makes 0 of it."""
    if isinstance(item, Call):  # float("-inf")
        return item.function == Name("float") and item.args == ("-inf",)
    return isinstance(item, float) and item < _HIDING


class Roles:
    """The roles of a Cell's variables: `names[variable]` are possible names, the most certain first.

    `others` are names of inputs that go before letters, but not before what the caller calls them; `known` are those of
    the inputs of the classes that the Cell calls.
    """

    def __init__(self, cell: Cell, known: Mapping[Variable, list[str]] | None = None) -> None:
        self._known = known or {}
        self.names: dict[Variable, list[str]] = defaultdict(list)
        self.others: dict[Variable, list[str]] = defaultdict(list)
        self._takers = Takers(cell)
        self.made: dict[Variable, Arg] = dict(_definitions(cell.body))
        self._halves = _halves(cell.body)
        self._outside = {
            *cell.inputs,
            *(value for statement in cell.body.statements for value in defined_by(statement)),
        }
        expressions = [part for item in expressions_in(cell.body) for part in walk(item)]
        calls = [part for part in expressions if isinstance(part, Call)]
        for call in calls:
            self._attention(call)
        for call in calls:
            self._context(call)
        decided = _conditions(cell.body)
        for value in decided:
            self._note(value, "condition")
        for value, made in self.made.items():
            self._note(value, "" if value in decided else self._made(made))
            if isinstance(made, Binary) and value not in decided:
                self._note(value, _COMPARED.get(made.operator, ""))
        for statement in cell.body.walk():
            if isinstance(statement, Assign) and called(statement.value) in ("topk", "sort"):
                targets = statement.targets[0] if isinstance(statement.targets[0], tuple) else statement.targets
                for target, role in zip(targets, ("values", "indices"), strict=False):
                    self._note(target, role)
        for part in expressions:
            self._reader(part)

    def _note(self, item: Arg, role: str) -> None:
        """Record the role of a variable, or of the variable that an expression shows."""
        item = viewed(item)
        if role and isinstance(item, Variable) and role not in self.names[item]:
            self.names[item].append(role)

    def _followed(self, item: Arg) -> Iterator[Arg]:
        """An expression, and those that compute it, as long as they only show it otherwise or rotate it."""
        for _ in range(_DEEPEST):
            item = viewed(item)
            yield item
            inner = self.made.get(item) if isinstance(item, Variable) else _rotated(item)
            if inner is None:
                break
            item = inner

    # Attention

    def _attention(self, call: Call) -> None:
        """Name the operands of the product that a softmax is computed from: query, key, and what is added to it."""
        if called(call) not in SOFTMAX or not call.args:
            return
        path: list[Variable] = []
        product = self._product(call.args[0], path, set())
        if product is None:
            return
        for value in path:
            self._note(value, "scores")
        self._note_all(product.args[0], "query")
        self._note_all(product.args[1], "key")

    def _note_all(self, item: Arg, role: str) -> None:
        for each in self._followed(item):
            if isinstance(each, Variable):
                self._note(each, role)

    def _product(self, item: Arg, path: list[Variable], seen: set[Variable]) -> Call | None:
        """The matrix product in the sum that an expression is; `path` gets the variables on the way to it."""
        item = viewed(item)
        if isinstance(item, Variable):
            if item not in self.made or item in seen:
                return None
            seen.add(item)
            found = self._product(self.made[item], path, seen)
            if found is not None:
                path.append(item)
            return found
        if called(item) in _PRODUCTS and len(item.args) > 1:
            return item if isinstance(item, Call) else None
        if isinstance(item, Conditional):  # an optional mask: `scores + mask if mask is not None else scores`
            return self._product(item.then, path, seen)
        sides: tuple[Arg, ...] = ()
        if isinstance(item, Binary) and item.operator in ("+", "-", "*", "/"):
            sides = (item.left, item.right)
        elif called(item) in ("where", "masked_fill", "maximum", "clamp", "tanh"):  # tanh: a soft bound
            sides = (*parts_of(item.function), *item.args)
        found = None
        for side in sides:
            found = found or self._product(side, path, seen)
        if found is not None and isinstance(item, Binary) and item.operator == "+":
            for side in map(viewed, sides):
                if isinstance(side, Variable) and side not in path:
                    self.others[side].append("bias")
        return found

    def _context(self, call: Call) -> None:
        """Name the operands and the result of the product of attention's weights and values."""
        if called(call) not in _PRODUCTS or len(call.args) < 2:
            return
        weights = list(self._followed(call.args[0]))
        if called(weights[-1]) not in SOFTMAX:
            return
        for each in weights:
            self._note(each, "weights")
        self._note_all(call.args[1], "value")
        for value, made in self.made.items():
            if viewed(made) == call:
                self._note(value, "context")

    # Others

    def _made(self, made: Arg) -> str:
        """What the result of an expression is."""
        made = viewed(made)
        if isinstance(made, Binary) and made.operator in _COMPARISONS:
            return "mask"
        name = called(made)
        if name == "where" and isinstance(made, Call) and any(map(_hides, made.args[1:])):
            return "mask" if all(_is_number(arg) or isinstance(arg, Member) for arg in made.args[1:]) else ""
        return "mask" if name in _TESTS else _MADE.get(name, "")

    def _reader(self, part: Arg) -> None:
        """Name what an expression reads."""
        match part:
            case Call(function=Variable()):
                self._taken(part)
            case Call(function=Member() as member):
                self._taken(part)
                self._begun(part)
                if called(part) == "embedding" and part.args:
                    table = re.fullmatch(r"(?:\w+_)?([a-z]+(?:_type)?)_embed(?:ding)?s?", member.name)
                    self._note(part.args[0], f"{table[1]}_ids" if table else "indices")
            case Call(function=Attribute(value=value)):
                for place, item in enumerate(part.positional):
                    self._note(item, _TAKEN.get((called(part), place + (not isinstance(value, Name))), ""))
            case Call():
                for place, item in enumerate(part.positional):
                    if (called(part), place) != ("masked_fill", 0):
                        self._note(item, _TAKEN.get((called(part), place), ""))
            case Unary(operator="~", operand=operand):
                self._note(operand, "mask")
            case Binary(operator="*", left=left, right=right):
                for activated, other in ((left, right), (right, left)):
                    self._gated(activated, other)
            case Binary(operator="+", left=left, right=right):
                for one, other in ((left, right), (right, left)):
                    if isinstance(one, Variable) and self._is_layer(other):
                        self.others[one].append("residual")

    def _begun(self, call: Call) -> None:
        """Name the states that a recurrent layer begins with."""
        states = call.args[1] if called(call) in _RECURRENT and len(call.args) > 1 else ()
        shown = [viewed(state) for state in (states if isinstance(states, tuple) else (states,))]
        if len(set(map(id, shown))) < len(shown):
            return  # both begin with the same zeros
        for state, role in zip(shown, ("hidden", "cell"), strict=False):
            if state in self._outside:  # in a branch, the states behind the layer would need other names
                self._note(state, role)

    def _gated(self, activated: Arg, other: Arg) -> None:
        """Name the halves of a gated linear unit: `ops.silu(gate) * up`."""
        gate = activated.args[0] if isinstance(activated, Call) and activated.args else None
        if called(activated) not in _GATES or not isinstance(gate, Variable) or not isinstance(other, Variable):
            return
        if gate in self._halves and self._halves[gate] is self._halves.get(other):
            self._note(gate, "gate")
            self._note(other, _GATES[called(activated)])

    def _taken(self, call: Call) -> None:
        """Name the arguments of a call after the inputs of the class."""
        cell = self._takers.of(call)
        for item, taken in zip(call.positional, cell.inputs if cell else (), strict=False):
            self._note(item, "" if len(taken.hint) == 1 or is_operator_name(taken.hint) else taken.hint)
            if isinstance(item, Variable):
                self.others[item] += self._known.get(taken, [])

    def _is_layer(self, item: Arg) -> bool:
        """Whether an expression is what a layer with weights returns."""
        made = list(self._followed(item))[-1]
        return isinstance(made, Call) and isinstance(made.function, Member) and bool(made.function.weights)


def _halves(block: Block) -> dict[Variable, Statement]:
    """The variables that a statement assigns in pairs: `a, b = ops.split(x, 32, 2)`."""
    assigned = ((statement, defined_by(statement)) for statement in block.walk() if isinstance(statement, Assign))
    return {value: statement for statement, values in assigned if len(values) == 2 for value in values}


def _conditions(block: Block) -> set[Variable]:
    """The variables that decide a branch or the next iteration of a loop, and what a loop hands on to them."""
    found: set[Variable] = set()
    for statement in block.walk():
        test = None if isinstance(statement, Assign) else statement.condition
        while isinstance(test, Unary):
            test = test.operand
        if not isinstance(test, Variable):
            continue
        found.add(test)
        if isinstance(statement, (While, For)) and test in statement.carried:
            place = statement.carried.index(test)
            handed = statement.initial[place], statement.body.results[place]
            found.update(each for each in handed if isinstance(each, Variable))
    return found


def _definitions(block: Block) -> Iterator[tuple[Variable, Arg]]:
    for statement in block.walk():
        if isinstance(statement, Assign) and len(statement.targets) == 1 and isinstance(statement.targets[0], Variable):
            yield statement.targets[0], statement.value


__all__ = ["Roles", "called", "viewed"]
