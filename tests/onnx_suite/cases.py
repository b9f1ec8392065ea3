"""The onnx package's backend cases, as data."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper
from onnx.backend.test.case.test_case import TestCase
from onnx.backend.test.loader import load_model_tests

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")


@functools.cache
def cases() -> dict[str, TestCase]:
    """Every case by its name, its kind in front: `node/test_abs`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the suite computes infinities on purpose
        return {f"{kind}/{case.name}": case for kind in KINDS for case in load_model_tests(kind=kind)}


def model_of(case: TestCase) -> onnx.ModelProto:
    """The case's model."""
    return case.model if case.model is not None else onnx.load(Path(case.model_dir) / "model.onnx")


def data_of(case: TestCase, model: onnx.ModelProto) -> Iterator[tuple[list[Any], list[Any]]]:
    """Pairs of inputs and expected outputs. Old cases feed their weights as inputs too."""
    if case.data_sets:
        for inputs, outputs in case.data_sets:
            yield [*map(_plain, inputs)], [*map(_plain, outputs)]
        return
    for folder in sorted(Path(case.model_dir).glob("test_data_set_*")):
        count = len(list(folder.glob("input_*.pb")))
        inputs = [_read(folder / f"input_{i}.pb", value.type) for i, value in enumerate(model.graph.input[:count])]
        yield inputs, [_read(folder / f"output_{i}.pb", value.type) for i, value in enumerate(model.graph.output)]


def _plain(value: Any) -> Any:
    """A value as NumPy has it: some cases hold their tensors as messages."""
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _read(path: Path, kind: onnx.TypeProto) -> Any:
    content: Any
    if kind.HasField("sequence_type"):
        content, convert = onnx.SequenceProto(), numpy_helper.to_list
    elif kind.HasField("optional_type"):
        content, convert = onnx.OptionalProto(), numpy_helper.to_optional
    else:
        content, convert = onnx.TensorProto(), numpy_helper.to_array
    content.ParseFromString(path.read_bytes())
    return convert(content)
