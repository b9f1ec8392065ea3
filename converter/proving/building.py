"""Building: the network that a call makes, in whichever framework its modules are written."""

from __future__ import annotations

import ast
import importlib
import inspect
import traceback
from pathlib import Path
from typing import Any

from converter.errors import BadParamError, ModelLoadingError, describe_unexpected

_FORM = "Write PACKAGE.MODULE:FACTORY or PACKAGE.MODULE:FACTORY(10, depth=18)."


def check_call(text: str) -> None:
    """Look whether a text is a call, without importing anything.

    Raises:
        BadParamError: it is none.
    """
    _parts(text)


def built(text: str) -> Any:
    """What `package.module:factory(arguments)` makes; arguments may use the names of the module.

    Raises:
        BadParamError: there is no such module, or it has no such name.
        ModelLoadingError: the code of the module or of the factory raises.
    """
    module, expression = _parts(text)
    try:
        names = vars(importlib.import_module(module))
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise ModelLoadingError(_raised(text, error)) from error
        raise BadParamError(f"'{text}': the project has no module '{error.name}'. Check --verify_network.") from error
    except Exception as error:  # the user's code may raise any
        raise ModelLoadingError(_raised(text, error)) from error
    first = expression.split("(")[0].split(".")[0].strip()
    if first not in names:
        raise BadParamError(f"'{text}': the module '{module}' has no '{first}'. Check --verify_network.")
    try:
        made = eval(expression, dict(names))
        return made() if isinstance(made, type) or inspect.isroutine(made) else made
    except Exception as error:  # the user's code may raise any
        raise ModelLoadingError(_raised(text, error)) from error


def _parts(text: str) -> tuple[str, str]:
    module, colon, expression = text.partition(":")
    try:
        tree = ast.parse(expression.strip(), mode="eval").body if colon else None
    except SyntaxError:
        tree = None
    named = isinstance(tree, ast.Name | ast.Attribute | ast.Call)
    if not named or not all(part.isidentifier() for part in module.strip().split(".")):
        raise BadParamError(f"'{text}' is no call. {_FORM}")
    return module.strip(), expression.strip()


def _raised(text: str, error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(frame.filename).name}, line {frame.lineno}: `{frame.line}`"
    return f"'{text}' raises {describe_unexpected(error)} ({place})."
