"""Gradients of a network of MindSpore's, for the loss that PyTorch's side used, compared with PyTorch's.

A gradient is compared relative to its largest value. One that rounding alone moves further than that (a ReLU at its
edge over batch statistics of few values) says nothing: PyTorch's side moved the weights by what rounding moves them,
and what its own gradient moved by is allowed for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.artifacts import Entry
from converter.proving import job as files
from converter.proving.values import lazy, tensors_in
from converter.verification import Difference, difference
from converter.weights import parameters_from

if TYPE_CHECKING:
    from mindspore import nn

TOLERANCE = 1e-3
"""Largest error of a gradient relative to its largest value."""
_FLOOR = 1e-3
"""Gradients smaller than this fraction of the largest of all are what rounding leaves of zero."""
_MOVES = 10.0
"""How many times further than PyTorch's own gradient moved under rounding a gradient may be away."""
_LISTED = 8
"""The most parameters that are named one by one."""


@dataclass(frozen=True)
class Expected:
    """PyTorch's gradients in the form of MindSpore's parameters.

    Attributes:
        train: whether they are those of training mode.
        note: why not, or what else is to be known.
        projections: one for each floating output, in its shape; the loss is the sum of all products.
        gradients: by the names of MindSpore's parameters.
        moved: how far rounding moved each of them.
        statistics: running means and variances after the step, by the names of MindSpore's parameters.
    """

    train: bool
    note: str
    projections: Sequence[np.ndarray]
    gradients: Mapping[str, np.ndarray]
    moved: Mapping[str, float]
    statistics: Mapping[str, np.ndarray]

    @classmethod
    def read(cls, folder: Path, training: Mapping[str, Any], entries: Sequence[Entry]) -> Expected:
        """Read what PyTorch's side wrote."""
        found, changed = _archive(folder / files.GRADIENTS), _archive(folder / files.STATISTICS)
        projections = _archive(folder / files.PROJECTIONS)
        moved: dict[str, float] = {}
        for entry in entries:
            far = training["moved"].get(entry.source.name, 0.0)
            moved[entry.converted.name] = max(far, moved.get(entry.converted.name, 0.0))
        return cls(
            training["mode"] == "training",
            training["note"],
            [projections[str(number)] for number in range(len(projections))],
            _converted(entries, found),
            moved,
            _converted(entries, changed),
        )


def _archive(file: Path) -> dict[str, np.ndarray]:
    with np.load(file) as archive:
        return {name: archive[name] for name in archive.files}


