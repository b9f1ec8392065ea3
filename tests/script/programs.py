"""Short ways to write programs by hand, and the programs as text.

x, y = variables("x y")
program([x], [*within("block:m.Block", let(y, invoke("ops.relu", call(dense("fc"), x))))], y)
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from converter.base.scope import Scope
from converter.script.expressions import Arg, Binary, Call, invoke
from converter.script.program import Cell, Member, Program, Record
from converter.script.statements import Assign, Block, Statement, Variable, visit_block
from converter.script.structure.regions import Region, by_scope, replace_in
from converter.script.weights import Weight


@dataclass(frozen=True)
class Stored:
    """A tensor of the source without values."""

    name: str
    shape: tuple[int, ...] = ()
    dtype: Any = None

    def numpy(self) -> Any:
        raise NotImplementedError


def variables(names: str) -> list[Variable]:
    return [Variable(name) for name in names.split()]


def member(hint: str, constructor: Arg, *parameters: str) -> Member:
    """A member that holds parameters of these names; "" when it is a parameter itself."""
    weights = {name: Weight(Stored(f"{hint}.{name}".strip("."))) for name in parameters}
    return Member(hint.replace(".", "_"), constructor, weights, hint)


def dense(hint: str, inputs: int = 8, outputs: int = 8) -> Member:
    return member(hint, invoke("nn.Dense", inputs, outputs), "weight", "bias")


def parameter(hint: str) -> Member:
    return member(hint, invoke("Parameter", invoke("ops.zeros", 3, 8)), "")


def literal(hint: str, value: Arg) -> Member:
    return member(hint, invoke("ms.Tensor", value))


def call(function: Arg, *args: Arg) -> Call:
    return Call(function, args)


def let(target: Variable | Sequence[Variable | None], value: Arg) -> Assign:
    """`target = value`; several targets unpack it."""
    return Assign((target,) if isinstance(target, Variable) else tuple(target), value)


def within(scope: str, *statements: Statement) -> Sequence[Statement]:
    """Statements with one more scope around them, `name` or `name:class`."""
    name, _, kind = scope.partition(":")
    for statement in statements:
        statement.scopes = (Scope(name, kind), *statement.scopes)
    return statements


def returning(*results: Arg, after: Iterable[Statement] = ()) -> Block:
    """A block of these results."""
    return Block(list(after), results)


def program(
    inputs: Sequence[Variable], statements: Iterable[Statement], *results: Arg, records: Iterable[Record] = ()
) -> Program:
    """A program of one Cell, with the members that its statements use."""
    body = Block(list(statements), results)
    members = dict.fromkeys(part for part in visit_block(body) if isinstance(part, Member))
    return Program([Cell("Net", members=list(members), inputs=list(inputs), body=body)], list(records))


def region(*statements: Statement) -> Region:
    """The tree of the statements' scopes."""
    return by_scope(statements)


def text(code: str) -> str:
    """The text of a triple-quoted picture."""
    return textwrap.dedent(code).strip()


def renamed(statement: Statement, old: Variable, new: Arg) -> Statement:
    replace_in(statement, {old: new})
    return statement


def attention(
    path: str, made: Variable, queries: Variable, keys: Variable, mask: Variable | None = None, kind: str = ""
) -> list[Statement]:
    """A module of the source that computes attention, with a mask or without one."""
    q, k, v, scores, masked, weights, context, kept = variables("q k v scores masked weights context kept")
    added = [] if mask is None else [let(masked, Binary("+", scores, mask))]
    return list(
        within(
            f"{path}:{kind}",
            let(q, call(dense(f"{path}.q"), queries)),
            let(k, call(dense(f"{path}.k"), keys)),
            let(v, call(dense(f"{path}.v"), keys)),
            let(scores, invoke("ops.matmul", q, k)),
            *added,
            let(weights, invoke("ops.softmax", scores if mask is None else masked, -1)),
            let(context, invoke("ops.matmul", weights, v)),
            let(kept, invoke("ops.relu", context)),
            let(made, call(dense(f"{path}.o"), kept)),
        )
    )
