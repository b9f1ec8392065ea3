"""Statements: the lines of a Cell's `construct`, as data, in blocks.

`operands_of`, `map_statement`, `expressions_of` and `visit` are the only traversals; the type checker
reports a kind of statement that one of them does not handle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, assert_never

import onnx_ir as ir

from converter.base.scope import Scope
from converter.script.expressions import Arg, Leaf, Unary, walk
from converter.script.printer import text_of


@dataclass(eq=False, slots=True)
class Variable(Leaf):
    """A variable of the script.

    Attributes:
        hint: the name that the source suggests; `emit` makes it legal and unique.
        path: the dotted scopes in which it is defined.
        dims: the extents of the tensor, symbolic where dynamic; equal symbols are equal extents. None if unknown.
        assigned: whether the source's own code assigns it to a variable of that name, possibly several times.
        is_layer: whether it is no tensor but a layer, which several blocks call and each takes as an input.
        is_optional: whether it is an input that a call may leave out, and None then.
    """

    hint: str
    dims: tuple[int | ir.SymbolicDim | None, ...] | None = None
    path: str = ""
    assigned: bool = False
    is_layer: bool = False
    is_optional: bool = False

    @property
    def label(self) -> str:
        """Its hint."""
        return self.hint


Target: TypeAlias = "Variable | tuple[Target, ...] | None"
"""What an assignment assigns to: a variable, nothing, or the parts of a tuple."""


class _Listed:
    """A statement whose representation is its code."""

    def __repr__(self) -> str:
        return "\n".join(_lines(self, plain_text))  # type: ignore[arg-type]


@dataclass(eq=False, repr=False)
class Assign(_Listed):
    """`a, (b, _) = expr`, or `expr` alone, for its side effect, if there are no targets.

    One target takes the value itself, several unpack it, a target of None is dropped (`_`).
    """

    targets: tuple[Target, ...]
    value: Arg
    scopes: tuple[Scope, ...] = ()


@dataclass(eq=False, repr=False)
class Branch(_Listed):
    """`if condition: … else: …`; both blocks end by assigning their results to `targets`."""

    targets: tuple[Variable, ...]
    condition: Arg
    then: Block
    orelse: Block
    scopes: tuple[Scope, ...] = ()


@dataclass(eq=False, repr=False)
class While(_Listed):
    """`while condition: …` over carried variables.

    `carried` are the loop-carried values: they are `initial` before the loop, and each iteration ends by assigning the
    body's results to all of them at once. `condition` is evaluated before each iteration.
    """

    carried: tuple[Variable, ...]
    initial: tuple[Arg, ...]
    condition: Arg
    body: Block
    scopes: tuple[Scope, ...] = ()


@dataclass(eq=False, repr=False)
class For(_Listed):
    """`for index in range(3): …` over carried variables, as in `While`; or `for index in self.layers: …`.

    `over` is the iterable: an expression of a range, a member or a variable with several elements. If there is a
    `condition`, the loop ends before the first iteration for which it is false. `more` are further variables, if each
    element is a tuple: `for layer, key in zip(self.layers, keys)`.
    """

    index: Variable
    over: Arg
    carried: tuple[Variable, ...]
    initial: tuple[Arg, ...]
    body: Block
    scopes: tuple[Scope, ...] = ()
    condition: Arg = None
    more: tuple[Variable, ...] = ()


# `scopes` of a statement: the module calls around it in the source, outermost first.
Statement: TypeAlias = Assign | Branch | While | For


@dataclass(eq=False)
class Block:
    """Statements in order, and their results. An inner block may read the variables of the outer ones."""

    statements: list[Statement] = field(default_factory=list)
    results: tuple[Arg, ...] = ()

    def __repr__(self) -> str:
        return "\n".join([*lines_of(self, plain_text), return_line(self, plain_text)])

    def walk(self) -> Iterator[Statement]:
        """Every statement; those of inner blocks follow the statement that contains the block."""
        for statement in self.statements:
            yield statement
            for inner in blocks_of(statement):
                yield from inner.walk()


def blocks_of(statement: Statement) -> tuple[Block, ...]:
    """The blocks of a statement, in the order of the text."""
    match statement:
        case Assign():
            return ()
        case Branch():
            return statement.then, statement.orelse
        case While() | For():
            return (statement.body,)
    assert_never(statement)


def defined_by(statement: Statement) -> tuple[Variable, ...]:
    """The variables that a statement defines for the statements after it."""
    match statement:
        case Assign():
            return tuple(_variables(statement.targets))
        case Branch():
            return statement.targets
        case While() | For():
            return statement.carried
    assert_never(statement)


def bound_within(statement: Statement) -> tuple[Variable, ...]:
    """The variables that only the blocks of a statement read: the loop-carried ones and those of one iteration."""
    match statement:
        case Assign() | Branch():
            return ()
        case While():
            return statement.carried
        case For():
            return (*statement.carried, statement.index, *statement.more)
    assert_never(statement)


def operands_of(statement: Statement) -> tuple[Arg, ...]:
    """The expressions of a statement without those of its blocks, in the order of the text."""
    match statement:
        case Assign():
            return (statement.value,)
        case Branch():
            return (statement.condition,)
        case While():
            return (*statement.initial, statement.condition)
        case For():
            return (*statement.initial, statement.over, statement.condition)
    assert_never(statement)


def map_statement(statement: Statement, function: Callable[[Arg], Arg]) -> None:
    """Replace every expression of a statement by `function` of it, those of its blocks and their results included."""
    match statement:
        case Assign():
            statement.value = function(statement.value)
        case Branch():
            statement.condition = function(statement.condition)
        case While():
            statement.initial = tuple(map(function, statement.initial))
            statement.condition = function(statement.condition)
        case For():
            statement.initial = tuple(map(function, statement.initial))
            statement.over = function(statement.over)
            statement.condition = function(statement.condition)
        case _:
            assert_never(statement)
    for block in blocks_of(statement):
        map_block(block, function)


def map_block(block: Block, function: Callable[[Arg], Arg]) -> None:
    """`map_statement` of every statement of a block, and `function` of its results."""
    for statement in block.statements:
        map_statement(statement, function)
    block.results = tuple(map(function, block.results))


def expressions_of(statement: Statement) -> Iterator[Arg]:
    """Every expression of a statement, those of its blocks and their results included, in the order of the text."""
    yield from operands_of(statement)
    for block in blocks_of(statement):
        yield from expressions_in(block)


def expressions_in(block: Block) -> Iterator[Arg]:
    """Every expression of a block, its results last."""
    for statement in block.statements:
        yield from expressions_of(statement)
    yield from block.results


def visit(statement: Statement) -> Iterator[Arg]:
    """All parts of all expressions of a statement (see `walk`), in the order of the text."""
    for item in expressions_of(statement):
        yield from walk(item)


def visit_block(block: Block) -> Iterator[Arg]:
    """All parts of all expressions of a block (see `walk`), in the order of the text."""
    for item in expressions_in(block):
        yield from walk(item)


def _variables(targets: Iterable[Target]) -> Iterator[Variable]:
    for target in targets:
        if isinstance(target, tuple):
            yield from _variables(target)
        elif target is not None:
            yield target


# Text


Write = Callable[[Arg], str]
"""Writes an expression as Python."""


def plain_text(item: Arg) -> str:
    """An expression as Python, for a listing: variables have their hints as names."""
    return text_of(item, lambda leaf: leaf.label if isinstance(leaf, Leaf) else leaf.__name__)


def lines_of(block: Block, write: Write) -> Iterator[str]:
    """The lines of a block's statements, without its results."""
    for statement in block.statements:
        yield from _lines(statement, write)


