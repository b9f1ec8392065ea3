"""Branches, loops and scans, whose sub-graphs capture values of the graph around them, nested at times."""

from __future__ import annotations

from typing import Any

import numpy as np
from fuzz.building import Builder, NotAcceptedError
from fuzz.chains import ADDERS
from onnx import GraphProto, NodeProto, TensorProto, helper, numpy_helper

FLOAT, INT, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


class Body:
    """A sub-graph that grows; all its floats have one shape."""

    def __init__(self, b: Builder, values: list[str], tag: str) -> None:
        self.random, self.numbers, self.tag = b.random, b.numbers, tag
        self.values, self.nodes = list(values), list[NodeProto]()
        self.constants: list[TensorProto] = []

    def constant(self, array: Any, dtype: Any = np.float32) -> str:
        """An initializer of the sub-graph."""
        self.constants.append(numpy_helper.from_array(np.asarray(array, dtype), f"{self.tag}k{len(self.constants)}"))
        return self.constants[-1].name

    def op(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add a node."""
        name = f"{self.tag}v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def grow(self, least: int = 1) -> str:
        """Some elementwise operators; returns the last value."""
        for _ in range(self.random.randint(least, 3)):
            x, y = (self.random.choice(self.values[-4:]) for _ in range(2))
            match self.random.randrange(4):
                case 0:
                    made = self.op(self.random.choice(["Tanh", "Sigmoid", "Neg", "Sin"]), x)
                case 1:
                    made = self.op(self.random.choice(["Add", "Sub", "Mul", "Max"]), x, y)
                case 2:
                    made = self.op(
                        self.random.choice(["Add", "Mul"]), x, self.constant(self.random.choice([0.5, 2.0, -1.0]))
                    )
                case _:
                    made = self.op("Where", self.op("Greater", x, y), x, y)
            self.values.append(made)
        return self.values[-1]

    def graph(self, inputs: list[Any], outputs: list[Any]) -> GraphProto:
        """The sub-graph."""
        return helper.make_graph(self.nodes, f"{self.tag}body", inputs, outputs, self.constants)


def control_flow(b: Builder) -> None:
    """An If, a Loop or a Scan, with what stands before and behind it."""
    b.opset = b.random.choice([13, 16, 17, 20, 21])
    shape = [b.random.randint(1, 3) for _ in range(b.random.randint(1, 3))]
    x, y = b.input(b.normal(*shape)), b.input(b.normal(*shape))
    b.free = b.random.random() < 0.3
    outer = [x, y, b.op("Tanh", x)]
    b.random.choice([branch, loop, loop, scan])(b, outer, shape)
    for _ in range(b.random.randint(0, 2)):
        b.random.choice(ADDERS)(b)


def _declared(name: str, shape: list[int] | None, kind: int = FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def _accepted(b: Builder, node: NodeProto) -> None:
    if not b.add_node(node):
        raise NotAcceptedError(f"{node.op_type}: {b.why}")


def _if(b: Builder, outer: list[str], condition: str, tag: str, shape: Any, depth: int = 0) -> NodeProto:
    """An If of one or two outputs, the same value twice at times, a branch that only passes a value on at times."""
    count = b.random.randint(1, 2)
    branches = {}
    for side in ("then", "else"):
        body = Body(b, outer, f"{tag}{side[0]}")
        if depth and b.random.random() < 0.4:
            body.nodes.append(_if(b, outer, condition, f"{tag}{side[0]}n", shape))
            body.values.append(body.nodes[-1].output[0])
        results = [body.grow() for _ in range(count)]
        if b.random.random() < 0.2:
            results[-1] = body.op("Identity", b.random.choice(outer))
        results = [body.op("Identity", name) if name in outer or results.count(name) > 1 else name for name in results]
        branches[f"{side}_branch"] = body.graph([], [_declared(name, shape) for name in results])
    return helper.make_node("If", [condition], [f"{tag}r{i}" for i in range(count)], **branches)


def branch(b: Builder, outer: list[str], shape: list[int]) -> None:
    """An If whose condition is an input, a constant, or computed."""
    how = b.random.randrange(3)
    if how == 0:
        condition = b.input(np.array(b.random.random() < 0.5), True)
    elif how == 1:
        condition = b.op("Greater", b.op("ReduceSum", outer[0], keepdims=0), b.constant(0, np.float32))
    else:
        size = b.op("Gather", b.op("Shape", outer[0]), b.constant(0), axis=0)
        condition = b.op("Equal", size, b.constant(b.random.randint(1, 3)))
    _accepted(b, _if(b, outer, condition, "i", shape if not b.free else None, 1))


def loop(b: Builder, outer: list[str], shape: list[int]) -> None:
    """A Loop with carried values, a condition, outputs of each iteration, captured values."""
    carried = b.random.randint(1, 2)
    counted = b.random.random() < 0.8
    conditional = b.random.random() < 0.4 or not counted
    trips = b.random.randint(0, 4)
    count = ""
    if counted:
        count = b.constant(trips) if b.random.random() < 0.6 else b.input(np.array(trips), True)
        if b.random.random() < 0.2:
            count = b.op("Gather", b.op("Shape", outer[0]), b.constant(0), axis=0)
    start = b.constant(True, np.bool_) if b.random.random() < 0.5 or conditional else ""
    names = [f"lc{i}" for i in range(carried)]
    body = Body(b, [*outer, *names], "l")
    index = body.op("Cast", "li", to=FLOAT)
    if b.random.random() < 0.6:
        body.values.append(body.op("Add", names[0], index))
    results = [body.grow() for _ in names]
    if b.random.random() < 0.25:
        results[-1] = b.random.choice(names)  # passed on, or two values swapped
    if conditional:
        limit = body.constant(b.random.randint(0, 3), np.int64)
        going = body.op("Less", "li", limit)
        if b.random.random() < 0.3:
            going = body.op(
                "And", going, body.op("Less", body.op("ReduceMax", results[0], keepdims=0), body.constant(3.0))
            )
    else:
        going = body.op("Identity", "lcond")
    scanned = [body.op("Identity", b.random.choice(body.values))] if b.random.random() < 0.5 else []
    if scanned and b.random.random() < 0.3:
        scanned.append(body.op("Identity", "li"))
    results = [body.op("Identity", name) for name in results]
    known = None if b.free else shape
    inputs = [_declared("li", [], INT), _declared("lcond", [], BOOL), *(_declared(name, known) for name in names)]
    outputs = [_declared(going, [], BOOL), *(_declared(name, known) for name in results)]
    outputs += [_declared(name, known if i == 0 else [], FLOAT if i == 0 else INT) for i, name in enumerate(scanned)]
    first = [b.random.choice(outer) for _ in names]
    made = [f"lr{i}" for i in range(carried + len(scanned))]
    _accepted(b, helper.make_node("Loop", [count, start, *first], made, body=body.graph(inputs, outputs)))


def scan(b: Builder, outer: list[str], shape: list[int]) -> None:
    """A Scan over one or two inputs, along any axis, in both directions."""
    axis = b.random.randrange(len(shape))
    part = [n for i, n in enumerate(shape) if i != axis]
    count = b.random.randint(1, 2)
    state = b.constant(b.normal(*part), np.float32)
    captured = b.op(
        "ReduceMax",
        outer[0],
        *([b.constant([axis])] if b.opset >= 18 else []),
        keepdims=0,
        **({} if b.opset >= 18 else {"axes": [axis]}),
    )
    items = [f"sx{i}" for i in range(count)]
    body = Body(b, [captured, "ss", *items], "s")
    result = body.op("Identity", body.grow())
    ys = [body.op("Identity", body.grow(0)) for _ in range(b.random.randint(1, 2))]
    b.free = False
    graph = body.graph(
        [_declared(name, part) for name in ("ss", *items)], [_declared(name, part) for name in (result, *ys)]
    )
    how: dict[str, Any] = {"num_scan_inputs": count, "scan_input_axes": [axis] * count}
    if b.random.random() < 0.4:
        how["scan_input_directions"] = [b.random.randint(0, 1) for _ in items]
    if b.random.random() < 0.4:
        how["scan_output_directions"] = [b.random.randint(0, 1) for _ in ys]
    if b.random.random() < 0.4:
        how["scan_output_axes"] = [b.random.randint(-len(shape), len(shape) - 1) for _ in ys]
    _accepted(
        b,
        helper.make_node(
            "Scan", [state, *outer[:count]], ["sr", *(f"sy{i}" for i in range(len(ys)))], body=graph, **how
        ),
    )
