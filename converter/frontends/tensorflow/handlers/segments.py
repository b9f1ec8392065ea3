"""Handlers of sums, products and extremes over segments, as embeddings and graph networks have them.

tf2onnx sorts the segments into a table as wide as the longest one, and divides by 0 where one is empty.
"""

from __future__ import annotations

from collections.abc import Mapping

import ml_dtypes
import numpy as np
from onnx import TensorProto, helper

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder

_LAST = np.iinfo(np.int64).max

_REDUCTIONS = {"Sum": "add", "Mean": "add", "SqrtN": "add", "Prod": "mul", "Max": "max", "Min": "min"}
"""Kind of a segment operator → how ONNX's ScatterND joins the rows of a segment."""


def _segments(build: NodeBuilder) -> None:
    """Rows joined in a table, one for each segment; divided by their number, or its root, for a mean.

    The table has one row more, since MindSpore adds nothing to a table without rows. The rows whose segment is negative
    go there: operators of unsorted segments leave them out.
    """
    prefix, _, kind = build.node.type.removesuffix("WithNumSegments").partition("Segment")
    rows, *others = build.inputs
    if prefix == "Sparse":
        rows = build.add("Gather", rows, build.cast(others.pop(0), TensorProto.INT64), axis=0)
    ids = build.cast(others[0], TensorProto.INT64)
    if prefix == "Unsorted":
        rows, ids = _by_rows(build, rows, ids), _at_least_minus_one(build, ids)
    count = build.cast(others[1], TensorProto.INT64) if len(others) > 1 else _last(build, ids)
    extents = build.add("Unsqueeze", build.add("Add", count, build.int64(3 - len(others))), build.int64([0]))
    places = build.add("Unsqueeze", ids, build.int64([1]))
    shape = build.add("Slice", build.add("Shape", rows), build.int64([1]), build.int64([_LAST]))
    start = _of(build, rows, _start(build.numpy_dtype(rows), kind))
    table = build.add("ConstantOfShape", build.add("Concat", extents, shape, axis=0), value=start)
    joined = _joined(build, table, places, rows, _REDUCTIONS[kind])
    if kind in ("Sum", "Prod") or (kind in ("Max", "Min") and prefix):
        build.replace(joined)
        return
    ones = build.add("ConstantOfShape", build.add("Shape", ids), value=_of(build, rows, 1))
    sizes = _joined(build, build.add("ConstantOfShape", extents, value=_of(build, rows, 0)), places, ones, "add")
    rank = len(build.shape(rows)) or len(build.shape(build.inputs[0]))
    sizes = build.add("Reshape", sizes, build.int64([-1] + [1] * (rank - 1)))
    if kind in ("Max", "Min"):  # an empty one is 0
        build.finish("Where", build.add("Greater", sizes, build.number(0)), joined, build.number(0))
        return
    sizes = build.add("Max", sizes, build.number(1))
    build.finish("Div", joined, build.add("Sqrt", sizes) if kind == "SqrtN" else sizes)


def _by_rows(build: NodeBuilder, rows: str, ids: str) -> str:
    """The data with one axis for all axes of the segments (…), which the first axes of the data are equal to."""
    axes, rank = len(build.shape(ids)), len(build.shape(rows))
    if not axes or not rank:
        raise NotImplementedError("segments or data of unknown rank, or one segment")
    if axes == 1:
        return rows
    shape = build.add("Slice", build.add("Shape", rows), build.int64([axes]), build.int64([_LAST]))
    return build.add("Reshape", rows, build.add("Concat", build.int64([-1]), shape, axis=0))


def _at_least_minus_one(build: NodeBuilder, ids: str) -> str:
    """The segments as a vector; -1, the last row of the table, for all that are negative."""
    source = build.sources[1]
    ids = ids if len(build.shape(ids)) == 1 else build.add("Reshape", ids, build.int64([-1]))
    known = source.get_tensor_value(as_list=False) if source.is_const() else np.array([-1])
    return build.add("Max", ids, build.int64(-1)) if (known < 0).any() else ids


def _joined(build: NodeBuilder, table: str, places: str, rows: str, reduction: str) -> str:
    whole = build.add("ScatterND", table, places, rows, reduction=reduction)
    return build.add("Slice", whole, build.int64([0]), build.int64([-1]))


def _last(build: NodeBuilder, ids: str) -> str:
    """The last segment: they are in order; -1 where there are none."""
    return build.add("Gather", build.add("Concat", build.int64([-1]), ids, axis=0), build.int64(-1), axis=0)


def _start(dtype: np.dtype, kind: str) -> float:
    """What a segment is before its first row."""
    if kind not in ("Max", "Min"):
        return int(kind == "Prod")
    limits = np.iinfo(dtype) if dtype.kind in "iu" else ml_dtypes.finfo(dtype)
    return np.array(limits.min if kind == "Max" else limits.max, dtype).item()


def _of(build: NodeBuilder, rows: str, value: float) -> TensorProto:
    return helper.make_tensor("value", build.dtype(rows), [1], [value])


_SORTED = ("SegmentSum", "SegmentMean", "SegmentProd", "SegmentMax", "SegmentMin")
_SPARSE = ("SparseSegmentSum", "SparseSegmentMean", "SparseSegmentSqrtN")
_UNSORTED = ("UnsortedSegmentSum", "UnsortedSegmentProd", "UnsortedSegmentMax", "UnsortedSegmentMin")

HANDLERS: Mapping[str, Handler] = dict.fromkeys(
    (*_SORTED, *_SPARSE, *(f"{kind}WithNumSegments" for kind in _SPARSE), *_UNSORTED), _segments
)
