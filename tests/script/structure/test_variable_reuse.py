"""Variable reuse: what goes through a Cell from layer to layer is one variable."""

from __future__ import annotations

from collections.abc import Sequence

from script.programs import call, dense, let, literal, parameter, program, variables

from converter.script.emit import emit
from converter.script.expressions import Arg, Binary, invoke
from converter.script.statements import Statement, Variable
from converter.script.structure.variable_reuse import reuse_variables

IMAGE, MASK, A, B, C, D, E, Y = range(8)


def fresh() -> list[Variable]:
    return variables("image mask a b c d e y")


def written(inputs: Sequence[Variable], statements: list[Statement], *results: Arg, begun: bool = False) -> list[str]:
    """The lines of `construct`."""
    made = program(inputs, statements, *results)
    made.top.name = "MindSporeModel"
    reuse_variables(made.top.body, inputs, begun)
    text = emit(made, "").text
    return [line.strip() for line in text[text.index("def construct") :].splitlines()[1:]]


def test_layers_one_after_the_other_are_one_variable() -> None:
    v = fresh()
    statements: list[Statement] = [
        let(v[A], call(dense("one"), v[IMAGE])),
        let(v[B], invoke("ops.relu", v[A])),
        let(v[C], call(dense("two"), v[B])),
    ]
    assert written([v[IMAGE]], statements, v[C]) == [
        "x = self.one(image)",
        "x = ops.relu(x)",
        "x = self.two(x)",
        "return x",
    ]


def test_in_an_inner_cell_the_first_input_is_the_variable() -> None:
    v = fresh()
    statements: list[Statement] = [let(v[A], invoke("ops.relu", v[IMAGE])), let(v[B], call(dense("two"), v[A]))]
    assert written([v[IMAGE]], statements, v[B], begun=True) == [
        "image = ops.relu(image)",
        "image = self.two(image)",
        "return image",
    ]


def test_two_values_at_once_keep_their_names() -> None:
    v = fresh()
    statements: list[Statement] = [
        let(v[A], call(dense("one"), v[IMAGE])),
        let(v[B], call(dense("two"), v[A])),
        let(v[C], call(dense("three"), v[A])),
        let(v[D], Binary("*", v[B], v[C])),
    ]
    assert written([v[IMAGE]], statements, v[D]) == [
        "x = self.one(image)",
        "b = self.two(x)",
        "c = self.three(x)",
        "d = b * c",
        "return d",
    ]


def test_nothing_flows_before_the_first_layer() -> None:
    v = fresh()
    statements: list[Statement] = [
        let(v[A], Binary("*", v[IMAGE], literal("scale", 2))),
        let(v[B], Binary("+", v[A], parameter("bias"))),
        let(v[C], call(dense("one"), v[B])),
    ]
    assert written([v[IMAGE]], statements, v[C])[:-1] == [
        "a = image * self.scale",
        "b = a + self.bias",
        "x = self.one(b)",
    ]


def test_a_value_from_before_the_first_layer_is_live_beside_the_variable() -> None:
    v = fresh()
    statements: list[Statement] = [
        let(v[MASK], Binary("*", v[IMAGE], literal("scale", 2))),
        let(v[A], call(dense("one"), v[IMAGE])),
        let(v[B], call(dense("two"), v[A])),
        let(v[C], Binary("*", v[B], v[MASK])),
    ]
    assert written([v[IMAGE]], statements, v[C]) == [
        "mask = image * self.scale",
        "x = self.one(image)",
        "x = self.two(x)",
        "x = x * mask",
        "return x",
    ]


def test_what_does_not_read_the_variable_keeps_its_name() -> None:
    v = fresh()
    statements: list[Statement] = [
        let(v[A], call(dense("one"), v[IMAGE])),
        let(v[B], invoke("ops.relu", v[IMAGE])),
        let(v[C], Binary("*", v[A], v[B])),
    ]
    assert written([v[IMAGE]], statements, v[C]) == [
        "x = self.one(image)",
        "b = ops.relu(image)",
        "x = x * b",
        "return x",
    ]


def test_a_name_of_the_source_is_kept() -> None:
    v = fresh()
    v[B] = Variable("hidden", assigned=True)
    statements: list[Statement] = [let(v[A], call(dense("one"), v[IMAGE])), let(v[B], call(dense("two"), v[A]))]
    assert written([v[IMAGE]], statements, v[B]) == ["x = self.one(image)", "hidden = self.two(x)", "return hidden"]


def test_a_second_operand_lends_no_name() -> None:
    v = fresh()
    v[Y].hint, v[Y].assigned = "query", True
    statements: list[Statement] = [
        let(v[A], call(dense("one"), v[IMAGE])),
        let(v[Y], invoke("ops.relu", v[A])),
        let(v[B], call(dense("two"), v[MASK], v[Y])),
        let(v[C], call(dense("three"), v[B])),
    ]
    assert written([v[IMAGE], v[MASK]], statements, v[C]) == [
        "x = self.one(image)",
        "query = ops.relu(x)",
        "x = self.two(mask, query)",
        "x = self.three(x)",
        "return x",
    ]
