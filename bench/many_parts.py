"""Models that have very many of one thing, for `run.py many`."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model_of(nodes: list[onnx.NodeProto], outputs: list[str], width: int = 4, **parts: Any) -> onnx.ModelProto:
    """A model with an input x (N, width)."""
    functions = parts.pop("functions", [])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", width])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
    graph = helper.make_graph(nodes, "many", [x], ends, **parts)
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, functions=functions)


def split_outputs(count: int) -> onnx.ModelProto:
    """A Split into `count` parts, of which all are read."""
    parts = [f"p{i}" for i in range(count)]
    nodes = [helper.make_node("Split", ["x"], parts, axis=1, num_outputs=count), helper.make_node("Sum", parts, ["y"])]
    return model_of(nodes, ["y"], count)


def graph_outputs(count: int) -> onnx.ModelProto:
    """A chain of `count` nodes, each of which is an output of the graph."""
    names = ["x", *(f"y{i}" for i in range(count))]
    nodes = [helper.make_node("Tanh", [names[i]], [names[i + 1]], f"tanh{i}") for i in range(count)]
    return model_of(nodes, names[1:])


def nested_scopes(count: int) -> onnx.ModelProto:
    """A chain of nodes, the scope of each inside that of the one before, with `count` names of scopes altogether."""
    levels = math.isqrt(2 * count)
    names = ["x", *(f"v{i}" for i in range(levels))]
    scopes = ["/".join(f"s{k}" for k in range(i + 1)) for i in range(levels)]
    nodes = [helper.make_node("Tanh", [names[i]], [names[i + 1]], f"/{scopes[i]}/Tanh") for i in range(levels)]
    return model_of(nodes, names[-1:])


def deep_scope(count: int) -> onnx.ModelProto:
    """Nodes in one scope of `count` levels."""
    scope = "/".join(f"s{k}" for k in range(count))
    names = ["x", *(f"v{i}" for i in range(4))]
    nodes = [helper.make_node("Tanh", [names[i]], [names[i + 1]], f"/{scope}/Tanh{i}") for i in range(4)]
    return model_of(nodes, names[-1:])


def nested_ifs(count: int) -> onnx.ModelProto:
    """An If in an If, `count` levels deep, each with a condition of its own: in functions that call the next one.

    A file holds no more than some 30 Ifs in each other: protobuf reads 100 levels of messages.
    """
    functions = []
    for i in range(count):
        called = helper.make_node(f"f{i + 1}", ["a"], ["t"], domain="local")
        last, other = helper.make_node("Tanh", ["a"], ["t"]), helper.make_node("Relu", ["a"], ["t"])
        branches = {}
        for name, node in (("then_branch", called if i + 1 < count else last), ("else_branch", other)):
            end = helper.make_tensor_value_info("t", TensorProto.FLOAT, None)
            branches[name] = helper.make_graph([node], name, [], [end])
        body = [
            helper.make_node("ReduceMax", ["a"], ["m"], keepdims=0),
            helper.make_node("Constant", [], ["k"], value_float=i / count),
            helper.make_node("Greater", ["m", "k"], ["c"]),
            helper.make_node("If", ["c"], ["b"], **branches),
        ]
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
        functions.append(helper.make_function("local", f"f{i}", ["a"], ["b"], body, opsets))
    return model_of([helper.make_node("f0", ["x"], ["y"], domain="local")], ["y"], functions=functions)


def nested_functions(count: int) -> onnx.ModelProto:
    """Functions that call the next one, `count` levels deep."""
    functions = []
    for i in range(count):
        called = helper.make_node(
            f"f{i + 1}" if i + 1 < count else "Tanh", ["a"], ["b"], domain="local" if i + 1 < count else ""
        )
        body = [called, helper.make_node("Add", ["a", "b"], ["c"])]
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1)]
        functions.append(helper.make_function("local", f"f{i}", ["a"], ["c"], body, opsets))
    return model_of([helper.make_node("f0", ["x"], ["y"], domain="local")], ["y"], functions=functions)


def doubling_functions(count: int) -> onnx.ModelProto:
    """Functions that call the next one twice, so that 2 ** levels nodes would come out; `count` levels."""
    model = nested_functions(count)
    for i, function in enumerate(model.functions):
        if i + 1 < count:
            function.node.insert(1, helper.make_node(f"f{i + 1}", ["b"], ["b2"], domain="local"))
            function.node[2].input[1] = "b2"
    return model


def initializers(count: int) -> onnx.ModelProto:
    """`count` constants, a hundred of them to a node."""
    kept = [numpy_helper.from_array(np.full(4, i, np.float32), f"w{i}") for i in range(count)]
    rows = range(0, count, 100)
    nodes = []
    for i in rows:
        added = [f"w{k}" for k in range(i, min(i + 100, count))]
        nodes.append(helper.make_node("Sum", ["x" if i == 0 else f"y{i - 100}", *added], [f"y{i}"]))
    return model_of(nodes, [f"y{rows[-1]}"], initializer=kept)


KINDS: dict[str, tuple[Callable[[int], onnx.ModelProto], int]] = {
    "split outputs": (split_outputs, 5000),
    "graph outputs": (graph_outputs, 1000),
    "nested scopes": (nested_scopes, 10_000),
    "levels of one scope": (deep_scope, 10_000),
    "nested Ifs": (nested_ifs, 200),
    "nested functions": (nested_functions, 200),
    "doubling functions": (doubling_functions, 40),
    "initializers": (initializers, 100_000),
}
"""Kind → the model, and its size here."""
