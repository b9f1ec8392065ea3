"""Loading: make the module that the user named. It runs where torch is, and is the only place that runs user's code."""

from __future__ import annotations

import contextlib
import inspect
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch._export.utils import _get_shape_env_from_gm
from torch.utils import _pytree as pytree

from converter.base.calls import Call, parse_call, searched_first
from converter.errors import BadParamError, ConverterError, ModelLoadingError, ParamMissingError
from converter.frontends.pytorch.caches import Extents, nested, with_cache
from converter.frontends.pytorch.dropouts import Called
from converter.frontends.pytorch.lines import culprit
from converter.frontends.pytorch.own_gradients import Gradients
from converter.frontends.pytorch.scripted import packs_tokens
from converter.frontends.pytorch.spec import PAST, STATE, Spec
from converter.frontends.pytorch.states import (
    damaged,
    files_of,
    find_weights,
    joined,
    load_weights,
    read_file,
    tables_in,
)
from converter.frontends.pytorch.stored import NotStoredError, Place, read_places
from converter.frontends.pytorch.weightless import keep_stored, main_type, shapes_only

SEED = 0
"""Of the weights that a call makes: those of every process that makes them again."""

_BEST = ("ema", "model", "net", "module", "network")
"""Where checkpoints of training programs keep the whole module; the first that is there counts."""


@dataclass
class Loaded:
    """A module, ready to run.

    Attributes:
        module: in evaluation mode, on the CPU.
        notes: sentences for the user.
        files: the files that were read.
        given: example inputs that came with it, by parameter of `forward`; empty when there are none.
        program: the exported program that the module runs, if it is one.
        places: where its parameters lie, if it has their shapes only.
        cache: the extents of its cache of keys and values, if that is an input.
        states: the buffers that runs have written so far.
        gradients: what is known of those of functions that have gradients of their own.
        dropouts: those that its code calls as functions.
    """

    module: torch.nn.Module
    notes: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    given: Mapping[str, torch.Tensor] = field(default_factory=dict)
    program: torch.export.ExportedProgram | None = None
    places: Mapping[str, Place] = field(default_factory=dict)
    cache: Extents = ()
    states: dict[str, None] = field(default_factory=dict)
    gradients: Gradients = field(default_factory=dict)
    dropouts: Called = field(default_factory=Called)

    @property
    def scripted(self) -> bool:
        """Whether it is TorchScript."""
        return isinstance(self.module, torch.jit.ScriptModule)

    def run(self, values: Mapping[str, torch.Tensor]) -> Any:
        """Call the module; `values` are its inputs by parameter of `forward`. The result has no gradients.

        An exported program takes its inputs as they were passed when it was exported. Each run begins with the saved
        state: buffers that a run writes get their values back. An encoder in TorchScript runs as if gradients were
        needed: else it packs the tokens that are not masked, and leaves zeros where the others were.
        """
        packs = self.scripted and packs_tokens(self.module)
        with torch.set_grad_enabled(packs), self.state_kept():
            if self.program is None:
                result = self.module(**nested(values))
                return pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, result) if packs else result
            tensors = iter([values[name] for name in self.given])
            args, kwargs = pytree.tree_map_only(torch.Tensor, lambda _: next(tensors), self.program.example_inputs)
            return self.module(*args, **kwargs)

    @contextlib.contextmanager
    def state_kept(self) -> Iterator[None]:
        """Give what the module writes inside the block its values back: buffers, and attributes such as caches."""
        stored = self.places or self.program is not None  # no values to keep, or a program that keeps none
        before = {} if stored else {name: buffer.clone() for name, buffer in self.module.named_buffers()}
        modules = [] if self.scripted else [each for each in self.module.modules() if not _is_lazy(each)]
        attributes = [(module, _attributes(module)) for module in modules]
        try:
            yield
        finally:
            for name, buffer in self.module.named_buffers():
                if name in before and not torch.equal(buffer, before[name]):
                    self.states[name] = None
                    buffer.data = before[name]
            for module, kept in attributes:
                _give_back(module, kept)


