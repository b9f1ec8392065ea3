"""Fitting: whether a group of tensors has what a layer needs, in some layout."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from converter.artifacts import TensorSpec
from converter.weights.layers import Form, Group, Layer
from converter.weights.layouts import Layout, layouts_of
from converter.weights.recurrent import recurrent_layouts
from converter.weights.roles import Parameter, accepts

_MOST_SURPLUS = 1
"""Weights of a group that the layer may lack: a bias."""


@dataclass(frozen=True)
class Choice:
    """A tensor for a parameter, and the layouts in which it fits, most plausible first."""

    parameter: Parameter
    tensor: TensorSpec
    layouts: tuple[Layout, ...]


@dataclass(frozen=True)
class Fit:
    """A group that has what a layer needs.

    Attributes:
        chosen: for each parameter of the layer the index of its tensor in the group, and the layouts.
        surplus: how many weights of the group the layer does not take.
    """

    chosen: tuple[tuple[int, tuple[Layout, ...]], ...]
    surplus: int

    def choices(self, layer: Layer, group: Group) -> Iterator[Choice]:
        """What the fit means for a layer and a group of these forms."""
        for parameter, (index, layouts) in zip(layer.parameters, self.chosen, strict=True):
            yield Choice(parameter, group.tensors[index], layouts)


def fits_of(layers: Sequence[Layer], groups: Sequence[Group]) -> dict[tuple[int, int], Fit]:
    """Every pair of a layer and a group that fits, by their indices.

    Networks have many layers of few forms, so that only forms are compared.
    """
    rows: dict[Form, list[int]] = {}
    columns: dict[Form, list[int]] = {}
    for row, layer in enumerate(layers):
        rows.setdefault(layer.form, []).append(row)
    for column, group in enumerate(groups):
        columns.setdefault(group.form, []).append(column)
    fits = {}
    for wanted, some in rows.items():
        for given, theirs in columns.items():
            fit = _fit_of(wanted, given)
            if fit is not None:
                fits.update({(row, column): fit for row in some for column in theirs})
    return fits


def _fit_of(wanted: Form, given: Form) -> Fit | None:
    """For each parameter of a layer the one tensor of a group that it can be.

    None where a parameter has none or several, and where the group has more weights than one layer: `Variable`,
    `Variable_1`, … are no group.
    """
    chosen: list[tuple[int, tuple[Layout, ...]]] = []
    for want in wanted.weights:
        taken = set() if wanted.recurrent else {index for index, _ in chosen}
        found = [
            (index, layouts)
            for index, have in enumerate(given.weights)
            if index not in taken
            and same_kind(have.dtype, want.dtype)
            and accepts(want.role, have.role, len(have.shape))
            and (layouts := _layouts(wanted, given, want.role, want.shape, have.role, have.shape))
        ]
        if len(found) > 1:
            found = [each for each in found if given.weights[each[0]].leaf == want.leaf]
        if len(found) != 1:
            return None
        chosen += found
    surplus = sum(same_kind(have.dtype, "float32") for have in given.weights) - len({index for index, _ in chosen})
    return Fit(tuple(chosen), surplus) if surplus <= _MOST_SURPLUS else None


def _layouts(
    wanted: Form, given: Form, role: str, parameter: tuple[int, ...], family: str, source: tuple[int, ...]
) -> tuple[Layout, ...]:
    if not wanted.recurrent or not role:
        return layouts_of(role, source, parameter)
    families = {each.role for each in given.weights}
    one_kernel = "kernel" in families and "hidden weight" not in families
    return recurrent_layouts(wanted.recurrent, role, family, source, parameter, wanted.hidden, one_kernel)


def same_kind(dtype: str, wanted: str) -> bool:
    """Whether both element types are floats, or both integers, or both the same other type."""
    return _kind(dtype) == _kind(wanted)


def _kind(dtype: str) -> str:
    if dtype == "bfloat16":
        return "f"
    try:
        kind = np.dtype(dtype).kind
    except TypeError:  # a type that NumPy lacks
        return dtype
    return "i" if kind == "u" else kind
