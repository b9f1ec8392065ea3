"""Make every sample again: `python samples/regenerate.py` after a change that alters what comes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import converter

HERE = Path(__file__).parent

SAMPLES: dict[str, dict[str, Any]] = {
    "mnist/mnist.onnx": {},
    "super_resolution/super_resolution.onnx": {"shape": ["N,1,H,W"]},
    "keyword_spotting/ds_cnn_s.pb": {
        "shape": ["1,49,10"],
        "input_nodes": ["Mfcc:0"],
        "output_nodes": ["labels_softmax:0"],
    },
    "lenet/lenet.meta": {},
    "keras/classifier.keras": {},
    "saved_model/tagger": {},
    "tflite/person.tflite": {"dequantise": True},
    "pytorch/residual.safetensors": {"model": "residual:ResidualNet", "shape": ["N,3,H,W"]},
}
"""A model, or with the option `model` the weights of one → the options that it is converted with."""

SCRIPT = "script/stripes.py"
"""A PyTorch script; its result stands in the folder `mindspore` beside it."""


def convert(sample: str, **more: Any) -> converter.Result:
    """Convert a sample, with its options and others."""
    path, options = HERE / sample, {**SAMPLES[sample], **more}
    if "model" in options:
        return converter.convert(weights=path, project_path=path.parent, **options)
    return converter.convert(path, **options)


def main() -> None:
    """Convert each model into its own folder."""
    script = converter.convert_script(HERE / SCRIPT, output=(HERE / SCRIPT).parent / "mindspore")
    for report in script.files[-2:]:
        report.unlink()
    for model in SAMPLES:
        path = HERE / model
        result = convert(model, output=path.parent)
        for kind in ("html", "json"):  # they tell of the machine and the time
            (path.parent / f"report_of_{result.name}.{kind}").unlink()
        print(f"{model}: {result.nodes_converted} of {result.nodes_total} nodes, {result.verdict}")


if __name__ == "__main__":
    main()
