"""Reference: the expected outputs of a node of a normalised graph, computed by onnxruntime or onnx's own evaluator.

A node becomes a model of its own. It declares the lowest opset with the current definition of the node's operator,
since onnxruntime does not support the newest opset.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
import onnx
import onnx_ir as ir
from onnx import helper, numpy_helper

from converter.frontends.onnx import ORT_IR_VERSION
from converter.graph import Trait, all_nodes, attribute, has_trait, subgraphs
from converter.graph.fusions import DOMAIN, FusedOperator
from converter.verification.evaluate import NoReference, Runner, by_onnx, runner_of

LARGE = 1 << 10
"""Bytes above which a constant of floats is handed to onnxruntime at each run, instead of being copied into a model."""

_FED = frozenset({ir.DataType.FLOAT16, ir.DataType.FLOAT, ir.DataType.DOUBLE})

ORT_OPSET = 26
"""The newest opset that onnxruntime 1.31 runs. Later opsets only extend existing operators or add new ones."""


def values_read_by(node: ir.Node) -> list[ir.Value]:
    """The values that a node reads, those that its sub-graphs capture included, each once."""
    reads, own = list(node.inputs), set()
    for graph in subgraphs(node):
        own.update([*graph.inputs, *graph.initializers.values()])
        reads.extend(graph.outputs)
        for inner in graph:
            own.update(inner.outputs)
            reads += values_read_by(inner)
    return [value for value in dict.fromkeys(reads) if value is not None and value not in own]


def is_random(node: ir.Node) -> bool:
    """Whether a node's outputs are random, or those of a node in its sub-graphs."""
    return any(has_trait(each, Trait.RANDOM) or _drops(each) for each in all_nodes([node]))


def is_unordered(node: ir.Node) -> bool:
    """Whether a node may return its elements in any order."""
    return node.op_type == "TopK" and not node.domain and not attribute(node, "sorted")


def _drops(node: ir.Node) -> bool:
    """Whether a node is a Dropout in training mode."""
    training = node.inputs[2] if node.op_type == "Dropout" and len(node.inputs) > 2 else None
    return training is not None and (training.const_value is None or bool(training.const_value.numpy().all()))


class Reference:
    """Runs nodes of a graph, each by itself; `operators` are those that ONNX does not have."""

    def __init__(self, model: ir.Model, operators: Iterable[FusedOperator] = ()) -> None:
        self._model = model
        self._operators = {operator.name: operator for operator in operators}
        self._op_runs = op_runs(self._operators.values())
        self._nodes = {output.name: node for node in all_nodes(model.graph) for output in node.outputs if output.name}
        self._kept: dict[tuple[str, frozenset[str]], Runner] = {}

    def outputs(self, value: str, inputs: Mapping[str, Any]) -> list[Any]:
        """Run the producer of `value` on `inputs`, the values that it reads except constants; return all its outputs.

        Raises:
            NoReference: it is random, or neither evaluator can run it.
        """
        node = self._nodes[value]
        if is_random(node):
            raise NoReference("it is random")
        if node.domain == DOMAIN:
            return self._fused(node, [None if x is None else self._array(x, inputs) for x in node.inputs])
        key = value, frozenset(inputs)
        if key not in self._kept:  # it runs again on other inputs, or in every iteration of a loop
            self._kept[key] = self._runner(node, inputs)
        return self._kept[key](inputs)

    def operator(self, value: str) -> str:
        """The operator of the producer of `value`."""
        return self._nodes[value].op_type

    def is_unordered(self, value: str) -> bool:
        """Whether the producer of `value` may return its elements in any order."""
        return is_unordered(self._nodes[value])

    def inputs_of(self, value: str, inputs: Mapping[str, Any]) -> list[Any]:
        """What the producer of `value` reads, its constants included, but not what nodes compute from constants."""
        read = values_read_by(self._nodes[value])
        constants = {each.name: each.const_value.numpy() for each in read if each.const_value is not None}
        return [known for each in read if (known := inputs.get(each.name or "", constants.get(each.name))) is not None]

    def _fused(self, node: ir.Node, inputs: Sequence[Any]) -> list[Any]:
        """The outputs of an operator that ONNX does not have, by its own reference function."""
        if node.op_type not in self._operators:
            raise NoReference("it has no counterpart in ONNX")
        attributes = {name: value.value for name, value in node.attributes.items()}
        return outputs_of(self._operators[node.op_type], inputs, attributes)

    def _array(self, value: ir.Value, inputs: Mapping[str, Any]) -> Any:
        if value.name is not None and value.name in inputs:
            return inputs[value.name]
        if value.const_value is not None:
            return value.const_value.numpy()
        return self._from_constants(value)

    def _from_constants(self, value: ir.Value) -> Any:
        """The value of shape arithmetic or of a transformed weight, which nodes compute from constants.

        Raises:
            NoReference: it depends on an input, or one of its nodes has no reference.
        """
        found: dict[ir.Value, Any] = {}
        pending = [value]
        while pending:
            step = pending[-1]
            producer = step.producer()
            if producer is None:
                raise NoReference(f"the script does not have its input {step.name}")
            read = [each for each in values_read_by(producer) if each.const_value is None]
            waiting = [] if step in found else [each for each in read if each not in found]
            if waiting:
                pending += waiting
            elif pending.pop() not in found:
                made = self.outputs(step.name or "", {each.name or "": found[each] for each in read})
                found.update(zip(producer.outputs, made, strict=True))
        return found[value]

    def _runner(self, node: ir.Node, inputs: Mapping[str, Any]) -> Runner:
        missing = _missing(node, inputs)
        fed = {value.name or "": value.const_value for value in missing if _is_large(value.const_value)}
        constants = {value.name: self._array(value, inputs) for value in missing if value.name not in fed}
        run = runner_of(self._model_of(node, {*inputs, *fed}, constants), self._op_runs)
        return _aligned(node, lambda given: run({**given, **{name: tensor.numpy() for name, tensor in fed.items()}}))

    def in_float64(self, value: str, inputs: Mapping[str, Any]) -> list[Any]:
        """As `outputs`, computed by onnx's own evaluator with floats as float64, to check onnxruntime's result.

        Raises:
            NoReference: the evaluator cannot run it.
        """
        node = self._nodes[value]
        if node.domain == DOMAIN:
            raise NoReference("it was computed in 64 bits")
        given = dict(inputs)
        given.update({read.name or "": self._array(read, inputs) for read in _missing(node, inputs)})
        wide = {name: _upcast(array) for name, array in given.items()}
        return _aligned(node, by_onnx(self._model_of(node, wide, {}), self._op_runs))(wide)

    def _model_of(self, node: ir.Node, inputs: Collection[str], constants: Mapping[Any, Any]) -> onnx.ModelProto:
        graph = helper.make_graph(
            [ir.to_proto(node)],
            "node",
            [_declared(value) for value in values_read_by(node) if value.name in inputs],
            [_declared(output) for output in node.outputs if output.name],
            [numpy_helper.from_array(array, name) for name, array in constants.items()],
        )
        return helper.make_model(graph, opset_imports=self._opsets(node), ir_version=ORT_IR_VERSION)

    def _opsets(self, node: ir.Node) -> list[onnx.OperatorSetIdProto]:
        versions = dict(self._model.opset_imports)
        own = [each.op_type for each in all_nodes([node]) if each.domain in ("", "ai.onnx")]
        since = [onnx.defs.get_schema(op_type, versions[""]).since_version for op_type in own]
        versions[""] = min(max(since, default=1), ORT_OPSET)
        versions[DOMAIN] = 1
        used = {"", *(each.domain for each in all_nodes([node]))}
        return [helper.make_opsetid(domain, versions.get(domain, 1)) for domain in sorted(used)]


