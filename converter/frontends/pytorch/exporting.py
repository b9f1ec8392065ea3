"""Exporting: torch's exporter, and its older one where that refuses the module. It runs where torch is.

`optimize=False` keeps batch norms and the names of the state: the weight map leads to them. Dropout modules are
exported in training mode, and then made ONNX's plain Dropout, which acts in training only.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import re
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import torch

from converter.base.trained import FROZEN, NO, OF_CHANNELS, TRAINED, YES
from converter.errors import BadParamError, TorchExportError
from converter.frontends.endpoints import listed
from converter.frontends.pytorch.agreement import (
    differing_output,
    is_wrong,
    more_samples,
    odd_extents,
    other_inputs,
    session_of,
)
from converter.frontends.pytorch.caches import nested
from converter.frontends.pytorch.functions import TRANSLATIONS, exportable_functions
from converter.frontends.pytorch.inputs import Input, example
from converter.frontends.pytorch.lines import place_of, reason_of
from converter.frontends.pytorch.loading import SEED, Loaded
from converter.frontends.pytorch.modules import record_modules
from converter.frontends.pytorch.outputs import named_outputs, register_dataclasses
from converter.frontends.pytorch.scripted import place_of_operator, without_dictionaries
from converter.frontends.pytorch.settings import CHANNEL_DROPOUTS, dropouts_kept, lost_in_training
from converter.frontends.pytorch.spec import MODEL, Exported
from converter.frontends.pytorch.unknown import is_unknown, written_as_nodes
from converter.frontends.pytorch.weightless import folder_of, save_stored
from converter.frontends.pytorch.whole_numbers import extents_kept_free
from converter.graph.hints import scopes

_LOG = logging.getLogger(__name__)
_FIXED = re.compile(r"static shape of (\d+) for dimension inputs\['(\w+)'\]\.shape\[(\d+)\]")
"""How torch says that an extent which should be free is not."""
_OPSET = 18
"""The newest that the older exporter is made for."""


def export(loaded: Loaded, inputs: Sequence[Input], folder: Path, label: str) -> Exported:
    """Write the network to the folder, and say what it is.

    The caller has put the module `as_network`.

    Raises:
        TorchExportError: no exporter takes the module, or it writes another network.
        BadParamError: the module fixes an extent that `--shape` leaves free.
    """
    values = {each.name: each.value for each in inputs}
    result = loaded.run(values)
    register_dataclasses(result)
    outputs = list(named_outputs(result, values))
    if not outputs:
        raise TorchExportError(f"'{label}' returns no tensor. Derive a module whose forward returns tensors.")
    _check_layers(loaded, label)
    file = folder / MODEL
    notes = [note] if (note := lost_in_training(loaded.module)) else []
    producer = f"torch {torch.__version__.partition('+')[0]}"
    refusal = None
    if not loaded.scripted:
        refusal = _refused(lambda: _current(loaded, inputs, outputs, file))
        if _is_of_extents(refusal):
            attempts = [functools.partial(_freely, loaded, each, outputs, file) for each in (_odd(inputs), inputs)]
            refusal = None if any(_refused(attempt) is None for attempt in attempts) else refusal
        if fixed := _with_fixed(inputs, refusal):
            inputs, values = fixed, {each.name: each.value for each in fixed}
            refusal = _refused(lambda: _current(loaded, inputs, outputs, file))
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
        _finish(file, inputs, loaded)
        if not loaded.places and (wrong := _at_other_extents(loaded, inputs, outputs, file)):
            notes.append(wrong.note)
            producer += ", its older exporter" if wrong.cured else ""
    return Exported(
        inputs=tuple(values),
        outputs=tuple(outputs),
        fixed=loaded.program is not None,
        producer=producer,
        exact=not any(tensor.dtype == torch.bfloat16 for tensor in (*values.values(), *loaded.module.parameters())),
        notes=(*loaded.notes, *notes, *_of_states(loaded.states)),
        files=tuple(str(path.absolute()) for path in loaded.files),
        data_dir=str(folder_of(loaded.places)) if loaded.places else "",
    )


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
    refused = _refused(lambda: _older(loaded, inputs, outputs, file))
    if refused is not None:
        place = place_of_operator(loaded.module, refused) if loaded.scripted else ""
        raise _error(label, refusal or refused, refused if refusal else None, place)
    _finish(file, inputs, loaded)
    _compare(loaded, inputs, file, label, refusal)


def _with_unknown(loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path, label: str) -> str:
    """Export a module with operators that no exporter knows, as nodes of their own; a note that names them.

    Raises:
        TorchExportError: the module is refused for another reason.
    """
    with written_as_nodes() as found:
        refused = _refused(lambda: _current(loaded, inputs, outputs, file))
    if refused is not None:
        raise _error(label, refused)
    _finish(file, inputs, loaded)
    named = ", ".join(f"{name}{place}" for name, place in found.items())
    return f"ONNX has no function for these operators of PyTorch, which are nodes of their own: {named}."


def _refused(attempt: Callable[[], None]) -> Exception | None:
    """The error of an attempt to export."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attempt()
    except Exception as error:  # exporters raise any class
        _LOG.info("an exporter refused the module", exc_info=error)
        return error
    return None


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


