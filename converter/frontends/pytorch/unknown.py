"""Unknown: operators for which torch's exporter has no ONNX function become nodes of their own, not a refusal.

The node has the operator's namespace as domain (`aten`, `mylib`), its tensors as inputs and its other arguments as
attributes. In the script it is a stub, or what `--operator_map` has for it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import onnx_ir as ir
from onnxscript import evaluator
from torch._higher_order_ops import effects
from torch.onnx._internal.exporter import _dispatching, _errors

from converter.frontends.pytorch.lines import place_of_text


def is_unknown(error: BaseException | None) -> bool:
    """Whether the exporter refused a module for an operator that has no ONNX function."""
    while error is not None:
        if isinstance(error, _errors.DispatchError):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def written_as_nodes() -> Iterator[dict[str, str]]:
    """Inside the block the exporter writes operators that it does not know as nodes.

    Yields:
        The operator, as `--operator_map` calls it → where the user's code has it, in parentheses.
    """
    found: dict[str, str] = {}
    known = _dispatching.dispatch

    def dispatch(node: Any, registry: Any) -> tuple[Any, str]:
        function, message = known(node, registry)
        if function is None and hasattr(node.target, "_schema"):
            if not node.target._schema.returns:  # a check
                node.meta.setdefault("val", ())
                return lambda *args, **kwargs: (), ""
            found.setdefault(_name(node.target), place_of_text(node.stack_trace or ""))
            return partial(_node, node.target), ""
        return function, message

    _dispatching.dispatch = dispatch
    try:
        with _errors_unchecked():
            yield found
    finally:
        _dispatching.dispatch = known


@contextlib.contextmanager
def _errors_unchecked() -> Iterator[None]:
    """Inside the block torch.linalg records no check of its results, which no exporter knows."""
    check = "aten::_linalg_check_errors"  # older versions of torch have it without an effect
    registered = effects._get_effect(check) if hasattr(effects, "_get_effect") else None
    if registered is None:
        yield
        return
    effects._register_effectful_op(check, None)
    try:
        yield
    finally:
        effects._register_effectful_op(check, registered)


def _name(operator: Any) -> str:
    namespace, _, name = operator._schema.name.partition("::")
    return f"{namespace}.{name}"


def _node(operator: Any, *args: Any, **kwargs: Any) -> ir.Value | Sequence[ir.Value]:
    """Write a node for a call of an operator whose tensors are values of the graph."""
    domain, _, name = _name(operator).rpartition(".")
    parameters = [parameter.name for parameter in operator._schema.arguments]
    inputs: list[ir.Value | None] = []
    attributes: dict[str, Any] = {}
    for parameter, value in (*zip(parameters, args, strict=False), *kwargs.items()):
        if isinstance(value, ir.Value):
            inputs.append(value)
        elif isinstance(value, (list, tuple)) and any(isinstance(each, ir.Value) for each in value):
            inputs.extend(value)
        elif value is not None and value not in ([], ()):
            attributes[parameter] = int(value) if isinstance(value, (bool, ir.DataType)) else value
    node = ir.Node(
        domain,
        name,
        inputs,
        ir.convenience.convert_attributes(attributes),
        num_outputs=len(operator._schema.returns),
        version=1,
    )
    recorder: Any = evaluator.default()
    recorder.nodes.append(node)
    return node.outputs[0] if len(node.outputs) == 1 else node.outputs
