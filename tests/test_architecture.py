"""Imports point one way: between rooms by the table below, and between modules without a circle."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest
from paths import ROOT

ALLOWED = {
    "converter": ["api", "base", "script_api"],
    "errors": [],
    "base": ["errors"],
    "templates": [],
    "script": ["base", "errors", "templates"],
    "shapes": ["base", "errors", "script"],
    "graph": ["base", "errors", "script", "shapes"],
    "frontends": ["base", "errors", "graph"],
    "artifacts": ["base", "errors", "script"],
    "weights": ["artifacts", "base", "errors", "frontends", "graph"],
    "lowering": ["base", "errors", "graph", "script", "shapes"],
    "rewriting": ["base", "errors"],
    "rows": ["base", "lowering", "script", "shapes"],
    "operator_maps": ["base", "errors", "graph", "lowering", "rewriting", "rows", "shapes"],
    "verification": [
        "base",
        "errors",
        "frontends",
        "graph",
        "lowering",
        "operator_maps",
        "script",
        "shapes",
        "weights",
    ],
    "proving": ["artifacts", "base", "errors", "verification", "weights"],
    "report": ["artifacts", "base", "errors", "frontends", "graph", "lowering", "script", "templates", "verification"],
    "training": ["artifacts", "base", "errors", "frontends", "lowering", "script"],
    "api": [
        *("artifacts", "base", "errors", "frontends", "graph", "lowering", "operator_maps"),
        *("report", "script", "shapes", "training", "verification"),
    ],
    "script_api": ["base", "errors", "operator_maps", "proving", "report", "rewriting"],
    "commands": [
        *("api", "artifacts", "base", "errors", "frontends", "graph", "report", "script", "script_api"),
        *("verification", "weights"),
    ],
    "__main__": ["commands"],
}
"""Room → the rooms that its modules may import, inside functions and under TYPE_CHECKING too."""

FILES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for folder in ("converter", "operator_maps", "templates")
    for path in (ROOT / folder).rglob("*.py")
}

LIBRARIES = ("converter.base", "operator_maps.lib")
"""Packages whose modules are all public: `converter.base` so that the command starts without NumPy."""

PACKAGES = {module for module, path in FILES.items() if path.name == "__init__.py"} - {"converter"}


def imports_of(module: str) -> Iterator[str]:
    """The modules of the project that a module imports, wherever in its text."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from {name if name in FILES else node.module for name in names} & FILES.keys()
        elif isinstance(node, ast.Import):
            yield from {alias.name for alias in node.names} & FILES.keys()


def offered_by(package: str) -> set[str]:
    """What an `__init__.py` lists in `__all__`."""
    for node in ast.parse(FILES[package].read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    return set()


def internals_imported_by(module: str) -> Iterator[str]:
    """A sentence for each import that a module takes out of another room past its `__init__.py`."""
    for node in ast.walk(ast.parse(FILES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            imported = [(node.module, alias.name) for alias in node.names]
        elif isinstance(node, ast.Import):
            imported = [(alias.name, None) for alias in node.names]
        else:
            continue
        for other, name in imported:
            package = other if other in PACKAGES else other.rpartition(".")[0]
            if package not in PACKAGES or other.startswith(LIBRARIES) or room_of(other) == room_of(module):
                continue
            if other not in PACKAGES or (name and f"{other}.{name}" not in PACKAGES and name not in offered_by(other)):
                where = f"{FILES[module].relative_to(ROOT)}:{node.lineno}"
                what = f"{name} from {other}" if name else other
                yield (
                    f"{where} imports {what}, which is internal to {package}: offer the name in the `__all__` of "
                    f"{FILES[package].relative_to(ROOT)} and import it from {package}."
                )


def room_of(module: str) -> str:
    first, *rest = module.split(".")
    return rest[0] if first == "converter" and rest else first


@pytest.mark.parametrize("room", sorted(set(map(room_of, FILES))))
def test_a_room_imports_what_stands_below_it(room):
    imported = {room_of(other) for module in FILES if room_of(module) == room for other in imports_of(module)}
    assert imported - {room} <= set(ALLOWED[room])


def test_a_room_imports_what_another_offers():
    wrong = [sentence for module in sorted(FILES) for sentence in internals_imported_by(module)]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("package", sorted(PACKAGES))
def test_a_package_has_what_it_offers(package):
    module = importlib.import_module(package)
    assert [name for name in offered_by(package) if not hasattr(module, name)] == []


def test_the_rooms_have_an_order():
    assert set(TopologicalSorter(ALLOWED).static_order()) == ALLOWED.keys()  # a CycleError names the circle


def test_no_modules_import_each_other_in_a_circle():
    arrows = {module: {other for other in imports_of(module) if other != module} for module in FILES}
    tuple(TopologicalSorter(arrows).static_order())  # a CycleError names the circle
