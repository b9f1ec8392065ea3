"""The user's own layers and functions: found by name in the modules of `--project_path`, and imported from there."""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from converter.errors import BadParamError

_SKIPPED = {"__pycache__", "build", "dist", "node_modules", "site-packages"}


@contextmanager
def search_path(project: Path | None) -> Iterator[None]:
    """Put a folder before the module search path, inside the block."""
    if project is None:
        yield
        return
    sys.path.insert(0, str(project.absolute()))
    try:
        yield
    finally:
        sys.path.remove(str(project.absolute()))


def custom_objects(names: Collection[str], project: Path | None) -> dict[str, Any]:
    """The classes and functions of these names that the modules of a project define.

    Only the modules that define one of them are imported, from `search_path`.

    Raises:
        BadParamError: the folder is missing, or a module of it cannot be imported.
    """
    if project is None:
        return {}
    if not project.is_dir():
        raise BadParamError(f"--project_path '{project}' is no folder. Name the one that the imports begin in.")
    found = {}
    for file in sorted(project.rglob("*.py")):
        parts = file.relative_to(project).with_suffix("").parts
        defined = set() if _SKIPPED.intersection(parts) else _definitions(file) & set(names)
        if defined:
            module = _imported(".".join(part for part in parts if part != "__init__"), file)
            found.update({name: getattr(module, name) for name in defined if hasattr(module, name)})
    return found


def _definitions(file: Path) -> set[str]:
    """The classes and functions that a module defines at its top level; none if it cannot be parsed."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return set()
    return {node.name for node in tree.body if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def _imported(name: str, file: Path) -> Any:
    try:
        return importlib.import_module(name)
    except Exception as error:  # the user's module may raise any
        raise BadParamError(
            f"'{file}' cannot be imported: {type(error).__name__}: {error}. Name the folder that its own imports begin "
            "in with --project_path."
        ) from error
