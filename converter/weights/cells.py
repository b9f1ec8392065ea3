"""Cells: the parameters of a network that lives in memory."""

from __future__ import annotations

import inspect
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.artifacts import TensorSpec
from converter.base.calls import parse_call
from converter.errors import BadParamError, ConverterError, ModelLoadingError, describe_unexpected
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


def network_of(text: str) -> nn.Cell:
    """The network that a call makes, `PACKAGE.MODULE:CALLABLE[(literals)]`; it runs the user's code.

    Raises:
        BadParamError: the text is no call, names nothing, or makes something else than a network.
        ModelLoadingError: the user's code raises.
    """
    from mindspore import nn

    made = made_by(text)
    if not isinstance(made, nn.Cell):
        raise BadParamError(f"'{text}' makes a {type(made).__name__}, no mindspore.nn.Cell. Name what makes one.")
    return made


def made_by(text: str) -> Any:
    """What a call makes; a class or a function is called, any other object is taken as it is.

    Raises:
        BadParamError: the text is no call, or names nothing.
        ModelLoadingError: the user's code raises.
    """
    call = parse_call(text)
    try:
        target = call.target()
        plain = call.arguments is None and not isinstance(target, type) and not inspect.isroutine(target)
        return target if plain else target(*(call.arguments or ()), **call.keywords)
    except ConverterError:
        raise
    except Exception as error:  # the user's code may raise any
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(frame.filename).name}, line {frame.lineno}: `{frame.line}`"
        raise ModelLoadingError(f"'{text}' raises {describe_unexpected(error)} ({place}).") from error
