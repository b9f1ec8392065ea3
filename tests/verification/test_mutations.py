"""Rows broken in turn: the comparison names the nodes that they made, and the line of the script, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from verification.network import BLOCKS, Compared, compared, network, with_row

from converter.rows import Arg, Node, Operand, expr, invoke
from operator_maps import registry

LAST_BLOCK = f"/blocks/blocks.{BLOCKS - 1}"


class Mutant(NamedTuple):
    """A wrong row.

    Attributes:
        operator: whose row it takes the place of.
        row: the row.
        line: a part of the script's line that it writes.
        names: the nodes that it makes wrong; the one of `/head` when it is empty.
    """

    operator: str
    row: Callable[..., Arg]
    line: str
    names: tuple[str, ...] = ()


def wrote(template: str) -> Callable[..., Arg]:
    """A row that is this expression on the inputs, whatever the attributes."""
    return lambda node, *inputs, **attributes: expr(template, *(x for x in inputs if x is not None))


def given(operator: str, **wrong: Any) -> Callable[..., Arg]:
    """The right row with a wrong attribute."""
    right = registry.load()[operator].function
    return lambda node, *inputs, **attributes: right(node, *inputs, **{**attributes, **wrong})


def swapped(operator: str) -> Callable[..., Arg]:
    """The right row with its operands in the wrong order."""
    right = registry.load()[operator].function
    return lambda node, *inputs, **attributes: right(node, *reversed(inputs), **attributes)


def only(name: str, operator: str, wrong: Callable[..., Arg]) -> Callable[..., Arg]:
    """The right row, except for one node."""
    right = registry.load()[operator].function

    def row(node: Node, *inputs: Operand, **attributes: Any) -> Arg:
        return (wrong if node.name == name else right)(node, *inputs, **attributes)

    return row


def one_round_less(node: Node, count: Operand, *others: Operand, **attributes: Any) -> Arg:
    """ONNX Loop with a wrong number of rounds."""
    written = registry.load()["Loop"].function(node, count, *others, **attributes)
    written.statement.over = expr("{0}[:-1]", written.statement.over)
    return written


def every(scope: str) -> tuple[str, ...]:
    """A node of every block."""
    return tuple(f"/blocks/blocks.{i}/{scope}" for i in range(BLOCKS))


MUTANTS = {
    "another function": Mutant("Cos", wrote("ops.sin({0})"), "ops.sin(ops.cat"),
    "another function of a square": Mutant("Sqrt", wrote("ops.square({0})"), "ops.square("),
    "swapped difference": Mutant("Sub", swapped("Sub"), "- 0.25"),
    "swapped quotient": Mutant("Div", swapped("Div"), "/"),
    "swapped power": Mutant("Pow", wrote("{1} ** {0}"), "**"),
    "swapped parts": Mutant("Concat", lambda node, x, y, *, axis: invoke("ops.cat", (y, x), axis), "ops.cat("),
    "swapped choice": Mutant("Where", wrote("ops.where({0}, {2}, {1})"), "ops.where("),
    "wrong comparison": Mutant("Greater", wrote("{0} <= {1}"), "<= self.constant"),
    "wrong softmax axis": Mutant("Softmax", given("Softmax", axis=2), "ops.softmax("),
    "wrong gather axis": Mutant("Gather", wrote("{0}[:, :8].gather({1}, 1)"), ".gather("),
    "wrong order of axes": Mutant("Transpose", given("Transpose", perm=(0, 3, 2, 1)), ".transpose("),
    "wrong epsilon of an instance norm": Mutant(
        "InstanceNormalization", given("InstanceNormalization", epsilon=0.1), "nn.GroupNorm("
    ),
    "wrong epsilon of a layer norm": Mutant(
        "LayerNormalization", given("LayerNormalization", epsilon=1e-5), "nn.LayerNorm("
    ),
    "wrong epsilon of a row's own class": Mutant(
        "RMSNormalization", given("RMSNormalization", epsilon=0.5), "RMSNorm(8, 0.5)"
    ),
    "kept axes": Mutant(
        "ReduceMean", wrote("ops.mean({0}, 1, True)"), "ops.mean(", ("/head/ReduceMean", "/branch/ReduceMean")
    ),
    "inclusive sum": Mutant("CumSum", given("CumSum", exclusive=0), "ops.cumsum("),
    "missing slope": Mutant("HardSigmoid", given("HardSigmoid", alpha=0.2), "0.2"),
    "missing alpha of a product": Mutant("Gemm", given("Gemm", alpha=1.0), "nn.Linear(8, 8)"),
    "missing alpha of elu": Mutant("Elu", given("Elu", alpha=1.0), "ops.elu("),
    "untransposed matrix": Mutant("Gemm", given("Gemm", transB=0), "self.head_5("),
    "wrong bound": Mutant("Clip", wrote("ops.clamp({0}, 0.0, {2})"), "ops.clamp("),
    "wrong filling": Mutant("Pad", wrote("ops.pad({0}, (0, 1, 0, 1))"), "ops.pad("),
    "shifted slice": Mutant("Slice", wrote("{0}[:, 1:5]"), "[:, 1:5]"),
    "padding off": Mutant("AveragePool", given("AveragePool", pads=(0, 0, 0, 0)), "nn.AvgPool2d("),
    "padding counted": Mutant("AveragePool", given("AveragePool", count_include_pad=1), "ops.avg_pool2d("),
    "mean for maximum": Mutant("MaxPool", wrote("ops.avg_pool2d({0}, 2, 2)"), "ops.avg_pool2d("),
    "off by one": Mutant("ArgMax", wrote("ops.argmax({0}, 1) + 1"), "+ 1"),
    "the smallest": Mutant("TopK", given("TopK", largest=0), "ops.topk("),
    "rows regrouped": Mutant("Reshape", wrote("{0}.reshape((2, 8, 25)).transpose((0, 2, 1))"), ".reshape("),
    "a shape that does not fit": Mutant("Cos", wrote("ops.matmul({0}, ops.ones((3, 7)))"), "ops.matmul("),
    "an error of Python": Mutant("Sqrt", wrote("{0} / (1 // 0)"), "1 // 0"),
    "wrong slope in every block": Mutant("LeakyRelu", given("LeakyRelu", alpha=0.01), "0.01", every("act/LeakyRelu")),
    "wrong epsilon in every block": Mutant(
        "BatchNormalization", given("BatchNormalization", epsilon=0.5), "eps=0.5", every("norm/BatchNormalization")
    ),
    "wrong slope in one block": Mutant(
        "LeakyRelu",
        only(f"{LAST_BLOCK}/act/LeakyRelu", "LeakyRelu", given("LeakyRelu", alpha=0.2)),
        "ops.leaky_relu(",
        (f"{LAST_BLOCK}/act/LeakyRelu",),
    ),
    "a layer that raises in one block": Mutant(
        "Conv",
        only(f"{LAST_BLOCK}/conv/Conv", "Conv", wrote("ops.matmul({0}, ops.ones((3, 7)))")),
        "ops.matmul(",
        (f"{LAST_BLOCK}/conv/Conv",),
    ),
    "another function in a loop": Mutant("Tanh", wrote("ops.sigmoid({0})"), "ops.sigmoid(", ("/loop/Tanh",)),
    "a sum in a loop": Mutant("Mul", wrote("{0} + {1}"), "+ self.scale", ("/loop/Mul",)),
    "an error in a loop": Mutant("Tanh", wrote("ops.matmul({0}, ops.ones((3, 7)))"), "ops.matmul(", ("/loop/Tanh",)),
    "a round less": Mutant("Loop", one_round_less, "in range(3)[:-1]"),
    "another function in a branch": Mutant("Exp", wrote("ops.log({0})"), "ops.log(", ("/branch/Exp",)),
}


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_the_wrong_node_is_named(mutant: Mutant, tmp_path: Path) -> None:
    found = compared(network(), with_row(mutant.operator, mutant.row), tmp_path)
    names = mutant.names or (f"/head/{mutant.operator}",)
    assert [node.node for node in found.wrong] == list(names), [node.line() for node in found.wrong]
    for node in found.wrong:
        assert mutant.line in found.line(node), found.made.script.text


@pytest.mark.parametrize("graph_mode", [False, True])
def test_a_healthy_table_has_no_wrong_node(graph_mode: bool, tmp_path: Path) -> None:
    found = compared(network(), registry.load(), tmp_path, graph_mode)
    assert {node.verdict for node in found.nodes.values()} == {"same"}
    assert {node.node for node in found.nodes.values()} == _records(found, graph_mode)


def _records(found: Compared, graph_mode: bool) -> set[str]:
    """Every node but that of the branch that is not taken; graph mode compiles those of blocks with what holds them."""
    names = {record.name for record in found.made.program.records} - {"/branch/Abs"}
    inner = {"/branch/Exp", *(name for name in names if name.startswith("/loop/"))}
    return names - inner if graph_mode else names
