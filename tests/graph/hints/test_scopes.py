"""What a node's name, its metadata and its weights say about where it stood."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from converter.base.scope import Scope
from converter.graph.hints.scopes import (
    TORCH_CLASSES,
    TORCH_SCOPES,
    constant_hint,
    dotted,
    keras_blocks,
    layer_hint,
    network_class,
    path_of,
    scopes_of,
    variable_hint,
)


def node_of(name: str = "", metadata: dict[str, str] | None = None, output: str = "y") -> ir.Node:
    made = ir.Value(name=output)
    return ir.Node("", "Conv", [], outputs=[made], name=name, metadata_props=metadata)


TORCH = {
    TORCH_SCOPES: "['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d_1']",
    TORCH_CLASSES: "['models.ResNet', 'torch.nn.modules.Sequential', 'models.Bottleneck', 'nn.Conv2d', 'aten.conv2d']",
}


def test_torch_records_scopes_and_their_classes() -> None:
    node = node_of("node_conv2d_1", TORCH)
    scopes = scopes_of(node)
    assert scopes == (Scope("layer1", "Sequential"), Scope("0", "Bottleneck"), Scope("conv1", "Conv2d"))
    assert dotted(scopes) == "layer1.0.conv1"
    assert network_class(ir.Graph([], [], nodes=[node_of("a"), node])) == "models.ResNet"


def test_a_network_without_metadata_has_no_class() -> None:
    assert network_class(ir.Graph([], [], nodes=[node_of("a/b")])) == ""


@pytest.mark.parametrize("broken", ["", "[", "'text'", "{'a': 1}", "__import__('os')"])
def test_metadata_that_is_no_list_is_left_alone(broken: str) -> None:
    assert path_of(node_of("block/conv", {TORCH_SCOPES: broken})) == ("block",)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("/layer1/layer1.0/conv1/Conv", "layer1.0.conv1"),  # torch's exporter by tracing
        ("MobilenetV1/Conv2d_0/convolution", "MobilenetV1.Conv2d_0"),  # TensorFlow
        ("resnet50/conv2_block1_1_conv/Conv2D", "resnet50.conv2.block1.1_conv"),  # Keras
        ("net/block_0_attention/Softmax", "net.block_0.attention"),
        ("net/block_0_attention/query/MatMul", "net.block_0.attention.query"),
        ("net/fire.1x1/Conv", "net.fire_1x1"),
        ("net/dense/StatefulPartitionedCall/MatMul", "net.dense"),
        ("net/conv1d_1/convolution/Squeeze", "net.conv1d_1"),
        ("net/lstm/while/body/_12/net/lstm/while/cell/MatMul", "net.lstm.cell"),
        ("net/lstm/while/TensorArrayV2Read_1/TensorListGetItem", "net.lstm"),
        ("Conv_12", ""),
        ("", ""),
    ],
)
def test_names_hold_scopes(name: str, path: str) -> None:
    assert dotted(scopes_of(node_of(name))) == path


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("conv2_block1_1_conv", ("conv2", "block1", "1_conv")),
        ("block_3_expand_BN", ("block_3", "expand_BN")),
        ("block2a_dwconv", ("block2a", "dwconv")),
        ("conv1_bn", ("conv1", "bn")),
        ("conv2d_4", ("conv2d_4",)),
        ("conv2d_transpose_1", ("conv2d_transpose_1",)),
        ("up1_conv2d_transpose", ("up1", "conv2d_transpose")),
        ("dense", ("dense",)),
    ],
)
def test_keras_blocks(name: str, parts: tuple[str, ...]) -> None:
    assert keras_blocks(name) == parts


@pytest.mark.parametrize(
    ("name", "weights", "hint"),
    [
        ("Conv_3", ("layer1.0.conv1.weight", "layer1.0.conv1.bias"), "layer1.0.conv1"),
        ("/layer1/conv/Conv", ("onnx::Conv_123",), "layer1.conv"),
        ("Conv_3", ("net/conv1_bn/Cast_2/ReadVariableOp/resource:0",), "net.conv1_bn"),
        ("first", ("w1",), "first"),
        ("418", ("w1",), "Conv"),
        ("", (), "Conv"),
    ],
)
def test_layers_are_called_what_the_source_calls_them(name: str, weights: tuple[str, ...], hint: str) -> None:
    assert layer_hint(node_of(name), weights) == hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("net/block/bias:0", "net.block.bias"),
        ("net/scale/ReadVariableOp", "net.scale"),
        ("net/table/Read/ReadVariableOp:0", "net.table"),
        ("position_ids", "position_ids"),
        ("val_12", "constant"),
        ("418", "constant"),
        ("", "constant"),
        (None, "constant"),
    ],
)
def test_constants_are_called_what_the_source_calls_them(name: str | None, hint: str) -> None:
    assert constant_hint(ir.Value(name=name)) == hint


@pytest.mark.parametrize(
    ("output", "hint"),
    [
        ("/layer1/relu/Relu_output_0", "Relu"),
        ("logits:0", "logits"),
        ("add_3", "add"),
        ("t12", "Conv"),
        ("val_3", "Conv"),
        ("418", "Conv"),
    ],
)
def test_variables_are_called_what_the_source_calls_them(output: str, hint: str) -> None:
    assert variable_hint(node_of(output=output), 0) == hint


def test_of_a_name_of_many_levels_the_first_ones_are_read() -> None:
    """The name of each scope begins with that of the one around it: of 50,000 they took gigabytes."""
    name = "/".join(f"s{i}" for i in range(50_000))
    assert [scope.name for scope in scopes_of(node_of(f"/{name}/Tanh"))][:2] == ["s0", "s1"]
    assert len(scopes_of(node_of(f"/{name}/Tanh"))) == len(scopes_of(node_of(f"/{'a/' * 50_000}Tanh"))) == 1000


@pytest.mark.parametrize(
    ("name", "kernel", "path"),
    [
        ("Conv__1", "net/block_1/depthwise_conv/depthwise_weights", "net.block_1.depthwise_conv"),  # tf2onnx
        ("Conv__1", "net/block_1/conv/Conv2D/ReadVariableOp", "net.block_1.conv"),
        ("net/block_2/Conv2D", "net/block_1/conv/weights", "net.block_2"),  # its own name says more
        ("/Conv", "net/block_1/weights", ""),  # torch's older exporter: the network itself calls the layer
        ("Conv_3", "block.0.conv.weight", ""),
    ],
)
def test_a_layer_whose_name_has_no_scopes_stands_where_its_kernel_stands(name: str, kernel: str, path: str) -> None:
    weight = ir.Value(name=kernel, const_value=ir.tensor([1.0]))
    node = ir.Node("", "Conv", [ir.Value(name="x"), weight], outputs=[ir.Value(name="y")], name=name)
    assert dotted(scopes_of(node)) == path


def test_a_kernel_of_several_layers_tells_no_scope() -> None:
    weight = ir.Value(name="net/block_1/conv/weights", const_value=ir.tensor([1.0]))
    nodes = [ir.Node("", "Conv", [ir.Value(name="x"), weight], name=f"Conv__{i}") for i in range(2)]
    assert [path_of(node) for node in nodes] == [(), ()]