def _is_lazy(module: torch.nn.Module) -> bool:
    """Whether a module makes its parameters in its first run."""
    return isinstance(module, torch.nn.modules.lazy.LazyModuleMixin)


_HOOKS = frozenset(name for name in vars(torch.nn.Module()) if "_hooks" in name)
"""Hooks that a module's own code registers in its first run, and then notes that it has done so, in an attribute."""
_OF_EVERY_MODULE = frozenset(vars(torch.nn.Module())) - _HOOKS


def _attributes(module: torch.nn.Module) -> dict[str, tuple[Any, Any]]:
    """The attributes that a module's own code sets, and its hooks, each with a copy if it is a dict or a list."""
    own = {name: value for name, value in vars(module).items() if name not in _OF_EVERY_MODULE}
    return {
        name: (value, value.copy() if type(value) in (dict, list, OrderedDict) else None) for name, value in own.items()
    }


def _give_back(module: torch.nn.Module, kept: Mapping[str, tuple[Any, Any]]) -> None:
    """Undo what a run did to the attributes: a tensor of a cache would be a constant of the exported network."""
    written = vars(module)
    for name in [name for name in written if name not in kept and name not in _OF_EVERY_MODULE]:
        del written[name]
    for name, (value, copy) in kept.items():
        written[name] = value
        if copy is not None:
            value.clear()
            (value.update if isinstance(value, dict) else value.extend)(copy)


def load(spec: Spec, *, stored: bool = False) -> Loaded:
    """Make the module, with its weights, in evaluation mode; if `stored`, its parameters stay in their files.

    Raises:
        BadParamError: the call, an option or the kind of the file does not fit.
        ParamMissingError: something else must be given too.
        ModelLoadingError: a file is damaged, or the user's code raises an error.
        WeightMatchError: the weights do not fit the module.
    """
    torch.manual_seed(SEED)
    with searched_first(Path(spec.project_path)):
        if spec.stored:
            loaded = _of_files(spec, stored=stored)
        else:
            loaded = _called(spec) if spec.call else _read(spec)
            if spec.weights and spec.call:
                found = load_weights(loaded.module, Path(spec.weights), spec.label, spec.trust)
                loaded.notes += found.notes
                loaded.files += found.files
    if spec.project_path not in sys.path:
        sys.path.append(spec.project_path)  # for what the module imports when it runs
    loaded.module = unwrapped(loaded.module)
    if not loaded.places:
        check_values(loaded.module, spec)
    if loaded.program is None:
        loaded.module.eval()
    if PAST in spec.inputs and not loaded.scripted and loaded.program is None:
        loaded.cache = with_cache(loaded.module, spec.label)
    return loaded


def unwrapped(module: torch.nn.Module) -> torch.nn.Module:
    """The user's own module inside `DataParallel`, `DistributedDataParallel` or what `torch.compile` made."""
    wrappers = {"DataParallel": "module", "DistributedDataParallel": "module", "OptimizedModule": "_orig_mod"}
    while (inside := wrappers.get(type(module).__name__)) and hasattr(module, inside):
        module = getattr(module, inside)
    return module


def reload(spec: Spec, folder: Path) -> Loaded:
    """Make the module again in another process, with the same weights."""
    loaded = load(spec)
    state = folder / STATE
    if state.exists():
        loaded.module.load_state_dict(torch.load(state, weights_only=True), assign=True)
    return loaded


