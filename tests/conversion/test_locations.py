"""What a record says of the Cells around its node, and of the parameters that the node uses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from converter import frontends
from converter.api import translate_source
from converter.frontends.source import Request
from converter.script.program import Program
from operator_maps import registry

BLOCKS = 3


def program_of(folder: Path) -> Program:
    """A chain of equal blocks in scopes of their own, each with a matrix and a scale; and one layer behind them."""
    nodes, weights, x = [], [], "x"
    random = np.random.default_rng(0)
    for i in range(BLOCKS):
        weights += [
            numpy_helper.from_array(random.normal(size=(8, 8)).astype(np.float32), f"matrix{i}"),
            numpy_helper.from_array(random.normal(size=(1, 8)).astype(np.float32), f"scale{i}"),
        ]
        for operator, inputs in (("MatMul", [x, f"matrix{i}"]), ("Tanh", [f"m{i}"]), ("Mul", [f"t{i}", f"scale{i}"])):
            output = f"{operator[0].lower()}{i}" if operator != "Mul" else f"x{i}"
            nodes.append(helper.make_node(operator, inputs, [output], f"/block.{i}/{operator}"))
        x = f"x{i}"
    weights.append(numpy_helper.from_array(np.ones((8, 2), np.float32), "head"))
    nodes.append(helper.make_node("MatMul", [x, "head"], ["y"], "/head/MatMul"))
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2, size]) for name, size in (("x", 8), ("y", 2)))
    model = helper.make_model(
        helper.make_graph(nodes, "net", [x], [y], weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    onnx.save(model, folder / "net.onnx")
    return translate_source(frontends.load(Request(folder / "net.onnx")), registry.load(None), "net").program


def test_every_node_knows_its_instance(tmp_path):
    program = program_of(tmp_path)
    assert [cell.name for cell in program.cells] == ["Block", "MindSporeModel"]
    *inner, head = program.records
    kinds = {tuple(scope.kind for scope in record.calls) for record in inner}
    assert kinds == {("nn.SequentialCell", "Block")}
    numbers = [record.calls[-1].name for record in inner]
    assert numbers == [str(i) for i in range(BLOCKS) for _ in range(3)]
    assert head.calls == ()


def test_every_parameter_has_the_node_that_uses_it(tmp_path):
    program = program_of(tmp_path)
    used = {name: record for record in program.records for name in record.parameters}
    assert set(used) == dict(program.parameters()).keys()
    for name, record in used.items():
        path = ".".join(scope.name for scope in record.calls)
        assert name.startswith(path)
