"""Calls: `PKG.MODULE:CALLABLE[(literals)]`, how a user names an object that Python code makes."""

from __future__ import annotations

import ast
import contextlib
import difflib
import importlib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converter.errors import BadParamError

_FORM = "Write PACKAGE.MODULE:CALLABLE, or PACKAGE.MODULE:CALLABLE(10, pretrained=False) with literals as arguments."


@dataclass(frozen=True)
class Call:
    """A call as the user wrote it.

    Attributes:
        text: the whole: `mynet.nets:ResNet(depth=18)`.
        module: the module to import: `mynet.nets`.
        path: what to call in it, with dots for attributes: `ResNet`, `Net.small`.
        arguments: positional arguments, or None when the text has no parentheses.
        keywords: keyword arguments.
    """

    text: str
    module: str
    path: str
    arguments: tuple[Any, ...] | None = None
    keywords: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of what is called: `ResNet`, `small`."""
        return self.path.rpartition(".")[-1]

    def target(self) -> Any:
        """Import the module and look the callable up, without calling it.

        Raises:
            BadParamError: there is no such module, or it has no such name.
            Exception: what the module itself raises while it is imported.
        """
        try:
            found: Any = importlib.import_module(self.module)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{self.module}.".startswith(f"{error.name}."):
                raise  # a module that this one imports
            raise BadParamError(
                f"'{self.text}': there is no module '{error.name}'. Name the folder that it lies in: --project_path."
            ) from error
        for part in self.path.split("."):
            if not hasattr(found, part):
                if meant := self._near(found, part):
                    raise BadParamError(f"'{self.text}': '{found.__name__}' has no '{part}'. Did you mean '{meant}'?")
                raise BadParamError(f"'{self.text}': '{found.__name__}' has no '{part}'. Check the name.")
            found = getattr(found, part)
        return found

    def _near(self, found: Any, part: str) -> str | None:
        """What a name stands for that `found` lacks: the same name in a submodule, else the most similar one here."""
        holders = [
            name for name in sys.modules if name.startswith(f"{self.module}.") and hasattr(sys.modules[name], part)
        ]
        if part == self.path and holders:
            return f"{min(holders, key=len)}:{part}"
        similar = difflib.get_close_matches(part, dir(found), n=1, cutoff=0.8)
        return similar[0] if similar else None


def parse_call(text: str) -> Call:
    """Parse `PKG.MODULE:CALLABLE` or `PKG.MODULE:CALLABLE(literals)`; nothing is imported.

    Raises:
        BadParamError: it has another form, or an argument is no literal.
    """
    module, colon, rest = text.partition(":")
    try:
        tree = ast.parse(rest.strip(), mode="eval").body if colon else None
    except SyntaxError:
        tree = None
    made = tree.func if isinstance(tree, ast.Call) else tree
    path = _path(made)
    if path is None or not all(part.isidentifier() for part in module.split(".")):
        raise BadParamError(f"'{text}' is no call. {_FORM}")
    if not isinstance(tree, ast.Call):
        return Call(text, module, path)
    try:
        arguments = tuple(ast.literal_eval(argument) for argument in tree.args)
        keywords = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in tree.keywords if keyword.arg}
    except (ValueError, TypeError) as error:
        raise BadParamError(f"'{text}': an argument is no literal (a number, a text, a list, …). {_FORM}") from error
    if len(keywords) != len(tree.keywords):
        raise BadParamError(f"'{text}': `**` stands before an argument. {_FORM}")
    return Call(text, module, path, arguments, keywords)


def _path(tree: ast.AST | None) -> str | None:
    """`Net.small` of an expression that consists of names and dots; None for any other."""
    match tree:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=name):
            outer = _path(value)
            return None if outer is None else f"{outer}.{name}"
    return None


@contextlib.contextmanager
def searched_first(folder: Path | None) -> Iterator[None]:
    """Search modules in this folder before any other inside the block."""
    added = [] if folder is None else [str(folder.absolute())]
    sys.path[:0] = added
    try:
        yield
    finally:
        for entry in added:
            with contextlib.suppress(ValueError):
                sys.path.remove(entry)
