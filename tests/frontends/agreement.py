"""Compare the ONNX model of a source, run by onnxruntime, with the source's own runtime."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import onnxruntime

from converter.base.weight_steps import SOURCE
from converter.frontends import frontend_in
from converter.frontends.source import Source


def check(source: Source, batch: int = 3, tolerance: float = 1e-5) -> None:
    """Both give the same on random inputs, at this extent of the free dimensions."""
    random = np.random.default_rng(0)
    feeds = {}
    for end in source.inputs:
        shape = [batch if isinstance(dim, str) else dim for dim in end.shape or ()]
        values = random.uniform(-1, 1, shape) if end.dtype.kind == "f" else random.integers(0, 3, shape)
        feeds[end.name] = values.astype(end.dtype)
    expected = frontend_in(source.original.frontend).run(source.original, feeds)
    session = onnxruntime.InferenceSession(source.model.SerializeToString())
    values = session.run([end.value for end in source.outputs], {end.value: feeds[end.name] for end in source.inputs})
    assert len(values) == len(expected) == len(source.outputs)
    for one, other in zip(values, expected, strict=True):
        assert not np.all(other == other.flat[0]) or other.size == 1
        np.testing.assert_allclose(one, other, tolerance, tolerance)


def operators(source: Source) -> Counter[str]:
    return Counter(node.op_type for node in source.model.graph.node)


def origins(source: Source) -> dict[str, Any]:
    """The names of the source's weights that initializers come from, with their steps."""
    notes = {tensor.name: None for tensor in source.model.graph.initializer if tensor.dims}
    notes |= {
        tensor.name: json.loads(entry.value)
        for tensor in source.model.graph.initializer
        for entry in tensor.metadata_props
        if entry.key == SOURCE
    }
    return {note["name"] if note else name: note["transform"] if note else [] for name, note in notes.items()}