def _missing(node: ir.Node, inputs: Mapping[str, Any]) -> list[ir.Value]:
    """The values that a node reads and that `inputs` lacks: constants, and values computed from constants."""
    return [value for value in values_read_by(node) if value.name not in inputs]


def _is_large(tensor: ir.TensorProtocol | None) -> TypeGuard[ir.TensorProtocol]:
    return tensor is not None and tensor.dtype in _FED and tensor.nbytes > LARGE


def _aligned(node: ir.Node, run: Runner) -> Runner:
    """A runner whose result has an entry for every output of the node; None for outputs without a name."""
    positions = [i for i, output in enumerate(node.outputs) if output.name]

    def outputs(given: Mapping[str, Any]) -> list[Any]:
        made = dict(zip(positions, run(given), strict=True))
        return [made.get(i) for i in range(len(node.outputs))]

    return outputs


def _upcast(item: Any) -> Any:
    if isinstance(item, list):
        return [_upcast(part) for part in item]
    is_float = isinstance(item, np.ndarray) and (item.dtype.kind == "f" or item.dtype.name == "bfloat16")
    return item.astype(np.float64) if is_float else item


def _declared(value: ir.Value) -> onnx.ValueInfoProto:
    """A value's name and type, without its shape."""
    proto = ir.serde.serialize_value(value)
    kind = proto.type
    while kind.WhichOneof("value") in ("sequence_type", "optional_type"):
        kind = getattr(kind, kind.WhichOneof("value")).elem_type
    kind.tensor_type.ClearField("shape")
    return proto


def outputs_of(operator: FusedOperator, inputs: Sequence[Any], attributes: Mapping[str, Any]) -> list[np.ndarray]:
    """All outputs of an operator's reference function, as arrays."""
    made = operator.reference(*inputs, **attributes)
    return [np.asarray(item) for item in (made if isinstance(made, tuple) else (made,))]


def op_runs(operators: Iterable[FusedOperator]) -> list[Any]:
    """The operators as `OpRun` classes for onnx's evaluator, for sub-graphs that contain them."""
    from onnx.reference.op_run import OpRun

    def run_of(operator: FusedOperator) -> Callable[..., tuple[np.ndarray, ...]]:
        return lambda self, *inputs, **attributes: tuple(outputs_of(operator, inputs, attributes))

    return [type(each.name, (OpRun,), {"op_domain": DOMAIN, "_run": run_of(each)}) for each in operators]
