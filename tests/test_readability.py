"""How short scripts are: whole networks at their full depth, as classes and lines, and equal to their source.

The bounds are what an engineer who writes such a network by hand would need, with some room. Keras applications are
held to theirs in `test_models.py`.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from harness import assert_short, proved

import converter


def strip(path: Path) -> None:
    """Take every name and all metadata out of a model but those of its inputs and outputs."""
    model = onnx.load(path)
    keep = {value.name for value in (*model.graph.input, *model.graph.output)}
    new: dict[str, str] = {}

    def short(name: str) -> str:
        return name if not name or name in keep else new.setdefault(name, f"t{len(new)}")

    for node in model.graph.node:
        node.name = ""
        node.doc_string = ""
        del node.metadata_props[:]
        node.input[:] = map(short, node.input)
        node.output[:] = map(short, node.output)
    for tensor in model.graph.initializer:
        tensor.name = short(tensor.name)
        tensor.doc_string = ""
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    del model.metadata_props[:]
    onnx.save(model, path)


@pytest.mark.parametrize(
    ("name", "classes", "lines"),
    [
        ("resnet50", 4, 90),
        ("mobilenet_v2", 4, 100),
        ("encoder12", 7, 140),
        ("vit12", 6, 120),
        ("decoder12", 6, 140),
        ("swin", 12, 280),
    ],
)
def test_torch(name: str, classes: int, lines: int, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from models_torch import export

    export(name, tmp_path / f"{name}.onnx", dynamo=True)
    result = converter.convert(tmp_path / f"{name}.onnx", output=tmp_path)
    proved(result)
    assert_short(result, classes, lines)


def test_torch_without_names(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from models_torch import export

    path = tmp_path / "resnet50.onnx"
    export("resnet50", path, dynamo=True, external_data=False)
    strip(path)
    result = converter.convert(path, output=tmp_path)
    proved(result)
    assert_short(result, 5, 120)
