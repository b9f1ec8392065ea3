"""Emission: the text of programs written by hand, and where in it each statement stands."""

from __future__ import annotations

import ast
from collections.abc import Sequence

import pytest

from converter.errors import ScriptGenerationError
from converter.script.emit import docstring_of, emit
from converter.script.expressions import Arg, Starred, invoke, unless_default
from converter.script.program import Cell, Member, Program
from converter.script.statements import Assign, Block, Branch, For, Statement, Variable, While
from converter.script.templates import expr

TEXTS = ["it's", 'a "quoted" é', "back\\slash", "two\nlines", '"""', "{0} {{", "\t日本\x00"]


def one_cell(
    inputs: list[Variable], statements: list[Statement], *results: Arg, members: Sequence[Member] = ()
) -> Program:
    return Program([Cell("MindSporeModel", "", [], list(members), inputs, Block(statements, results))], [])


def test_options_with_their_default_are_left_out() -> None:
    options = unless_default(stride=((2, 1), 1), dilation=(1, 1), group=(1, 1), has_bias=(True, False))
    conv = Member("conv", invoke("nn.Conv2d", 3, 8, 3, **options))
    x = Variable("x")
    text = emit(one_cell([x], [], expr("{0}({1})", conv, x), members=[conv]), "").text
    assert "self.conv = nn.Conv2d(3, 8, 3, stride=(2, 1), has_bias=True)" in text


@pytest.mark.parametrize(
    ("template", "imports"),
    [
        ("{0} + 1", ["from mindspore import nn"]),
        ("ops.relu({0})", ["from mindspore import nn, ops"]),
        ("mint.relu({0})", ["from mindspore import mint, nn"]),
        ("{0} * math.pi", ["import math", "from mindspore import nn"]),
        ("{0}.astype(ms.float16)", ["import mindspore as ms", "from mindspore import nn"]),
        ("ms.Tensor(np.ones(3)) + {0}", ["import mindspore as ms", "import numpy as np", "from mindspore import nn"]),
        ("{0} + len('math ms np ops')", ["from mindspore import nn"]),
        ("{0}.ops", ["from mindspore import nn"]),
    ],
)
def test_imports_what_the_text_needs(template: str, imports: list[str]) -> None:
    x = Variable("x")
    text = emit(one_cell([x], [], expr(template, x)), "Neither np nor ms nor math is needed for this.").text
    nodes = [node for node in ast.parse(text).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert [ast.unparse(node) for node in nodes] == imports


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (expr("{0} * {1}", expr("{0} + {1}", 1, 2), 3), "(1 + 2) * 3"),
        (expr("-{0}", expr("{0} ** {1}", -1, 2)), "-((-1) ** 2)"),
        (expr("f({0})", expr("{0}, {1}", 1, 2)), "f((1, 2))"),
        (expr("f({0})", Starred((1, 2))), "f(*(1, 2))"),
        (expr("{0}[{1}]", [1, None], (0,)), "[1, None][0,]"),
        (expr("{{{0}: {1}}}", "a", True), '{"a": True}'),
        (expr("{0}", float("-inf")), 'float("-inf")'),
        (expr("{0}", float("nan")), 'float("nan")'),
        (expr("{0} - {1}", 1e-05, -2.5), "1e-05 + 2.5"),
        (expr("{0}", "{0}"), '"{0}"'),
    ],
)
def test_arguments_keep_what_they_mean(item: Arg, text: str) -> None:
    assert f"        return {text}\n" in emit(one_cell([], [], item), "").text


@pytest.mark.parametrize("text", [*TEXTS, '"', 'ends with "', "ends with \\", '""""', "'''", "\ud800", ""])
def test_docstrings_hold_any_text(text: str) -> None:
    x = Variable("x")
    program = Program([Cell("MindSporeModel", text, [], [], [x], Block([], (x,)))], [])
    module = ast.parse(emit(program, text).text)
    assert (ast.get_docstring(module) or "").split() == docstring_of(text).split()
    assert (ast.get_docstring(module.body[-1]) or "").split() == docstring_of(text).split()  # type: ignore[arg-type]


@pytest.mark.parametrize("template", ["ops.relu(", "y = {0}"])
def test_a_template_that_is_not_python_is_an_error(template: str) -> None:
    with pytest.raises(ScriptGenerationError, match="not a Python expression"):
        expr(template, 1)


def test_what_no_script_can_hold_is_an_error() -> None:
    with pytest.raises(ScriptGenerationError, match="cannot write a object"):
        emit(one_cell([], [], object()), "")


def test_positions_are_where_values_begin() -> None:
    x, y, z, w, i, h, t = (Variable(hint) for hint in "xyzwiht")
    conv = Member("conv", invoke("nn.Conv2d", 3, 3, 1))
    deep = Assign((w,), expr("ops.tanh({0})", y))
    branch = Branch((z,), expr("{0}.sum() > 0", y), Block([deep], (w,)), Block([], (expr("ops.abs({0})", y),)))
    in_loop = Assign((t,), expr("ops.exp({0})", h))
    loop = For(
        i,
        expr("range({0})", 3),
        (h,),
        (z,),
        Block([in_loop], (expr("{0} + {1}", t, h),)),
        condition=expr("{0}.all()", h),
    )
    in_while = Assign((), expr("ops.print_({0})", h))
    rounds = While((Variable("k"),), (0,), expr("{0}.any()", h), Block([in_while], (expr("{0}.mean()", h),)))
    first = Assign((y,), expr("{0}({1})", conv, x))
    program = one_cell([x], [first, branch, loop, rounds], expr("ops.sin({0})", h), members=[conv])
    script = emit(program, "Two\nlines.")
    lines = script.text.splitlines()
    begins = {
        conv: "nn.Conv2d(3, 3, 1)",
        first: "self.conv(x)",
        branch: "if y.sum() > 0:",
        deep: "ops.tanh(y)",
        branch.orelse: "ops.abs(y)",
        loop: "for i in range(3):",
        in_loop: "ops.exp(",
        rounds: "while ",
        in_while: "ops.print_(",
        rounds.body: "z.mean()",
        program.top.body: "ops.sin(",
    }
    for anchor, begin in begins.items():
        line, column = script.position(anchor) or (0, 0)
        assert lines[line - 1][column - 1 :].startswith(begin), f"{begin} at {line}:{column} of\n{script.text}"
    assert script.position(None) is None
    line, column = script.entry
    assert lines[line - 1][column - 1 :].startswith("def construct(self, x):")
