"""Calls: a scope that covers several calls of one module is split into them."""

from __future__ import annotations

from collections.abc import Sequence

from script.programs import call, dense, let, literal, region, text, variables, within

from converter.script.expressions import Binary, invoke
from converter.script.statements import Statement, Variable
from converter.script.structure.calls import split_calls
from converter.script.structure.regions import Region

X, A, B, C, D, E, F, M = variables("x a b c d e f m")
FC1, FC2 = dense("fc1"), dense("fc2")


def split(*statements: Statement) -> Region:
    tree = region(*within("net:m.Net", *statements))
    split_calls(tree)
    return tree


def step(source: Variable, *made: Variable) -> Sequence[Statement]:
    """`a = fc1(x)`, `b = relu(a)`, `c = fc2(b)`."""
    a, b, c = made
    return [let(a, call(FC1, source)), let(b, invoke("ops.relu", a)), let(c, call(FC2, b))]


def test_where_the_layers_begin_anew_so_does_a_call() -> None:
    assert repr(split(*step(X, A, B, C), *step(C, D, E, F))) == text(
        """
        net (m.Net):
            a = self.fc1(x)
            b = ops.relu(a)
            c = self.fc2(b)
        net (m.Net):
            d = self.fc1(c)
            e = ops.relu(d)
            f = self.fc2(e)
        """
    )


def test_what_follows_the_last_layer_in_every_call_belongs_to_it() -> None:
    y, z = variables("y z")
    tree = split(*step(X, A, B, C), let(y, Binary("+", C, X)), *step(y, D, E, F), let(z, Binary("+", F, y)))
    assert [repr(inner).splitlines()[-1] for inner in tree.inner()] == ["y = c + x", "z = f + y"]


def test_what_precedes_the_first_layer_in_every_call_belongs_to_it() -> None:
    y, z = variables("y z")
    tree = split(let(y, invoke("ops.tanh", X)), *step(y, A, B, C), let(z, invoke("ops.tanh", C)), *step(z, D, E, F))
    assert [repr(inner).splitlines()[0] for inner in tree.inner()] == ["y = ops.tanh(x)", "z = ops.tanh(c)"]


def test_the_first_call_may_compute_what_the_later_ones_share() -> None:
    g, h, i, y, z, n = variables("g h i y z n")
    tree = split(
        let(M, Binary(">", X, 0)),
        *step(X, A, B, C),
        let(y, Binary("*", C, M)),
        *step(y, D, E, F),
        let(z, Binary("*", F, M)),
        *step(z, g, h, i),
        let(n, Binary("*", i, M)),
    )
    assert [len(inner.statements) for inner in tree.inner()] == [5, 4, 4]


def test_inner_regions_are_split_with_the_calls_that_they_are_in() -> None:
    y, z = variables("y z")
    first, second = ([*within("inner:m.Inner", *step(*made))] for made in ((X, A, B, C), (y, D, E, F)))
    tree = split(*first, let(y, invoke("ops.tanh", C)), *second, let(z, invoke("ops.tanh", F)))
    assert repr(tree) == text(
        """
        net (m.Net):
            inner (m.Inner):
                a = self.fc1(x)
                b = ops.relu(a)
                c = self.fc2(b)
            y = ops.tanh(c)
        net (m.Net):
            inner (m.Inner):
                d = self.fc1(y)
                e = ops.relu(d)
                f = self.fc2(e)
            z = ops.tanh(f)
        """
    )


def test_regions_within_regions_are_split() -> None:
    tree = region(*within("net", *within("inner", *step(X, A, B, C), *step(C, D, E, F)), let(M, call(dense("fc"), F))))
    split_calls(tree)
    (net,) = tree.inner()
    assert [inner.path for inner in net.inner()] == ["net.inner", "net.inner"]


def test_calls_that_differ_are_one_region() -> None:
    different = [let(D, call(FC1, C)), let(E, invoke("ops.tanh", D)), let(F, call(FC2, E))]
    assert len(split(*step(X, A, B, C), *different).inner()) == 1


def test_one_call_and_no_layers_are_one_region() -> None:
    assert len(split(*step(X, A, B, C)).inner()) == 1
    assert len(split(let(A, Binary("*", X, literal("two", 2))), let(B, Binary("*", A, literal("two", 2)))).inner()) == 1


def test_a_layer_more_in_one_of_the_calls_is_no_repetition() -> None:
    assert len(split(*step(X, A, B, C), *step(C, D, E, F), let(M, call(FC1, F))).inner()) == 1
