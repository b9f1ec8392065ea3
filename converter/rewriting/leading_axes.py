"""`x[i] = y` where y has more axes than `x[i]`: PyTorch drops leading axes of length 1, MindSpore refuses them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from converter.rewriting.trees import nodes
from converter.rewriting.variables import parts, read

_SHAPES = frozenset({"reshape", "view", "unsqueeze", "expand", "zeros", "ones", "full", "rand", "randn"})


def may_lead_with_one(value: ast.expr, around: ast.AST, tree: ast.AST) -> bool:
    """Whether a value may have a leading axis of length 1 that the code around it made, as `y.unsqueeze(0)` does.

    What a function takes is looked for by its name in the rest of the script, too.
    """
    statements = [each for each in parts(around) if isinstance(each, (ast.Assign, ast.AugAssign, ast.For))]
    parameters = {each.arg for each in nodes(around) if isinstance(each, ast.arg)} - {"self"}
    known = set(statements)
    made = (each for each in nodes(tree) if isinstance(each, ast.Assign) and each not in known) if parameters else ()
    statements += [each for each in made if parameters & set(_targets(each))]
    found, rest = {value}, [value]
    while rest:
        node = rest.pop()
        if any(_makes_one(each) for each in nodes(node)):
            return True
        names = set(read(node))
        for each in statements:
            source = each.iter if isinstance(each, ast.For) else each.value
            if source not in found and names & set(_targets(each)):
                found.add(source)
                rest.append(source)
    return False


def _targets(statement: ast.Assign | ast.AugAssign | ast.For) -> Iterator[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    for each in (node for target in targets for node in nodes(target)):
        if isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load):
            yield each.id


def _makes_one(node: ast.AST) -> bool:
    """`y.view(1, -1)`, `y.unsqueeze(0)`, `y[None]`."""
    if isinstance(node, ast.Subscript):
        first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
        return isinstance(first, ast.Constant) and first.value is None
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
        return False
    first = node.args[0]
    if isinstance(first, (ast.Tuple, ast.List)) and first.elts:
        first = first.elts[0]
    wanted = 0 if node.func.attr == "unsqueeze" else 1
    return node.func.attr in _SHAPES and isinstance(first, ast.Constant) and first.value == wanted
