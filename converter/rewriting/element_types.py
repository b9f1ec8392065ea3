"""Types of elements as far as the text tells: integers and truth values among what else holds numbers with a point."""

from __future__ import annotations

import ast

from converter.rewriting.variables import parts

_INTEGRAL = frozenset(
    {
        "argmax", "argmin", "argsort", "bincount", "bool", "bucketize", "eq", "ge", "gt", "indices", "int", "isnan",
        "le", "logical_not", "long", "lt", "ne", "nonzero", "randint", "randperm", "searchsorted", "short",
    }
)  # fmt: skip
_LAST = frozenset({"max", "min", "sort", "topk", "mode", "median"})
"""What also returns indices, behind the values."""
_KEEPS = frozenset(
    {
        "clone", "contiguous", "cpu", "cuda", "detach", "expand", "expand_as", "flatten", "flip", "gather",
        "index_select", "narrow", "permute", "repeat", "reshape", "roll", "squeeze", "t", "tile", "transpose",
        "unsqueeze", "view",
    }
)  # fmt: skip
_TYPES = frozenset({"long", "int", "int8", "int16", "int32", "int64", "uint8", "short", "bool"})
_MADE = frozenset({"arange", "empty", "full", "ones", "tensor", "zeros"})


def mixes_types(value: ast.expr, around: ast.AST) -> bool:
    """Whether some members of a list, but not all, are integers or truth values: PyTorch makes one type of them."""
    if not isinstance(value, (ast.List, ast.Tuple)):
        return False
    made = _Integral(around)
    found = {made.is_integral(each, frozenset()) for each in value.elts}
    return len(found) > 1


class _Integral:
    def __init__(self, around: ast.AST) -> None:
        self._values: dict[str, list[tuple[ast.expr, bool]]] = {}
        for each in parts(around) if not isinstance(around, ast.Module) else ast.walk(around):
            if isinstance(each, ast.Assign):
                for target in each.targets:
                    self._assign(target, each.value)

    def _assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Name):
            self._values.setdefault(target.id, []).append((value, False))
        elif isinstance(target, ast.Tuple) and len(target.elts) == 2 and isinstance(target.elts[1], ast.Name):
            self._values.setdefault(target.elts[1].id, []).append((value, True))

    def is_integral(self, node: ast.expr, within: frozenset[str]) -> bool:
        """Whether an expression may be a tensor of integers or truth values, by what makes it."""
        if isinstance(node, ast.Name):
            made = self._values.get(node.id, ()) if node.id not in within else ()
            inside = within | {node.id}
            return any(_has_indices(each) if last else self.is_integral(each, inside) for each, last in made)
        if isinstance(node, ast.Compare):
            return True
        if isinstance(node, ast.Subscript):
            last = isinstance(node.slice, ast.Constant) and node.slice.value == 1 and _has_indices(node.value)
            return last or self.is_integral(node.value, within)
        if isinstance(node, ast.BinOp) and not isinstance(node.op, ast.Div):
            sides = (node.left, node.right)
            return all(_is_int(each) or self.is_integral(each, within) for each in sides) and not all(
                map(_is_int, sides)
            )
        if isinstance(node, ast.Attribute):
            return node.attr in ("indices", "T", "mT") and (
                node.attr == "indices" or self.is_integral(node.value, within)
            )
        if isinstance(node, ast.Call):
            return self._made(node, within)
        return False

    def _made(self, node: ast.Call, within: frozenset[str]) -> bool:
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        given = [*node.args, *(each.value for each in node.keywords if each.arg == "dtype")]
        types = [each.attr for each in given if isinstance(each, ast.Attribute)]
        if name in _INTEGRAL or (name in (*_MADE, "to", "type") and _TYPES.intersection(types)):
            return True
        typed = any(each.arg == "dtype" for each in node.keywords)
        if name == "arange":
            return not typed and all(not isinstance(each, ast.Constant) or _is_int(each) for each in node.args)
        if name == "tensor":
            return not typed and bool(node.args) and _of_ints(node.args[0])
        if name in _KEEPS or (name == "to" and not types):
            function = node.func
            of_torch = isinstance(function, ast.Attribute) and getattr(function.value, "id", "") == "torch"
            held = node.args[:1] if of_torch else [function.value] if isinstance(function, ast.Attribute) else []
            return any(self.is_integral(each, within) for each in held)
        return False


def _has_indices(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") in _LAST


def _is_int(node: ast.expr) -> bool:
    inner = node.operand if isinstance(node, ast.UnaryOp) else node
    return isinstance(inner, ast.Constant) and isinstance(inner.value, int)


def _of_ints(node: ast.expr) -> bool:
    """Whether a literal holds integers only."""
    if isinstance(node, (ast.List, ast.Tuple)):
        return bool(node.elts) and all(map(_of_ints, node.elts))
    return _is_int(node)
