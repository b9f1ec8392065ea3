"""The program: what the script will say, before it is text.

A program is a list of Cell classes. A Cell has members (layers, parameters, constants, other Cells), which its
constructor makes, and a body, a block of statements. Statements hold expressions: a template and its arguments, so
that a later stage can compare, move and rewrite them without reading Python text. Everything here is data; `translate`
makes it, `structure` rearranges it, `emit` writes it down, and report, checkpoint and weight map read what it records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from converter.base.scope import Scope
from converter.script.weights import Weight

Arg: TypeAlias = Any
"""What can fill a hole: a literal (bool, int, float, str, None), an `Expr`, a `Variable` (a variable), a `Member`
(`self.conv1`), an `Argument`, a `Cell` (its class), a helper function (its name), or a tuple or list of these."""


@dataclass(frozen=True, slots=True)
class Expr:
    """A Python expression: `Expr("ops.relu({0})", (x,))`. Holes are numbered; an argument may be an expression."""

    template: str
    args: tuple[Arg, ...] = ()


def expr(template: str, *args: Arg) -> Expr:
    """Write an expression: `expr("ops.pad({0}, {1})", x, (0, 1))`."""
    return Expr(template, args)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A row's result whose value is a tuple with an element for each output: `a, b = ops.split(x, 2)`."""

    value: Arg


def invoke(name: str, *args: Arg, **options: Arg) -> Expr:
    """Write a call: `invoke("nn.Conv2d", 3, 64, 7, stride=2)`."""
    holes = [f"{{{i}}}" for i in range(len(args))]
    holes += [f"{option}={{{len(args) + i}}}" for i, option in enumerate(options)]
    return Expr(f"{name}({', '.join(holes)})", (*args, *options.values()))


@dataclass(frozen=True, slots=True)
class Option:
    """A keyword argument that is left out of the script while it has MindSpore's default."""

    value: Arg
    default: Arg


def unless_default(**options: tuple[Arg, Arg]) -> dict[str, Option]:
    """Options and their defaults: of `unless_default(stride=(2, 1), group=(1, 1))` only `stride=2` is written."""
    return {name: Option(value, default) for name, (value, default) in options.items()}


@dataclass(frozen=True, slots=True)
class Written:
    """A row's result that is a whole statement (`y, (h, c) = …`, a loop), and what each output is after it."""

    statement: Statement
    outputs: tuple[Arg, ...]


@dataclass(eq=False, slots=True)
class Variable:
    """A variable of the script.

    Attributes:
        hint: the name that the source suggests; `emit` makes it legal and unique.
        path: the dotted scopes that it was made in.
        dims: the extents of the tensor, a name where one is free; two with the same name are equal. None when unknown.
        assigned: whether the source's own code assigns it to a variable of that name, as it may do again and again.
    """

    hint: str
    dims: tuple[int | str | None, ...] | None = None
    path: str = ""
    assigned: bool = False


@dataclass(eq=False, slots=True)
class Argument:
    """A parameter of a Cell's constructor: written `stride` in `__init__` and `self.stride` in `construct`."""

    name: str
    default: Arg = None
    has_default: bool = False


@dataclass(eq=False)
class Member:
    """What a Cell's constructor makes and keeps: `self.conv1 = nn.Conv2d(3, 64, 7)`.

    Attributes:
        name: the attribute; legal and unique within its Cell.
        constructor: the right-hand side; its first argument may be a `Cell`.
        weights: checkpoint name below this member (`weight`, `layer1.0.bn1.gamma`, or "" when the member is itself a
            parameter) → where the values come from.
        hint: what the source calls it, with the scopes around it.
        owner: the member that holds it: an instance of its Cell, or the sequence that it is an element of.
    """

    name: str
    constructor: Expr
    weights: dict[str, Weight] = field(default_factory=dict)
    hint: str = ""
    owner: Member | None = None

    def parameters(self) -> Iterator[tuple[str, Weight]]:
        """Name every parameter of this member by its path below the owner, in the order of the script."""
        for name, weight in self.weights.items():
            yield (f"{self.name}.{name}" if name else self.name), weight


Target: TypeAlias = "Variable | tuple[Target, ...] | None"
"""What an assignment assigns to: a variable, nothing, or the parts of a tuple."""


@dataclass(eq=False)
class Assign:
    """`a, (b, _) = expr`, or `expr` alone, for what it does, when there are no targets.

    One target takes the value itself, several unpack it, a target of None is dropped (`_`).
    """

    targets: tuple[Target, ...]
    value: Arg
    scopes: tuple[Scope, ...] = ()


@dataclass(eq=False)
class Branch:
    """`if condition: … else: …`; both blocks end by assigning their results to `targets`."""

    targets: tuple[Variable, ...]
    condition: Arg
    then: Block
    orelse: Block
    scopes: tuple[Scope, ...] = ()


