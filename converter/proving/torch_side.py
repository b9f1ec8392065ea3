"""PyTorch's side of a proof: `python -m converter.proving.torch_side FOLDER`.

The network is built by the user's call, gets its weights, and is run: once in evaluation mode, where each call of a
module is recorded, and in training mode for the gradients of all parameters. What it found goes to the folder; an error
of ours to `error.json`.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from converter.base.child import end_with_parent
from converter.base.state_names import matched
from converter.errors import BadParamError, ConverterError, ModelLoadingError, WeightMatchError, describe_unexpected
from converter.proving import job as files
from converter.proving.building import built
from converter.proving.job import SEED, Job, read_job, write_json
from converter.proving.places import Places
from converter.proving.values import sample, tensors_in
from converter.weights import readers

_COUNTERS = "num_batches_tracked"
_ROUNDING = 1e-6
"""How far parameters are moved, relative to their values, to see how much a gradient depends on rounding."""
_PERTURBATIONS = 3
_SHOWN = 5


def main(folder: Path) -> int:
    """Run PyTorch's side; returns the exit status."""
    end_with_parent()
    job = read_job(folder)
    sys.dont_write_bytecode = True  # neither in the user's folders nor in those of the result
    os.chdir(job.working)
    sys.path[0] = job.source
    try:
        _run(job, folder)
    except ConverterError as error:
        told = {"class": type(error).__name__, "message": error.message, "details": error.details}
        write_json(folder / files.ERROR, told)
        return 1
    return 0


def _run(job: Job, folder: Path) -> None:
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    places = Places(Path(job.source))
    with places.recorded():
        module = built(job.call)
    if not isinstance(module, torch.nn.Module):
        raise BadParamError(f"'{job.call}' makes a {type(module).__name__}, no torch.nn.Module. Name what makes one.")
    module = module.float()
    state = _state(module)
    if job.weights:
        _load(state, Path(job.weights))
    else:
        _randomize(module)
    np.savez(folder / files.STATE, **{name: _array(value) for name, value in state.items()})
    inputs = _inputs(job, module.eval())
    np.savez(folder / files.INPUTS, **{str(number): each.numpy() for number, each in enumerate(inputs)})
    outputs = _evaluate(module, inputs, places, folder)
    np.savez(folder / files.OUTPUTS, **{str(number): each for number, each in enumerate(outputs)})
    try:
        training = _train(module, inputs, folder)
    except (RuntimeError, ValueError, TypeError, NotImplementedError) as error:  # what a network may not support
        training = {"mode": "", "note": f"PyTorch computes no gradients: {describe_unexpected(error)}"[:300]}
    write_json(folder / files.TRAINING, training)


def _state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter and buffer by its name, those that a state_dict leaves out included."""
    found = dict(module.named_parameters(remove_duplicate=False))
    return found | dict(module.named_buffers(remove_duplicate=False))


def _array(value: torch.Tensor) -> np.ndarray:
    value = value.detach()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


# Weights


def _load(state: Mapping[str, torch.Tensor], file: Path) -> None:
    """Put the tensors of a file into a network."""
    contents = readers.read_weights(file)
    shapes = {name: tuple(value.shape) for name, value in state.items() if not name.endswith(_COUNTERS)}
    names = matched({name: tensor.array.shape for name, tensor in contents.tensors.items()}, shapes)
    known = {id(state[name]) for name in names}
    lacking = [
        n for n, v in state.items() if isinstance(v, torch.nn.Parameter) and n not in names and id(v) not in known
    ]
    if lacking:
        raise WeightMatchError(
            f"'{file.name}' lacks {len(lacking)} of the {len(shapes)} weights of the network.",
            [f"missing: {name} {tuple(state[name].shape)}" for name in lacking[:_SHOWN]],
        )
    with torch.no_grad():
        for name, other in names.items():
            state[name].copy_(torch.from_numpy(contents.tensors[other].load().astype(np.float64)))


def _randomize(module: torch.nn.Module) -> None:
    """Random weights in place of what the call made: zeros and ones would hide what is wrong with them."""
    random = np.random.default_rng(SEED)
    with torch.no_grad():
        for name, value in module.named_parameters():
            if value.is_floating_point():
                value.copy_(torch.from_numpy(_drawn(random, name, tuple(value.shape))))
        for each in module.modules():
            for name in ("running_mean", "running_var"):
                statistic = each._buffers.get(name)
                if statistic is not None:
                    statistic.copy_(torch.from_numpy(_drawn(random, name, tuple(statistic.shape))))


def _drawn(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Values that keep what flows through a network at its size."""
    drawn = random.standard_normal(shape)
    if name == "running_var":
        return np.asarray(np.abs(drawn) * 0.5 + 0.75)
    if len(shape) <= 1:
        return np.asarray(drawn * 0.1 + name.endswith("weight"))
    return drawn / np.sqrt(max(1.0, float(np.prod(shape[1:]))))


