"""Cells: the parameters of a network that lives in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.artifacts import TensorSpec
from converter.weights.roles import Parameter

if TYPE_CHECKING:
    from mindspore import nn


def parameters_of(network: nn.Cell) -> list[Parameter]:
    """The parameters of a MindSpore network by their names in a checkpoint, with the classes of their Cells.

    A parameter that several Cells share is there once.
    """
    owners: dict[str, str] = {}
    for _, cell in network.cells_and_names():
        for own in cell.get_parameters(expand=False):
            owners.setdefault(own.name, type(cell).__name__)
    return [
        Parameter(
            TensorSpec(each.name, tuple(each.shape), str(each.dtype).lower()),
            owners.get(each.name, ""),
        )
        for each in network.get_parameters()
    ]
