"""Exporting: torch's exporter, and its older one where that refuses the module. It runs where torch is."""

from __future__ import annotations

import functools
import re
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from converter.errors import BadParamError, ModelLoadingError, TorchExportError
from converter.frontends.endpoints import listed
from converter.frontends.pytorch.agreement import differing_output, other_inputs, session_of
from converter.frontends.pytorch.dropouts import called_dropouts, lost_in_training
from converter.frontends.pytorch.exporters import finish, refusal_of, with_current, with_free_extents, with_older
from converter.frontends.pytorch.inputs import Input
from converter.frontends.pytorch.lines import culprit, place_of, reason_of
from converter.frontends.pytorch.loading import Loaded
from converter.frontends.pytorch.other_extents import at_other_extents, with_odd_extents
from converter.frontends.pytorch.outputs import named_outputs, register_dataclasses
from converter.frontends.pytorch.own_gradients import note_of, noting_gradients
from converter.frontends.pytorch.scripted import place_of_operator
from converter.frontends.pytorch.spec import MODEL, Exported
from converter.frontends.pytorch.unknown import is_unknown, written_as_nodes
from converter.frontends.pytorch.weightless import folder_of

_FIXED = re.compile(r"static shape of (\d+) for dimension inputs\['(\w+)'\]\.shape\[(\d+)\]")
"""How torch says that an extent which should be free is not."""


def export(loaded: Loaded, inputs: Sequence[Input], folder: Path, label: str) -> Exported:
    """Write the network to the folder, and say what it is.

    The caller has put the module `as_network`.

    Raises:
        ModelLoadingError: the module does not run on the inputs.
        TorchExportError: no exporter takes the module, or it writes another network.
        BadParamError: the module fixes an extent that `--shape` leaves free.
    """
    values = {each.name: each.value for each in inputs}
    with noting_gradients(loaded.gradients):
        result = _run(loaded, values, label)
    register_dataclasses(result)
    outputs = list(named_outputs(result, values))
    if not outputs:
        raise TorchExportError(f"'{label}' returns no tensor. Derive a module whose forward returns tensors.")
    _check_layers(loaded, label)
    file = folder / MODEL
    if not loaded.scripted and loaded.program is None:
        run = functools.partial(loaded.run, values)
        loaded.dropouts = called_dropouts(loaded.module, run, None if loaded.places else result)
    notes = [note] if (note := note_of(loaded.gradients)) else []
    producer = f"torch {torch.__version__.partition('+')[0]}"
    refusal = None
    if not loaded.scripted:
        refusal = refusal_of(lambda: with_current(loaded, inputs, outputs, file))
        if _is_of_extents(refusal):
            refusal = _with_free_extents(loaded, inputs, outputs, file) and refusal
        if fixed := _with_fixed(inputs, refusal):
            inputs, values = fixed, {each.name: each.value for each in fixed}
            refusal = refusal_of(lambda: with_current(loaded, inputs, outputs, file))
        _check_free(inputs, refusal, label)
    if loaded.scripted or refusal is not None:
        if loaded.places:  # the older exporter runs the module on values
            raise _error(label, refusal)
        try:
            _with_older(loaded, inputs, outputs, file, label, refusal)
        except TorchExportError:
            if not is_unknown(refusal):
                raise
            notes.append(_with_unknown(loaded, inputs, outputs, file, label))
        else:
            producer += ", its older exporter"
            if refusal is not None:
                notes.append(f"torch's current exporter refuses the module: {_told(refusal)}. Its older one took it.")
    else:
        finish(file, inputs, loaded)
        if not loaded.places and (wrong := at_other_extents(loaded, inputs, outputs, file)):
            notes.append(wrong.note)
            producer += ", its older exporter" if wrong.cured else ""
    return Exported(
        inputs=tuple(values),
        outputs=tuple(outputs),
        fixed=loaded.program is not None,
        examples=tuple(map(_text, values.values())) if loaded.program is not None else (),
        producer=producer,
        exact=not any(tensor.dtype == torch.bfloat16 for tensor in (*values.values(), *loaded.module.parameters())),
        notes=(*loaded.notes, *lost_in_training(loaded.module, loaded.dropouts), *notes, *_of_states(loaded.states)),
        files=tuple(str(path.absolute()) for path in loaded.files),
        data_dir=str(folder_of(loaded.places)) if loaded.places else "",
    )


def _run(loaded: Loaded, values: Mapping[str, torch.Tensor], label: str) -> Any:
    """What the module returns on these inputs."""
    try:
        return loaded.run(values)
    except Exception as error:  # the user's code may raise any
        given = ", ".join(f"'{name}' {tuple(value.shape)}" for name, value in values.items())
        raise ModelLoadingError(f"'{label}' does not run on {given}: {culprit(error)} Correct the inputs.") from error


def _check_layers(loaded: Loaded, label: str) -> None:
    """Check that the module has no layer that torch's exporter writes as another one without notice.

    Raises:
        TorchExportError: it has.
    """
    for name, layer in loaded.module.named_modules():
        if isinstance(layer, torch.nn.LSTM) and layer.proj_size:
            raise TorchExportError(
                f"torch cannot export '{label}': the LSTM '{name}' has proj_size={layer.proj_size}, which ONNX's LSTM "
                "does not have. Derive a module that computes it by an nn.LSTMCell and an nn.Linear for each step."
            )


