"""The calls of MindSpore that generated scripts may hold: those in rows, in helper functions and in templates."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from paths import ROOT

PLACES = tuple(f"operator_maps/{folder}" for folder in ("onnx", "onnx_ml", "tensorflow", "fusions", "lib"))
PLACES += ("templates",)
PLACES += ("converter/training", "converter/lowering", "converter/shapes")
NAME = re.compile(r"(?<![\w.])((?:ops|nn)\.\w+)(\(?)")


def written_calls() -> Mapping[str, set[str]]:
    """The name of every function and layer, `ops.cat`, and the keywords that any call of it has."""
    found: dict[str, set[str]] = {}
    for place in PLACES:
        for path in sorted((ROOT / place).rglob("*")):
            if path.suffix == ".py":
                calls = _in_module(path)
            elif path.suffix == ".jinja":
                calls = _in_text(path.read_text(encoding="utf-8"))
            else:
                continue
            for name, keywords in calls:
                found.setdefault(name, set()).update(keywords)
    return found


def _in_module(path: Path) -> Iterator[tuple[str, set[str]]]:
    """Calls in strings, which are templates of rows; `invoke("ops.cat", …)`; calls in helper functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = {ast.get_docstring(node, clean=False) for node in ast.walk(tree) if isinstance(node, _DOCUMENTED)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value not in docstrings:
            yield from _in_text(node.value)
        elif isinstance(node, ast.JoinedStr):  # such as f"nn.Conv{rank}d"
            for rank in "123":
                parts = (part.value if isinstance(part, ast.Constant) else rank for part in node.values)
                yield from _in_text("".join(map(str, parts)))
        elif isinstance(node, ast.Call):
            keywords = {keyword.arg for keyword in node.keywords if keyword.arg}
            first = node.args[0] if node.args else None
            if isinstance(first, ast.Constant) and isinstance(first.value, str) and NAME.fullmatch(first.value):
                yield first.value, keywords
            if NAME.fullmatch(ast.unparse(node.func)):
                yield ast.unparse(node.func), keywords


_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef)


def _in_text(text: str) -> Iterator[tuple[str, set[str]]]:
    for match in NAME.finditer(text):
        depth, keywords = 1, set()
        rest = text[match.end() :] if match[2] else ""
        for part in re.finditer(r"[(\[]|[)\]]|\b(\w+)=(?!=)", rest):
            if part[1] and depth == 1:
                keywords.add(part[1])
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(part[0], 0)
            if depth == 0:
                break
        yield match[1], keywords