def _current(loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path) -> None:
    options: dict[str, Any] = {"optimize": False, "dynamo": True, "verbose": False, "output_names": list(outputs)}
    options["custom_translation_table"] = dict(TRANSLATIONS)
    if loaded.program is not None:
        program = torch.onnx.export(loaded.program, (), **options)
    else:
        free = {each.name: {i: dim for i, dim in enumerate(each.shape) if isinstance(dim, str)} for each in inputs}
        if any(free.values()):
            options["dynamic_shapes"] = nested(free)
        if loaded.cache:
            options["input_names"] = [each.name for each in inputs]
        with loaded.state_kept(), dropouts_kept(loaded.module), exportable_functions():
            values = nested({each.name: each.value for each in inputs})
            program = torch.onnx.export(loaded.module, (), kwargs=values, **options)
    assert program is not None, "torch's exporter returns a program"
    _name_apart(program.model.graph)
    if loaded.places:
        save_stored(program.model, loaded.places, file)
    else:
        program.save(file, external_data=True)


def _freely(loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path) -> None:
    """Export with extents that stay free where the module's code makes an `int` of them."""
    with extents_kept_free(loaded.module):
        _current(loaded, inputs, outputs, file)


def _odd(inputs: Sequence[Input]) -> list[Input]:
    """The inputs with extents that nothing divides."""
    return _with_extents(inputs, map(odd_extents, inputs))


def _with_extents(inputs: Sequence[Input], extents: Iterable[tuple[int, ...]]) -> list[Input]:
    pairs = zip(inputs, extents, strict=True)
    return [replace(each, value=example(shape, each.value.dtype, SEED)) for each, shape in pairs]


def _is_of_extents(refusal: Exception | None) -> bool:
    """Whether a module was refused for what it computes with free extents, also where torch cannot solve that."""
    error: BaseException | None = refusal
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        if _FIXED.search(f"{error}") or any("sympy" in Path(frame.filename).parts for frame in frames[-1:]):
            return True
        error = error.__cause__ or error.__context__
    return False


def _name_apart(graph: ir.Graph) -> None:
    """Rename what nodes make where the module has a tensor of this name: a buffer `mean` beside `x.mean()`."""
    taken = {*graph.initializers, *(value.name for value in graph.inputs)}
    made = [value for node in graph.all_nodes() for value in node.outputs]
    names = {*taken, *(value.name for value in made)}
    for value in made:
        if value.name in taken:
            fresh = next(name for i in itertools.count(1) if (name := f"{value.name}_{i}") not in names)
            value.name = fresh
            names.add(fresh)


def _of_states(states: Iterable[str]) -> list[str]:
    if not states:
        return []
    return [f"{listed(states)}: each call begins with the saved state, and what it writes there is left out."]


def _older(loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path) -> None:
    options: dict[str, Any] = {
        "dynamo": False,
        "training": torch.onnx.TrainingMode.PRESERVE,
        "do_constant_folding": False,
        "opset_version": _OPSET,
        "input_names": [each.name for each in inputs],
        "output_names": list(outputs),
        "dynamic_axes": {
            each.name: {i: dim for i, dim in enumerate(each.shape) if isinstance(dim, str)} for each in inputs
        },
    }
    values = {each.name: each.value for each in inputs}
    with (
        torch.no_grad(),
        loaded.state_kept(),
        dropouts_kept(loaded.module),
        _equal_weights_apart(),
        exportable_functions(),
    ):
        if loaded.scripted:
            module = without_dictionaries(loaded.module)
            torch.onnx.export(module, tuple(values.values()), str(file), **options)
        else:
            torch.onnx.export(loaded.module, (), str(file), kwargs=nested(values), **options)


