"""Handlers of cells of recurrent layers that are one operator in TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder


def _gru_block_cell(build: NodeBuilder) -> None:
    """One step of a GRU with one matrix for reset and update gate.

    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/ops/rnn_ops.cc
    """
    x, before, gates_weight, cell_weight, gates_bias, cell_bias = build.inputs
    both = build.add("Concat", x, before, axis=1)
    gates = build.add("Sigmoid", build.add("Add", build.add("MatMul", both, gates_weight), gates_bias))
    reset, update = build.add_split("Split", gates, outputs=2, axis=1, num_outputs=2)
    kept = build.add("Concat", x, build.add("Mul", before, reset), axis=1)
    cell = build.add("Tanh", build.add("Add", build.add("MatMul", kept, cell_weight), cell_bias))
    fresh = build.add("Mul", build.add("Sub", build.number(1), update), cell)
    build.replace(reset, update, cell, build.add("Add", fresh, build.add("Mul", update, before)))


HANDLERS: Mapping[str, Handler] = {"GRUBlockCell": _gru_block_cell}
