"""The helper module `_torch_compat.py`: what a converted project needs of `compat/`, copied, and adapters of rows."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from converter.rewriting.compat import ORDER
from converter.rewriting.rows import Row
from converter.rewriting.template import Slot, Template, TemplateArgument, template
from converter.rewriting.trees import nodes

FOLDER = Path(__file__).parent / "compat"
NAME = "_torch_compat"

_HEAD = '''"""What MindSpore lacks of PyTorch, for the converted scripts beside it. Needs mindspore and numpy only."""

'''

_MODULES = (
    "bisect", "collections", "contextlib", "copy", "dataclasses", "functools", "gzip", "itertools", "logging", "math",
    "operator", "os", "pickle", "sys", "typing",
)  # fmt: skip


_DEFINITION = re.compile(r"^(?:(?:class|def) (\w+)|(\w+)(?= = ))", re.MULTILINE)


class Definition(NamedTuple):
    """A definition of `compat/`: its text, its tree, its place among all."""

    text: str
    tree: ast.stmt
    place: tuple[int, int]


@functools.cache
def modules_by_name() -> dict[str, str]:
    """The module of `compat/` that defines each name, found without parsing: it stands at the beginning of a line."""
    found: dict[str, str] = {}
    for module in ORDER:
        for each in _DEFINITION.finditer(_text(module)):
            if (name := each[1] or each[2]) in found:
                raise ValueError(f"compat/{module}.py defines {name} again")
            found[name] = module
    return found


def written(name: str) -> Definition:
    """The definition of a name of `compat/`."""
    return _written_in(modules_by_name()[name])[name]


@functools.cache
def _text(module: str) -> str:
    return (FOLDER / f"{module}.py").read_text(encoding="utf-8")


@functools.cache
def _written_in(module: str) -> dict[str, Definition]:
    """The definitions of a module."""
    found: dict[str, Definition] = {}
    lines = _text(module).splitlines(keepends=True)
    for node in ast.parse(_text(module)).body:
        names: list[str] = []
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
            if isinstance(node.value, ast.Name) and not names:  # `Tensor.__format__ = formatted` goes with it
                before = found[node.value.id]
                line = "".join(lines[node.lineno - 1 : node.end_lineno])
                found[node.value.id] = before._replace(text=f"{before.text}\n\n{line}")
        first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
        body = "".join(lines[first - 1 : node.end_lineno]).rstrip() + "\n"
        for name in names:
            found[name] = Definition(body, node, (ORDER.index(module), len(found)))
    return found


class Available:
    """The names that the helper module can have: those of `compat/`, and adapters of rows, made when asked for.

    Args:
        rows: the rows by PyTorch's names.
    """

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self._rows: dict[str, list[tuple[str, Row]]] = {}
        for name, row in rows.items():
            if row.use in ("layer", "call"):
                self._rows.setdefault(name.rpartition(".")[2], []).append((name, row))
        self._adapters: dict[str, str] = {}

    def __contains__(self, name: object) -> bool:
        """Whether the module can have a name."""
        return name in modules_by_name() or bool(self.adapter(str(name)))

    def adapter(self, short: str) -> str:
        """The adapter of a layer or function by its short name, the first of several; empty if it has none."""
        if short not in self._adapters:
            texts = (adapter_of(name, row) for name, row in self._rows.get(short, ()))
            self._adapters[short] = next(filter(None, texts), "")
        return self._adapters[short]


def text_of(names: set[str], rows: Mapping[str, Row]) -> str:
    """The text of the helper module with these names, and what they need."""
    own = modules_by_name()
    made = Available(rows)
    wanted: dict[str, tuple[str, tuple[int, int]]] = {}
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        if name in wanted:
            continue
        if name in own:
            text, node, place = written(name)
            wanted[name] = text, place
            waiting += sorted({each.id for each in nodes(node) if isinstance(each, ast.Name)} & own.keys() - {name})
        elif text := made.adapter(name):
            wanted[name] = text, (len(ORDER), len(wanted))
            tree = ast.parse(text)
            waiting += [each.id for each in nodes(tree) if isinstance(each, ast.Name) and each.id in own]
    ordered = sorted(wanted, key=lambda name: wanted[name][1])
    bodies = list(dict.fromkeys(wanted[name][0] for name in ordered))
    text = _imports("\n".join(bodies)) + "".join(
        ("\n\n" if body.startswith(("class ", "def ", "@")) else "\n") + body for body in bodies
    )
    return _HEAD + text


def _imports(text: str) -> str:
    used = {each.id for each in nodes(ast.parse(text)) if isinstance(each, ast.Name)}
    lines = [f"import {name}" for name in _MODULES if name in used]
    if lines:
        lines.append("")
    if "np" in used:
        lines.append("import numpy as np")
    lines.append("import mindspore as ms")
    if "ds" in used:
        lines.append("import mindspore.dataset as ds")
    names = [name for name in ("Parameter", "ParameterTuple", "Tensor", "mint", "nn", "ops") if name in used]
    if names:
        lines.append(f"from mindspore import {', '.join(names)}")
    if "initializer" in used:
        lines.append("from mindspore.common.initializer import initializer")
    if "Image" in used:
        lines.append("from PIL import Image")
    return "\n".join(lines) + "\n"


def adapter_of(name: str, row: Row) -> str:
    """A class or function with PyTorch's signature that does what the row's template says; empty if it cannot be."""
    if row.signature is None or not isinstance(row.becomes, str):
        return ""
    parsed = template(row.becomes)
    if row.signature.star or row.signature.keywords or (parsed.arguments is None and not parsed.whole):
        return ""
    short = name.rpartition(".")[2]
    signature = row.signature.text
    if row.use == "layer":
        if parsed.whole or parsed.prefix or parsed.suffix:
            return ""
        inside = ", ".join(_argument(each) for each in parsed.arguments or ())
        lines = [
            f"class {short}({parsed.callee.removeprefix('compat.')}):",
            f'    """{name} with its own parameters."""',
            "",
            f"    def __init__(self, {signature[1:-1]}):" if signature != "()" else "    def __init__(self):",
            f"        super().__init__({inside})",
        ]
        for attribute, other in row.parameters.items():
            if "." not in other and attribute != other:
                lines += ["", "    @property", f"    def {attribute}(self):", f"        return self.{other}"]
        return "\n".join(lines) + "\n"
    return "\n".join((f"def {short}{signature}:", f'    """{name}."""', f"    return {_whole(parsed)}", ""))


def _whole(parsed: Template) -> str:
    if parsed.whole:
        return _joined(parsed.whole)
    callee = f"input{parsed.callee}" if parsed.method else parsed.callee.removeprefix("compat.")
    return f"{parsed.prefix}{callee}({', '.join(_argument(each) for each in parsed.arguments or ())}){parsed.suffix}"


def _argument(argument: TemplateArgument) -> str:
    keyword = f"{argument.keyword}=" if argument.keyword else ""
    return keyword + _joined(argument.pieces).replace("compat.", "")


def _joined(pieces: tuple[str | Slot, ...]) -> str:
    return "".join(each.name if isinstance(each, Slot) else each.replace("compat.", "") for each in pieces)
