"""Edit: how a rewrite rule changes a node in place, and adds nodes before and after it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from converter.graph.constants import new_initializer
from converter.graph.shape_inference import infer_node
from converter.graph.unique_names import UniqueNames

_FARTHEST = 4
"""Limit of producers whose shapes are inferred again for one node; without it, unknown ranks cost quadratic time."""


class RefusedError(Exception):
    """The meaning of a node cannot be expressed; the message says why."""


class Edit:
    """One node that a rewrite rule changes.

    The node keeps its name and metadata in every change; nodes and constants added for it are called `node/role` and
    inherit the metadata.
    """

    def __init__(self, node: ir.Node, names: UniqueNames) -> None:
        self.node = node
        self._names = names

    # Reading the node

    def get(self, attribute: str, default: Any = None) -> Any:
        """The value of an attribute, or `default`."""
        return self.node.attributes[attribute].value if attribute in self.node.attributes else default

    def given(self, *names: str) -> dict[str, Any]:
        """Those of the attributes `names` that the node has."""
        return {name: self.get(name) for name in names if self.get(name) is not None}

    def take(self, attribute: str, default: Any = None) -> Any:
        """The value of an attribute, or `default`; the attribute is removed."""
        value = self.get(attribute, default)
        self.node.attributes.pop(attribute, None)
        return value

    def input(self, index: int) -> ir.Value | None:
        """The input at `index`, or None when it is omitted."""
        return self.node.inputs[index] if index < len(self.node.inputs) else None

    def find_shape(self, value: ir.Value | None) -> tuple[int | None, ...] | None:
        """The extents of `value`, None where dynamic; None when the rank is unknown."""
        if value is not None and value.shape is None:
            _infer_towards(value)
        if value is None or value.shape is None:
            return None
        return tuple(dim if isinstance(dim, int) else None for dim in value.shape)

    def shape(self, value: ir.Value | None) -> tuple[int | None, ...]:
        """The extents of `value`, None where dynamic. Refused when the rank is unknown."""
        shape = self.find_shape(value)
        if shape is None:
            raise RefusedError(f"the rank of '{value.name if value else ''}' is unknown")
        return shape

    def array(self, value: ir.Value | None) -> np.ndarray:
        """The constant that `value` holds. Refused when it is computed."""
        if value is None or value.const_value is None:
            raise RefusedError(f"its input '{value.name if value else ''}' is not a constant")
        return value.const_value.numpy()

    # Changing the node

    def set(self, **attributes: Any) -> None:
        """Set these attributes of the node."""
        for attribute in ir.convenience.convert_attributes(attributes):
            self.node.attributes.add(attribute)

    def set_input(self, index: int, value: ir.Value | None) -> None:
        """Set the input at `index` to `value`; missing inputs before it are omitted ones."""
        if index >= len(self.node.inputs):
            self.node.resize_inputs(index + 1)
        self.node.replace_input_with(index, value)

    def become(self, op_type: str, inputs: Sequence[ir.Value | None], **attributes: Any) -> None:
        """Turn the node into another one with the same outputs."""
        self.node.op_type = op_type
        self.node.resize_inputs(len(inputs))
        for index, value in enumerate(inputs):
            self.node.replace_input_with(index, value)
        self.node.attributes.clear()
        self.set(**attributes)

    def fresh(self, role: str) -> str:
        """A new name `node/role`."""
        return self._names.fresh(f"{self.node.name}/{role}")

    def constant(self, role: str, array: np.ndarray) -> ir.Value:
        """A new initializer in the node's graph."""
        assert isinstance(self.node.graph, ir.Graph)
        value = new_initializer(self.node.graph, self.fresh(role), ir.tensor(array))
        value.metadata_props.update(self.node.metadata_props)
        return value

    def ints(self, role: str, numbers: Sequence[int] | int) -> ir.Value:
        """A new int64 initializer: a vector, or a scalar."""
        return self.constant(role, np.array(numbers, np.int64))

    def like(self, role: str, number: float, value: ir.Value | None) -> ir.Value:
        """A new scalar initializer of the type of `value`."""
        dtype = value.dtype.numpy() if value is not None and value.dtype is not None else np.float32
        return self.constant(role, np.array(number, dtype))

    def before(self, op_type: str, *inputs: ir.Value | None, **attributes: Any) -> ir.Value:
        """Insert a new node before this one; return its output."""
        new = self._new(op_type, inputs, attributes)
        self.node.prepend(new)
        infer_node(new)
        return new.outputs[0]

    def before_all(self, op_type: str, outputs: int, *inputs: ir.Value | None, **attributes: Any) -> Sequence[ir.Value]:
        """Insert a new node with several outputs before this one; return them."""
        new = self._new(op_type, inputs, attributes, outputs)
        self.node.prepend(new)
        infer_node(new)
        return new.outputs

    def replace_output(self, output: int, value: ir.Value) -> None:
        """Replace an output of the node by `value`, which gets its name and consumers."""
        old = self.node.outputs[output]
        ir.convenience.replace_all_uses_with(old, value, replace_graph_outputs=True)
        value.name, old.name = old.name, value.name

    def after(self, op_type: str, *inputs: ir.Value | None, output: int = 0, **attributes: Any) -> None:
        """Insert a new node after this one; its output gets the name and consumers of an output of this node."""
        old = self.node.outputs[output]
        new = self._new(op_type, inputs, attributes)
        made = new.outputs[0]
        (made.type, made.shape), (old.type, old.shape) = (old.type, old.shape), (None, None)
        for use in list(old.uses()):
            if use.node is not new:
                use.node.replace_input_with(use.idx, made)
        graph = self.node.graph
        assert graph is not None
        for index, value in enumerate(graph.outputs):
            if value is old:
                graph.outputs[index] = made
        made.name, old.name = old.name, made.name
        self.node.append(new)
        infer_node(self.node)

    def _new(
        self, op_type: str, inputs: Sequence[ir.Value | None], attributes: dict[str, Any], outputs: int = 1
    ) -> ir.Node:
        name = self.fresh(op_type)
        metadata = dict(self.node.metadata_props)
        node = ir.node(op_type, inputs, attributes, name=name, num_outputs=outputs, metadata_props=metadata)
        node.outputs[0].name = name
        for output in node.outputs[1:]:
            output.name = self.fresh(op_type)
        return node


def _infer_towards(value: ir.Value) -> None:
    """Infer unknown shapes of up to `_FARTHEST` nodes before `value`; others were inferred when edited."""
    done: set[ir.Node] = set()
    pending = [maker] if (maker := value.producer()) else []
    while pending:
        node = pending[-1]
        makers = [source.producer() for source in node.inputs if source is not None and source.shape is None]
        first = [maker for maker in makers if maker is not None and maker not in done]
        if first and node not in done and len(done) < _FARTHEST:
            pending.extend(first)
        else:
            infer_node(pending.pop())
        done.add(node)
