"""Paging: the script as a network whose weights stay in its checkpoint, and are read when a statement asks for them.

MindSpore makes a parameter without memory when its initializer is postponed. In PyNative mode, what a statement reads
as `self.weight` is then an array that is mapped or read from the checkpoint, and goes with the statement. In graph mode
a layer is compiled with its parameters, so that those of this one layer are loaded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from converter.errors import ScriptGenerationError
from converter.verification.arrays import to_mindspore
from converter.verification.network import load
from converter.weights import readers

LARGE = 1 << 18
"""Elements of a parameter from which on no memory is taken for its initial zeros."""


class Paged:
    """A script as a network whose weights stay on disk.

    Attributes:
        net: the network.

    Raises:
        ScriptGenerationError: checkpoint and script do not have the same parameters.
    """

    def __init__(self, script: Path, checkpoint: Path | None, wide: bool = False) -> None:
        self._wide = wide
        self._loaded = False
        self._checkpoint = checkpoint
        self._stored = readers.read_mindspore(checkpoint).tensors if checkpoint is not None else {}
        with _without_memory():
            self.net = load(script, None)
        self._names = {id(parameter): name for name, parameter in self.net.parameters_and_names()}
        own, stored = set(self._names.values()), set(self._stored)
        if own != stored:
            raise ScriptGenerationError(
                f"checkpoint and script differ: the script alone has {sorted(own - stored)}, "
                f"the checkpoint {sorted(stored - own)}"
            )
        for parameter in self.net.get_parameters():
            _empty(parameter)  # a Cell makes the memory of a postponed initializer when it is called

    def nbytes(self, cell: Any) -> int:
        """The bytes of the parameters of a Cell of the network, those of its Cells included."""
        specs = [self._stored[self._names[id(parameter)]].array for parameter in cell.get_parameters()]
        return sum(math.prod(spec.shape) * _itemsize(spec.dtype, self._wide) for spec in specs)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Within the block what a Cell reads as its parameter is read from the checkpoint, outside of `loaded`."""
        from mindspore import Parameter, nn

        find = nn.Cell.__getattr__

        def read(cell: Any, name: str) -> Any:
            found = find(cell, name)
            if self._loaded:
                return found
            if isinstance(found, Parameter):
                return self._read(found)
            if isinstance(found, (tuple, list)) and any(isinstance(each, Parameter) for each in found):
                return tuple(self._read(each) if isinstance(each, Parameter) else each for each in found)
            return found

        nn.Cell.__getattr__ = read
        try:
            yield
        finally:
            nn.Cell.__getattr__ = find

    @contextmanager
    def loaded(self, cell: Any) -> Iterator[None]:
        """Within the block the parameters of a Cell have their values, as graph mode needs them."""
        parameters = [parameter for parameter in cell.get_parameters() if id(parameter) in self._names]
        for parameter in parameters:
            parameter.set_data(self._read(parameter), slice_shape=True)
        self._loaded = True
        try:
            yield
        finally:
            self._loaded = False
            for parameter in parameters:
                _empty(parameter)

    def _load(self, name: str) -> np.ndarray:
        """The values of a parameter. A file that stays open stays mapped, with all that was read of it."""
        assert self._checkpoint is not None
        kept = self._checkpoint.suffix == ".ckpt"
        stored = self._stored if kept else readers.read_mindspore(self._checkpoint).tensors
        return stored[name].load()

    def _read(self, parameter: Any) -> Any:
        """The values of a parameter, as a tensor over the array that was read; others than the network's stay."""
        from mindspore import Tensor

        name = self._names.get(id(parameter))
        if name is None:
            return parameter
        array = self._load(name)
        if self._wide and array.dtype.name == "bfloat16":
            array = array.astype(np.float32)
        return Tensor.from_numpy(array) if array.ndim and array.dtype.name != "bfloat16" else to_mindspore(array)


def _empty(parameter: Any) -> None:
    """Take the values of a parameter away."""
    from mindspore import Tensor

    parameter.set_data(Tensor(np.zeros(1, np.int8)).astype(parameter.dtype), slice_shape=True)


@contextmanager
def _without_memory() -> Iterator[None]:
    """Within the block parameters are made without memory: those with an initializer, and large ones of zeros."""
    from mindspore import ops
    from mindspore.common.initializer import initializer
    from mindspore.nn.utils import no_init_parameters

    zeros = ops.zeros

    def empty(size: Any, dtype: Any = None) -> Any:
        large = isinstance(size, tuple) and math.prod(size) > LARGE
        return initializer("zeros", size, dtype) if large else zeros(size, dtype)

    ops.zeros = empty
    try:
        with no_init_parameters():
            yield
    finally:
        ops.zeros = zeros


def _itemsize(dtype: str, wide: bool) -> int:
    return (4 if wide else 2) if dtype == "bfloat16" else np.dtype(dtype).itemsize
