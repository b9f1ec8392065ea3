"""Which constants of a frozen graph were variables, and which of these were trained."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from converter.base.trained import INFERENCE, NO, YES

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

TRAINABLE = "_trainable"
"""Attribute of a constant that was a variable: whether it was trainable."""
_ARITHMETIC = frozenset(
    {"Abs", "Add", "AddV2", "Cast", "ConcatV2", "Div", "Equal", "Exp", "Greater", "GreaterEqual", "Less", "LessEqual"}
    | {"LogicalAnd", "Maximum", "Minimum", "Mul", "Neg", "Pack", "Pow", "RealDiv", "Rsqrt", "Select", "SelectV2"}
    | {"Shape", "Sqrt", "Square", "SquaredDifference", "Sub", "Tile", "Transpose", "ZerosLike"}
)
"""Operators that read numbers, tables and masks of a formula as well as weights."""
_LOOPS = frozenset({"Enter", "StatelessWhile", "While"})


def trained_constants(graph: GraphDef, constants: Mapping[str, np.ndarray]) -> dict[str, str]:
    """What is known of float constants, by the name of their node.

    A frozen graph reads a variable through an Identity, which was `ReadVariableOp`. Where most of the weights are read
    so, a constant that arithmetic reads directly is no variable; nor is a constant of equal elements that begins a
    loop. A graph whose Identity nodes were removed says nothing.
    """
    known = {
        node.name: YES if node.attr[TRAINABLE].b else INFERENCE
        for node in graph.node
        if TRAINABLE in node.attr and node.name in constants
    }
    readers: dict[str, set[str]] = defaultdict(set)
    for node in graph.node:
        for name in node.input:
            readers[name.removesuffix(":0")].add(node.op)
    variables = {name for name in constants if "Identity" in readers[name]} | known.keys()
    if 2 * sum(constants[name].size for name in variables) < sum(array.size for array in constants.values()):
        return known
    found = dict.fromkeys(variables, YES) | known
    for name, array in constants.items():
        operators = readers[name]
        first = operators <= _LOOPS and array.size > 0 and bool((array == array.flat[0]).all())
        if name not in variables and operators and (operators <= _ARITHMETIC or first):
            found[name] = NO
    return found
