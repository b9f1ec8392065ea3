"""Frontends: one for each kind of source; each turns a `Request` into a `Source`. This module lists them."""

from __future__ import annotations

import importlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from converter.base.kinds import kind_of
from converter.errors import BadParamError, ConverterError, GraphInitError, UnknownModelError
from converter.frontends import archive, checkpoint, keras, onnx, pytorch, saved_model, tensorflow, tflite
from converter.frontends.archive import stem_of
from converter.frontends.endpoints import module_name
from converter.frontends.frontend import Frontend, Option, Run
from converter.frontends.made import name_of, named
from converter.frontends.source import Endpoint, Made, Original, Request, Source
from converter.frontends.training import (
    OWN_DECAY,
    PROBABILITIES,
    SUM,
    Change,
    Loss,
    Optimizer,
    Schedule,
    Training,
    choices,
)
from converter.frontends.unpacked import model_in, note_on_others

if TYPE_CHECKING:
    import onnx_ir as ir

__all__ = [
    "FRONTENDS",
    "OWN_DECAY",
    "PROBABILITIES",
    "SUM",
    "Change",
    "Endpoint",
    "Frontend",
    "Loss",
    "Optimizer",
    "Option",
    "Original",
    "Request",
    "Run",
    "Schedule",
    "Source",
    "Training",
    "choices",
    "dequantised",
    "diagnose_invalid_model",
    "frontend_in",
    "load",
    "module_name",
    "named",
    "options",
    "recognise",
    "refuse_invalid_model",
    "stem_of",
    "write_model",
]


FRONTENDS: tuple[Frontend, ...] = (
    onnx.FRONTEND,
    tensorflow.FRONTEND,
    saved_model.FRONTEND,
    checkpoint.FRONTEND,
    keras.FRONTEND,
    tflite.FRONTEND,
    pytorch.FRONTEND,
)
"""Every frontend, in the order in which they are asked whether they recognise a source."""


def load(request: Request) -> Source:
    """Read the model that the user named.

    Raises:
        UnknownModelError: no frontend knows the file.
        ModelLoadingError: the file is missing, unreadable or not what its suffix says.
        GraphInitError, NodeInputMissingError: its contents are not a valid graph.
        BadParamError, ParamMissingError: nodes, shapes or options that do not fit the graph.
    """
    if request.made is not None:
        frontend = _frontend_of(request.made)
    elif request.folder is not None and archive.is_archive(request.model_file):
        return _load_from_archive(request, request.folder / "archive")
    else:
        frontend = recognise(request.model_file)
    return _load(request, frontend)


def _load(request: Request, frontend: Frontend) -> Source:
    known = [option.name for option in frontend.options]
    for name in request.options:
        if name not in known:
            raise BadParamError(f"--{name} does not apply to '{request.model_file.name}', {frontend.kind}. Omit it.")
    return frontend.load(request)


def _load_from_archive(request: Request, folder: Path) -> Source:
    """Unpack an archive into a folder of the conversion, and read the one model in it.

    What PyTorch and Keras write are zip files too: under the name of one, it is read as it is.
    """
    file = request.model_file
    folder = folder / stem_of(file)
    folder.mkdir(parents=True)
    archive.unpack(file, folder)
    try:
        model, others = model_in(folder, file.name, FRONTENDS)
    except UnknownModelError:
        if kind_of(file, FRONTENDS) is None:
            raise
        return _load(request, recognise(file))
    source = load(replace(request, model_file=model))
    note = note_on_others(folder, file.name, model, [path for path in others if path not in source.files])
    notes = tuple(filter(None, (note, *source.notes)))
    return replace(source, files=(file,), description=f"{file.name}: {source.description}", notes=notes)


def _frontend_of(made: Made) -> Frontend:
    """The frontend for a source that is no file.

    Raises:
        UnknownModelError: no frontend takes it.
    """
    found = next((frontend for frontend in FRONTENDS if frontend.takes(made)), None)
    if found is None:
        raise UnknownModelError(f"a {name_of(made)} is nothing that can be converted. Name a file, or give a module.")
    return found


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


def write_model(graph: ir.Model, source: Source, file: Path) -> list[Path]:
    """Write the normalised graph of a source as an ONNX model, which leads to the same script as the source itself.

    Returns:
        The files that were written: the weights above 2 GB are in one beside it.

    Raises:
        OnnxModelSaveError: they cannot be written.
    """
    from converter.frontends.onnx import written

    return written.write_model(graph, source, file)


def dequantised(source: Source, folder: Path, kept: Collection[str] = ()) -> Source:
    """The float network of a quantised source, as a source of its own; `folder` is a temporary one for its model.

    Raises:
        BadParamError: nothing in the source is quantised, or it cannot be undone.
        GraphInitError: the model is not a valid graph.
    """
    from converter.frontends.onnx import dequantised as made

    return made.dequantised(source, folder, kept)


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
        if not error.expected:
            refuse_invalid_model(file, error.__cause__)
        raise


def refuse_invalid_model(file: Path, cause: BaseException | None = None) -> None:
    """Check a model behind something that failed.

    Raises:
        GraphInitError: the model is invalid.
    """
    frontend = kind_of(file, FRONTENDS)
    fault = None if frontend is None else frontend.fault_of(file)
    if fault is not None:
        raise GraphInitError(f"the model is invalid: {fault}. Export or copy the model again.") from cause
