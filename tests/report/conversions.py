"""Small models, and their conversions, for the tests of the reports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
from onnx import parser

import converter

HOSTILE = "</script><img src=x onerror='document.title=1'>"
"""A node's name that would be an element if a page took it for one."""

PLAIN = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[N,4] x) => (float[N,3] y)
    <float[4,3] w = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, float[3] b = {1, 2, 3}>
    { h = Gemm (x, w, b)   r = Relu (h)   y = Softmax <axis = -1> (r) }
"""

BARE = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[2,4] x) => (float[2,4] y)
    { h = Relu (x)   y = Neg (h) }
"""

STUBS = """
    <ir_version: 8, opset_import: ["" : 17, "com.example" : 1]>
    net (float[2,4] x) => (float[2,4] y)
    { h = Relu (x)   s = com.example.Swish <beta = 1.5> (h)   y = Neg (s) }
"""

BRANCHES = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (bool c, float[2,4] x) => (float[2,4] y)
    {
        y = If (c) <
            then_branch = yes () => (float[2,4] a) { a = Relu (x) },
            else_branch = no () => (float[2,4] b) { t = Neg (x)   b = Exp (t) }
        >
    }
"""

WRONG_RELU = """
from converter.rows import call

ROWS = {"Relu": call("ops.relu({0} + 1.0)")}
"""


def convert(
    folder: Path, model: str | onnx.ModelProto, name: str = "net", rows: str = "", **options: Any
) -> converter.Result:
    """Convert a model, which may be given as text, with rows given as text, into `folder`."""
    model = parser.parse_model(model) if isinstance(model, str) else model
    for node in model.graph.node:
        if node.op_type == "Swish":
            node.name = HOSTILE
    onnx.save(model, folder / f"{name}.onnx")
    if rows:
        (folder / "rows.py").write_text(rows)
        options["operator_map"] = folder / "rows.py"
    return converter.convert(folder / f"{name}.onnx", output=folder / "out", **options)
