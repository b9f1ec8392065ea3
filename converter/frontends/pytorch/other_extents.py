"""Other extents: a model that torch's current exporter wrote for the extents of its example only is written again."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from converter.frontends.endpoints import listed
from converter.frontends.pytorch.agreement import is_wrong, odd_extents, other_samples
from converter.frontends.pytorch.exporters import finish, refusal_of, with_current, with_free_extents, with_older
from converter.frontends.pytorch.inputs import Input, example
from converter.frontends.pytorch.loading import SEED, Loaded


@dataclass(frozen=True)
class WrongElsewhere:
    """A model that torch's current exporter wrote wrong for other extents; whether its older one wrote it right."""

    note: str
    cured: bool


def at_other_extents(
    loaded: Loaded, inputs: Sequence[Input], outputs: Sequence[str], file: Path
) -> WrongElsewhere | None:
    """Replace a model that is wrong at extents which nothing divides, or for one sample or one more; what is to be said
    if that is not all.

    `if length % 8: x = pad(x)` is exported as the branch that the example takes. What is exported with an odd length
    pads, and by nothing where the length is a multiple: it serves all. `int(x.shape[0] / 4)` may be exported as the
    number of the example. Behind an LSTM torch's current exporter takes the length of the example for that of all; its
    older one does not.
    """
    others = [with_odd_extents(inputs), *(_with_extents(inputs, extents) for extents in other_samples(inputs))]
    examples = [{each.name: each.value for each in ends} for ends in (inputs, *others)]
    examples = [each for i, each in enumerate(examples) if not i or _extents(each) != _extents(examples[0])]
    found = [is_wrong(loaded, values, file) for values in examples]
    if not any(found):
        return None
    for export in (with_current, with_free_extents) if loaded.program is None else (with_current,):
        if _replaced(loaded, others[0], examples, file, functools.partial(export, loaded, others[0], outputs)):
            return None
    if loaded.program is None and _replaced(
        loaded, inputs, examples, file, functools.partial(with_older, loaded, inputs, outputs)
    ):
        note = (
            "What torch's current exporter writes of the module holds for the extents of its example only. "
            "Its older one took it."
        )
        return WrongElsewhere(note, True)
    if all(found):
        return None  # verification shows that the network is wrong
    right, wrong = (_shapes(examples[found.index(each)]) for each in (False, True))
    note = (
        f"What torch exports of the module does not hold for all extents: the network is right at {right}, not at "
        f"{wrong}. Give the extents that you need as numbers in --shape."
    )
    return WrongElsewhere(note, False)


def _shapes(values: Mapping[str, torch.Tensor]) -> str:
    return listed(f"{name} {tuple(value.shape)}" for name, value in values.items())


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
    if refusal_of(lambda: write(again)) is not None:
        return False
    finish(again, inputs, loaded)
    if any(is_wrong(loaded, values, again) for values in examples):
        return False
    for part in again.parent.iterdir():
        part.replace(file.parent / part.name)
    return True


def with_odd_extents(inputs: Sequence[Input]) -> list[Input]:
    """The inputs with extents that nothing divides."""
    return _with_extents(inputs, map(odd_extents, inputs))


def _with_extents(inputs: Sequence[Input], extents: Iterable[tuple[int, ...]]) -> list[Input]:
    pairs = zip(inputs, extents, strict=True)
    return [replace(each, value=example(shape, each.value.dtype, SEED)) for each, shape in pairs]
