"""Constant inputs: a module that reads a constant is given it, where others of its form are given a value."""

from __future__ import annotations

import pytest
from script.programs import call, dense, let, parameter, program, text, variables, within

from converter.script.expressions import Arg, Binary, invoke
from converter.script.statements import Statement, Variable
from converter.script.structure import structure

X, Y = variables("x y")


def block(path: str, made: Variable, source: Variable, positions: Arg, kind: str = "") -> list[Statement]:
    """`fc2(relu(fc1(x + positions)))`."""
    a, b, c = variables("a b c")
    return list(
        within(
            f"{path}:{kind}",
            let(a, Binary("+", source, positions)),
            let(b, call(dense(f"{path}.fc1"), a)),
            let(c, invoke("ops.relu", b)),
            let(made, call(dense(f"{path}.fc2"), c)),
        )
    )


def structured(*blocks: list[Statement], result: Variable) -> str:
    return repr(structure(program([X, Y], [statement for each in blocks for statement in each], result)))


def test_the_first_block_has_a_constant() -> None:
    a, b = variables("a b")
    script = structured(block("one", a, X, parameter("one.positions")), block("two", b, a, Y), result=b)
    assert script.endswith(
        text(
            """
            class Net:
                def __init__(self):
                    self.one_positions = Parameter(ops.zeros(3, 8))
                    self.one = One()
                    self.two = One()
                def construct(self, x, y):
                    x_1 = self.one(x, self.one_positions)
                    return self.two(x_1, y)
            """
        )
    )


@pytest.mark.parametrize("kinds", [("Own", "Other"), ("Own", "")])
def test_blocks_of_other_classes_keep_their_constants(kinds: tuple[str, str]) -> None:
    a, b, c, d = variables("a b c d")
    own = [block("one", a, X, parameter("one.p"), kinds[0]), block("two", b, a, parameter("two.p"), kinds[0])]
    other = [block("three", c, b, Y, kinds[1]), block("four", d, c, Y, kinds[1])]
    assert structured(*own, *other, result=d).count("class ") == 3


def test_most_blocks_have_a_constant_of_their_own() -> None:
    """The one block that is given a value is the exception."""
    a, b, c = variables("a b c")
    own = [block("one", a, X, parameter("one.p")), block("two", b, a, parameter("two.p"))]
    assert "self.p = Parameter" in structured(*own, block("three", c, b, Y), result=c)