@dataclass(eq=False)
class While:
    """`while condition: …` over carried variables.

    Before the loop `carried` take `initial`; each round ends by assigning the body's results to `carried`, all at
    once. `condition` is evaluated before each round.
    """

    carried: tuple[Variable, ...]
    initial: tuple[Arg, ...]
    condition: Arg
    body: Block
    scopes: tuple[Scope, ...] = ()


@dataclass(eq=False)
class For:
    """`for index in range(3): …` over carried variables, as in `While`; or `for index in self.layers: …`.

    `over` is what `index` goes through: an expression of a range, a member or a variable that holds several. Where
    there is a `condition`, the loop ends before the first round for which it is false.
    """

    index: Variable
    over: Arg
    carried: tuple[Variable, ...]
    initial: tuple[Arg, ...]
    body: Block
    scopes: tuple[Scope, ...] = ()
    condition: Arg = None


# `scopes` of a statement: the module calls around it in the source, outermost first.
Statement: TypeAlias = Assign | Branch | While | For


@dataclass(eq=False)
class Block:
    """Statements in order, and what they result in. An inner block sees the variables of the outer ones."""

    statements: list[Statement] = field(default_factory=list)
    results: tuple[Arg, ...] = ()

    def walk(self) -> Iterator[Statement]:
        """Every statement, those of inner blocks after the one that holds them."""
        for statement in self.statements:
            yield statement
            for inner in blocks_of(statement):
                yield from inner.walk()


def blocks_of(statement: Statement) -> tuple[Block, ...]:
    """The blocks that a statement holds, in the order in which they are written."""
    match statement:
        case Branch():
            return statement.then, statement.orelse
        case While() | For():
            return (statement.body,)
        case _:
            return ()


def defined_by(statement: Statement) -> tuple[Variable, ...]:
    """The variables that a statement gives to the statements behind it."""
    match statement:
        case Assign():
            return tuple(_variables(statement.targets))
        case Branch():
            return statement.targets
        case _:
            return statement.carried


def _variables(targets: Iterable[Target]) -> Iterator[Variable]:
    for target in targets:
        if isinstance(target, tuple):
            yield from _variables(target)
        elif target is not None:
            yield target


@dataclass(eq=False)
class Cell:
    """A class of the script. Several members, of several Cells, may be instances of one."""

    name: str
    doc: str = ""
    arguments: list[Argument] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    inputs: list[Variable] = field(default_factory=list)
    body: Block = field(default_factory=Block)


@dataclass(eq=False)
class Record:
    """What became of one node of the normalised graph.

    Attributes:
        operator: `onnx::Conv`, with the source's domain when it is not ONNX's own.
        name: the node's name; scope: where in the source it stood.
        converted: whether it was translated; a stub was written otherwise.
        became: `nn.Conv2d`, `ops.relu`, `x + y`; what to do, for a stub.
        anchor: the member, statement or block (its results) of the script that holds it; None when nothing had to be
            written.
        note: anything a reviewer should know (an approximation).
        calls: the Cells around it in the script, outermost first, by attribute and class: `layer1`, `0` (`Bottleneck`).
        parameters: the parameters that it uses, by their names in the checkpoint.
        composed: whether several statements, or a helper function, were needed for it.
    """

    operator: str
    name: str
    scope: str = ""
    converted: bool = True
    became: str = ""
    anchor: Member | Statement | Block | None = None
    note: str = ""
    calls: tuple[Scope, ...] = ()
    parameters: tuple[str, ...] = ()
    composed: bool = False


@dataclass(eq=False)
class Program:
    """All of a script: its Cells, inner ones first, the entry class last; and the record of every node."""

    cells: list[Cell]
    records: list[Record]

    @property
    def top(self) -> Cell:
        """The entry class."""
        return self.cells[-1]

    def parameters(self) -> Iterator[tuple[str, Weight]]:
        """Every parameter of the network with its name in the checkpoint, in the order of the script."""
        for member in self.top.members:
            yield from member.parameters()


def arguments_of(item: Arg) -> Iterator[Arg]:
    """Everything that an argument is made of, itself first."""
    pending = [item]
    while pending:
        part = pending.pop()
        yield part
        pending.extend(reversed(parts_of(part)))


def parts_of(item: Arg) -> Sequence[Arg]:
    """What an argument is made of directly."""
    match item:
        case Expr():
            return item.args
        case Option():
            return (item.value,)
        case tuple() | list():
            return item
        case _:
            return ()


def expressions_of(statement: Statement) -> tuple[Arg, ...]:
    """The expressions that a statement itself holds, those of its blocks' results included."""
    match statement:
        case Assign():
            return (statement.value,)
        case Branch():
            return (statement.condition, *statement.then.results, *statement.orelse.results)
        case While():
            return (*statement.initial, statement.condition, *statement.body.results)
        case For():
            return (*statement.initial, statement.over, statement.condition, *statement.body.results)
