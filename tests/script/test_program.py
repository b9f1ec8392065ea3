"""Programs: their code, their parameters, and what members are instances of."""

from __future__ import annotations

from script.programs import call, dense, let, member, parameter, program, text, variables

from converter.script.expressions import Call, Index, invoke
from converter.script.program import Argument, Cell, Program, called_member, class_of
from converter.script.statements import Block

X, Y = variables("x y")


def nested() -> Program:
    """A class with an argument, and a network that calls an instance of it twice and reads a parameter."""
    width, flag = Argument("width"), Argument("flag", False, True)
    inner, other = variables("x x")
    fc = dense("fc", 8, 8)
    fc.constructor = invoke("nn.Dense", 8, width)
    body = Block([let(other, call(fc, inner))], (call(print, other, flag),))
    block = Cell("Block", arguments=[width, flag], members=[fc], inputs=[inner], body=body)
    instance, scale = member("block", Call(block, (4, True), ("flag",)), "fc.weight"), parameter("scale")
    again = Y
    statements = [let(Y, call(instance, X)), let(variables("y")[0], call(instance, again))]
    network = program([X], statements, statements[1].targets[0], scale)
    return Program([block, *network.cells], [])


def test_a_program_reads_like_code() -> None:
    assert repr(nested()) == text(
        """
        class Block:
            def __init__(self, width, flag=False):
                self.fc = nn.Dense(8, width)
            def construct(self, x):
                x_1 = self.fc(x)
                return print(x_1, flag)

        class Net:
            def __init__(self):
                self.block = Block(4, flag=True)
                self.scale = Parameter(ops.zeros(3, 8))
            def construct(self, x):
                y = self.block(x)
                y_1 = self.block(y)
                return y_1, self.scale
        """
    )


def test_parameters_have_their_names_in_the_checkpoint() -> None:
    assert [name for name, _ in nested().parameters()] == ["block.fc.weight", "scale"]


def test_the_entry_class_is_the_last() -> None:
    assert nested().top.name == "Net"


def test_the_class_of_a_member() -> None:
    cell = Cell("Block")
    assert class_of(member("block", Call(cell))) is cell
    assert class_of(dense("fc")) is None
    assert class_of(member("number", 3)) is None


def test_the_member_that_an_expression_calls() -> None:
    fc = dense("fc")
    assert called_member(call(fc, X)) is fc
    assert called_member(Index(Index(call(fc, X), 0), 1)) is fc
    assert called_member(invoke("ops.relu", call(fc, X))) is None
    assert called_member(fc) is None