# Inputs


def _inputs(job: Job, module: torch.nn.Module) -> list[torch.Tensor]:
    """The user's inputs; or random ones of the shapes that were given, floats where the network takes them."""
    if job.inputs:
        try:
            with np.load(job.inputs, allow_pickle=False) as archive:
                return [torch.from_numpy(archive[name]) for name in archive.files]
        except (OSError, ValueError, TypeError) as error:
            raise BadParamError(f"'{job.inputs}' is no .npz with arrays: {error}. Check --verify_inputs.") from error
    shapes = [_shape(text) for text in job.shapes]
    random = np.random.default_rng(SEED)
    floats = [torch.from_numpy(random.standard_normal(shape).astype(np.float32)) for shape in shapes]
    tables = [each.num_embeddings for each in module.modules() if isinstance(each, torch.nn.Embedding)]
    integers = [torch.from_numpy(random.integers(0, min(tables, default=10), shape)) for shape in shapes]
    problem: Exception | None = None
    for kinds in itertools.islice(itertools.product(*([(0, 1)] * len(shapes))), 16):
        chosen = [(floats, integers)[kind][number] for number, kind in enumerate(kinds)]
        try:
            with torch.no_grad():
                module(*chosen)
        except Exception as error:  # the user's code may raise any
            problem = problem or error
        else:
            return chosen
    assert problem is not None
    raise BadParamError(
        f"the network of '{job.call}' refuses inputs of the shapes {', '.join(job.shapes)}: "
        f"{describe_unexpected(problem)[:300]}. Check --shape, or give inputs: --verify_inputs FILE.npz."
    )


def _shape(text: str) -> tuple[int, ...]:
    try:
        return () if text == "-" else tuple(int(extent) for extent in text.split(","))
    except ValueError as error:
        raise BadParamError(f"--shape {text}: a network of a script is run on numbers, 2,3,224,224.") from error


# Runs


def _evaluate(module: torch.nn.Module, inputs: list[torch.Tensor], places: Places, folder: Path) -> list[np.ndarray]:
    """Run in evaluation mode, and record every call of a module."""
    calls: list[dict[str, Any]] = []
    samples: dict[str, np.ndarray] = {}

    waiting: list[list[Any]] = []

    def keep(called: torch.nn.Module, given: Any) -> None:
        waiting.append(_samples(given))  # before the module runs: it may change them in place

    def hook(path: str) -> Any:
        def record(called: torch.nn.Module, given: Any, output: Any) -> None:
            for kind, found in (("in", waiting.pop()), ("out", _samples(output))):
                for index, (values, shape) in enumerate(found):
                    samples[f"{len(calls)}:{kind}:{index}"] = values
                    samples[f"{len(calls)}:{kind}:{index}:shape"] = shape
            calls.append(
                {
                    "path": path,
                    "class": _class_of(called),
                    "made": places.made(called),
                    "called": places.first(sys._getframe(1)),
                }
            )

        return record

    handles = [each.register_forward_hook(hook(path)) for path, each in module.named_modules()]
    handles += [each.register_forward_pre_hook(keep) for each in module.modules()]
    try:
        with torch.no_grad():
            result = module(*inputs)
    except Exception as error:  # the user's code may raise any
        raise ModelLoadingError(
            f"PyTorch's network raises {describe_unexpected(error)[:300]}. Check --shape."
        ) from error
    finally:
        for handle in handles:
            handle.remove()
    write_json(folder / files.CALLS, calls)
    np.savez(folder / files.SAMPLES, **samples)
    return [_array(tensor) for _, tensor in tensors_in(result, torch.is_tensor)]


