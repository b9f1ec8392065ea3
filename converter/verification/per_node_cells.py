"""Per-node Cells: every node of an instrumented script as a Cell of its own, so that graph mode compiles it by itself.

    _before_(7, (x,))
    y = ops.relu(x)
    y_1 = _after_(7, (y,))

becomes

    class NodeCell7(nn.Cell):
        def __init__(self, net):
            super().__init__()

        def construct(self, x):
            y = ops.relu(x)
            return y

    _before_(7, (x,))
    y = _cell_(7, x)
    y_1 = _after_(7, (y,))

The nodes in the body of a loop or a branch are compiled with it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from converter.verification.instrument import AFTER, BEFORE

RUN_CELL = "_cell_"
"""The function that runs the Cell of a node."""


def split_into_cells(text: str) -> str:
    """Rewrite an instrumented script."""
    tree = ast.parse(text)
    construct = construct_in(tree)
    cells, body = [], []
    known = {argument.arg for argument in construct.args.args}
    statements = construct.body
    ends = {_number(statement, AFTER): position for position, statement in enumerate(statements)}
    last = {name: position for position, statement in enumerate(statements) for name in _names([statement], ast.Load)}
    position = 0
    while position < len(statements):
        number = _number(statements[position], BEFORE)
        end = 0 if number is None else ends.get(number, 0)
        inner = [_Plain().visit(statement) for statement in statements[position + 1 : end]]
        body.append(statements[position])
        position += 1
        if number is not None and inner:
            outputs = [name for name in dict.fromkeys(_names(inner, ast.Store)) if last.get(name, -1) >= end]
            cell, call = _cell_of(number, inner, known, outputs)
            cells.append(cell)
            body.append(call)
            position = end
        known |= set(_names(body[-1:], ast.Store))
    construct.body = body
    return ast.unparse(ast.fix_missing_locations(ast.Module([*tree.body, *cells], [])))


def construct_in(tree: ast.Module) -> ast.FunctionDef:
    """The `construct` of an instrumented script's network, which stands between classes of rows and Cells of nodes."""
    network = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "MindSporeModel")
    return next(node for node in network.body if isinstance(node, ast.FunctionDef) and node.name == "construct")


def _cell_of(number: str, body: list[ast.stmt], known: set[str], outputs: Sequence[str]) -> tuple[ast.stmt, ast.stmt]:
    """A node's Cell, and the statement that calls it; `outputs` are the variables that later statements read."""
    inputs = [name for name in dict.fromkeys(_names(body, ast.Load)) if name in known and name != "self"]
    members = dict.fromkeys(
        node.attr
        for statement in body
        for node in ast.walk(statement)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    )
    (cell,) = ast.parse(f"""
class NodeCell{number}(nn.Cell):
    def __init__(self, net):
        super().__init__()
        {"; ".join(f"self.{member} = net.{member}" for member in members)}

    def construct({", ".join(["self", *inputs])}):
        return {", ".join(outputs)}
""").body
    assert isinstance(cell, ast.ClassDef)
    construct = cell.body[-1]
    assert isinstance(construct, ast.FunctionDef)
    construct.body = [*body, *construct.body]
    (call,) = ast.parse(f"{', '.join(outputs) or '_'} = {RUN_CELL}({', '.join([number, *inputs])})").body
    return cell, call


class _Plain(ast.NodeTransformer):
    """Removes the probes of nodes in inner blocks."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if _number(node, BEFORE) or _number(node, AFTER) else node

    def visit_Assign(self, node: ast.Assign) -> ast.Assign:
        if _number(node, AFTER):
            values = node.value.args[1]  # type: ignore[attr-defined]
            node.value = values if isinstance(node.targets[0], ast.Tuple) else values.elts[0]
        return node


def _number(statement: ast.stmt, function: str) -> str | None:
    """The number in a statement's call of the probe `function`; None if the statement is no such call."""
    call = getattr(statement, "value", None)
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == function:
        return ast.unparse(call.args[0])
    return None


def _names(statements: Sequence[ast.stmt], kind: type[ast.expr_context]) -> Iterator[str]:
    for statement in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Name) and isinstance(node.ctx, kind):
                yield node.id
