"""Instrument a script: a probe receives the inputs and the outputs of every node.

It is the flat program, written again with two statements around those of every node:

    _before_(7, (x,))
    y = ops.relu(x)
    y_1 = _after_(7, (y,))

What `_after_` returns is what the later nodes get. `nodes` gives it the reference, so that every node computes from
inputs that are right, whatever the nodes before it did.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx_ir as ir

from converter.graph import operator_of, subgraphs
from converter.lowering import Tables, Translator
from converter.script import Arg, Assign, Program, Variable, Weight, invoke
from converter.script.emit import emit
from converter.shapes import PyValue
from converter.verification.job import NodePlan, PlannedWeight, Probe
from converter.verification.reference import values_read_by

BEFORE, AFTER = "_before_", "_after_"
"""The probe's two functions; no variable of a script begins with an underscore."""

SCRIPT, MODEL = "nodes.py", "nodes.onnx"
"""The files of an instrumented script: itself, and the graph that it comes from."""


@dataclass(frozen=True)
class Instrumented:
    """A script with probes, ready to be written.

    Attributes:
        program: the program.
        probes: by their numbers in the script.
        graph: the graph that it comes from.
    """

    program: Program
    probes: tuple[Probe, ...]
    graph: ir.Model

    def write(self, folder: Path, base_dir: Path) -> NodePlan:
        """Write script and graph; returns what the process must know beside them.

        `base_dir` is the folder that the external data of the graph is relative to.
        """
        (folder / SCRIPT).write_text(emit(self.program, "Every node with a probe.").text, encoding="utf-8")
        proto = ir.to_proto(self.graph)
        names = {id(tensor): name for name, tensor in _constants(self.graph.graph)}
        weights = {}
        for parameter, weight in self.program.parameters():
            if id(weight.tensor) not in names:  # a row computed it
                names[id(weight.tensor)] = name = f"{parameter} of a row"
                proto.graph.initializer.append(_proto(weight, name))
            weights[parameter] = PlannedWeight(names[id(weight.tensor)], tuple(weight.steps))
        (folder / MODEL).write_bytes(proto.SerializeToString())
        return NodePlan(self.probes, weights, base_dir)


def instrument(graph: ir.Model, rows: Tables, step: int = 1) -> Instrumented:
    """Translate a normalised graph once more, with a probe around every `step`th node."""
    translator = _Instrumenter(rows, step)
    program = translator.program(graph.graph)
    return Instrumented(program, tuple(translator.probes), graph)


class _Instrumenter(Translator):
    """A translator that writes probes."""

    def __init__(self, tables: Tables, step: int) -> None:
        super().__init__(tables)
        self.probes: list[Probe] = []
        self._step = step
        self._count = 0

    def _translate(self, node: ir.Node) -> None:
        self._count += 1
        if self._count % self._step:
            super()._translate(node)
        else:
            self._probe(node)

    def _probe(self, node: ir.Node) -> None:
        number, records = len(self.probes), len(self.records)
        operator, name = _record_of(node)
        read = {value: item for value in values_read_by(node) if (item := self._written(value)) is not None}
        inputs = tuple((value.name or "", _element_type(value)) for value in read)
        probe = Probe(name, operator, next((value.name for value in node.outputs if value.name), ""), inputs)
        self.probes.append(probe)
        before = Assign((), invoke(BEFORE, number, tuple(read.values())))
        self.emit(before)
        super()._translate(node)
        outputs = {i: value for i, value in enumerate(node.outputs) if value.name}
        made = {i: item for i, value in outputs.items() if (item := self._written(value)) is not None}
        if not made:  # a step on the way to a parameter, or nothing reads it
            self.block.statements.remove(before)
            return
        converted = all(record.converted for record in self.records[records : records + 1])
        names = tuple((i, outputs[i].name or "") for i in made)
        self.probes[number] = replace(probe, outputs=names, converted=converted)
        targets = {i: Variable(name or "y") for i, name in names if outputs[i] in self.values}
        after = invoke(AFTER, number, tuple(made.values()))
        self.emit(Assign(tuple(targets.get(i) for i in made) if targets else (), after))
        self.values.update({outputs[i]: variable for i, variable in targets.items()})

    def _written(self, value: ir.Value) -> Arg:
        """What the script calls a value; None for a constant, and for what it does not have."""
        if value in self.values:
            return self.resolve(self.values[value])
        python: PyValue | None = self.python.get(value)
        return None if python is None else python.arg


def _record_of(node: ir.Node) -> tuple[str, str]:
    """Operator and name of a node's record; a node that stands for nothing in the source counts to what uses it."""
    while not operator_of(node):
        users = [user for output in node.outputs for user, _ in output.uses()]
        if not users:
            break
        node = users[0]
    return operator_of(node), node.name or ""


def _element_type(value: ir.Value) -> int | None:
    is_tensor = value.type is None or isinstance(value.type, ir.TensorType)
    return value.dtype.value if is_tensor and value.dtype is not None else None


def _constants(graph: ir.Graph) -> Iterator[tuple[str, Any]]:
    """Every constant with its name, those of sub-graphs included."""
    for name, value in graph.initializers.items():
        yield name, value.const_value
    for node in graph:
        for inner in subgraphs(node):
            yield from _constants(inner)


def _proto(weight: Weight, name: str) -> Any:
    proto = ir.serde.serialize_tensor(weight.tensor)  # type: ignore[arg-type]
    proto.name = name
    return proto
