"""Lambdas stand before the loops whose bodies read them."""

from __future__ import annotations

from script.programs import let, text, variables

from converter.script.expressions import invoke
from converter.script.statements import Block, Branch, For
from converter.script.structure.lambdas import make_before_loops
from converter.script.templates import expr

X, Y, Z, I = variables("x y z i")  # noqa: E741


def test_a_lambda_in_the_body_of_a_loop_is_made_before_it() -> None:
    inner = Block([let(Z, invoke("run", Y, expr("lambda a: ops.clamp(a, -1, {0})", 2.0)))])
    branch = Branch((), X, inner, Block([let(Z, invoke("run", Y, expr("lambda a: ops.clamp(a, -1, {0})", 2.0)))]))
    loop = For(I, expr("range(3)"), (Y,), (X,), Block([branch, let(Z, expr("lambda a: a + {0}", Y))], (Z,)))
    block = Block([Branch((), X, Block([loop]), Block())], (Y,))
    make_before_loops(block)
    assert repr(block) == text(
        """
        if x:
            activation = lambda a: ops.clamp(a, -1, 2.0)
            y = x
            for i in range(3):
                if x:
                    z = run(y, activation)
                else:
                    z = run(y, activation)
                z = lambda a: a + y
                y = z
        return y
        """
    )


def test_elsewhere_it_stays() -> None:
    block = Block([let(Z, invoke("run", X, expr("lambda a: a + 1")))], (Z,))
    make_before_loops(block)
    assert "run(x, lambda a: a + 1)" in repr(block)
