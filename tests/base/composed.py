"""The messages that the program composes: f-strings as templates, `'{0}' is empty.`, as the catalogue has them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path

from converter import errors

ROOT = Path(__file__).parents[2]
ROOMS = ("converter", "operator_maps")
ERRORS = {
    name
    for name, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.ConverterError) and kind is not errors.ConverterError
}
REASONS = ("decline", "Unsupported", "Declined")
"""What says why a node becomes a stub."""
OTHER_MODE = ("converter/rewriting", "operator_maps/pytorch")
"""Script mode, whose findings are English."""


def template(node: ast.expr) -> str | None:
    """The template of a text: each part that is computed is a number in braces."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    parts, number = [], 0
    for value in node.values:
        if isinstance(value, ast.Constant):
            parts.append(str(value.value))
        else:
            parts.append(f"{{{number}}}")
            number += 1
    return "".join(parts)


def leaves(node: ast.expr) -> Iterator[ast.expr]:
    """The texts that an argument may be: both of `a if x else b`, the members of a list."""
    if isinstance(node, ast.IfExp):
        yield from (*leaves(node.body), *leaves(node.orelse))
    elif isinstance(node, ast.List):
        for each in node.elts:
            yield from leaves(each)
    else:
        yield node


def files() -> Iterator[tuple[Path, ast.Module]]:
    for room in ROOMS:
        for file in sorted((ROOT / room).rglob("*.py")):
            yield file, ast.parse(file.read_text(encoding="utf-8"))


STARTUP = re.compile(r"^(\{0\} \{1\}|the row of \{0\}$|fusions/|'\{0\}' defines no dict)")
"""What is wrong with a table of our own, which only its author sees, and a beginning that has no words."""


def has_words(text: str | None) -> bool:
    return bool(text) and len(re.findall(r"[A-Za-z]{2,}", text)) > 1


def needed() -> set[str]:
    """The texts of errors, reasons of stubs, and notes that are written where they are raised or collected."""
    found = set()
    for file, module in files():
        script_mode = str(file.relative_to(ROOT)).startswith(OTHER_MODE)
        for node in ast.walk(module):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            function = node.func
            name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
            holder = ast.unparse(function.value) if isinstance(function, ast.Attribute) else ""
            note = name == "append" and holder.endswith("notes")
            if name in ERRORS or note or (name in REASONS and not script_mode):
                texts = map(template, leaves(node.args[0]))
                found.update(text.strip() for text in texts if text and has_words(text) and not STARTUP.search(text))
    return found


def written() -> set[str]:
    """Every text of the program."""
    return {
        text
        for _, module in files()
        for node in ast.walk(module)
        if isinstance(node, ast.Constant | ast.JoinedStr) and (text := (template(node) or "").strip())
    }
