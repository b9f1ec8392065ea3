"""Rewriting of one file: every use of PyTorch becomes what its row says, by edits on spans of the text."""

from __future__ import annotations

import ast
from collections.abc import Callable

from converter.rewriting.definitions import Definitions
from converter.rewriting.training import Training
from converter.rewriting.uses import Uses


class Rewriter(Training, Definitions, Uses):
    """Rewrites one file."""

    def run(self) -> None:
        """Make the edits and the records of the whole file, but for those of its imports."""
        self.block(self.file.tree.body)
        self.records.sort(key=lambda record: (record.start, -record.end))


_HANDLERS: dict[type[ast.AST], Callable[..., None]] = {
    ast.FunctionDef: Rewriter.function_,
    ast.AsyncFunctionDef: Rewriter.function_,
    ast.Lambda: Rewriter.lambda_,
    ast.ListComp: Rewriter.comprehension,
    ast.SetComp: Rewriter.comprehension,
    ast.DictComp: Rewriter.comprehension,
    ast.GeneratorExp: Rewriter.comprehension,
    ast.ClassDef: Rewriter.class_,
    ast.If: Rewriter.if_,
    ast.Return: Rewriter.return_,
    ast.With: Rewriter.with_,
    ast.IfExp: Rewriter.conditional,
    ast.NamedExpr: Rewriter.named,
    ast.Assign: Rewriter.assign,
    ast.AugAssign: Rewriter.augmented,
    ast.Expr: Rewriter.expression,
    ast.Call: Rewriter.call,
    ast.BinOp: Rewriter.binary,
    ast.Subscript: Rewriter.subscript,
    ast.Attribute: Rewriter.attribute,
    ast.Name: Rewriter.name,
    ast.JoinedStr: Rewriter.formatted,
    ast.Constant: Rewriter.constant,
    ast.Import: lambda rewriter, node: None,
    ast.ImportFrom: lambda rewriter, node: None,
}

Rewriter.handlers = _HANDLERS