def _converted(entries: Sequence[Entry], arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrays of PyTorch's parameters as MindSpore's parameters are made of them."""
    lacking = {each.converted.name for each in entries if each.source.name not in arrays}
    whole = [each for each in entries if each.converted.name not in lacking]
    tensors = {name: lazy(name, value) for name, value in arrays.items()}
    return {each.array.name: each.load() for each in parameters_from(whole, tensors)}


def compare(net: nn.Cell, inputs: Sequence[np.ndarray], expected: Expected) -> Iterator[tuple[str, Difference]]:
    """Run the network with gradients, in the mode that is set; yields a name and a difference.

    The gradients that are the same are one line, those that differ one each.
    """
    got = _run(net, inputs, expected)
    largest = max((float(np.abs(each).max(initial=0.0)) for each in expected.gradients.values()), default=0.0)
    words = "gradients in training mode" if expected.train else "gradients in evaluation mode"
    same: list[Difference] = []
    wrong: list[tuple[str, Difference]] = []
    unsure: list[str] = []
    for name, want in expected.gradients.items():
        if name not in got:
            continue
        found = difference(got[name], want)
        scale = max(float(np.abs(want).max(initial=0.0)), _FLOOR * largest)
        error = np.inf if found.max_abs is None else found.max_abs
        if error <= TOLERANCE * scale:
            same.append(found)
        elif error <= _MOVES * expected.moved[name]:
            unsure.append(name)
        else:
            wrong.append((name, found))
    wrong.sort(key=lambda pair: -(pair[1].max_abs or np.inf))
    for name, found in wrong[:_LISTED]:
        yield f"gradient of {name}", Difference("differs", found.max_abs, found.max_rel, found.mean_rel, found.cosine)
    if len(wrong) > _LISTED:
        yield f"gradients of {len(wrong) - _LISTED} more parameters", Difference("differs")
    if unsure:
        text = "rounding alone moves PyTorch's own gradient as far: a ReLU or a maximum is at its edge"
        yield f"gradients of {len(unsure)} parameters, {unsure[0]} first", Difference("not comparable", note=text)
    if same:
        worst = max(same, key=lambda each: each.max_abs or 0.0)
        yield (
            f"{words}, {len(same)} parameters",
            Difference("same", worst.max_abs, worst.max_rel, worst.mean_rel, worst.cosine, expected.note),
        )
    yield from _statistics(net, expected)


def _statistics(net: nn.Cell, expected: Expected) -> Iterator[tuple[str, Difference]]:
    """Running means and variances after the step: their momentum is that of PyTorch."""
    values = {each.name: each for each in net.get_parameters()}
    found = [(name, difference(values[name].asnumpy(), want)) for name, want in expected.statistics.items()]
    wrong = [(name, each) for name, each in found if each.verdict != "same"]
    for name, each in wrong[:_LISTED]:
        yield f"{name} after a step", each
    if found and not wrong:
        yield f"running statistics after a step, {len(found)}", max(found, key=lambda pair: pair[1].max_abs or 0.0)[1]


def _run(net: nn.Cell, inputs: Sequence[np.ndarray], expected: Expected) -> dict[str, np.ndarray]:
    """The gradient of every parameter that has one in PyTorch."""
    import mindspore as ms
    from mindspore import nn

    net.set_train(expected.train)
    for _, cell in net.cells_and_names():
        if isinstance(cell, nn.Dropout | nn.Dropout1d | nn.Dropout2d | nn.Dropout3d):
            cell.set_train(False)
        elif isinstance(getattr(cell, "dropout", None), float):
            cell.dropout = 0.0
    given = [ms.Tensor(each) for each in inputs]
    paths = _float_paths(net, given)
    weights = [ms.Tensor(each) for each in expected.projections]

    def loss(*given: ms.Tensor) -> ms.Tensor:
        output = net(*given)
        total = 0.0
        for path, weight in zip(paths, weights):  # noqa: B905 - graph mode has no `strict`
            value = output
            for key in path:
                value = value[key]
            total = total + (value * weight).sum()
        return total

    parameters = [each for each in net.trainable_params() if each.name in expected.gradients]
    _, found = ms.value_and_grad(loss, None, parameters)(*given)
    return {each.name: grad.asnumpy() for each, grad in zip(parameters, found, strict=True)}


def _float_paths(net: nn.Cell, given: Sequence[Any]) -> tuple[tuple[Any, ...], ...]:
    """The paths of the floating outputs, found in PyNative mode; the running statistics are put back."""
    import mindspore as ms

    mode = ms.get_context("mode")
    kept = {each.name: each.asnumpy().copy() for each in net.get_parameters() if not each.requires_grad}
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        output = net(*given)
        found = [
            path for path, each in tensors_in(output, lambda value: isinstance(value, ms.Tensor)) if _is_float(each)
        ]
    finally:
        ms.set_context(mode=mode)
        for each in net.get_parameters():
            if each.name in kept:
                each.set_data(ms.Tensor(kept[each.name]))
    return tuple(found)


def _is_tensor(value: Any) -> bool:
    import mindspore as ms

    return isinstance(value, ms.Tensor)


def _is_float(tensor: Any) -> bool:
    import mindspore as ms

    return tensor.dtype in (ms.float16, ms.float32, ms.float64, ms.bfloat16)