@contextlib.contextmanager
def _equal_weights_apart() -> Iterator[None]:
    """Keep the older exporter from making one weight of those that have equal values, such as all ones, by chance."""
    passes: Any = torch._C
    merge = passes._jit_pass_onnx_deduplicate_initializers
    passes._jit_pass_onnx_deduplicate_initializers = lambda graph, weights, training: merge(graph, weights, True)
    try:
        yield
    finally:
        passes._jit_pass_onnx_deduplicate_initializers = merge


def _finish(file: Path, inputs: Sequence[Input], loaded: Loaded) -> None:
    """Make the dropouts plain ones, and record the modules of the nodes, and which tensors of the state are trained.

    Those that drop whole channels are noted as such. Where extents are free, the outputs' shapes are forgotten:
    exporters declare wrong ones. A buffer that the module
    writes gets its saved value: the older exporter saves what is there after its own run.
    """
    model = onnx.load(file, load_external_data=False)
    buffers = dict(loaded.module.named_buffers(remove_duplicate=False))
    trained = dict.fromkeys(buffers, NO)
    for name, parameter in loaded.module.named_parameters(remove_duplicate=False):
        trained[name] = YES if parameter.requires_grad else FROZEN
    modules = dict(loaded.module.named_modules(remove_duplicate=False))
    for tensor in model.graph.initializer:
        if tensor.name in loaded.states:
            tensor.CopyFrom(onnx.numpy_helper.from_array(buffers[tensor.name].numpy(), tensor.name))
        if tensor.name in trained:
            tensor.metadata_props.add(key=TRAINED, value=trained[tensor.name])
    record_modules(model, loaded.module)
    for node in model.graph.node:
        if node.op_type == "Dropout":
            del node.input[2:]
            module = scopes.dotted(scopes.scopes_of(ir.serde.deserialize_node(node)))
            if isinstance(modules.get(module), CHANNEL_DROPOUTS):
                node.metadata_props.add(key=OF_CHANNELS, value=YES)
    if any(isinstance(dim, str) for each in inputs for dim in each.shape):
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
    onnx.save(model, file)


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


@dataclass(frozen=True)
class _WrongElsewhere:
    """A model that torch's current exporter wrote wrong for other extents; whether its older one wrote it right."""

    note: str
    cured: bool


def _at_other_extents(
    loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path
) -> _WrongElsewhere | None:
    """Replace a model that is wrong at extents which nothing divides, or for more samples; what is to be said if that
    is not all.

    `if length % 8: x = pad(x)` is exported as the branch that the example takes. What is exported with an odd length
    pads, and by nothing where the length is a multiple: it serves all. `int(x.shape[0] / 4)` may be exported as the
    number of the example. Behind an LSTM torch's current exporter takes the length of the example for that of all; its
    older one does not.
    """
    others = [_odd(inputs), _with_extents(inputs, more_samples(inputs))]
    examples = [{each.name: each.value for each in ends} for ends in (inputs, *others)]
    examples = [each for i, each in enumerate(examples) if not i or _extents(each) != _extents(examples[0])]
    wrong = next((values for values in examples[1:] if is_wrong(loaded, values, file)), None)
    if wrong is None:
        return None
    for export in (_current, _freely) if loaded.program is None else (_current,):
        if _replaced(loaded, others[0], examples, file, functools.partial(export, loaded, others[0], outputs)):
            return None
    if loaded.program is None and _replaced(
        loaded, inputs, examples, file, functools.partial(_older, loaded, inputs, outputs)
    ):
        note = (
            "What torch's current exporter writes of the module holds for the extents of its example only. "
            "Its older one took it."
        )
        return _WrongElsewhere(note, True)
    shapes = [
        listed(f"{name} {tuple(value.shape)}" for name, value in values.items()) for values in (examples[0], wrong)
    ]
    note = (
        f"What torch exports of the module does not hold for all extents: the network is right at {shapes[0]}, not at "
        f"{shapes[1]}. Give the extents that you need as numbers in --shape."
    )
    return _WrongElsewhere(note, False)


def _extents(values: Mapping[str, torch.Tensor]) -> list[tuple[int, ...]]:
    return [tuple(value.shape) for value in values.values()]


def _replaced(
    loaded: Loaded,
    inputs: Sequence[Input],
    examples: Sequence[dict[str, torch.Tensor]],
    file: Path,
    write: Callable[[Path], None],
) -> bool:
    """Export again, and take the result if it is right on all examples."""
    again = file.parent / "again" / file.name
    again.parent.mkdir(exist_ok=True)
    if _refused(lambda: write(again)) is not None:
        return False
    _finish(again, inputs, loaded)
    if any(is_wrong(loaded, values, again) for values in examples):
        return False
    for part in again.parent.iterdir():
        part.replace(file.parent / part.name)
    return True


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
