"""A frontend of the tests' own: `relu(scale * x)`, the scale written in a `.stub` file. NumPy runs it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from converter.base.files import check_readable
from converter.frontends import Frontend, Option
from converter.frontends.endpoints import Declared, merge_shapes
from converter.frontends.source import Endpoint, Original, Request, Source

MAGIC = b"stub\n"
NOTE = "The scale was read as numbers."


def load(request: Request) -> Source:
    """Export to a folder away from the user's file, as an exporter does with a temporary one."""
    file = request.model_file
    check_readable(file)
    scale = read(file)
    base_dir = Path(request.options["export_to"])
    base_dir.mkdir(exist_ok=True)
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", scale.size]) for name in "xy")
    nodes = [helper.make_node("Mul", ["x", "scale"], ["h"]), helper.make_node("Relu", ["h"], ["y"])]
    graph = helper.make_graph(nodes, "stub", [x], [y], [numpy_helper.from_array(scale, "scale")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, base_dir / "net.onnx", save_as_external_data=True, location="net.data", size_threshold=0)
    model = onnx.load(base_dir / "net.onnx", load_external_data=False)
    (extents,) = merge_shapes(request.shapes, [Declared("x", ("N", scale.size))])
    single = np.dtype(np.float32)
    inputs = (Endpoint("x", "x", single, extents.shape, extents.example),)
    outputs = (Endpoint("y", "y", single, ("N", scale.size)),)
    original = Original(__name__, file, base_dir, inputs={"x": "x"}, outputs={"y": "y"}, options=request.options)
    description, files = f"{file.name} (a stub)", (file, base_dir / "net.data")
    return Source(model, inputs, outputs, original, description, base_dir, files, (NOTE,))


def read(file: Path) -> np.ndarray:
    """The scale: numbers behind the first line."""
    return np.array(file.read_bytes().removeprefix(MAGIC).split(), np.float32)


def run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Compute what the file says, which is not what was exported when `--lie` was given."""
    shift = 1.0 if original.options.get("lie") else 0.0
    return [np.maximum(feeds["x"] * read(original.file) + shift, 0).astype(np.float32)]


FRONTEND = Frontend(
    module=__name__,
    name="stub",
    runtime="NumPy",
    kind="a .stub",
    suffixes=(".stub",),
    load=load,
    run=run,
    recognises=lambda path, head: head.startswith(MAGIC),
    suspect="the stub's export",
    fault_of=lambda file: f"{file.name} is a stub",
    packages=("pytest",),
    options=(
        Option("export_to", "where the exported model goes", "DIR"),
        Option("lie", "compute something else than what is exported"),
    ),
)
