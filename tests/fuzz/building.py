"""Build random right models: every node is accepted only if onnxruntime, or onnx's evaluator, can run it.

A `Builder` grows a model node by node and knows what each value is on the inputs. `run` computes what a model is
expected to give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnxruntime as ort
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

Value = tuple[str, np.ndarray]
Feeds = Mapping[str, np.ndarray]
LARGEST = 5000
"""Elements that a value may have."""
_IR_VERSION = 10


class Builder:
    """A model that grows node by node; `values` are what its values are on the inputs."""

    def __init__(self, random: Random, opset: int = 20, evaluator: bool = False) -> None:
        """Begin a model.

        Args:
            random: what decides.
            opset: the version of ONNX's operators.
            evaluator: whether onnx's evaluator decides about nodes that onnxruntime has no kernel for.
        """
        self.random, self.opset, self.evaluator = random, opset, evaluator
        self.nodes: list[NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.numbers = np.random.default_rng(random.randrange(2**31))
        self.feeds: dict[str, np.ndarray] = {}
        self.values: list[Value] = []
        self.free = True
        self.fixed: set[str] = set()
        self.why = ""

    def input(self, array: np.ndarray, fixed: bool = False) -> str:
        """An input of the graph; its values are not varied if it is `fixed` (an index, a size)."""
        name = f"x{len(self.feeds)}"
        self.feeds[name] = np.asarray(array)
        self.values.append((name, self.feeds[name]))
        if fixed:
            self.fixed.add(name)
        return name

    def constant(self, array: Any, dtype: Any = np.int64) -> str:
        """An initializer."""
        name = f"k{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(array, dtype), name))
        return name

    def known_constant(self, name: str) -> np.ndarray:
        """The value of an initializer."""
        return numpy_helper.to_array(next(tensor for tensor in self.initializers if tensor.name == name))

    def normal(self, *shape: int, scale: float = 1.0) -> np.ndarray:
        """Normally distributed numbers."""
        return (self.numbers.normal(size=shape) * scale).astype(np.float32)

    def value(self, kind: str = "f") -> Value | None:
        """A value of an element type, rather a late one."""
        found = [value for value in self.values if value[1].dtype.kind in kind]
        return self.random.choice(found[-6:]) if found else None

    def known(self, name: str) -> np.ndarray:
        """What a value is on the inputs."""
        return dict(self.values)[name]

    def add(self, operator: str, inputs: Sequence[str], outputs: int = 1, domain: str = "", **attributes: Any) -> bool:
        """Add a node, if it runs and its results are not large."""
        names = [f"v{len(self.nodes)}_{i}" for i in range(outputs)]
        try:
            node = helper.make_node(operator, inputs, names, domain=domain, **attributes)
        except ValueError:  # an attribute is an empty list
            return False
        return self.add_node(node)

    def op(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """The name of the first output of a node that is added.

        Raises:
            NotAcceptedError: it does not run.
        """
        outputs = attributes.pop("outputs", 1)
        if not self.add(operator, inputs, outputs, domain, **attributes):
            raise NotAcceptedError(f"{operator}: {self.why}")
        return self.nodes[-1].output[0]

    def add_node(self, node: NodeProto) -> bool:
        """Add a node that was made elsewhere, sub-graphs included."""
        known = dict(self.values)
        read = names_read(node)
        feeds = {name: known[name] for name in read if name in known}
        kept = {tensor.name: tensor for tensor in self.initializers}
        ends = [helper.make_empty_tensor_value_info(name) for name in node.output if name]
        starts = [declared(name, array) for name, array in feeds.items()]
        one = helper.make_graph([node], "one", starts, ends, [kept[name] for name in read if name in kept])
        try:
            found = run(self._model(one), [feeds], self.evaluator)[0]
        except Exception as error:
            self.why = str(error)
            return False
        if found is None or any(not isinstance(x, np.ndarray) or x.size > LARGEST or is_odd(x) for x in found):
            return False
        self.nodes.append(node)
        self.values += zip(filter(None, node.output), found, strict=True)
        return True

    def model(self, outputs: Sequence[str]) -> ModelProto:
        """The model with these outputs; the first axes of its inputs are free if `free`."""
        inputs = []
        for name, array in self.feeds.items():
            shape: list[int | str] = list(array.shape)
            if self.free and shape and name not in self.fixed:
                shape[0] = f"n{name}"
            inputs.append(helper.make_tensor_value_info(name, data_type(array), shape))
        ends = [helper.make_empty_tensor_value_info(name) for name in outputs]
        graph = helper.make_graph(self.nodes, "random", inputs, ends, self.initializers)
        known = {value.name: value for value in onnx.shape_inference.infer_shapes(self._model(graph)).graph.output}
        for end in graph.output:
            end.CopyFrom(known[end.name])
            if not end.type.tensor_type.elem_type:
                end.CopyFrom(helper.make_tensor_value_info(end.name, data_type(self.known(end.name)), None))
        return self._model(graph)

    def _model(self, graph: GraphProto) -> ModelProto:
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid("com.microsoft", 1)]
        opsets.append(helper.make_opsetid("ai.onnx.ml", 3))
        return helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)


class NotAcceptedError(Exception):
    """A node that neither onnxruntime nor onnx's evaluator runs."""


def is_odd(array: np.ndarray) -> bool:
    """Whether an array has elements that MindSpore has not."""
    return array.dtype.kind not in "fiub" and array.dtype != ml_dtypes.bfloat16


def names_read(node: NodeProto) -> list[str]:
    """The values that a node reads, those that its sub-graphs capture included."""
    found = [name for name in node.input if name]
    for attribute in node.attribute:
        if attribute.type == onnx.AttributeProto.GRAPH:
            graph = attribute.g
            own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
            for inner in graph.node:
                found += [name for name in names_read(inner) if name not in own]
                own.update(inner.output)
            found += [value.name for value in graph.output if value.name not in own]
    return list(dict.fromkeys(found))


def data_type(array: np.ndarray) -> int:
    """The element type of an array, as ONNX numbers it."""
    return helper.np_dtype_to_tensor_dtype(array.dtype)


def declared(name: str, array: np.ndarray, shape: Sequence[int | str] | None = None) -> onnx.ValueInfoProto:
    """An array as an input or output of a graph."""
    return helper.make_tensor_value_info(name, data_type(array), array.shape if shape is None else shape)


def run(model: ModelProto, feeds: Sequence[Feeds], evaluator: bool = False) -> list[list[np.ndarray] | None]:
    """What a model gives on each of some inputs: by onnxruntime without its optimisations, None where it refuses them.

    Args:
        model: the model.
        feeds: the inputs.
        evaluator: whether onnx's evaluator runs what onnxruntime has no kernel for.

    Raises:
        Exception: the model cannot be run at all.
    """
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    compute: Any
    try:
        session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        if any(array.dtype == ml_dtypes.bfloat16 for each in feeds for array in each.values()):
            raise NotAcceptedError("onnxruntime's Python interface takes no bfloat16")
        compute = session.run
    except Exception:
        if not evaluator:
            raise
        compute = ReferenceEvaluator(model).run
    found: list[list[np.ndarray] | None] = []
    for each in feeds:
        try:
            with np.errstate(all="ignore"):
                found.append(
                    [np.asarray(array) for array in compute(None, {name: np.asarray(x) for name, x in each.items()})]
                )
        except Exception:
            if not found:
                raise
            found.append(None)
    return found
