"""How short scripts are: whole networks at their full depth, as classes and lines, and equal to their source.

The bounds are what an engineer who writes such a network by hand would need, with some room.
"""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

import converter
from converter.pipeline import Result


def size_of(result: Result) -> tuple[int, int]:
    """The script's classes and non-blank lines."""
    lines = [line for line in result.files[0].read_text(encoding="utf-8").splitlines() if line.strip()]
    return sum(line.startswith("class ") for line in lines), len(lines)


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


def within(result: Result, classes: int, lines: int) -> None:
    assert not result.unconverted
    assert result.comparison is not None
    assert result.verdict == "same", result.comparison.lines()
    found = size_of(result)
    assert found[0] <= classes, found
    assert found[1] <= lines, found


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
    within(converter.convert(tmp_path / f"{name}.onnx", output=tmp_path), classes, lines)


def test_torch_without_names(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from models_torch import export

    path = tmp_path / "resnet50.onnx"
    export("resnet50", path, dynamo=True, external_data=False)
    strip(path)
    within(converter.convert(path, output=tmp_path), 5, 120)


@pytest.mark.parametrize(("name", "size", "classes", "lines"), [("ResNet50", 64, 5, 130), ("InceptionV3", 96, 12, 300)])
def test_keras(name: str, size: int, classes: int, lines: int, tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    from models_keras import frozen

    path = tmp_path / f"{name}.pb"
    first, last = frozen(name, path, (size, size, 3))
    result = converter.convert(
        path, shape=[f"2,{size},{size},3"], input_nodes=[first], output_nodes=[last], output=tmp_path
    )
    within(result, classes, lines)
