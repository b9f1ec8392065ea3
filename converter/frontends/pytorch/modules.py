"""Modules: the classes of the modules around each node, which torch's older exporter does not record, but names."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import onnx
import torch

from converter.graph import proto_nodes
from converter.graph.hints import scopes


def record_modules(model: onnx.ModelProto, modules: Mapping[str, torch.nn.Module]) -> None:
    """Record the paths and classes of modules as torch's current exporter does, from names like `/layers.0/fc/MatMul`.

    A module that is called again has a number in the name of a node, `fc_1`, that its path lacks. Of a trace, the name
    then lacks the module itself; the weights tell it. `modules` are all modules of the network by path; it is that
    without one.
    """
    weights = {tensor.name for tensor in model.graph.initializer}
    for node in proto_nodes(model.graph):
        if any(entry.key == scopes.TORCH_SCOPES for entry in node.metadata_props) or not node.name.startswith("/"):
            continue
        parts = node.name.split("/")[1:-1]
        around = list(_around(parts, modules) if parts else _owners(node, weights, modules))
        paths, kinds = [path for path, _ in around], [_class_of(module) for _, module in around]
        node.metadata_props.add(key=scopes.TORCH_SCOPES, value=str(["", *paths, node.name]))
        node.metadata_props.add(key=scopes.TORCH_CLASSES, value=str([_class_of(modules[""]), *kinds, node.op_type]))


def _owners(
    node: onnx.NodeProto, weights: Collection[str], modules: Mapping[str, torch.nn.Module]
) -> Iterator[tuple[str, torch.nn.Module]]:
    """The path of the module that has all weights of a node, and of those around it that are called, with modules."""
    owners = {name.rpartition(".")[0] for name in node.input if name in weights}
    owner = owners.pop() if len(owners) == 1 else ""
    for end in range(1, len(owner.split(".")) + 1):
        path = ".".join(owner.split(".")[:end])
        if path and path in modules and not _class_of(modules[path]).endswith(("ModuleList", "ModuleDict")):
            yield path, modules[path]


def _around(parts: list[str], modules: Mapping[str, torch.nn.Module]) -> Iterator[tuple[str, torch.nn.Module | None]]:
    """The path of each scope, and its module; None for a scope that is no module, such as the branch of an If.

    The name of a module in a list holds that of the list, `layers.0`, also within the list: `layers/layers.0`.
    """
    path, known = "", ""
    for part in parts:
        name, _, number = part.rpartition("_")
        again = f"_{number}" if number.isdigit() and _child(known, part, modules) is None else ""
        found = _child(known, name if again else part, modules)
        if found is None:
            again = ""
        elif found.startswith(within := f"{known}." if known else ""):
            part = found.removeprefix(within) + again
        path = f"{path}.{part}" if path else part
        known = found or known
        yield path, None if found is None else modules[found]


def _child(path: str, name: str, modules: Mapping[str, torch.nn.Module]) -> str | None:
    """The path of a module that is called in the module at `path`; None if there is none.

    In TorchScript, the name of a module in a list is its number: `0` of `layers.0`.
    """
    outer = path
    while True:
        found = f"{outer}.{name}" if outer else name
        if found in modules:
            return found
        listed = [inner for inner in modules if name.isdigit() and _is_of_list(inner, name, outer)]
        if len(listed) == 1:
            return listed[0]
        if not outer:
            return None
        outer = outer.rpartition(".")[0]


def _is_of_list(path: str, number: str, outer: str) -> bool:
    """Whether a path is that of a module with this number, in a list that the module at `outer` has."""
    within, _, last = path.removeprefix(f"{outer}." if outer else "").rpartition(".")
    return last == number and bool(within) and "." not in within and path.startswith(outer)


def _class_of(module: torch.nn.Module | None) -> str:
    """The class of a module with where it is defined, `torch.nn.modules.linear.Linear`; "" for None."""
    if module is None:
        return ""
    scripted = getattr(module, "original_name", None)
    return scripted if isinstance(scripted, str) else f"{type(module).__module__}.{type(module).__qualname__}"
