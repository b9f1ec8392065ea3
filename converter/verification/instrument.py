"""Instrument a script: a probe receives the inputs and the outputs of every node.

The flat program is written again, with a statement before and a statement after those of every node:

    _before_(7, (x,))
    y = ops.relu(x)
    y_1 = _after_(7, (y,))

The consumers of `y` read `y_1`, the result of `_after_`. In `nodes` this is the reference, so that every node computes
from correct inputs even if its producers are wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnx_ir as ir

from converter.graph import operator_of, subgraphs
from converter.lowering import Tables, Translator
from converter.script import Arg, Assign, Program, Variable, Weight, invoke
from converter.script.emit import emit_unformatted
from converter.shapes import PyValue
from converter.verification.job import NodePlan, PlannedWeight, Probe
from converter.verification.reference import values_read_by

BEFORE, AFTER = "_before_", "_after_"
"""The probe's two functions; no variable of a script begins with an underscore."""

SCRIPT, MODEL, DATA = "nodes.py", "nodes.onnx", "nodes.data"
"""The files of an instrumented script: the script, the graph that it was translated from, and the graph's constants."""

_SMALL = 1 << 10
"""Bytes up to which a constant stays in the graph's own file."""


@dataclass(frozen=True)
class Instrumented:
    """A script with probes, ready to be written.

    Attributes:
        program: the program.
        probes: by their numbers in the script.
        graph: the graph that it was translated from.
    """

    program: Program
    probes: tuple[Probe, ...]
    graph: ir.Model

    def write(self, folder: Path, base_dir: Path) -> NodePlan:
        """Write script and graph; return the plan that the verification process needs besides them.

        `base_dir` is the folder that the external data of the graph is relative to.
        """
        (folder / SCRIPT).write_text(emit_unformatted(self.program, "Every node with a probe."), encoding="utf-8")
        names = {id(value.const_value): name for name, value in _constants(self.graph.graph)}
        with _constants_in(folder / DATA, self.graph):
            proto = ir.to_proto(self.graph)
        weights = {}
        for parameter, weight in self.program.parameters():
            if id(weight.tensor) not in names:  # a tensor that a row computed
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
        number, records, place = len(self.probes), len(self.records), len(self.block.statements)
        operator, name = _record_of(node)
        read = {value: item for value in values_read_by(node) if (item := self._written(value)) is not None}
        inputs = tuple((value.name or "", _element_type(value)) for value in read)
        probe = Probe(name, operator, next((value.name for value in node.outputs if value.name), ""), inputs)
        self.probes.append(probe)
        self.emit(Assign((), invoke(BEFORE, number, tuple(read.values()))))
        super()._translate(node)
        outputs = {i: value for i, value in enumerate(node.outputs) if value.name}
        made = {i: item for i, value in outputs.items() if (item := self._written(value)) is not None}
        if not made:  # the node became a weight step, or has no consumer
            del self.block.statements[place]
            return
        converted = all(record.converted for record in self.records[records : records + 1])
        became = next((record.became for record in self.records[records : records + 1]), "")
        names = tuple((i, outputs[i].name or "") for i in made)
        self.probes[number] = replace(probe, outputs=names, converted=converted, became=became)
        targets = {i: Variable(name or "y") for i, name in names if outputs[i] in self.values}
        after = invoke(AFTER, number, tuple(made.values()))
        self.emit(Assign(tuple(targets.get(i) for i in made) if targets else (), after))
        self.values.update({outputs[i]: variable for i, variable in targets.items()})

    def _written(self, value: ir.Value) -> Arg:
        """The expression of a value in the script; None for constants, and for values that the script lacks."""
        if value in self.values:
            return self.resolve(self.values[value])
        python: PyValue | None = self.python.get(value)
        return None if python is None else python.arg


def _record_of(node: ir.Node) -> tuple[str, str]:
    """Operator and name of a node's record; a node that the source lacks is attributed to its consumer."""
    while not operator_of(node):
        users = [user for output in node.outputs for user, _ in output.uses()]
        if not users:
            break
        node = users[0]
    return operator_of(node), node.name or ""


def _element_type(value: ir.Value) -> int | None:
    is_tensor = value.type is None or isinstance(value.type, ir.TensorType)
    return value.dtype.value if is_tensor and value.dtype is not None else None


@contextmanager
def _constants_in(file: Path, model: ir.Model) -> Iterator[None]:
    """Keep the large constants of a graph in a file beside it for a while, so that they are not copied in memory."""
    kept = {}
    with file.open("wb") as data:
        for _, value in _constants(model.graph):
            tensor = value.const_value
            if tensor is None or isinstance(tensor, ir.ExternalTensor) or tensor.nbytes <= _SMALL:
                continue
            if tensor.dtype == ir.DataType.STRING:
                continue
            place, length = data.tell(), data.write(tensor.tobytes())
            kept[value] = tensor
            value.const_value = ir.ExternalTensor(
                file.absolute(),
                place,
                length,
                tensor.dtype,
                shape=ir.Shape(tensor.shape.numpy()),
                name=tensor.name or "",
            )
    try:
        yield
    finally:
        for value, tensor in kept.items():
            value.const_value = tensor


def _constants(graph: ir.Graph) -> Iterator[tuple[str, ir.Value]]:
    """The name and value of every initializer, those of sub-graphs included."""
    yield from graph.initializers.items()
    for node in graph:
        for inner in subgraphs(node):
            yield from _constants(inner)


def _proto(weight: Weight, name: str) -> Any:
    proto = ir.serde.serialize_tensor(weight.tensor)  # type: ignore[arg-type]
    proto.name = name
    return proto
