"""Frontends: one for each kind of source; each turns a `Request` into a `Source`. This module lists them."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from converter.base.kinds import kind_of
from converter.errors import BadParamError, ConverterError, GraphInitError, UnknownModelError
from converter.frontends import onnx, tensorflow
from converter.frontends.endpoints import module_name
from converter.frontends.frontend import Frontend, Option
from converter.frontends.source import Endpoint, Original, Request, Source

__all__ = [
    "FRONTENDS",
    "Endpoint",
    "Frontend",
    "Option",
    "Original",
    "Request",
    "Source",
    "diagnose_invalid_model",
    "frontend_in",
    "load",
    "module_name",
    "options",
    "recognise",
]


FRONTENDS: tuple[Frontend, ...] = (onnx.FRONTEND, tensorflow.FRONTEND)
"""Every frontend, in the order in which they are asked whether they recognise a source."""


def load(request: Request) -> Source:
    """Read the model that the user named.

    Raises:
        UnknownModelError: no frontend knows the file.
        ModelLoadingError: the file is missing, unreadable or not what its suffix says.
        GraphInitError, NodeInputMissingError: its contents are not a valid graph.
        BadParamError, ParamMissingError: nodes, shapes or options that do not fit the graph.
    """
    frontend = recognise(request.model_file)
    known = [option.name for option in frontend.options]
    for name in request.options:
        if name not in known:
            raise BadParamError(f"--{name} does not apply to '{request.model_file.name}', {frontend.kind}. Omit it.")
    return frontend.load(request)


def recognise(path: Path) -> Frontend:
    """The frontend for a file or a folder, by its contents, else by its suffix.

    Raises:
        UnknownModelError: no frontend knows it.
    """
    frontend = kind_of(path, FRONTENDS)
    if frontend is None:
        *kinds, last = (known.kind for known in FRONTENDS)
        raise UnknownModelError(
            f"'{path.name}' is neither {', '.join(kinds)} nor {last}. "
            "Export the model to one of these and name that file."
        )
    return frontend


def frontend_in(module: str) -> Frontend:
    """The frontend of the module with this name, for the verification process."""
    frontend = importlib.import_module(module).FRONTEND
    assert isinstance(frontend, Frontend)
    return frontend


def options() -> dict[str, Option]:
    """The options of all frontends by name; options of equal names have the same meaning."""
    return {option.name: option for frontend in FRONTENDS for option in frontend.options}


@contextmanager
def diagnose_invalid_model(file: Path) -> Iterator[None]:
    """If the block fails with an unexpected error, report what is wrong with the model.

    The check takes as long as a stage of the conversion, and it rejects some models that run correctly: therefore it
    is made only after a failure.

    Raises:
        GraphInitError: the block fails, and the model is invalid.
    """
    try:
        yield
    except ConverterError as error:
        fault = None if error.expected else recognise(file).fault_of(file)
        if fault is None:
            raise
        raise GraphInitError(f"the model is invalid: {fault}. Export or copy the model again.") from error.__cause__
