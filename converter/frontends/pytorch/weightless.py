"""Weightless: a module whose parameters are shapes and types, exported to a network whose weights stay in their files.

The module is made with its parameters on the device `meta`; its buffers have values, for what is not in the files is
computed when a module is made (the frequencies of rotary embeddings). For the export, the parameters become torch's
fake tensors, which say that they lie in memory: code that makes tensors beside them goes on as always.
"""

from __future__ import annotations

import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
import torch
from torch import nn

from converter.errors import TorchExportError
from converter.frontends.pytorch.states import State, tables_in
from converter.frontends.pytorch.stored import Place, place_of


@contextlib.contextmanager
def shapes_only(dtype: torch.dtype) -> Iterator[None]:
    """Inside the block, modules are made with parameters on the device `meta`, and in the element type `dtype`."""
    register: Any = nn.Module.register_parameter
    before = torch.get_default_dtype()

    def register_empty(self: nn.Module, name: str, param: nn.Parameter | None) -> None:
        register(self, name, param)
        if param is not None and not param.is_meta:
            self._parameters[name] = nn.Parameter(param.detach().to("meta"), requires_grad=param.requires_grad)

    nn.Module.register_parameter = register_empty  # type: ignore[method-assign]
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        nn.Module.register_parameter = register  # type: ignore[method-assign]
        torch.set_default_dtype(before)


def main_type(content: Any) -> torch.dtype:
    """The element type in which a module with these weights is made: that of most of their floating-point numbers."""
    sizes: Counter[torch.dtype] = Counter()
    for _, state in tables_in(content):
        for tensor in state.values():
            sizes[tensor.dtype] += tensor.numel() if tensor.is_floating_point() else 0
    (dtype, size), *_ = sizes.most_common(1) or [(torch.float32, 0)]
    return dtype if size else torch.float32


def keep_stored(module: nn.Module, state: State) -> dict[str, Place]:
    """Make the parameters fake tensors, in the types of `state`, and load the buffers; returns the parameters' places.

    Of a parameter with several names, one that `state` has comes first.

    Args:
        module: made in `shapes_only`.
        state: the tensors of `read_places`, by their names in the module.
    """
    from torch._subclasses.fake_tensor import FakeTensorMode
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    mode = FakeTensorMode(shape_env=ShapeEnv(), allow_non_fake_inputs=True)
    stored: dict[int, torch.Tensor] = {}
    named = list(module.named_parameters(remove_duplicate=False))
    for name, parameter in named:
        if name in state:
            stored.setdefault(id(parameter), state[name])
    named.sort(key=lambda pair: pair[0] not in state)
    places = {name: place for name, each in named if (place := place_of(stored[id(each)])) is not None}
    fakes: dict[int, nn.Parameter] = {}
    for owner in module.modules():
        for name, each in owner._parameters.items():
            if each is None:
                continue
            if id(each) not in fakes:
                with mode:
                    fake = torch.empty(each.shape, dtype=stored[id(each)].dtype)
                fakes[id(each)] = nn.Parameter(fake, requires_grad=each.requires_grad)
                fakes[id(fakes[id(each)])] = fakes[id(each)]
            owner._parameters[name] = fakes[id(each)]
    for name, buffer in module.named_buffers():
        place = place_of(state[name]) if name in state else None
        if place is not None:
            with torch.no_grad():
                buffer.copy_(_read(place, state[name]))
    return places


def _read(place: Place, like: torch.Tensor) -> torch.Tensor:
    """The values of a stored tensor."""
    with place.file.open("rb") as file:
        file.seek(place.offset)
        data = bytearray(file.read(place.size))
    if not data:
        return torch.empty_like(like, device="cpu")
    return torch.frombuffer(data, dtype=like.dtype).reshape(like.shape)


def folder_of(places: Mapping[str, Place]) -> Path:
    """The folder that all files of weights lie in, also below it."""
    return Path(os.path.commonpath([place.file.parent for place in places.values()]))


def save_stored(model: ir.Model, places: Mapping[str, Place], file: Path) -> None:
    """Write a network whose weights are external data in the files where they lie, relative to `folder_of(places)`.

    A weight with several names has the first.

    Raises:
        TorchExportError: a tensor has neither values nor a place.
    """
    folder, names = folder_of(places), {place: name for name, place in reversed(list(places.items()))}
    for name, value in list(model.graph.initializers.items()):
        tensor = value.const_value
        if tensor is None or not _is_fake(getattr(tensor, "raw", None)):
            continue
        if name not in places:
            raise TorchExportError(f"'{name}' has no values: it is computed from weights when the module is made.")
        place, shape = places[name], ir.Shape(tensor.shape.numpy())
        location = str(place.file.relative_to(folder))
        value.const_value = ir.ExternalTensor(
            location, place.offset, place.size, tensor.dtype, shape=shape, name=name, base_dir=folder
        )
        if names[place] not in model.graph.initializers:
            value.name = names[place]
    onnx.save(ir.to_proto(model), file)


def _is_fake(tensor: Any) -> bool:
    from torch._subclasses.fake_tensor import FakeTensor

    return isinstance(tensor, FakeTensor) or (isinstance(tensor, torch.Tensor) and tensor.is_meta)
