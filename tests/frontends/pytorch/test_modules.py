"""The modules around the nodes of torch's older exporter."""

from __future__ import annotations

import ast

import onnx
import pytest

torch = pytest.importorskip("torch")

from converter.frontends.pytorch.modules import record_modules  # noqa: E402
from converter.graph.hints.scopes import TORCH_CLASSES, TORCH_SCOPES  # noqa: E402


class Layer(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = torch.nn.Linear(2, 2)
        self.act = torch.nn.ReLU()


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.ModuleList([Layer(), torch.nn.Sequential(torch.nn.Linear(2, 2))])


LINEAR, SEQUENTIAL = "torch.nn.modules.linear.Linear", "torch.nn.modules.container.Sequential"


@pytest.mark.parametrize(
    ("name", "paths", "kinds"),
    [
        ("/MatMul", [], []),
        ("/layers.0/fc/MatMul", ["layers.0", "layers.0.fc"], ["Layer", LINEAR]),
        ("/layers.0/fc_1/MatMul", ["layers.0", "layers.0.fc_1"], ["Layer", LINEAR]),
        ("/layers.0_1/fc/MatMul", ["layers.0_1", "layers.0_1.fc"], ["Layer", LINEAR]),
        ("/layers.1/layers.1.0/MatMul", ["layers.1", "layers.1.0"], [SEQUENTIAL, LINEAR]),
        ("/0/fc/MatMul", ["layers.0", "layers.0.fc"], ["Layer", LINEAR]),
        ("/layers.0/then/fc/MatMul", ["layers.0", "layers.0.then", "layers.0.then.fc"], ["Layer", "", LINEAR]),
    ],
)
def test_paths_and_classes(name: str, paths: list[str], kinds: list[str]) -> None:
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name=name)
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], []))
    record_modules(model, dict(Net().named_modules(remove_duplicate=False)))
    recorded = {entry.key: ast.literal_eval(entry.value) for entry in model.graph.node[0].metadata_props}
    assert recorded[TORCH_SCOPES] == ["", *paths, name]
    own = [f"{__name__}.{kind}" if kind == "Layer" else kind for kind in kinds]
    assert recorded[TORCH_CLASSES] == [f"{__name__}.Net", *own, "MatMul"]


@pytest.mark.parametrize(("weights", "paths"), [(["w", "b"], ["layers.0", "layers.0.fc"]), (["w", "other"], [])])
def test_a_module_that_is_called_again_is_that_of_the_weights(weights: list[str], paths: list[str]) -> None:
    """A trace names it in its first call only; batch norms of one module must be one in the script, too."""
    known = {"w": "layers.0.fc.weight", "b": "layers.0.fc.bias", "other": "layers.1.0.bias"}
    stored = [onnx.helper.make_tensor(known[key], onnx.TensorProto.FLOAT, [1], [0.0]) for key in weights]
    node = onnx.helper.make_node("Gemm", ["x", *(known[key] for key in weights)], ["y"], name="/Gemm")
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], [], stored))
    record_modules(model, dict(Net().named_modules(remove_duplicate=False)))
    recorded = {entry.key: ast.literal_eval(entry.value) for entry in model.graph.node[0].metadata_props}
    assert recorded[TORCH_SCOPES] == ["", *paths, "/Gemm"]


@pytest.mark.parametrize("name", ["MatMul_3", "/layers.0/fc/MatMul"])
def test_what_is_recorded_or_has_no_scopes_stays(name: str) -> None:
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name=name)
    if name.startswith("/"):
        node.metadata_props.add(key=TORCH_SCOPES, value="['', 'MatMul']")
    model = onnx.helper.make_model(onnx.helper.make_graph([node], "g", [], []))
    before = model.SerializeToString()
    record_modules(model, dict(Net().named_modules(remove_duplicate=False)))
    assert model.SerializeToString() == before
