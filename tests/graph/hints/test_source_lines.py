"""What the recorded lines of the source call its values and its constants."""

from __future__ import annotations

from collections.abc import Sequence

import onnx_ir as ir
import pytest

from converter.graph.hints.scopes import TORCH_SCOPES, constant_hint
from converter.graph.hints.source_lines import TORCH_LINES, assigned_names, read_name
from converter.lowering.tables import Tables
from converter.lowering.translator import Translator

TORCH_FILE = "/usr/lib/python3/site-packages/torch/nn/modules/container.py"


def trace(*lines: str) -> str:
    """Lines of one forward calling the next; each is at its own place."""
    frames = []
    for depth, line in enumerate(lines):
        file = TORCH_FILE if line.startswith("torch:") else f"/src/net{depth}.py"
        text = line.removeprefix("torch:")
        frames.append(f'File "{file}", line {len(text)}, in forward\n    {text}')
    return "\n  ".join(frames)


def node(lines: Sequence[str], *inputs: ir.Value | None, op_type: str = "Add", outputs: int = 1) -> ir.Node:
    metadata = {TORCH_LINES: trace(*lines)} if lines else {}
    metadata[TORCH_SCOPES] = "['', 'blocks.0', 'blocks.0.attn', 'op']"
    return ir.node(op_type, inputs, num_outputs=outputs, metadata_props=metadata)


def name_of(made: ir.Node, *readers: Sequence[str]) -> str | None:
    for lines in readers:
        node(lines, *made.outputs)
    return assigned_names(made)[0]


BLOCK = "x = self.attn(x)"


@pytest.mark.parametrize(
    ("line", "reader", "name"),
    [
        ("attn = q @ k", "x = attn @ v", "attn"),
        ("attn += bias", "x = attn @ v", "attn"),
        ("attn = q @ k", "attn = q @ k", None),  # in the middle of the line
        ("return attn @ v", "return x", "x"),  # what the caller calls it: the reader stands behind the call
        ("self.cache = q @ k", "x = attn @ v", "x"),
        ("dim=-1,", "x = attn @ v", "x"),  # an argument on a line of its own
    ],
)
def test_a_result_is_called_what_the_source_assigns_it_to(line: str, reader: str, name: str | None) -> None:
    inside = (BLOCK, reader) if name != "x" else (f"{BLOCK} + x", "return y")
    assert name_of(node((BLOCK, line)), inside) == name


def test_lines_of_torch_say_nothing() -> None:
    made = node((BLOCK, "y = self.layers(x)", "torch:input = module(input)"))
    assert name_of(made, (BLOCK, "return y * 2")) == "y"


def test_several_targets_are_those_of_several_outputs() -> None:
    split = node(("q, k, v = qkv.unbind(0)",), outputs=3)
    assert assigned_names(split) == ["q", "k", "v"]
    assert name_of(node(("q, k = f(x)",)), ("x = q @ k",)) is None


def test_outputs_of_a_node_without_lines_are_called_what_their_readers_call_them() -> None:
    split = node((), op_type="Split", outputs=3)
    q, k, v = split.outputs
    scaled = node(("q = q * self.scale",), q)
    transposed = node(("attn = (q @ k.transpose(-2, -1)) * self.scale",), k, op_type="Transpose")
    product = node(("attn = (q @ k.transpose(-2, -1)) * self.scale",), scaled.outputs[0], transposed.outputs[0])
    node(("x = attn @ v",), product.outputs[0], v)
    assert assigned_names(split) == ["q", "k", "v"]


def test_one_word_names_one_output() -> None:
    split = node((), op_type="Split", outputs=2)
    for output in split.outputs:
        node(("y = part * 2",), output)
    assert assigned_names(split) == ["part", None]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("x = x.mul(self.gamma.reshape(1, -1, 1, 1))", "gamma"),
        ("attn = attn + self._get_rel_pos_bias()", "rel_pos_bias"),
        ("attn = attn.view(-1, self.heads, n, n) + mask.unsqueeze(1)", "mask"),
        ("x = torch.addcmul(self.bias.view(s), self.weight.view(s), x)", None),  # either
        ("x = x + (", None),
    ],
)
def test_a_computed_constant_is_called_what_its_readers_call_it(line: str, name: str | None) -> None:
    attn, x, constant = node(("attn = q @ k",)), node(("x = f(x)",)), ir.Value(name="view_3")
    other = attn if "attn" in line else x
    node((BLOCK, line), other.outputs[0], constant)
    assert read_name(constant) == name
    assert constant_hint(constant) == (f"blocks.0.attn.{name}" if name else "view_3")


def test_a_parameter_of_the_module_keeps_its_name() -> None:
    kind = {"pkg.torch.export.graph_signature.InputSpec.kind": "PARAMETER"}
    table = ir.Value(name="table", metadata_props=kind)
    node(("attn = attn + self.bias",), table)
    assert constant_hint(table) == "table"


def test_a_function_of_python_is_no_name_of_an_input() -> None:
    graph = ir.Graph([ir.Value(name="input")], [], nodes=[])
    program = Translator(Tables({})).program(graph)
    assert [value.hint for value in program.top.inputs] == ["x"]
