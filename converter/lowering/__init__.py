"""Lowering: translate the graph to a program, node by node, with the rows of the operator tables."""

from __future__ import annotations

from converter.lowering.context import Unsupported
from converter.lowering.free_lengths import notes_on_free_lengths
from converter.lowering.gradients import notes_on_gradients
from converter.lowering.node import Node, Operand
from converter.lowering.stage_dump import StageDump
from converter.lowering.tables import Tables, TemplateRow, call, tables_of
from converter.lowering.tied import notes_on_tied
from converter.lowering.translation import Translation
from converter.lowering.translator import Translator, translate

__all__ = [
    "Node",
    "Operand",
    "StageDump",
    "Tables",
    "TemplateRow",
    "Translation",
    "Translator",
    "Unsupported",
    "call",
    "notes_on_free_lengths",
    "notes_on_gradients",
    "notes_on_tied",
    "tables_of",
    "translate",
]
