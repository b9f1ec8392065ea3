"""The program: the script as data, before it is written as text.

A program is a list of Cell classes. A Cell has members (layers, parameters, constants, other Cells), which its
constructor creates, and a body, a block of statements. Statements hold expressions (`converter.script.expressions`).
Everything here is data; `lowering` creates it, `structure` rearranges it, `emit` writes it as text, and report,
checkpoint and weight map read its records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from converter.base.names import Namespace
from converter.base.scope import Scope
from converter.script.expressions import Arg, Call, Index, Leaf, Name, map_parts
from converter.script.printer import text_of
from converter.script.statements import Block, For, Statement, Variable, lines_of, return_line
from converter.script.weights import Weight


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A row's result whose value is a tuple with an element for each output: `a, b = ops.split(x, 2)`."""

    value: Arg


@dataclass(frozen=True, slots=True)
class Written:
    """A row's result that is a whole statement (`y, (h, c) = …`, a loop), with the expression of each output."""

    statement: Statement
    outputs: tuple[Arg, ...]


@dataclass(eq=False, slots=True)
class Argument(Leaf):
    """A parameter of a Cell's constructor: written `stride` in `__init__` and `self.stride` in `construct`."""

    name: str
    default: Arg = None
    has_default: bool = False

    @property
    def label(self) -> str:
        """Its name."""
        return self.name


@dataclass(eq=False)
class Member(Leaf):
    """An attribute that a Cell's constructor assigns: `self.conv1 = nn.Conv2d(3, 64, 7)`.

    Attributes:
        name: the attribute; legal and unique within its Cell.
        constructor: the right-hand side; its first argument may be a `Cell`.
        weights: checkpoint name below this member (`weight`, `layer1.0.bn1.gamma`, or "" when the member is itself a
            parameter) → the source of the values.
        hint: its name in the source, with the scopes around it.
        owner: the member that contains it: an instance of its Cell, or the sequence that has it as an element.
    """

    name: str
    constructor: Arg
    weights: dict[str, Weight] = field(default_factory=dict)
    hint: str = ""
    owner: Member | None = None

    @property
    def label(self) -> str:
        """`self.conv1`."""
        return f"self.{self.name}"

    def parameters(self) -> Iterator[tuple[str, Weight]]:
        """Name every parameter of this member by its path below the owner, in the order of the script."""
        for name, weight in self.weights.items():
            yield (f"{self.name}.{name}" if name else self.name), weight


def with_members(item: Arg, instead: Mapping[Member, Arg]) -> Arg:
    """An expression with members replaced."""
    if isinstance(item, Member):
        return instead.get(item, item)
    return map_parts(item, lambda part: with_members(part, instead))


def class_of(member: Member) -> Cell | None:
    """The class that a member is an instance of; None if the script does not define its class."""
    made = member.constructor
    return made.function if isinstance(made, Call) and isinstance(made.function, Cell) else None


def looped_over(loop: For) -> Member | None:
    """The list of layers that a loop goes over, alone or beside others: `for layer, key in zip(self.layers, keys)`."""
    over = loop.over
    if isinstance(over, Call) and over.function == Name("zip"):
        over = over.args[0]
    return over if isinstance(over, Member) else None


def called_member(item: Arg) -> Member | None:
    """The member that an expression calls: `self.conv1(x)`, or with an index on the result, `self.lstm(x)[0]`."""
    while isinstance(item, Index):
        item = item.value
    return item.function if isinstance(item, Call) and isinstance(item.function, Member) else None


@dataclass(eq=False)
class Cell(Leaf):
    """A class of the script. Several members, of several Cells, may be instances of one.

    If it is `open_ended`, the last input is a tuple of all further arguments: `construct(self, x, *past)`.
    """

    name: str
    doc: str = ""
    arguments: list[Argument] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    inputs: list[Variable] = field(default_factory=list)
    body: Block = field(default_factory=Block)
    open_ended: bool = False

    @property
    def label(self) -> str:
        """Its name."""
        return self.name

    def __repr__(self) -> str:
        """Its code. A variable is named after its hint, with a number if another variable has that name."""
        names, known = Namespace(), dict[Variable, str]()

        def name(leaf: Leaf) -> str:
            if isinstance(leaf, Variable):
                return known.get(leaf) or known.setdefault(leaf, names.new(leaf.hint))
            return leaf.label if isinstance(leaf, Leaf) else leaf.__name__

        def write(item: Arg) -> str:
            return text_of(item, name)

        made = [f"    self.{member.name} = {write(member.constructor)}" for member in self.members]
        taken = [a.name + (f"={write(a.default)}" if a.has_default else "") for a in self.arguments]
        given = [write(each) + ("=None" if each.is_optional else "") for each in self.inputs]
        arguments, inputs = (", ".join(["self", *each]) for each in (taken, given))
        body = [*lines_of(self.body, write), return_line(self.body, write)]
        lines = [f"def __init__({arguments}):", *made, f"def construct({inputs}):", *("    " + line for line in body)]
        return "\n".join([f"class {self.name}:", *("    " + line for line in lines)])


@dataclass(eq=False)
class Record:
    """How one node of the normalised graph was translated.

    Attributes:
        operator: `onnx::Conv`, with the source's domain when it is not ONNX's own.
        name: the node's name; scope: its scope in the source.
        converted: whether it was translated; a stub was written otherwise.
        became: `nn.Conv2d`, `ops.relu`, `x + y`; for a stub, what the user has to do.
        anchor: the member, statement or block (its results) of the script that contains it; None if it needs no code.
        note: anything a reviewer should know (an approximation).
        calls: the Cells around it in the script, outermost first, by attribute and class: `layer1`, `0` (`Bottleneck`).
        parameters: the parameters that it uses, by their names in the checkpoint.
        composed: whether it was translated to several statements or a helper function.
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
    """A whole script: its Cells, inner ones first, the entry class last; and the record of every node."""

    cells: list[Cell]
    records: list[Record]

    def __repr__(self) -> str:
        return "\n\n".join(map(repr, self.cells))

    @property
    def top(self) -> Cell:
        """The entry class."""
        return self.cells[-1]

    def parameters(self) -> Iterator[tuple[str, Weight]]:
        """Every parameter of the network with its name in the checkpoint, in the order of the script."""
        for member in self.top.members:
            yield from member.parameters()