def _lines(statement: Statement, write: Write) -> Iterator[str]:
    match statement:
        case Assign():
            targets = ", ".join(_target(target, write) for target in statement.targets)
            yield f"{targets} = {write(statement.value)}" if targets else write(statement.value)
        case Branch():
            yield f"if {write(statement.condition)}:"
            yield from _indented(statement.then, statement.targets, write)
            if statement.orelse.statements or statement.orelse.results:
                yield "else:"
                yield from _indented(statement.orelse, statement.targets, write)
        case While():
            yield from _initial(statement, write)
            yield f"while {write(statement.condition)}:"
            yield from _indented(statement.body, statement.carried, write)
        case For():
            yield from _initial(statement, write)
            names = ", ".join(map(write, (statement.index, *statement.more)))
            yield f"for {names} in {write(statement.over)}:"
            if statement.condition is not None:
                yield f"    if {write(Unary('not', statement.condition))}:"
                yield "        break"
            yield from _indented(statement.body, statement.carried, write)
        case _:
            assert_never(statement)


def _target(target: Target, write: Write) -> str:
    match target:
        case None:
            return "_"
        case Variable():
            return write(target)
        case (single,):
            return f"({_target(single, write)},)"
        case _:
            return f"({', '.join(_target(part, write) for part in target)})"


def _initial(loop: While | For, write: Write) -> Iterator[str]:
    """Assign what a loop begins with; the tuples that it fills together."""
    pairs = list(zip(loop.carried, loop.initial, strict=True))
    for target, value in pairs:
        if value != ():
            yield from _assignment((target,), (value,), write)
    empty = [target for target, value in pairs if value == ()]
    yield from _assignment(empty, [()] * len(empty), write)


def _indented(block: Block, targets: Sequence[Variable], write: Write) -> Iterator[str]:
    """The lines of an inner block, and the assignment of its results."""
    lines = [*lines_of(block, write), *_assignment(targets, block.results, write)]
    yield from ("    " + line for line in lines or ["pass"])


def _assignment(targets: Sequence[Variable], values: Sequence[Arg], write: Write) -> Iterator[str]:
    """Assign several variables at once, except those that keep their value."""
    written = [(write(target), write(value)) for target, value in zip(targets, values, strict=True)]
    pairs = [(target, value) for target, value in written if target != value]
    if pairs:
        yield f"{', '.join(target for target, _ in pairs)} = {', '.join(value for _, value in pairs)}"


def return_line(block: Block, write: Write) -> str:
    """The statement that returns a block's results."""
    return f"return {', '.join(map(write, block.results))}"
