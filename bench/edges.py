"""Edge inputs on whole models: `python bench/edges.py FILES… --export FOLDER`.

Each model is converted in a process of its own, with verification and edge inputs; the table counts the kinds that are
the same and those that differ, and names the first node, or the fault of the CPU kernel. `--export` adds ten networks
of keras.applications (`.keras`) and ten of torchvision (`.onnx`) with random weights, which it writes to the folder.
Beside FILE may stand FILE.json with `inputs`, `outputs` and `shapes`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
_KERAS = (
    "ResNet50 MobileNet MobileNetV2 MobileNetV3Small EfficientNetB0 EfficientNetV2B0 DenseNet121 ConvNeXtTiny VGG16"
)
_TORCHVISION = (
    "resnet18 mobilenet_v2 mobilenet_v3_small efficientnet_b0 shufflenet_v2_x0_5 mnasnet0_5 squeezenet1_1 "
    "regnet_y_400mf convnext_tiny swin_t"
)
KERAS = dict.fromkeys(_KERAS.split(), 32) | {"Xception": 71}
TORCHVISION = dict.fromkeys(_TORCHVISION.split(), 64)
"""Name → width and height of its images."""


def export(name: str, folder: Path) -> Path:
    """Write a network with random weights, unless it is there."""
    if name in KERAS:
        file = folder / f"{name}.keras"
        if not file.exists():
            import keras

            size = KERAS[name]
            keras.utils.set_random_seed(0)
            getattr(keras.applications, name)(weights=None, input_shape=(size, size, 3), classes=10).save(file)
        return file
    file = folder / f"{name}.onnx"
    if not file.exists():
        import torch
        import torchvision

        torch.manual_seed(0)
        size = TORCHVISION[name]
        network = getattr(torchvision.models, name)(weights=None, num_classes=10).eval()
        axes = {"x": {0: "N"}, "y": {0: "N"}}
        image = torch.randn(2, 3, size, size)
        torch.onnx.export(
            network, (image,), str(file), input_names=["x"], output_names=["y"], dynamic_axes=axes, dynamo=False
        )
    return file


def converted(file: Path, limit: int) -> dict[str, Any]:
    """The report of a conversion."""
    arguments = ["--model_file", str(file), "--verify_limit", str(limit)]
    beside = Path(f"{file}.json")
    if beside.exists():
        ends = json.loads(beside.read_text())
        arguments += ["--input_nodes", *ends["inputs"], "--output_nodes", *ends["outputs"]]
        arguments += ["--shape", *(",".join(map(str, shape)) or "-" for shape in ends["shapes"])]
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "converter", *arguments, "--output", folder, "--quiet"]
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
        reports = list(Path(folder).glob("report_of_*.json"))
        return json.loads(reports[0].read_text()) if reports else {"error": done.stderr.strip()[-200:]}


def row(file: Path, report: dict[str, Any]) -> list[str]:
    """The lines of the table for a model: one, and one more for each kind that differs."""
    if "error" in report:
        return [f"| {file.name} | {report['error']} | | | |"]
    found = report["verification"]["edges"]
    counts = [sum(edge["verdict"] == verdict for edge in found) for verdict in ("same", "differs", "not comparable")]
    note = report["verification"]["edges_note"]
    lines = [f"| {file.name} | {report['summary']['verdict']} | {' / '.join(map(str, counts))} | | {note} |"]
    for edge in found:
        if edge["verdict"] == "differs":
            node = edge["first_difference"]
            what = f"{node['operator']} {node['name']}: {node['note'] or node['max_abs']}" if node else edge["note"]
            lines.append(f"| | | {edge['kind']} ({', '.join(edge['modes'])}) | {edge['kernel']} | {what} |")
    return lines


def main() -> None:
    """Print the table, a model at a time."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("files", nargs="*", type=Path)
    options.add_argument("--export", type=Path, help="a folder for networks of keras.applications and torchvision")
    options.add_argument("--only", nargs="*", default=[*KERAS, *TORCHVISION], help="which of them")
    options.add_argument("--verify_limit", type=int, default=600, help="seconds for each verification")
    chosen = options.parse_args()
    print("| model | verdict | same / differ / not comparable | CPU kernel | what differs |\n|---|---|---|---|---|")
    exported = []
    if chosen.export is not None:
        chosen.export.mkdir(parents=True, exist_ok=True)
        exported = chosen.only
    for file in chosen.files:
        print("\n".join(row(file, converted(file, chosen.verify_limit))), flush=True)
    for name in exported:
        file = export(name, chosen.export)
        print("\n".join(row(file, converted(file, chosen.verify_limit))), flush=True)


if __name__ == "__main__":
    main()
