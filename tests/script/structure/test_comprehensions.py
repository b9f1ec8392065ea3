"""Comprehensions: what is done with each layer of a list side by side."""

from __future__ import annotations

import pytest
from script.programs import call, dense, let, program, variables

from converter.script.expressions import Arg, Binary, invoke
from converter.script.statements import Assign, Statement, Variable
from converter.script.structure import structure

X, Y, Z = variables("x y z")


def construct(statements: list[Statement], result: Arg, inputs: tuple[Variable, ...] = (X,)) -> list[str]:
    """The lines of `construct` of a network."""
    made = repr(structure(program(list(inputs), statements, result))).splitlines()
    start = next(i for i, line in enumerate(made) if "def construct" in line)
    return [line.strip() for line in made[start + 1 :]]


def joined(values: list[Arg]) -> Arg:
    return invoke("ops.cat", tuple(values), 1)


def branches(name: str, sources: list[Arg]) -> tuple[list[Statement], list[Arg]]:
    """What `relu(layer(source))` of a list of layers is."""
    statements: list[Statement] = []
    values: list[Arg] = []
    for i, source in enumerate(sources):
        made, active = variables(f"made_{i} active_{i}")
        statements += [let(made, call(dense(f"{name}.{i}"), source)), let(active, invoke("ops.relu", made))]
        values.append(active)
    return statements, values


@pytest.mark.parametrize(
    ("name", "element"),
    [("convs", "conv"), ("branches", "branch"), ("bodies", "body"), ("proj", "layer"), ("cross", "layer")],
)
def test_layers_of_one_input(name: str, element: str) -> None:
    statements, values = branches(name, [X, X, X])
    made = f"[ops.relu({element}(x)) for {element} in self.{name}]"
    assert construct(statements, joined(values)) == [f"return ops.cat({made}, 1)"]


@pytest.mark.parametrize(
    ("before", "behind", "made"),
    [
        ([Y], [], "[y] + LIST"),
        ([], [Y], "LIST + [y]"),
        ([Y], [Z, X], "[y] + LIST + [z, x]"),
    ],
)
def test_beside_others(before: list[Arg], behind: list[Arg], made: str) -> None:
    statements, values = branches("convs", [X, X, X])
    lines = construct(statements, joined([*before, *values, *behind]), (X, Y, Z))
    assert lines == [f"return ops.cat({made.replace('LIST', '[ops.relu(conv(x)) for conv in self.convs]')}, 1)"]


def test_layers_that_read_their_parts() -> None:
    parts = tuple(variables("a b c"))
    statements, values = branches("convs", list(parts))
    split = Assign(parts, invoke("ops.split", X, 8, 1))
    made = "[ops.relu(conv(part)) for conv, part in zip(self.convs, ops.split(x, 8, 1))]"
    assert construct([split, *statements], joined(values)) == [f"return ops.cat({made}, 1)"]


def test_what_all_read_is_computed_once() -> None:
    (shared,) = variables("shared")
    statements, values = branches("convs", [shared] * 3)
    lines = construct([let(shared, invoke("ops.exp", X)), *statements], joined(values))
    assert lines == [
        "shared = ops.exp(x)",
        "return ops.cat([ops.relu(conv(shared)) for conv in self.convs], 1)",
    ]


def test_what_stays() -> None:
    """Two layers; another order; one that does something else; a value that others read, too; a long line."""
    two, values = branches("convs", [X, X])
    assert "for" not in " ".join(construct(two, joined(values)))
    three, values = branches("convs", [X, X, X])
    assert "for" not in " ".join(construct(three, joined([values[1], values[0], values[2]])))
    three, values = branches("convs", [X, X, X])
    assert "for" not in " ".join(construct(three, joined([*values[:2], invoke("ops.neg", values[2])])))
    three, values = branches("convs", [X, X, X])
    assert "for" not in " ".join(construct(three, Binary("+", joined(values), values[1])))
    three, values = branches("convs", [X, X, X])
    wide = [invoke(f"ops.{'a' * 90}", value) for value in values]
    assert "for" not in " ".join(construct(three, joined(wide)))
    parts = tuple(variables("a b c"))
    three, values = branches("convs", [parts[0], parts[2], parts[1]])
    split = Assign(parts, invoke("ops.split", X, 8, 1))
    assert "for" not in " ".join(construct([split, *three], joined(values)))
