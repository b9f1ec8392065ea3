"""Programs written by hand, emitted, and run as networks in PyNative and in graph mode."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir
import pytest
from harness import compare

from converter.artifacts import checkpoint
from converter.base.weight_steps import reshape
from converter.script.emit import emit
from converter.script.expressions import Arg, invoke
from converter.script.program import Argument, Cell, Member, Program
from converter.script.statements import Assign, Block, Branch, For, Statement, Variable, While
from converter.script.templates import expr
from converter.script.weights import Weight
from converter.verification import network
from converter.verification.arrays import to_mindspore, to_numpy

if TYPE_CHECKING:
    import math

    from mindspore import ops

RANDOM = np.random.default_rng(0)
POSITIVE = np.abs(RANDOM.normal(size=(2, 3))).astype(np.float32) + 0.5


def one_cell(
    inputs: list[Variable], statements: list[Statement], *results: Arg, members: Sequence[Member] = ()
) -> Program:
    return Program([Cell("MindSporeModel", "", [], list(members), inputs, Block(statements, results))], [])


def weight(array: np.ndarray, *steps: Any) -> Weight:
    return Weight(ir.tensor(array, name="w"), steps)


def run(program: Program, folder: Path, inputs: list[np.ndarray], *wanted: np.ndarray) -> tuple[str, Any]:
    """Write a program down, import it, compare it with `wanted` in both modes; returns the text and the network."""
    import mindspore as ms

    script, weights = emit(program, "A network."), None
    path = folder / "written.py"
    path.write_text(script.text, encoding="utf-8")
    if any(program.parameters()):
        weights = folder / "written.ckpt"
        checkpoint.write(program, weights)
    net = network.load(path, weights)
    for mode in (ms.PYNATIVE_MODE, ms.GRAPH_MODE):
        ms.set_context(mode=mode)
        result = net(*map(to_mindspore, inputs))
        results = result if isinstance(result, tuple) else (result,)
        for got, want in zip(results, wanted, strict=True):
            compare(to_numpy(got), want, 1e-5, 1e-6, f"mode {mode}\n{script.text}")
    return script.text, net


# Cells in Cells


def nested(kernels: list[np.ndarray]) -> Program:
    """Two stages of two convolutions each: what differs between instances are arguments."""
    x = Variable("x")
    into, out, stride = Argument("in_channels"), Argument("out_channels"), Argument("stride", 1, True)
    slope = Argument("slope", 0.0, True)
    layer = Member("layer", invoke("nn.Conv2d", into, out, 1, stride=stride))
    activated = expr("ops.maximum({0}({1}), {0}({1}) * {2})", layer, x, slope)
    conv = Cell(
        "Conv", "A convolution and its activation.", [into, out, stride, slope], [layer], [x], Block([], (activated,))
    )

    x, width = Variable("x"), Argument("width")
    first = Member("first", expr("{0}(3, {1}, stride={2})", conv, width, 2))
    second = Member("second", expr("{0}({1}, 3, slope={2})", conv, width, 0.25))
    stage = Cell("Stage", "", [width], [first, second], [x], Block([], (expr("{0}({1}({2}))", second, first, x),)))

    x = Variable("x")
    stages = []
    for i in range(2):
        pair = {"first.layer.weight": kernels[2 * i], "second.layer.weight": kernels[2 * i + 1]}
        weights = {name: weight(kernel, reshape(*kernel.shape, 1, 1)) for name, kernel in pair.items()}
        stages.append(Member(f"stage{i}", expr("{0}({1})", stage, 8 + i), weights))
    body = Block([], (expr("{0}({1}({2}))", stages[1], stages[0], x),))
    return Program([conv, stage, Cell("MindSporeModel", "", [], stages, [x], body)], [])


def test_what_the_source_assigns_again_is_one_variable(tmp_path: Path) -> None:
    x, scaled, root, total = Variable("x"), Variable("x", assigned=True), Variable("y"), Variable("x", assigned=True)
    result = Variable("x", assigned=True)
    program = one_cell(
        [x],
        [
            Assign((scaled,), expr("{0} * 2", x)),
            Assign((root,), expr("ops.sqrt({0})", scaled)),
            Assign((total,), expr("{0} + {1}", scaled, root)),
            Assign((result,), expr("{0} + 1", root)),
        ],
        total,
        result,
    )
    y = np.sqrt(POSITIVE * 2)
    text, _ = run(program, tmp_path, [POSITIVE], POSITIVE * 2 + y, y + 1)
    lines = ["x = x * 2", "y = ops.sqrt(x)", "x = x + y", "x_1 = y + 1", "return x, x_1"]
    assert [line.strip() for line in text.splitlines()[-5:]] == lines


def test_cells_in_cells(tmp_path: Path) -> None:
    kernels = [RANDOM.normal(size=size).astype(np.float32) for size in [(8, 3), (3, 8), (9, 3), (3, 9)]]
    x = RANDOM.normal(size=(2, 3, 8, 8)).astype(np.float32)
    want = x
    for kernel, stride, slope in zip(kernels, (2, 1, 2, 1), (0.0, 0.25, 0.0, 0.25), strict=True):
        want = np.einsum("oi,nihw->nohw", kernel, want[:, :, ::stride, ::stride])
        want = np.maximum(want, want * np.float32(slope))
    text, net = run(nested(kernels), tmp_path, [x], want)
    assert "def __init__(self, in_channels, out_channels, stride=1, slope=0.0):" in text
    assert "self.layer = nn.Conv2d(in_channels, out_channels, 1, stride=stride)" in text
    assert "self.slope = slope" in text
    assert "self.stride" not in text, "construct does not read it"
    assert "self.first = Conv(3, width, stride=2)" in text
    assert "self.second = Conv(width, 3, slope=0.25)" in text
    assert "self.stage1 = Stage(9)" in text
    names = [f"stage{i}.{part}.layer.weight" for i in range(2) for part in ("first", "second")]
    assert list(net.parameters_dict()) == names


# Control flow


def test_a_branch(tmp_path: Path) -> None:
    x, big, doubled, y, z = (Variable(hint) for hint in ("x", "big", "doubled", "y", "z"))
    then = Block([Assign((doubled,), expr("{0} * 2", x))], (doubled, expr("{0} - 1", doubled)))
    branch = Branch((y, z), big, then, Block([], (x, expr("-{0}", x))))
    program = one_cell([x], [Assign((big,), expr("{0}.sum() > 100", x)), branch], y, z)
    text, _ = run(program, tmp_path, [POSITIVE], POSITIVE, -POSITIVE)
    assert "if big:\n            y = x * 2" in text
    run(program, tmp_path, [POSITIVE * 100], POSITIVE * 200, POSITIVE * 200 - 1)


def fibonacci(*, read_behind: bool) -> Program:
    x, y, a, b = (Variable(hint) for hint in "xyab")
    loop = While((a, b), (x, y), expr("{0}.sum() < 100", b), Block([], (b, expr("{0} + {1}", a, b))))
    return one_cell([x, y], [loop], a, b, *([x] if read_behind else []))


@pytest.mark.parametrize("read_behind", [False, True])
def test_a_while_loop_assigns_its_variables_at_once(read_behind: bool, tmp_path: Path) -> None:
    a, b = POSITIVE, POSITIVE + 1
    while b.sum() < 100:
        a, b = b, a + b
    text, _ = run(
        fibonacci(read_behind=read_behind), tmp_path, [POSITIVE, POSITIVE + 1], a, b, *[POSITIVE] * read_behind
    )
    assert ("a, y = y, a + y" if read_behind else "x, y = y, x + y") in text


def test_a_for_loop_counts(tmp_path: Path) -> None:
    x, i, h = Variable("x"), Variable("i"), Variable("h")
    loop = For(i, expr("range({0})", 4), (h,), (x,), Block([], (expr("{0} * ({1} + 1)", h, i),)))
    text, _ = run(one_cell([x], [loop], h), tmp_path, [POSITIVE], POSITIVE * 24)
    assert "for i in range(4):\n            x = x * (i + 1)" in text


def test_a_for_loop_ends_early(tmp_path: Path) -> None:
    x, i, h = Variable("x"), Variable("i"), Variable("h")
    loop = For(
        i, expr("range({0})", 10), (h,), (x,), Block([], (expr("{0} * 2", h),)), condition=expr("{0}.sum() < 50", h)
    )
    want = POSITIVE
    while want.sum() < 50:
        want = want * 2
    text, _ = run(one_cell([x], [loop], h, x), tmp_path, [POSITIVE], want, POSITIVE)
    assert "if not h.sum() < 50:\n                break" in text


def test_a_for_loop_goes_through_layers(tmp_path: Path) -> None:
    matrices = [RANDOM.normal(size=(3, 3)).astype(np.float32) for _ in range(3)]
    dense = invoke("nn.Dense", 3, 3, has_bias=False)
    weights = {f"{i}.weight": weight(matrix) for i, matrix in enumerate(matrices)}
    layers = Member("layers", expr("nn.CellList([{0} for _ in range({1})])", dense, 3), weights)
    x, layer, h = Variable("x"), Variable("layer"), Variable("h")
    loop = For(layer, layers, (h,), (x,), Block([], (expr("{0}({1})", layer, h),)))
    want = POSITIVE @ matrices[0].T @ matrices[1].T @ matrices[2].T
    text, net = run(one_cell([x], [loop], h, members=[layers]), tmp_path, [POSITIVE], want)
    assert "for layer in self.layers:\n            x = layer(x)" in text
    assert list(net.parameters_dict()) == [f"layers.{i}.weight" for i in range(3)]
    again, y = Variable("layer"), Variable("y")
    loops = [loop, For(again, layers, (y,), (h,), Block([], (expr("{0}({1})", again, y),)))]
    text, _ = run(
        one_cell([x], loops, y, members=[layers]),
        tmp_path,
        [POSITIVE],
        np.linalg.multi_dot([want, *(m.T for m in matrices)]),
    )
    assert text.count("for layer in self.layers:") == 2


def test_targets_are_unpacked(tmp_path: Path) -> None:
    x, a, b, c, d = (Variable(hint) for hint in "xabcd")
    nested_tuple = (x, (expr("{0} + 1", x), expr("{0} + 2", x)), (expr("{0} + 3", x),))
    statements: list[Statement] = [
        Assign((a, (None, b), (c,)), nested_tuple),
        Assign((None, d), invoke("ops.split", x, 1)),
    ]
    text, _ = run(
        one_cell([x], statements, a, b, c, d), tmp_path, [POSITIVE], POSITIVE, POSITIVE + 2, POSITIVE + 3, POSITIVE[1:]
    )
    assert "a, (_, b), (c,) = (x, (x + 1, x + 2), (x + 3,))" in text
    assert "_, d = ops.split(x, 1)" in text


# Helpers


def area(radius):
    """A circle's."""
    return radius * radius * math.pi


