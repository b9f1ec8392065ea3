"""Import cycles: files of a project that no order of imports can load."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from converter.errors import ModelLoadingError
from converter.rewriting.names import Names, absolute


def check_cycles(files: Mapping[str, Names]) -> None:
    """Look for a circle of `from … import …` in which, wherever it is entered, a name is not yet defined.

    A circle through a package's `__init__.py` is left to Python: packages are often written so.

    Raises:
        ModelLoadingError: there is one.
    """
    arrows = {module: _imported(names, files) for module, names in files.items() if not names.file.is_package}
    try:
        tuple(TopologicalSorter(arrows).static_order())
    except CycleError as error:
        circle: list[str] = error.args[1][:-1]
        if circle[1 % len(circle)] not in arrows[circle[0]]:
            circle.reverse()
        if all(_fails(circle, number, files, arrows) for number in range(len(circle))):
            first = files[circle[0]].file.path
            way = " → ".join((*circle, circle[0]))
            raise ModelLoadingError(
                f"'{first}' is in a circle of imports that Python cannot load: {way}. Move what both need into a "
                "file of its own, or one of the imports into a function."
            ) from None


def _imported(names: Names, files: Mapping[str, Names]) -> dict[str, ast.ImportFrom]:
    """The files of the project that a file takes names from when it is imported, with the first statement."""
    found: dict[str, ast.ImportFrom] = {}
    for node in names.file.tree.body:
        if isinstance(node, ast.ImportFrom):
            module = absolute(node, names.file)
            other = files.get(module)
            if other is not None and other is not names and not other.file.is_package:
                found.setdefault(module, node)
    return found


def _fails(
    circle: Sequence[str],
    number: int,
    files: Mapping[str, Names],
    arrows: Mapping[str, Mapping[str, ast.ImportFrom]],
) -> bool:
    """Whether a circle cannot be loaded from one of its files: the last wants a name that stands below its import."""
    entry, following = circle[number], circle[(number + 1) % len(circle)]
    last = circle[number - 1]
    line = arrows[entry][following].lineno
    for alias in arrows[last][entry].names:
        bindings = files[entry].module.names.get(alias.name, ())
        places = [each.node.lineno for each in bindings]  # type: ignore[attr-defined]
        if alias.name != "*" and not any(place < line for place in places):
            return True
    return False
