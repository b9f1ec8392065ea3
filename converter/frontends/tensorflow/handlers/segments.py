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
    """Rows added to those of a table of zeros; divided by their number, or its root, for a mean. An empty one is 0.

    The table has one row more, since MindSpore adds nothing to a table without rows.
    """
    kind = build.node.type.removesuffix("WithNumSegments")
    rows, *others = build.inputs
    if kind.startswith("Sparse"):
        rows = build.add("Gather", rows, build.cast(others.pop(0), TensorProto.INT64), axis=0)
    ids = build.cast(others[0], TensorProto.INT64)
    count = build.cast(others[1], TensorProto.INT64) if len(others) > 1 else _last(build, ids)
    places = build.add("Unsqueeze", ids, build.int64([1]))
    shape = build.add("Slice", build.add("Shape", rows), build.int64([1]), build.int64([_LAST]))
    extents = build.add("Unsqueeze", build.add("Add", count, build.int64(3 - len(others))), build.int64([0]))
    zeros = build.add("ConstantOfShape", build.add("Concat", extents, shape, axis=0), value=_of(build, rows, 0))
    total = _added(build, zeros, places, rows)
    if kind.endswith("Sum"):
        build.replace(total)
        return
    ones = build.add("ConstantOfShape", build.add("Shape", ids), value=_of(build, rows, 1))
    zeros = build.add("ConstantOfShape", extents, value=_of(build, rows, 0))
    sizes = build.add("Max", _added(build, zeros, places, ones), build.number(1))
    if kind.endswith("SqrtN"):
        sizes = build.add("Sqrt", sizes)
    rank = len(build.shape(rows)) or len(build.shape(build.inputs[0]))
    build.finish("Div", total, build.add("Reshape", sizes, build.int64([-1] + [1] * (rank - 1))))


def _added(build: NodeBuilder, table: str, places: str, rows: str) -> str:
    total = build.add("ScatterND", table, places, rows, reduction="add")
    return build.add("Slice", total, build.int64([0]), build.int64([-1]))


def _last(build: NodeBuilder, ids: str) -> str:
    """The last segment: they are in order; -1 where there are none."""
    return build.add("Gather", build.add("Concat", build.int64([-1]), ids, axis=0), build.int64(-1), axis=0)


def _of(build: NodeBuilder, rows: str, value: int) -> TensorProto:
    return helper.make_tensor("value", build.dtype(rows), [1], [value])


_KINDS = ("SegmentSum", "SegmentMean", "SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")

HANDLERS: Mapping[str, Handler] = {
    name: _segments for kind in _KINDS for name in ((kind, f"{kind}WithNumSegments") if "Sparse" in kind else (kind,))
}
