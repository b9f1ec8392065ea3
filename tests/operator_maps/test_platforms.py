"""Every function of MindSpore that the tables can write is documented for Ascend as well as for the CPU."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import mindspore
import pytest

from operator_maps import registry

FOLDER = Path(registry.__file__).parent
TABLES = sorted(table for table in FOLDER.rglob("*.py") if table.parent.name != "pytorch")
"""All but those of PyTorch's names, which look alike: their rows are run against torch."""
FUNCTION = re.compile(r"\b(?:ops|nn|mint)\.[A-Za-z_*][\w.*]*")
METHOD = re.compile(r"[})\]]\.([a-z_]+)\(")

_RUNS = "it runs on the CPU all the same, as the tests of convolution show; nothing else takes computed weights"
_WITHOUT_ELEMENTS = "it runs on the CPU all the same, as the tests show; ops.split and slices of no elements end it"
_ALONE = "deprecated, yet still there, and nothing else scatters with this reduction"
_NOT_ON_ASCEND = "its page does not name Ascend; nothing else computes it"
_HOST = "it hands over the tensor that a parameter holds; nothing is computed"
_UNUSED = "not written: only the pattern of the template admits it"
EXCEPTIONS = {
    "Tensor.value": _HOST,
    "mint.narrow": _WITHOUT_ELEMENTS,
    "mint.split": _WITHOUT_ELEMENTS,
    "mint.unbind": _WITHOUT_ELEMENTS,
    **{f"ops.bessel_{kind}": _NOT_ON_ASCEND for kind in ("i0", "i0e", "i1", "i1e")},
    "ops.cholesky": _NOT_ON_ASCEND,
    "ops.conv1d": _RUNS,
    "ops.conv2d": _RUNS,
    "ops.conv3d": _RUNS,
    "ops.digamma": _NOT_ON_ASCEND,
    "ops.fmax": _NOT_ON_ASCEND,
    "ops.lgamma": _NOT_ON_ASCEND,
    "ops.pinv": _NOT_ON_ASCEND,
    "ops.polygamma": _NOT_ON_ASCEND,
    "ops.tensor_scatter_div": _UNUSED,
    "ops.tensor_scatter_max": _ALONE,
    "ops.tensor_scatter_min": _ALONE,
    "ops.tensor_scatter_mul": _ALONE,
    "ops.tensor_scatter_sub": _UNUSED,
}
"""What is written although its page does not name both → why."""


def written_by(table: Path) -> set[str]:
    """The functions and the tensors' methods (`Tensor.reshape`) in a table's templates and helper functions."""
    tree = ast.parse(table.read_text(encoding="utf-8"))
    sources = [*_texts(tree), *map(ast.unparse, _helpers(tree))]
    found = {name for source in sources for pattern in FUNCTION.findall(source) for name in _meant(pattern)}
    found |= {f"Tensor.{name}" for source in sources for name in METHOD.findall(source)}
    calls = [node.func for helper in _helpers(tree) for node in ast.walk(helper) if isinstance(node, ast.Call)]
    modules = ("ops", "nn", "ms", "np", "mint")
    for call in calls:
        if isinstance(call, ast.Attribute) and getattr(call.value, "id", "") not in modules:
            found.add(f"Tensor.{call.attr}")
    return found


def _texts(tree: ast.AST) -> Iterator[str]:
    """The strings of a table, its docstrings excepted; `*` stands for what an f-string fills in."""
    seen = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            seen |= set(map(id, node.values))
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in seen:
            yield node.value


def _meant(pattern: str) -> list[str]:
    """A function's name; all that `nn.Conv*d` may be."""
    module, _, name = pattern.partition(".")
    if "*" not in name:
        return [pattern]
    found = [
        known for known in dir(getattr(mindspore, module)) if re.fullmatch(name.replace("*", "[A-Za-z0-9]+"), known)
    ]
    return [f"{module}.{known}" for known in found] if name != "*" else []


def _helpers(tree: ast.Module) -> Iterator[ast.FunctionDef]:
    """The functions that are copied into scripts: they alone have no annotations. Without their docstrings."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.args.args and not any(arg.annotation for arg in node.args.args):
            yield ast.FunctionDef(**{**node.__dict__, "body": node.body[1:]})


@cache
def platforms(name: str) -> str:
    """What a function's page says of platforms, with all its overloads, and the page that it refers to."""
    item: Any = mindspore
    for part in name.split("."):
        item = getattr(item, part)
    text = inspect.getdoc(item) or ""
    named = re.findall(r"Supported Platforms:\s*(.*)", text)
    others = re.findall(r":func:`mindspore\.((?:ops|mint)\.\w+)`", text) if name.startswith("Tensor") else []
    return " ".join([*named, *(platforms(other) for other in others)]) or text


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.stem)
def test_documented_for_ascend_and_cpu(table: Path) -> None:
    unknown = {}
    for name in sorted(written_by(table) - set(EXCEPTIONS)):
        if name.startswith("Tensor.") and not hasattr(mindspore.Tensor, name.removeprefix("Tensor.")):
            continue  # a method of a list, or of the converter
        said = platforms(name)
        if not ("Ascend" in said and "CPU" in said):
            unknown[name] = said[:80]
    assert not unknown


def test_no_exception_is_idle() -> None:
    names = set().union(*map(written_by, TABLES))
    for name in EXCEPTIONS:
        assert name in names
        assert not ("Ascend" in platforms(name) and "CPU" in platforms(name))