def check_values(module: torch.nn.Module, spec: Spec) -> None:
    """Check that the weights have values.

    Raises:
        ParamMissingError: they are on the device `meta`.
    """
    empty = [name for name, tensor in (*module.named_parameters(), *module.named_buffers()) if tensor.is_meta]
    if not empty:
        return
    if spec.weights:
        raise ParamMissingError(
            f"'{spec.label}' has '{empty[0]}' on the device 'meta', which has no values, and it is not in "
            f"'{Path(spec.weights).name}'. Make the module on the processor: a call outside of torch.device('meta')."
        )
    raise ParamMissingError(
        f"'{spec.label}' has weights on the device 'meta', which have no values. Give them: --weights FILE."
    )


# A module that is larger than memory


def _of_files(spec: Spec, *, stored: bool) -> Loaded:
    """Make the module in the element type of its weights, which are not held twice; they stay in files if `stored`."""
    path = Path(spec.weights or spec.file)
    files = files_of(path)
    try:
        content = joined(files, read_places)
    except NotStoredError as error:
        raise ModelLoadingError(f"'{path.name}' cannot be read in pieces: {error}.") from error
    with shapes_only(main_type(content)):
        loaded = _called(spec) if spec.call else Loaded(_module_of(spec))
    found = find_weights(loaded.module, path, spec.label, files, content)
    if stored:
        loaded.places = keep_stored(loaded.module, found.state)
    else:
        load_weights(loaded.module, path, spec.label, spec.trust)
    loaded.notes += found.notes
    loaded.files += [*([Path(spec.file) / "config.json"] if spec.file else ()), *files]
    return loaded


# A call


def _called(spec: Spec) -> Loaded:
    call = parse_call(spec.call)
    with _users_code(spec, "raises"):
        target = call.target()
        module = _made(call, target, spec)
    if not isinstance(module, torch.nn.Module):
        raise BadParamError(f"'{spec.call}' makes a {type(module).__name__}, no torch.nn.Module. Name what makes one.")
    files = [*_code_of(target, spec), *([Path(spec.config)] if spec.config else ())]
    return Loaded(module if _on_meta(module) else module.cpu(), files=files)


def _code_of(target: Any, spec: Spec) -> list[Path]:
    """The file that defines what is called, if it is the user's own."""
    try:
        file = Path(inspect.getsourcefile(target) or "")
    except TypeError:  # an object
        return []
    return [file] if file.is_file() and file.is_relative_to(spec.project_path) else []


def _made(call: Call, target: Any, spec: Spec) -> Any:
    if spec.config:
        return _from_config(call, target, Path(spec.config))
    if isinstance(target, torch.nn.Module) and call.arguments is None:
        return target
    if (
        call.module.partition(".")[0] == "transformers"
        and call.arguments is None
        and hasattr(target, "from_pretrained")
    ):
        raise ParamMissingError(f"'{spec.call}' needs its configuration: add --config config.json.")
    return target(*(call.arguments or ()), **call.keywords)


def _from_config(call: Call, target: Any, config: Path) -> Any:
    """A class of transformers, or one derived from such, made from its configuration."""
    import transformers

    if call.arguments is not None:
        raise BadParamError(f"'{call.text}': --config takes the place of arguments. Omit one of the two.")
    if hasattr(target, "from_config"):
        return target.from_config(transformers.AutoConfig.from_pretrained(str(config)))
    kind = getattr(target, "config_class", None)
    if kind is None:
        raise BadParamError(f"'{call.text}' is no class of transformers, which --config is for. Omit --config.")
    return target(kind.from_json_file(str(config / "config.json" if config.is_dir() else config)))


def _on_meta(module: torch.nn.Module) -> bool:
    return any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers()))


# A file


def _read(spec: Spec) -> Loaded:
    file = Path(spec.file)
    readers: Mapping[str, Callable[[Spec, Path], Loaded]] = {
        "script": _script,
        "program": _program,
        "pickle": _pickle,
        "tensors": _tensors,
        "folder": _folder,
    }
    return readers[spec.kind or "pickle"](spec, file)


def _script(spec: Spec, file: Path) -> Loaded:
    with _damage(file):
        return Loaded(torch.jit.load(str(file), map_location="cpu"), files=[file])


