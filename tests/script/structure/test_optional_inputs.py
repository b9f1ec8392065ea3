"""Optional inputs: attention with a mask and attention without one are calls of one class."""

from __future__ import annotations

import functools

import pytest
from script import programs
from script.programs import program, text, variables

from converter.script.statements import Statement, defined_by
from converter.script.structure import structure

X, MEMORY, MASK = variables("x memory mask")
A, B, C, D = variables("a b c d")

attention = functools.partial(programs.attention, kind="Attention")


def structured(*modules: list[Statement]) -> str:
    """The script of a network of these modules."""
    statements = [statement for module in modules for statement in module]
    return repr(structure(program([X, MEMORY, MASK], statements, defined_by(statements[-1])[0])))


def test_a_mask_is_an_input_that_calls_may_leave_out() -> None:
    assert structured(attention("a", A, X, MEMORY), attention("b", B, A, MEMORY, MASK)) == text(
        """
        class Attention:
            def __init__(self):
                self.q = nn.Dense(8, 8)
                self.k = nn.Dense(8, 8)
                self.v = nn.Dense(8, 8)
                self.o = nn.Dense(8, 8)
            def construct(self, x, memory, mask=None):
                x_1 = self.q(x)
                k = self.k(memory)
                x_2 = ops.matmul(x_1, k)
                x_3 = ops.matmul(ops.softmax(x_2 + mask if mask is not None else x_2, -1), self.v(memory))
                return self.o(ops.relu(x_3))

        class Net:
            def __init__(self):
                self.a = Attention()
                self.b = Attention()
            def construct(self, x, memory, mask):
                x_1 = self.a(x, memory)
                return self.b(x_1, memory, mask)
        """
    )


@pytest.mark.parametrize(
    ("modules", "calls"),
    [
        ([attention("a", A, X, X), attention("b", B, A, A, MASK)], ["self.a(x)", "mask"]),
        ([attention("a", A, X, X, MASK), attention("b", B, A, MEMORY)], ["self.a(x, x, mask)", "memory)"]),
        ([attention("a", A, X, X), attention("b", B, A, MEMORY, MASK)], ["self.a(x, x)", "memory, mask)"]),
        (
            [attention("a", A, X, X, MASK), attention("b", B, A, MEMORY), attention("c", C, B, B)],
            ["self.a(x, x, mask)", "memory)", "self.c("],
        ),
    ],
    ids=["self-attention", "only the one to itself has a mask", "only the other has one", "two have none"],
)
def test_it_joins_calls_with_equal_inputs(modules: list[list[Statement]], calls: list[str]) -> None:
    script = structured(*modules)
    assert script.count("class ") == 2
    assert "mask=None" in script
    assert all(each in script for each in calls)


@pytest.mark.parametrize(("kinds", "classes"), [(("Attention", "Attention"), 1), (("Own", "Other"), 2)])
def test_classes_of_the_source_stay_apart(kinds: tuple[str, str], classes: int) -> None:
    own = [attention("a", A, X, MEMORY, kind=kinds[0]), attention("b", B, A, MEMORY, kind=kinds[0])]
    other = [attention("c", C, B, MEMORY, MASK, kind=kinds[1]), attention("d", D, C, MEMORY, MASK, kind=kinds[1])]
    assert structured(*own, *other).count("class ") == classes + 1


def test_what_is_read_elsewhere_is_no_optional_input() -> None:
    """The queries are added to the scores, too: without them there would be no queries."""
    own = [attention("a", A, X, MEMORY), attention("b", B, A, MEMORY, A)]
    assert "=None" not in structured(*own)
