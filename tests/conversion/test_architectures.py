"""Architectures drawn at random: structure keeps what a network computes, and all of its parameters."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from scoped import Graph

from converter import frontends
from converter.frontends.source import Request
from converter.graph.fusions import fuse_operators
from converter.graph.normalize import normalize
from converter.lowering.translator import translate
from converter.script.emit import emit
from converter.script.program import Program
from converter.script.structure import structure
from operator_maps import registry

SEEDS = 6
ACTIVATIONS = ("Relu", "Sigmoid", "Softplus", "Elu")


class Architecture:
    """Draws a network of stages of blocks, with shared modules, several inputs and several outputs."""

    def __init__(self, seed: int, style: str) -> None:
        self.random = np.random.default_rng(seed)
        self.graph = Graph(style=style)

    def build(self) -> onnx.ModelProto:
        x, width = "x", 8
        memory = self._layer("x" if self._chance() else "m", "memory", [], 8, 8)
        outputs = []
        for stage in range(int(self.random.integers(2, 4))):
            kind, seed = str(self.random.choice(["residual", "gated", "towers", "crossing"])), self._number()
            wide = width * 2 if self._chance() else width
            for block in range(int(self.random.integers(1, 5))):
                scope = f"stage{stage}.{block}"
                kinds = ["torch.Sequential", f"m.{kind.capitalize()}{stage}"]
                x, width = self._block(kind, seed, x, memory, scope, kinds, width, wide), wide
            if self._chance():
                outputs.append(x)
            if self._chance():
                x = self._shared(x, f"refine{stage}", width)
        model = self.graph.model(x, width, ("x", "m"))
        for output in outputs:
            if output != x:
                model.graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, None))
        return model

    def _chance(self) -> bool:
        return bool(self.random.integers(0, 2))

    def _number(self) -> int:
        return int(self.random.integers(0, 1 << 30))

    def _layer(self, x: str, scope: str, kinds: list[str], inputs: int, outputs: int) -> str:
        return self.graph.dense(x, scope, [*kinds, "torch.Linear"], inputs, outputs)

    def _shared(self, x: str, scope: str, width: int) -> str:
        """One module that is called several times, on its own result or on the same input."""
        kinds, made = ["m.Refine"], []
        again = self._chance()
        for _ in range(int(self.random.integers(2, 5))):
            y = self._layer(x, f"{scope}.fc1", kinds, width, 4)
            y = self._layer(self.graph.node("Relu", [y], scope, kinds), f"{scope}.fc2", kinds, 4, width)
            made.append(self.graph.node("Add", [y, x], scope, kinds))
            x = made[-1] if again else x
        return x if again else self.graph.node("Mul", [made[0], made[-1]], "")

    def _block(
        self, kind: str, seed: int, x: str, memory: str, scope: str, kinds: list[str], width: int, wide: int
    ) -> str:
        """The same calls for the same kind and seed, whatever the widths are."""
        random, node = np.random.default_rng(seed), self.graph.node
        if width != wide:
            x = self._layer(x, f"{scope}.proj", kinds, width, wide)
        if kind == "crossing":
            memory = self._layer(memory, f"{scope}.memory", kinds, 8, wide)
            return node(
                "Add", [node("Mul", [x, node("Sigmoid", [memory], scope, kinds)], scope, kinds), x], scope, kinds
            )
        towers = []
        for tower in range(int(random.integers(2, 4)) if kind == "towers" else 1):
            y = x
            for i in range(int(random.integers(1, 4))):
                y = self._layer(y, f"{scope}.fc{tower}_{i}", kinds, wide, wide)
                y = node(str(random.choice(ACTIVATIONS)), [y], scope, kinds)
            towers.append(y)
        y = towers[0]
        for other in towers[1:]:
            y = node("Add", [y, other], scope, kinds)
        if kind == "gated":
            inner, inside = f"{scope}.gate", [*kinds, "m.Gate"]
            gate = node("Relu", [self._layer(y, f"{inner}.reduce", inside, wide, 2)], inner, inside)
            gate = node("Sigmoid", [self._layer(gate, f"{inner}.expand", inside, 2, wide)], inner, inside)
            y = node("Mul", [y, gate], inner, inside)
        return node("Add", [y, x], scope, kinds) if random.integers(0, 2) else y


def program_of(model: onnx.ModelProto, folder: Path) -> Program:
    onnx.save(model, folder / "net.onnx")
    source = frontends.load(Request(folder / "net.onnx"))
    graph = normalize(source.model, folder)
    tables = registry.load()
    fuse_operators(graph, tables.fused)
    return translate(graph, tables)


def outputs_of(program: Program, inputs: list[np.ndarray]) -> tuple[list[np.ndarray], str]:
    """What a program computes in PyNative, and its script."""
    import mindspore as ms

    ms.set_context(mode=ms.PYNATIVE_MODE)  # graph mode wants a file
    parameters = {name: weight.array() for name, weight in program.parameters()}
    text = emit(program, "").text
    names: dict[str, Any] = {}
    exec(compile(text, "net.py", "exec"), names)
    net = names["MindSporeModel"]()
    assert set(parameters) == set(net.parameters_dict())
    for name, parameter in net.parameters_dict().items():
        parameter.set_data(ms.Tensor(parameters[name]))
    made = net(*map(ms.Tensor, inputs))
    return [item.asnumpy() for item in (made if isinstance(made, tuple) else (made,))], text


@pytest.mark.parametrize("style", ["torch", "names", "none"])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_same_from_the_same_parameters(seed: int, style: str, tmp_path: Path) -> None:
    model = Architecture(seed, style).build()
    inputs = [np.random.default_rng(i).standard_normal((3, 8)).astype(np.float32) for i in range(2)]
    flat, structured = program_of(model, tmp_path), structure(program_of(model, tmp_path))
    weights = {weight.source_name for _, weight in flat.parameters()}
    assert {weight.source_name for _, weight in structured.parameters()} == weights
    names = [name for name, _ in structured.parameters()]
    assert len(names) == len(set(names)) == len(list(flat.parameters()))
    expected, _ = outputs_of(flat, inputs)
    made, script = outputs_of(structured, inputs)
    for a, b in zip(made, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=script)
    if style == "torch":
        assert not re.search(r"class \w+\d\d", script), script
