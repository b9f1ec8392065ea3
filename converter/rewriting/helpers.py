"""The helper module `_torch_compat.py`: what a converted project needs of `compat/`, copied, and adapters of rows."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping
from pathlib import Path

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


@functools.cache
def written() -> dict[str, tuple[str, ast.stmt, int]]:
    """The definitions of `compat/` by name: their text, their tree, their place."""
    found: dict[str, tuple[str, ast.stmt, int]] = {}
    for module in ORDER:
        text = (FOLDER / f"{module}.py").read_text(encoding="utf-8")
        lines = text.splitlines(keepends=True)
        for node in ast.parse(text).body:
            names: list[str] = []
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                names = [target.id for target in node.targets if isinstance(target, ast.Name)]
                if isinstance(node.value, ast.Name) and not names:  # `Tensor.__format__ = formatted` goes with it
                    before, tree, place = found[node.value.id]
                    line = "".join(lines[node.lineno - 1 : node.end_lineno])
                    found[node.value.id] = f"{before}\n\n{line}", tree, place
            first = min([node.lineno, *(each.lineno for each in getattr(node, "decorator_list", ()))])
            body = "".join(lines[first - 1 : node.end_lineno]).rstrip() + "\n"
            for name in names:
                if name in found:
                    raise ValueError(f"compat/{module}.py defines {name} again")
                found[name] = body, node, len(found)
    return found


def available(rows: Mapping[str, Row]) -> frozenset[str]:
    """Every name that the helper module can have."""
    return frozenset(written()) | frozenset(_adapters(rows))


def _adapters(rows: Mapping[str, Row]) -> dict[str, str]:
    """The adapters of layers and functions by their short names; of two with one name the first."""
    found: dict[str, str] = {}
    for name, row in rows.items():
        short = name.rpartition(".")[2]
        if row.use in ("layer", "call") and short not in found and (text := adapter_of(name, row)):
            found[short] = text
    return found


def text_of(names: set[str], rows: Mapping[str, Row]) -> str:
    """The text of the helper module with these names, and what they need."""
    own = written()
    made = _adapters(rows)
    wanted: dict[str, tuple[str, int]] = {}
    waiting = sorted(names)
    while waiting:
        name = waiting.pop()
        if name in wanted:
            continue
        if name in own:
            text, node, place = own[name]
            wanted[name] = text, place
            waiting += sorted({each.id for each in nodes(node) if isinstance(each, ast.Name)} & own.keys() - {name})
        elif name in made:
            wanted[name] = made[name], len(own) + len(wanted)
            tree = ast.parse(made[name])
            waiting += [each.id for each in ast.walk(tree) if isinstance(each, ast.Name) and each.id in own]
    ordered = sorted(wanted, key=lambda name: wanted[name][1])
    bodies = list(dict.fromkeys(wanted[name][0] for name in ordered))
    text = _imports("\n".join(bodies)) + "".join(
        ("\n\n" if body.startswith(("class ", "def ", "@")) else "\n") + body for body in bodies
    )
    return _HEAD + text


def _imports(text: str) -> str:
    used = {each.id for each in ast.walk(ast.parse(text)) if isinstance(each, ast.Name)}
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
