"""What torch's exporter notes about its constants: what they are called, and which of them are trained."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from harness import check_model
from onnx import TensorProto, helper
from onnx.numpy_helper import from_array

RANDOM = np.random.default_rng(0)
SIGNATURE = """
# inputs
p_norm_gamma: PARAMETER target='norm.gamma'
p_table: PARAMETER target='attn.table'
p_other: PARAMETER target='attn.other'
b_index: BUFFER target='attn.index' persistent=True
b_mask: BUFFER target='attn.mask' persistent=False
b_kernel: BUFFER target='blur.kernel' persistent=True
x: USER_INPUT
"""
FOLDED = "pkg.onnxscript.optimizer.folded_from"
KIND = "pkg.torch.export.graph_signature.InputSpec.kind"


def model_with(name: str, array: np.ndarray, op_type: str, **noted: str) -> onnx.ModelProto:
    """A node on `x` and on a constant about which the exporter noted something."""
    node = helper.make_node(op_type, ["x", name], ["y"])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 6, 5, 5])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "g", [x], [y], [from_array(array, name)])
    graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, array.shape))
    for entry, texts in ((graph.value_info[0], noted), (graph, {"signature": SIGNATURE})):
        for key, text in texts.items():
            prop = entry.metadata_props.add()
            prop.key = {"folded": FOLDED, "kind": KIND}.get(key, "pkg.torch.export.ExportedProgram.graph_signature")
            prop.value = text
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


X = RANDOM.normal(size=(2, 6, 5, 5)).astype(np.float32)
PLANES = RANDOM.normal(size=(6, 5, 5)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "noted", "member", "trained"),
    [
        ("view_1", {"folded": "['norm.gamma', 'val_2']"}, "norm_gamma", True),
        ("val_7", {"folded": "['norm.gamma', 'val_2']"}, "norm_gamma", True),
        ("view_1", {"folded": "['attn.index', 'attn.table', 'val_2']"}, "attn_table", True),
        ("view_1", {"folded": "['attn.other', 'attn.table']"}, "view_1", True),
        ("eye", {"folded": "['val_2', 'arange']"}, "eye", False),
        ("view_1", {"folded": "['attn.mask']"}, "attn_mask", False),
        ("attn.mask", {"kind": "BUFFER"}, "attn_mask", False),
        ("norm.gamma", {"kind": "PARAMETER"}, "norm_gamma", True),
        ("lifted", {"kind": "CONSTANT_TENSOR"}, "lifted", False),
        ("view_1", {"folded": "nonsense("}, "view_1", True),
        ("view_1", {}, "view_1", True),
    ],
)
def test_constants_are_called_and_trained_as_in_the_module(
    name: str, noted: dict[str, str], member: str, trained: bool
) -> None:
    rep = check_model(model_with(name, PLANES, "Mul", **noted), [X])
    assert f"self.{member} = ms.Parameter(" in rep.script
    assert [parameter.requires_grad for parameter in rep.net.get_parameters()] == [trained]


@pytest.mark.parametrize("trained", [True, False])
def test_a_kernel_that_is_not_trained_is_no_layer(trained: bool) -> None:
    kernel = RANDOM.normal(size=(3, 6, 3, 3)).astype(np.float32)
    kind = {"kind": "PARAMETER" if trained else "BUFFER"}
    rep = check_model(model_with("blur.kernel", kernel, "Conv", **kind), [X])
    assert ("nn.Conv2d(6, 3, 3" in rep.script) == trained
    assert ("ops.conv2d(x, self.blur_kernel)" in rep.script) != trained
    assert [parameter.requires_grad for parameter in rep.net.get_parameters()] == [trained]


@pytest.mark.parametrize("origin", ["norm.gamma", "attn.mask", "val_2"])
def test_only_what_is_trained_is_computed_again(origin: str) -> None:
    model = model_with("view_1", PLANES, "Mul", folded=f"['{origin}']")
    model.graph.node[0].input[1] = "wave"
    model.graph.node.insert(0, helper.make_node("Sin", ["view_1"], ["wave"]))
    rep = check_model(model, [X])
    assert ("ops.sin(" in rep.script) == (origin == "norm.gamma")
    assert [parameter.requires_grad for parameter in rep.net.get_parameters()] == [origin == "norm.gamma"]


@pytest.mark.parametrize("table", ["cos", "sin"])
def test_a_table_is_called_what_it_is(table: str) -> None:
    """What torch's exporter folds of a rotary embedding comes from one buffer: its steps tell the tables apart."""
    model = model_with("view_1", PLANES, "Mul", folded=f"['attn.index', 'arange', 'mul', '{table}']")
    entry = model.graph.node[0].metadata_props.add()
    entry.key = "pkg.torch.onnx.stack_trace"
    entry.value = 'File "/m.py", line 3, in forward\n    q, k = rotated.mul(x, k, cos, sin)'
    rep = check_model(model, [X])
    assert f"self.attn_{table} = ms.Parameter" in rep.script
