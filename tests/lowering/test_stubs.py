"""Stubs: an operator that cannot be translated is named as the source has it, with the reason, and a row fills it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

import converter


def model(path: Path, op_type: str, domain: str) -> Path:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy"]
    graph = helper.make_graph([helper.make_node(op_type, ["x"], ["y"], "odd", domain=domain)], "g", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 9)] + [helper.make_opsetid(domain, 1)] * bool(domain)
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=4), path)
    return path


@pytest.mark.parametrize(
    ("op_type", "domain", "operator", "reason", "row"),
    [
        ("Strange", "my.domain", "my.domain::Strange", "There is no row", "my.domain.Strange"),
        ("ATen", "", "onnx::ATen", "ONNX 28 has no such operator", "converter.refused.ATen"),
    ],
)
def test_the_report_names_the_operator_and_its_row_fills_it(
    op_type: str, domain: str, operator: str, reason: str, row: str, tmp_path: Path
) -> None:
    source = model(tmp_path / "odd.onnx", op_type, domain)
    (record,) = converter.convert(source, output=tmp_path, verify=False).unconverted
    assert record.operator == operator
    assert record.became.startswith(reason)
    assert f"give a row for {row} " in record.became
    rows = tmp_path / "rows.py"
    rows.write_text(f"from converter.rows import call\n\nROWS = {{'{row}': call('ops.relu({{0}})')}}\n")
    filled = converter.convert(source, output=tmp_path, verify=False, operator_map=rows)
    assert not filled.unconverted
    assert "ops.relu(x)" in (tmp_path / "odd.py").read_text()


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        (helper.make_node("Relu", [""], ["y"]), "Its input X is missing."),
        (helper.make_node("Add", ["x"], ["y"]), "Its input B is missing."),
        (helper.make_node("Einsum", ["x", "x"], ["y"]), "Its attribute equation is missing."),
        (helper.make_node("If", ["flag"], ["y"]), "Its attribute then_branch, else_branch is missing."),
    ],
)
def test_a_node_that_lacks_what_its_operator_requires(node: onnx.NodeProto, reason: str, tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 3]) for name in "xy"]
    flag = helper.make_tensor_value_info("flag", TensorProto.BOOL, [])
    graph = helper.make_graph([node], "g", [ends[0], flag], ends[1:])
    file = tmp_path / "odd.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), file)
    (record,) = converter.convert(file, output=tmp_path, verify=False).unconverted
    assert record.became.startswith(reason)


def test_a_row_of_the_user_wins_over_what_normalisation_makes_of_an_operator(tmp_path: Path) -> None:
    source = model(tmp_path / "odd.onnx", "QuickGelu", "com.microsoft")
    rows = tmp_path / "rows.py"
    rows.write_text("from converter.rows import call\n\nROWS = {'com.microsoft.QuickGelu': call('ops.gelu({0})')}\n")
    for operator_map, text in ((None, "ops.sigmoid("), (rows, "ops.gelu(x)")):
        converter.convert(source, output=tmp_path, verify=False, operator_map=operator_map)
        assert text in (tmp_path / "odd.py").read_text()