def _program(spec: Spec, file: Path) -> Loaded:
    with _damage(file):
        program = torch.export.load(str(file))
    return loaded_program(program, [file])


def loaded_program(program: torch.export.ExportedProgram, files: Sequence[Path] = ()) -> Loaded:
    """An exported program, with the inputs that it was exported with.

    Raises:
        ModelLoadingError: it has no example inputs.
    """
    values = pytree.tree_leaves(program.example_inputs)
    names = list(program.graph_signature.user_inputs)
    if len(values) != len(names):
        raise ModelLoadingError(
            "the exported program has no example inputs. Export it again, or convert the module itself: "
            "--model PACKAGE.MODULE:CLASS."
        )
    given = {str(name): value for name, value in zip(names, values, strict=True) if isinstance(value, torch.Tensor)}
    _forget_derived_extents(program)
    return Loaded(program.module(), files=list(files), given=given, program=program)


def _forget_derived_extents(program: torch.export.ExportedProgram) -> None:
    """Take the ranges of extents that follow from others, `2*N`, off a program: torch's exporter raises on them."""
    ranges: Any = program
    extents = _get_shape_env_from_gm(program.graph_module)
    for table in (ranges._range_constraints, {} if extents is None else extents.var_to_range):
        for extent in [extent for extent in table if not extent.is_symbol]:
            del table[extent]


def _tensors(spec: Spec, file: Path) -> Loaded:
    raise _no_network(file, None)


def _folder(spec: Spec, file: Path) -> Loaded:
    """A folder of transformers: the configuration names the class, the weights lie beside it."""
    module = _module_of(spec)
    found = load_weights(module, Path(spec.weights or file), type(module).__name__, spec.trust)
    return Loaded(module, notes=found.notes, files=[file / "config.json", *found.files])


def _module_of(spec: Spec) -> torch.nn.Module:
    """The module that the configuration in a folder of transformers names."""
    import json

    config = Path(spec.file) / "config.json"
    name = json.loads(config.read_text(encoding="utf-8"))["architectures"][0]
    call = parse_call(f"transformers:{name}")
    with _users_code(spec, "raises"):
        module: torch.nn.Module = _from_config(call, call.target(), config)
    return module


def _pickle(spec: Spec, file: Path) -> Loaded:
    found = read_file(file, spec.trust)
    place, module = _module_in(found)
    if module is None:
        raise _no_network(file, found)
    notes = [f"'{file.name}' holds more than a module; '{place}' was taken."] if place else []
    return Loaded(module.cpu(), notes=notes, files=[file])


def _module_in(found: Any) -> tuple[str, torch.nn.Module | None]:
    """The module that was saved, or one in a dictionary that was, with its key."""
    if isinstance(found, torch.nn.Module):
        return "", found
    if isinstance(found, Mapping):
        inside = {str(key): value for key, value in found.items() if isinstance(value, torch.nn.Module)}
        for key in (*_BEST, *inside):
            if key in inside:
                return key, inside[key]
    return "", None


def _no_network(file: Path, found: Any) -> ParamMissingError:
    tables = [state for _, state in tables_in(found)]
    some = f", such as {next(iter(tables[0]))}" if tables else ""
    return ParamMissingError(
        f"'{file.name}' holds weights{some}, but no network. Name the code that makes the network too: "
        f"--model PACKAGE.MODULE:CLASS --weights {file.name}, without --model_file."
    )


# Errors


@contextlib.contextmanager
def _users_code(spec: Spec, verb: str) -> Iterator[None]:
    """Name the line of the user's code that raises an error."""
    try:
        yield
    except ConverterError:
        raise
    except Exception as error:
        raise ModelLoadingError(f"'{spec.label}' {verb} {culprit(error)}") from error


@contextlib.contextmanager
def _damage(file: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        raise damaged(file, error) from error
