"""Handlers of sums over segments, as `embedding_lookup_sparse` has them.

tf2onnx sorts the segments into a table as wide as the longest one, and divides by 0 where one is empty.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from onnx import TensorProto, helper

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder

_LAST = np.iinfo(np.int64).max


def _segments(build: NodeBuilder) -> None:
    """Rows added to those of a table of zeros; divided by their number, or its root, for a mean. An empty one is 0."""
    kind = build.node.type.removesuffix("WithNumSegments")
    rows, *others = build.inputs
    if kind.startswith("Sparse"):
        rows = build.add("Gather", rows, build.cast(others.pop(0), TensorProto.INT64), axis=0)
    ids = build.cast(others[0], TensorProto.INT64)
    count = build.cast(others[1], TensorProto.INT64) if len(others) > 1 else _number(build, ids)
    places = build.add("Unsqueeze", ids, build.int64([1]))
    shape = build.add("Slice", build.add("Shape", rows), build.int64([1]), build.int64([_LAST]))
    total = build.add("ScatterND", _zeros(build, rows, count, shape), places, rows, reduction="add")
    if kind.endswith("Sum"):
        build.replace(total)
        return
    ones = build.add("ConstantOfShape", build.add("Shape", ids), value=_of(build, rows, 1))
    sizes = build.add("ScatterND", _zeros(build, rows, count), places, ones, reduction="add")
    sizes = build.add("Max", sizes, build.number(1))
    if kind.endswith("SqrtN"):
        sizes = build.add("Sqrt", sizes)
    rank = len(build.shape(rows)) or len(build.shape(build.inputs[0]))
    build.finish("Div", total, build.add("Reshape", sizes, build.int64([-1] + [1] * (rank - 1))))


def _number(build: NodeBuilder, ids: str) -> str:
    """The number of the segments: they are in order; 0 where there are none."""
    last = build.add("Gather", build.add("Concat", build.int64([-1]), ids, axis=0), build.int64(-1), axis=0)
    return build.add("Add", last, build.int64(1))


def _zeros(build: NodeBuilder, rows: str, count: str, shape: str = "") -> str:
    extents = build.add("Unsqueeze", count, build.int64([0]))
    extents = build.add("Concat", extents, shape, axis=0) if shape else extents
    return build.add("ConstantOfShape", extents, value=_of(build, rows, 0))


def _of(build: NodeBuilder, rows: str, value: int) -> TensorProto:
    return helper.make_tensor("value", build.dtype(rows), [1], [value])


_KINDS = ("SegmentSum", "SegmentMean", "SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")

HANDLERS: Mapping[str, Handler] = {
    name: _segments for kind in _KINDS for name in ((kind, f"{kind}WithNumSegments") if "Sparse" in kind else (kind,))
}
