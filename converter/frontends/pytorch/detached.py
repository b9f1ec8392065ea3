"""Values that pass no gradient: `Tensor.detach` and `torch.no_grad`, of which exporters would write nothing."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

import onnx
import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from converter.base.trained import TRAINED, YES
from converter.frontends.pytorch.own_gradients import Gradients, applying, with_factor
from converter.frontends.pytorch.settings import with_forward
from converter.graph import STOP_DOMAIN, STOP_OPERATOR, mark_detached, proto_nodes

FX_NODE = "pkg.torch.onnx.fx_node"
"""Key of the metadata in which the current exporter tells what a node was."""


@contextlib.contextmanager
def detaching(module: torch.nn.Module, gradients: Gradients) -> Iterator[None]:
    """Inside the block, `forward` detaches what it computes without gradients, and what it reads as `.data`.

    Functions whose gradients are known have them.
    """
    forward = module.forward

    @functools.wraps(forward)
    def called(*args: Any, **options: Any) -> Any:
        with _Detaching() if torch.is_grad_enabled() else contextlib.nullcontext():
            return forward(*args, **options)

    with with_forward(module, called), applying(functools.partial(_apply, gradients)):
        yield


def _apply(gradients: Gradients, apply: Any, cls: type, args: tuple[Any, ...]) -> Any:
    """A function of `torch.autograd`, which itself computes without gradients."""
    with _Detaching.paused():
        y = apply(cls, *args)
    if torch.is_grad_enabled():
        return with_factor(y, args, gradients.get(cls))
    return pytree.tree_map_only(torch.Tensor, _detached, y) if any(map(_has_gradient, args)) else y


class _Detaching(TorchFunctionMode):
    """Detach what functions compute of values with gradients while these are disabled."""

    _is_paused = False

    @classmethod
    @contextlib.contextmanager
    def paused(cls) -> Iterator[None]:
        """Inside the block nothing is detached."""
        before, cls._is_paused = cls._is_paused, True
        try:
            yield
        finally:
            cls._is_paused = before

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self._is_paused:
            return func(*args, **kwargs)
        if func == _DATA and args[0].requires_grad:
            return args[0].detach()
        if torch.is_grad_enabled() or not any(map(_has_gradient, pytree.tree_leaves((args, kwargs)))):
            return func(*args, **kwargs)
        if _writes(func):  # the tensor that it writes to, the first one, is what the code reads afterwards
            others, kwargs = pytree.tree_map_only(torch.Tensor, _detached, (args[1:], kwargs))
            return func(args[0], *others, **kwargs)
        return pytree.tree_map_only(torch.Tensor, _detached, func(*args, **kwargs))


_DATA: Any = torch.Tensor.data.__get__  # type: ignore[attr-defined]


def _has_gradient(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.requires_grad


def _writes(function: Any) -> bool:
    name = getattr(function, "__name__", "")
    return name == "__setitem__" or (name.endswith("_") and not name.endswith("__"))


def _detached(value: torch.Tensor) -> torch.Tensor:
    return value.detach() if value.is_floating_point() else value


def detach_in(program: torch.export.ExportedProgram) -> None:
    """Detach what an exported program computes without gradients, where its other nodes read it."""
    graph = program.graph_module.graph
    for node in list(graph.nodes):
        if node.target is not torch.ops.higher_order.wrap_with_set_grad_enabled or node.args[0]:
            continue
        for result in list(node.users):
            value = result.meta.get("val")
            if not isinstance(value, torch.Tensor) or not value.is_floating_point():
                continue
            with graph.inserting_after(result):
                stop = graph.call_function(torch.ops.aten.detach.default, (result,))
            stop.meta.update(result.meta)
            result.replace_all_uses_with(stop, lambda user, stop=stop: user is not stop and user.op != "output")
    program.graph_module.recompile()


def write_detach(graph: Any, x: Any) -> Any:
    """The older exporter's function for `aten::detach`."""
    return graph.op(f"{STOP_DOMAIN}::{STOP_OPERATOR}", x).setType(x.type())


def note_detached(model: onnx.ModelProto) -> None:
    """Mark the Identity of each detached value through which a gradient would reach a weight; the model is changed."""
    for node in proto_nodes(model.graph):
        if node.op_type == "Identity" and any("aten.detach" in text for text in told(node, FX_NODE)):
            node.op_type, node.domain = STOP_OPERATOR, STOP_DOMAIN
    mark_detached(model, {each.name for each in model.graph.initializer if YES in told(each, TRAINED)})


def told(noted: Any, key: str) -> list[str]:
    """What the metadata of a node or a tensor has under a key."""
    return [entry.value for entry in noted.metadata_props if entry.key == key]
