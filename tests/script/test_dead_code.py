"""Statements that nothing reads are taken out, with those that only they read; stubs stay, and layers that nothing
else calls."""

from __future__ import annotations

import onnx_ir as ir

from converter.script.dead_code import eliminate_dead_code, read_extents_of_inputs
from converter.script.expressions import dimension, walk
from converter.script.program import Cell, Member, Program, Record
from converter.script.statements import Assign, Block, Branch, Variable
from converter.script.templates import expr


def test_what_nothing_reads_goes() -> None:
    x, y, z, used, inner, chosen, of_layer, of_stub = (
        Variable(name) for name in ["x", "y", "z", "used", "inner", "chosen", "layer", "stub"]
    )
    layer = Member("dense", expr("nn.Dense(2, 2)"), {}, "dense")
    first, second = Assign((y,), expr("{0} + 1", x)), Assign((z,), expr("{0} * 2", y))
    read = Assign((used,), expr("{0} + 3", x))
    read_within = Assign((inner,), expr("{0} + 4", x))
    branch = Branch((chosen,), expr("{0} > 0", used), Block([], (inner,)), Block([], (used,)))
    called, stub = Assign((of_layer,), expr("{0}({1})", layer, x)), Assign((of_stub,), expr("unconverted({0})", x))
    kept = [read, read_within, branch, called, stub]
    body = Block([first, second, *kept], (chosen,))
    cell = Cell("MindSporeModel", members=[layer], inputs=[x], body=body)
    records = [Record("onnx::Add", "a", anchor=first), Record("made::Up", "b", converted=False, anchor=stub)]
    program = Program([cell], records)
    assert eliminate_dead_code(program) is program
    assert body.statements == kept
    assert records[0].anchor is None
    assert records[1].anchor is stub


def test_a_layer_that_is_called_again_is_not_called_for_a_shape() -> None:
    """What Keras' masked LSTM does: a step before the loop, of which only the shape is read."""
    batch = ir.SymbolicDim("N")
    x, y, made, again = Variable("x", (3, batch)), Variable("y", (batch, 2)), Variable("made"), Variable("again")
    layer = Member("dense", expr("nn.Dense(2, 2)"), {}, "dense")
    first = Assign((y,), expr("{0}({1})", layer, x))
    zeros = Assign((made,), expr("ops.zeros(({0}, 5))", dimension(y, 0)))
    second = Assign((again,), expr("{0}({1})", layer, x))
    body = Block([first, zeros, second], (made, again))
    cell = Cell("MindSporeModel", members=[layer], inputs=[x], body=body)
    read_extents_of_inputs(cell)
    eliminate_dead_code(Program([cell], []))
    assert body.statements == [zeros, second]
    assert dimension(x, 1) in walk(zeros.value)
