"""A note on recurrent layers of MindSpore that graph mode compiles for fixed lengths only, on the CPU."""

from __future__ import annotations

import onnx_ir as ir

from converter.graph import all_nodes, shape_of

_IN_PYTHON = ("GRU", "RNN")
"""Layers whose steps are a loop of Python on the CPU; nn.LSTM is a kernel."""


def notes_on_free_lengths(model: ir.Model) -> tuple[str, ...]:
    """A sentence if a layer of a length that is free cannot be compiled for all lengths at once."""
    for node in all_nodes(model.graph):
        x = node.inputs[0] if node.op_type in _IN_PYTHON and node.inputs else None
        shape = shape_of(x) if x is not None else None
        batch_first = node.attributes.get_int("batch_first", 0)
        if shape is not None and not isinstance(shape[1 if batch_first else 0], int):
            note = (
                f"On the CPU, graph mode compiles nn.{node.op_type} ('{node.name}') for one length at a time: give the "
                "length to net.set_inputs, or leave set_inputs out. Other lengths are compiled when they come."
            )
            return (note,)
    return ()
