"""Exporters: how each of torch's two is called, and what is recorded in the model that it has written.

`optimize=False` keeps batch norms and the names of the state: the weight map leads to them. Dropout modules are
exported in training mode, and then made ONNX's plain Dropout, which acts in training only.
"""

from __future__ import annotations

import contextlib
import inspect
import itertools
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import torch

from converter.base.trained import FROZEN, NO, OF_CHANNELS, TRAINED, YES
from converter.base.weight_steps import TIED
from converter.frontends.pytorch.caches import nested
from converter.frontends.pytorch.detached import detach_in, detaching, note_detached
from converter.frontends.pytorch.dropouts import dropouts_kept, drops_channels
from converter.frontends.pytorch.functions import TRANSLATIONS, exportable_functions
from converter.frontends.pytorch.inputs import Input
from converter.frontends.pytorch.loading import Loaded
from converter.frontends.pytorch.modules import record_modules
from converter.frontends.pytorch.older_functions import OPSET, more_functions
from converter.frontends.pytorch.padding import mark_padding, padded_tables
from converter.frontends.pytorch.ranks import ranks_known
from converter.frontends.pytorch.scripted import for_older_exporter
from converter.frontends.pytorch.settings import with_forward
from converter.frontends.pytorch.weightless import save_stored
from converter.frontends.pytorch.whole_numbers import extents_kept_free
from converter.graph.hints import scopes

_LOG = logging.getLogger(__name__)


def refusal_of(attempt: Callable[[], None]) -> Exception | None:
    """The error of an attempt to export; None if it succeeds."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            attempt()
    except Exception as error:  # exporters raise any class
        _LOG.info("an exporter refused the module", exc_info=error)
        return error
    return None


def with_current(loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path) -> None:
    """Export a module, or an exported program, with the current exporter."""
    options: dict[str, Any] = {"optimize": False, "dynamo": True, "verbose": False, "output_names": list(outputs)}
    options["custom_translation_table"] = dict(TRANSLATIONS)
    if loaded.program is not None:
        detach_in(loaded.program)
        program = torch.onnx.export(loaded.program, (), **options)
    else:
        free = {each.name: {i: dim for i, dim in enumerate(each.shape) if isinstance(dim, str)} for each in inputs}
        if any(free.values()):
            options["dynamic_shapes"] = nested(free)
        if loaded.cache:
            options["input_names"] = [each.name for each in inputs]
        gradients, dropouts = detaching(loaded.module, loaded.gradients), dropouts_kept(loaded.module, loaded.dropouts)
        with loaded.state_kept(), exportable_functions(), dropouts, gradients:
            values = nested({each.name: each.value for each in inputs})
            program = torch.onnx.export(loaded.module, (), kwargs=values, **options)
    assert program is not None, "torch's exporter returns a program"
    _name_apart(program.model.graph)
    if loaded.places:
        save_stored(program.model, loaded.places, file)
    else:
        program.save(file, external_data=True)


def with_free_extents(loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path) -> None:
    """Export with extents that stay free where the module's code makes an `int` of them."""
    with extents_kept_free(loaded.module):
        with_current(loaded, inputs, outputs, file)


def with_older(
    loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path, *, gradients: bool = True
) -> None:
    """Export a module, or TorchScript, with the older exporter, which runs it on the example.

    Without gradients it takes a module that writes to its own weights, but no detached values outside TorchScript.
    """
    options: dict[str, Any] = {
        "dynamo": False,
        "training": torch.onnx.TrainingMode.PRESERVE,
        "do_constant_folding": False,
        "opset_version": OPSET,
        "input_names": [each.name for each in inputs],
        "output_names": list(outputs),
        "dynamic_axes": {
            each.name: {i: dim for i, dim in enumerate(each.shape) if isinstance(dim, str)} for each in inputs
        },
    }
    values = {each.name: each.value for each in inputs}
    with (
        torch.set_grad_enabled(gradients and not loaded.scripted),
        loaded.state_kept(),
        _equal_weights_apart(),
        exportable_functions(),
        dropouts_kept(loaded.module, loaded.dropouts),
        more_functions(),
    ):
        if loaded.scripted:
            order = [each.name for each in loaded.module.forward.schema.arguments if each.name in values]  # type: ignore[attr-defined]
            options["input_names"] = order
            given = {name: values[name] for name in order}
            with for_older_exporter(loaded.module, given) as module, ranks_known():
                torch.onnx.export(module, tuple(given.values()), str(file), **options)
        else:
            module, given = loaded.module, nested(values)
            with with_forward(module, _taking_only(module, list(given))), detaching(module, loaded.gradients):
                torch.onnx.export(module, (), str(file), kwargs=given, **options)


def _taking_only(module: torch.nn.Module, names: Sequence[str]) -> Callable[..., Any]:
    """A `forward` that has these parameters, in this order: the older exporter gives all by position."""
    forward = module.forward

    def called(*args: Any, **options: Any) -> Any:
        return forward(**dict(zip(names, args, strict=False)), **options)

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    called.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])  # type: ignore[attr-defined]
    return called


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


def finish(file: Path, inputs: Sequence[Input], loaded: Loaded) -> None:
    """Make the dropouts plain ones, and record the modules of the nodes, and what training does otherwise.

    That is which tensors are trained or tied, detached values, and the rows of embeddings for padding. Dropouts that
    drop whole channels are noted as such. Where extents are free, the outputs' shapes are forgotten: exporters declare
    wrong ones. A buffer that the module writes gets its saved value: the older exporter saves what is there after its
    own run.
    """
    model = onnx.load(file, load_external_data=False)
    tied = _tied(loaded.module)
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
        if len(names := tied.get(tensor.name, ())) > 1:
            others = [name for name in names if name != tensor.name]
            tensor.metadata_props.add(key=TIED, value=json.dumps(others))
    record_modules(model, modules)
    tables = padded_tables(loaded.module)
    mark_padding(model, {name: row for table, row in tables.items() for name in (table, *tied.get(table, ()))})
    note_detached(model)
    for node in model.graph.node:
        if node.op_type == "Dropout":
            del node.input[2:]
            module = scopes.dotted(scopes.scopes_of(ir.serde.deserialize_node(node)))
            if drops_channels(modules.get(module)):
                node.metadata_props.add(key=OF_CHANNELS, value=YES)
    if any(isinstance(dim, str) for each in inputs for dim in each.shape):
        for output in model.graph.output:
            output.type.tensor_type.ClearField("shape")
    onnx.save(model, file)


def _tied(module: Any) -> dict[str, list[str]]:
    """All names of the parameter that a name means, for each name of one."""
    names: dict[int, list[str]] = {}
    for name, parameter in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {name: each for each in names.values() for name in each}


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
