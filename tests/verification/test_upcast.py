"""Models in bfloat16 are compared in float32."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest

import converter
from converter.verification.upcast import can_upcast, upcast

NET = """<ir_version: 10, opset_import: ["" : 20]>
net (bfloat16[n, 4] x, float[n, 3] m) => (bfloat16[n, 3] y, float[n, 3] z)
{ a = MatMul(x, w) b = Relu(a) c = Cast <to = 16> (m) y = Add(b, c) z = Cast <to = 1> (y) }"""
W = np.random.default_rng(0).standard_normal((4, 3)).astype(ml_dtypes.bfloat16)


def model(body: str = NET) -> onnx.ModelProto:
    made = onnx.parser.parse_model(body)
    made.graph.initializer.append(onnx.numpy_helper.from_array(W, "w"))
    return made


@pytest.mark.parametrize("external", [False, True])
def test_a_product_is_verified(tmp_path: Path, external: bool) -> None:
    onnx.save(model(), tmp_path / "net.onnx", save_as_external_data=external, location="net.data", size_threshold=0)
    result = converter.convert(tmp_path / "net.onnx", output=tmp_path)
    assert result.verdict == "same"
    assert "compared in float32" in (tmp_path / "report_of_net.txt").read_text(encoding="utf-8")
    assert "ms.bfloat16" in (tmp_path / "net.py").read_text(encoding="utf-8")  # the script is what it was


def test_a_wrong_product_differs(tmp_path: Path) -> None:
    onnx.save(model(), tmp_path / "net.onnx")
    rows = tmp_path / "rows.py"
    rows.write_text('from converter.rows import *\nROWS = {"Relu": call("ops.abs({0})")}\n')
    assert converter.convert(tmp_path / "net.onnx", output=tmp_path, operator_map=rows).verdict == "differs"


def test_everything_is_widened() -> None:
    body = """{ a = MatMul(x, w) c = Cast <to = 16> (m) k = Constant <value = bfloat16[1] {1}> ()
    b = If (t) <then_branch = g () => (bfloat16[n, 3] d) { d = Add(a, c) },
                else_branch = h () => (bfloat16[n, 3] e) { e = Mul(a, k) }> y = Identity(b) z = Cast <to = 1> (y) }"""
    head = NET.partition("{")[0].replace("float[n, 3] m)", "float[n, 3] m, bool t)")
    narrow = model(head + body)
    assert can_upcast(narrow)
    wide = upcast(narrow, Path())
    assert not can_upcast(wide)
    assert can_upcast(narrow)
    assert "BFLOAT16" not in str(wide)
    onnx.checker.check_model(wide, full_check=True)