def _with_older(
    loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path, label: str, refusal: Exception | None
) -> None:
    """Export a module that the current exporter refused, or TorchScript, with the older one.

    Raises:
        TorchExportError: it refuses the module, too, or writes another network.
    """
    if loaded.program is not None:
        raise _error(label, refusal)
    refused = refusal_of(lambda: with_older(loaded, inputs, outputs, file))
    if refused is not None and not loaded.scripted:
        again = refusal_of(lambda: with_older(loaded, inputs, outputs, file, gradients=False))
        refused = again and refused
    if refused is not None:
        place = place_of_operator(loaded.module, refused) if loaded.scripted else ""
        raise _error(label, refusal or refused, refused if refusal else None, place)
    finish(file, inputs, loaded)
    _compare(loaded, inputs, file, label, refusal)


def _with_unknown(loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path, label: str) -> str:
    """Export a module with operators that no exporter knows, as nodes of their own; a note that names them.

    Raises:
        TorchExportError: the module is refused for another reason.
    """
    with written_as_nodes() as found:
        refused = refusal_of(lambda: with_current(loaded, inputs, outputs, file))
    if refused is not None:
        raise _error(label, refused)
    finish(file, inputs, loaded)
    named = ", ".join(f"{name}{place}" for name, place in found.items())
    return f"ONNX has no function for these operators of PyTorch, which are nodes of their own: {named}."


def _check_free(inputs: Sequence[Input], refusal: Exception | None, label: str) -> None:
    """Check that the module was not refused for an extent that it fixes: the older exporter would fix it silently.

    Raises:
        BadParamError: it was.
    """
    names = {each.name: each for each in inputs}
    for extent, name, axis in _FIXED.findall(f"{refusal}"):
        if name in names and isinstance(dim := names[name].shape[int(axis)], str):
            raise BadParamError(
                f"'{label}' computes with the extent {extent} of axis {axis} of '{name}', which --shape leaves free "
                f"('{dim}'). Give the number."
            )


def _with_fixed(inputs: Sequence[Input], refusal: Exception | None) -> list[Input]:
    """The inputs with those extents fixed that the module fixes, a batch at 1; none where the user wants them free."""
    names = {each.name: each for each in inputs}
    found = [(name, int(axis)) for _, name, axis in _FIXED.findall(f"{refusal}") if name in names]
    letters = {dim for name, axis in found if isinstance(dim := names[name].shape[axis], str)}
    if not letters or not all(each.chosen for each in inputs):
        return []
    fixed = []
    for each in inputs:
        value = each.value[:1] if each.shape and each.shape[0] in letters else each.value
        shape = tuple(value.shape[axis] if dim in letters else dim for axis, dim in enumerate(each.shape))
        fixed.append(replace(each, shape=shape, value=value))
    return fixed


def _with_free_extents(loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path) -> Exception | None:
    """Export with extents that stay free, of an example that nothing divides, or of the given one; the last refusal."""
    refusal = None
    for each in (with_odd_extents(inputs), inputs):
        refusal = refusal_of(functools.partial(with_free_extents, loaded, each, outputs, file))
        if refusal is None:
            break
    return refusal


def _is_of_extents(refusal: Exception | None) -> bool:
    """Whether a module was refused for what it computes with free extents, also where torch cannot solve that."""
    error: BaseException | None = refusal
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        if _FIXED.search(f"{error}") or any("sympy" in Path(frame.filename).parts for frame in frames[-1:]):
            return True
        error = error.__cause__ or error.__context__
    return False


def _text(value: torch.Tensor) -> str:
    """The shape of an example as `--shape` has it."""
    return ",".join(map(str, value.shape)) or "-"


def _of_states(states: Iterable[str]) -> list[str]:
    if not states:
        return []
    return [f"{listed(states)}: each call begins with the saved state, and what it writes there is left out."]


def _compare(loaded: Loaded, inputs: Sequence[Input], file: Path, label: str, refusal: Exception | None) -> None:
    """Compare what the older exporter wrote with torch on another input: it writes one branch of Python code only.

    Raises:
        TorchExportError: they differ.
    """
    session = session_of(file)
    for others in other_inputs(inputs):
        try:
            differing = differing_output(loaded, others, session)
        except Exception as error:
            raise _error(label, refusal or error, error if refusal else None) from error
        if differing:
            raise TorchExportError(
                f"'{label}' computes otherwise on another input than what torch's older exporter wrote (output "
                f"'{differing}'): its Python code branches on values. {_told(refusal) if refusal else ''}"
            )


def _told(refusal: BaseException, place: str = "") -> str:
    return f"{reason_of(refusal)}{place or place_of(refusal)}"


def _error(
    label: str, refusal: BaseException | None, older: BaseException | None = None, place: str = ""
) -> TorchExportError:
    assert refusal is not None
    told = _told(refusal, place)
    also = f" Its older exporter: {_told(older)}." if older is not None else ""
    if told == reason_of(refusal):
        return TorchExportError(
            f"torch cannot export '{label}': {told}.{also} Leave what needs it out of the module that you convert."
        )
    return TorchExportError(
        f"torch cannot export '{label}': {told}.{also} Rewrite this line, or leave it out of the module "
        "that you convert."
    )
