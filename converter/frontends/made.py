"""Sources that are no file: how they are named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from converter.base.calls import Call, parse_call
from converter.errors import BadParamError, ParamMissingError
from converter.frontends.source import Live, Made


def named(model_file: Any, model: str | None, inputs: Any = None) -> tuple[Path, Made | None]:
    """What the user named: the file or folder and None; or for what is no file, a name and the source.

    Args:
        model_file: a path, or a live module.
        model: a call.
        inputs: example inputs of a live module.

    Raises:
        ParamMissingError: nothing is named.
        BadParamError: two sources are named, or the call has another form.
    """
    if (model_file is None) == (model is None):
        if model is None:
            raise ParamMissingError("no model is named. Give a file (model_file), a call (model) or a module.")
        raise BadParamError("--model and --model_file name two models. Give one of the two; a state goes to --weights.")
    made: Made | None = None
    if model is not None:
        made = parse_call(model)
    elif not isinstance(model_file, str | os.PathLike):
        made = Live(model_file, inputs)
    if inputs is not None and not isinstance(made, Live):
        raise BadParamError("inputs belong to a module. For a file or a call, give --shape, or --verify_inputs.")
    return (Path(model_file), None) if made is None else (Path(name_of(made)), made)


def name_of(made: Made) -> str:
    """The name of a callable, or of a module's class."""
    return made.name if isinstance(made, Call) else type(made.module).__name__
