"""Recurrences: unrolled steps become a loop, and the numbers stay."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from harness import check_model
from onnx import numpy_helper

STEPS, WIDTH = 5, 3
X = np.random.default_rng(0).normal(size=(2, STEPS, WIDTH)).astype(np.float32)


def unrolled(step: str, tail: str, outputs: str = "float[n,3] y", parts: bool = True) -> onnx.ModelProto:
    """A network that runs `step` once for every element: {x} is the element, {h} what comes in, {o} what goes out."""
    names = [f"x{i}" for i in range(STEPS)]
    text = f"{', '.join(f'{name}_s' for name in names)} = Split <axis=1, num_outputs={STEPS}> (x) "
    text += " ".join(f"{name} = Squeeze({name}_s, axis)" for name in names) + " "
    if not parts:
        text = " ".join(f"{name} = Identity(x)" for name in names) + " "
    h = "h0"
    for i, name in enumerate(names):
        text += step.format(x=name, h=h, o=f"h{i + 1}", i=i) + " "
        h = f"h{i + 1}"
    body = f"h0 = ReduceMean <keepdims=0> (x, axis) {text}{tail.format(h=h)}"
    source = f'<ir_version: 10, opset_import: ["" : 20]> net (float[n,{STEPS},{WIDTH}] x) => ({outputs}) {{ {body} }}'
    model = onnx.parser.parse_model(source)
    random = np.random.default_rng(1)
    weights = {
        "w": random.normal(size=(2 * WIDTH, WIDTH)).astype(np.float32),
        "b": random.normal(size=WIDTH).astype(np.float32),
        "axis": np.array([1]),
    }
    used = {name for node in model.graph.node for name in node.input}
    model.graph.initializer.extend(numpy_helper.from_array(a, name) for name, a in weights.items() if name in used)
    return model


CELL = "c{i} = Concat <axis=1> ({x}, {h}) g{i} = Gemm(c{i}, w, b) t{i} = Tanh(g{i}) "
CELL += "s{i} = Sigmoid({h}) {o} = Mul(t{i}, s{i})"


def loops(script: str) -> int:
    return sum(line.strip().startswith("for ") for line in script.splitlines())


def test_steps_become_a_loop() -> None:
    rep = check_model(unrolled(CELL, "y = Relu({h})"), [X])
    assert loops(rep.script) == 1
    assert rep.script.count("ops.tanh") == 1


def test_the_result_may_go_on_into_other_loops() -> None:
    second = CELL.replace("{i}", "b{i}").replace("{o}", "k{o}").replace("{h}", "k{h}")
    steps = " ".join(second.format(x=f"x{i}", h=f"h{i}", o=f"h{i + 1}", i=i) for i in range(STEPS))
    rep = check_model(unrolled(CELL, f"a = Relu({{h}}) kh0 = Neg(a) {steps} y = Relu(kh{STEPS})"), [X])
    assert loops(rep.script) == 2


@pytest.mark.parametrize(
    ("step", "tail"),
    [
        (CELL, "z = Add(h2, {h}) y = Relu(z)"),
        (CELL.replace("t{i} = Tanh(g{i})", "t{i} = Elu <alpha=1.{i}> (g{i})"), "y = Relu({h})"),
    ],
    ids=["a step in between is read", "a number differs"],
)
def test_other_steps_stay(step: str, tail: str) -> None:
    assert not loops(check_model(unrolled(step, tail), [X]).script)