def _class_of(module: torch.nn.Module) -> str:
    """The name of its class as users write it: `torch.nn.Conv2d`, `net.Block`."""
    kind = type(module)
    package = "torch.nn" if kind.__module__.startswith("torch.nn.modules.") else kind.__module__
    return f"{package}.{kind.__qualname__}"


def _samples(value: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """A sample and the shape of each tensor."""
    tensors = [tensor for _, tensor in tensors_in(value, torch.is_tensor)]
    return [(sample(_array(each)), np.asarray(tuple(each.shape))) for each in tensors]


def _train(module: torch.nn.Module, inputs: list[torch.Tensor], folder: Path) -> dict[str, Any]:
    """Gradients of a loss for all parameters: in training mode without dropout, or in evaluation mode."""
    before = {name: value.detach().clone() for name, value in _state(module).items()}
    note = ""
    for mode in ("training", "evaluation"):
        module.train(mode == "training")
        _stop_dropout(module)
        try:
            projections = _projections(module, inputs, before)
            first, second = (_gradients(module, inputs, projections, before, seed=seed) for seed in (1, 2))
        except (RuntimeError, ValueError) as error:
            if mode == "evaluation":
                raise
            note = (
                f"PyTorch's network does not run in training mode on these inputs: {describe_unexpected(error)[:200]}"
            )
            continue
        if first[0] == second[0] or mode == "evaluation":
            break
        note = "the network draws random numbers in training mode"
    loss, gradients, statistics = first
    moved = dict.fromkeys(gradients, 0.0)
    for seed in range(_PERTURBATIONS):
        other = _gradients(module, inputs, projections, _perturbed(before, seed), seed=1)[1]
        for name in gradients:
            moved[name] = max(moved[name], float(np.abs(gradients[name] - other[name]).max(initial=0.0)))
    np.savez(folder / files.PROJECTIONS, **{str(number): each.numpy() for number, each in enumerate(projections)})
    np.savez(folder / files.GRADIENTS, **gradients)
    np.savez(folder / files.STATISTICS, **statistics)
    return {"mode": mode, "note": note, "loss": loss, "moved": moved}


def _stop_dropout(module: torch.nn.Module) -> None:
    for each in module.modules():
        if isinstance(each, torch.nn.modules.dropout._DropoutNd):
            each.eval()
        elif isinstance(each, torch.nn.RNNBase | torch.nn.MultiheadAttention):
            each.dropout = 0.0
    torch.nn.functional.dropout = lambda input, p=0.5, training=True, inplace=False: input


def _restore(module: torch.nn.Module, values: Mapping[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, value in _state(module).items():
            value.copy_(values[name])


def _perturbed(values: Mapping[str, torch.Tensor], seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: value + value * _ROUNDING * torch.randn(value.shape, generator=generator)
        if value.dtype == torch.float32
        else value
        for name, value in values.items()
    }


def _floats(output: Any) -> list[torch.Tensor]:
    return [tensor for _, tensor in tensors_in(output, torch.is_tensor) if tensor.is_floating_point()]


def _projections(
    module: torch.nn.Module, inputs: list[torch.Tensor], before: Mapping[str, torch.Tensor]
) -> list[torch.Tensor]:
    _restore(module, before)
    with torch.no_grad():
        outputs = _floats(module(*inputs))
    generator = torch.Generator().manual_seed(SEED)
    return [torch.randn(each.shape, generator=generator) / max(1, each.numel()) ** 0.5 for each in outputs]


def _gradients(
    module: torch.nn.Module,
    inputs: list[torch.Tensor],
    projections: list[torch.Tensor],
    values: Mapping[str, torch.Tensor],
    seed: int,
) -> tuple[float, dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The loss, the gradient of each parameter that has one, and the buffers that changed."""
    _restore(module, values)
    module.zero_grad()
    torch.manual_seed(seed)
    outputs = _floats(module(*inputs))
    loss = sum(((output * weight).sum() for output, weight in zip(outputs, projections, strict=True)), torch.zeros(()))
    loss.backward()
    found = {name: each.grad.numpy().copy() for name, each in module.named_parameters() if each.grad is not None}
    changed = {
        name: _array(value).copy()
        for name, value in module.named_buffers()
        if value.is_floating_point() and not torch.equal(value, values[name])
    }
    return float(loss.detach()), found, changed


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