def volume(radius, height):
    """A cylinder's."""
    return ops.relu(area(radius) * height)


def test_helpers_are_copied_with_those_that_they_call(tmp_path: Path) -> None:
    x = Variable("x")
    program = one_cell([x], [], expr("{0}({1}, {2})", volume, x, 2))
    text, _ = run(program, tmp_path, [POSITIVE], np.float32(2 * np.pi) * POSITIVE * POSITIVE)
    assert [node.name for node in ast.parse(text).body if hasattr(node, "name")] == ["area", "volume", "MindSporeModel"]
    assert "import math\n" in text


# Strings and names


TEXTS = ["it's", 'a "quoted" é', "back\\slash", "two\nlines", '"""', "{0} {{", "\t日本\x00"]


@pytest.mark.parametrize("text", TEXTS)
def test_strings_stay_what_they_are(text: str, tmp_path: Path) -> None:
    x = Variable("x")
    written, _ = run(one_cell([x], [], expr("{0} + len({1})", x, text)), tmp_path, [POSITIVE], POSITIVE + len(text))
    assert text in [node.value for node in ast.walk(ast.parse(written)) if isinstance(node, ast.Constant)]


def test_names_are_legal_and_unique(tmp_path: Path) -> None:
    hints = ["lambda", "list", "self", "ops", "x", "x", "X", "x_1", "area", "MindSporeModel", "", "日本", "1x", "a b"]
    values = [Variable(hint) for hint in hints]
    statements: list[Statement] = [
        Assign((value,), expr("{0} + {1}", other, i))
        for i, (value, other) in enumerate(zip(values[1:], values, strict=False))
    ]
    program = one_cell(values[:1], statements, expr("{0}({1})", area, values[-1]), *values)
    sums = [POSITIVE + sum(range(i)) for i in range(len(values))]
    last = sums[-1]
    text, _ = run(program, tmp_path, [POSITIVE], last * last * np.float32(np.pi), *sums)
    names = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
    assert names >= {"lambda_1", "list_1", "self_1", "ops_1", "x", "x_1", "x_2", "area_1", "a_b"}
