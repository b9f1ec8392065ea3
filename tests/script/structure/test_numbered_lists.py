"""Numbered lists: layers whose names count become one list."""

from __future__ import annotations

import pytest
from script.programs import call, dense, let, member, parameter, program, text, variables, within

from converter.script.expressions import Arg, Attribute, Binary, invoke
from converter.script.program import Program
from converter.script.statements import Statement
from converter.script.structure import structure

X, Y, Z, A, B, C, D = variables("x y z a b c d")


def called(*layers: Arg) -> Program:
    """A network that adds what each layer makes of an input of its own."""
    values = [A, B, C, D][: len(layers)]
    statements: list[Statement] = [
        let(value, call(layer, source)) for value, layer, source in zip(values, layers, (X, Y, Z, Z), strict=False)
    ]
    total: Arg = values[0]
    for value in values[1:]:
        total = Binary("+", total, value)
    return structure(program([X, Y, Z], statements, total))


def lines(made: Program, word: str) -> list[str]:
    return [line.strip() for line in repr(made).splitlines() if word in line]


def test_layers_of_one_form_are_a_list() -> None:
    made = called(*(dense(f"proj.{i}") for i in range(3)))
    assert repr(made) == text(
        """
        class Net:
            def __init__(self):
                self.proj = nn.CellList([nn.Dense(8, 8) for _ in range(3)])
            def construct(self, x, y, z):
                return self.proj[0](x) + self.proj[1](y) + self.proj[2](z)
        """
    )
    assert [name for name, _ in made.top.members[0].parameters()] == [
        f"proj.{i}.{name}" for i in range(3) for name in ("weight", "bias")
    ]


def test_a_name_within_the_elements_is_left_out() -> None:
    assert lines(called(*(dense(f"lateral.{i}.conv") for i in range(2))), "CellList") == [
        "self.lateral = nn.CellList([nn.Dense(8, 8) for _ in range(2)])"
    ]


@pytest.mark.parametrize(
    ("widths", "made"),
    [
        ([(3, 8), (5, 8), (9, 8)], "[nn.Dense(in_channels, 8) for in_channels in (3, 5, 9)]"),
        ([(8, 16), (16, 32), (32, 64)], "[nn.Dense(in_channels, 2 * in_channels) for in_channels in (8, 16, 32)]"),
        (
            [(3, 8), (5, 7)],
            "[nn.Dense(in_channels, out_channels) for in_channels, out_channels in ((3, 8), (5, 7))]",
        ),
    ],
)
def test_what_differs_is_named(widths: list[tuple[int, int]], made: str) -> None:
    layers = [dense(f"proj.{i}", *each) for i, each in enumerate(widths)]
    assert lines(called(*layers), "CellList") == [f"self.proj = nn.CellList({made})"]


def test_layers_that_are_no_list_stay_apart() -> None:
    one, other = dense("proj.0"), dense("proj.1")
    convolution = member("proj.1", invoke("nn.Conv2d", 8, 8, 1), "weight")
    for layers in (
        [one, dense("proj.2")],  # one is missing
        [dense("proj.1"), dense("proj.2")],  # they count from 1
        [one, convolution],  # of two kinds
        [one, other, dense("proj.2.fc"), dense("proj.2.out")],  # the third is more than one layer
        [one, other, dense("proj")],  # the name is that of another layer
    ):
        assert not lines(called(*layers), "CellList")


def test_a_weight_of_an_element_is_read_from_the_list() -> None:
    """A tied weight."""
    first, second = dense("embed.0"), dense("embed.1")
    statements = [let(A, call(first, X)), let(B, call(second, A)), let(C, invoke("ops.relu", B))]
    result = invoke("ops.matmul", C, Attribute(first, "weight"))
    made = structure(program([X], [*statements[:1], statements[1], statements[2]], result))
    assert "self.embed[0].weight" in repr(made)


def test_parameters_of_instances_are_those_of_the_lists() -> None:
    """Two blocks of one class, each with a list; the parameters keep their order within the block."""

    def block(path: str, made: Arg, source: Arg) -> list[Statement]:
        a, b, c = variables("a b c")
        layers = [dense(f"{path}.proj.0"), dense(f"{path}.proj.1")]
        own = parameter(f"{path}.scale")
        return list(
            within(
                f"{path}:Block",
                let(a, call(layers[0], source)),
                let(b, call(layers[1], source)),
                let(c, Binary("*", Binary("+", a, b), own)),
                let(made, invoke("ops.relu", c)),  # type: ignore[arg-type]
            )
        )

    made = structure(program([X], [*block("one", A, X), *block("two", B, A)], B))
    assert "self.proj = nn.CellList([nn.Dense(8, 8) for _ in range(2)])" in repr(made)
    names = [name for each in made.top.members for name, _ in each.parameters()]
    own = ["proj.0.weight", "proj.0.bias", "proj.1.weight", "proj.1.bias", "scale"]
    assert sorted(names) == sorted(f"layers.{i}.{name}" for i in range(2) for name in own)
