"""Differences that are not the converter's: where onnxruntime is wrong by ONNX, or no standard says what is right."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Explanation:
    """A kind of difference.

    `operators` and `kinds` (of inputs: ordinary, zeros, edges, NaN) restrict it, `what` are texts of which the
    difference has one, and `holds` asks about inputs and attributes.
    """

    why: str
    operators: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    what: tuple[str, ...] = ("",)
    holds: Callable[[Arrays, Mapping[str, Any]], bool] = field(default=lambda arrays, attributes: True)


def _divides_nan_by_zero(arrays: Arrays, attributes: Mapping[str, Any]) -> bool:
    return any((x == 0).any() for x in arrays.values()) and any(np.isnan(x).any() for x in arrays.values())


_OTHER_SCALE = "onnxruntime reads a scale of another number of channels."
_OF_ZERO = "Whether infinity is multiplied by a weight of zero depends on the algorithm."
WEIGHTED = frozenset(
    {"Conv", "ConvTranspose", "DeformConv", "DFT", "Einsum", "GridSample", "Resize", "RoiAlign", "STFT", "Upsample"}
)
"""Operators that multiply by weights that may be zero."""


def _is_integer(arrays: Arrays, attributes: Mapping[str, Any]) -> bool:
    return all(x.dtype.kind in "iu" for x in arrays.values())


def _is_double(arrays: Arrays, attributes: Mapping[str, Any]) -> bool:
    return any(x.dtype == np.float64 for x in arrays.values())


def _is_not_finite(arrays: Arrays, attributes: Mapping[str, Any]) -> bool:
    return not all(np.isfinite(x.astype(np.float64)).all() for x in arrays.values())


def _has_nan(arrays: Arrays, attributes: Mapping[str, Any]) -> bool:
    return any(np.isnan(x.astype(np.float64)).any() for x in arrays.values() if x.dtype.kind in "fV")


def _crops_what_keeps_its_extent(arrays: Arrays, attributes: Mapping[str, Any]) -> bool:
    """Whether sizes that are computed leave an axis its extent, of which only a part is taken."""
    x, *others = arrays.values()
    sizes = next((each for each in others if each.dtype == np.int64), None)
    part = next((each for each in others if each.dtype.kind == "f"), None)
    if attributes.get("coordinate_transformation_mode") != b"tf_crop_and_resize" or sizes is None or part is None:
        return False
    axes = [axis % x.ndim for axis in attributes.get("axes", range(x.ndim))]
    parts = part.reshape(2, -1).T
    return any(
        x.shape[axis] == size and (begin, end) != (0, 1)
        for axis, size, (begin, end) in zip(axes, sizes, parts, strict=True)
    )


EXPLANATIONS: tuple[Explanation, ...] = (
    Explanation(
        "MindSpore's CPU kernel divides NaN by zero to infinity.", ("Div",), what=("NaN",), holds=_divides_nan_by_zero
    ),
    Explanation(
        "onnxruntime keeps an axis of extent 0 that is reduced.",
        holds=lambda arrays, attributes: any(x.size == 0 for x in arrays.values()),
        operators=tuple(
            f"Reduce{name}" for name in ("L1", "L2", "LogSum", "LogSumExp", "Mean", "Prod", "Sum", "SumSquare")
        ),
        what=(" for ",),
    ),
    Explanation(
        "onnxruntime finds no places along an axis of extent 0, ONNX does not say which.",
        ("ArgMax", "ArgMin"),
        what=("int64[",),
        holds=lambda arrays, attributes: any(x.size == 0 for x in arrays.values()),
    ),
    Explanation(
        "MindSpore's kernels refuse to make a tensor without elements.",
        ("AveragePool", "LpPool", "MaxPool", "Range", "Resize", "Upsample"),
        what=(
            "must be positive, but got shape",
            "should be not less than zero",
            "output size must be greater than 0",
            "must be int and must > 0",
            "after padding must be greater",
            "delta cannot be positive",
            "smaller than kernel size",
            "must be no greater than",
            "could not create a primitive descriptor",
        ),
    ),
    Explanation(_OTHER_SCALE, ("GroupNormalization",), what=("shape of weight and bias should be equal",)),
    Explanation(
        "onnxruntime's softmax of quantised numbers rounds twice, by a table of exponentials.",
        ("QLinearSoftmax",),
        what=(", 1 apart",),
    ),
    Explanation(
        "onnxruntime normalises integers in their own type.", ("Normalizer",), ("edges",), ("off by",), _is_integer
    ),
    Explanation("onnxruntime adds large integers as doubles.", ("ReduceSum",), ("edges",), (" apart",), _is_integer),
    Explanation(
        "MindSpore's functions take no negative computed amount, nor make an empty tensor.",
        ("Pad",),
        what=("paddings_value must be greater", "output size must be greater than 0", "after padding must be greater"),
        holds=lambda arrays, attributes: any(x.size == 0 for x in arrays.values()),
    ),
    Explanation(
        "MindSpore's CPU kernel refuses a tensor without elements, which the shape shows beside a free axis.",
        ("CumSum", "Slice", "Tile"),
        what=("raises",),
        holds=lambda arrays, attributes: any(x.size == 0 for x in arrays.values()),
    ),
    Explanation(
        "A negative pad of an axis without elements is no ONNX.",
        ("Pad",),
        what=(" for ", "DimsSize"),
        holds=lambda arrays, attributes: any(x.size == 0 for x in arrays.values()),
    ),
    Explanation(
        "Which element is the largest among NaN no standard says.",
        ("ArgMax", "ArgMin", "Hardmax", "TopK"),
        holds=_has_nan,
    ),
    Explanation(
        "Infinity makes NaN of scores; which one is the largest, and what their softmax is, no standard says.",
        ("LinearClassifier", "LinearRegressor", "SVMClassifier", "SVMRegressor"),
        ("edges", "NaN"),
        holds=_is_not_finite,
    ),
    Explanation(
        "MindSpore's CPU kernel divides by minus zero as by zero.",
        ("Div", "Reciprocal"),
        ("edges", "NaN", "zeros"),
        ("infinities",),
        lambda arrays, attributes: any((np.signbit(x) & (x == 0)).any() for x in arrays.values()),
    ),
    Explanation(
        "Of a window of two elements there is nothing but what rounding leaves of 0.",
        ("BlackmanWindow", "HannWindow"),
        what=("off by",),
        holds=lambda arrays, attributes: all((x <= 2).all() for x in arrays.values()),
    ),
    Explanation(
        "onnxruntime keeps or loses NaN by its position.", ("Normalizer", "ReduceMax", "ReduceMin"), holds=_has_nan
    ),
    Explanation(
        "Of numbers beside infinity onnxruntime's log-softmax is minus infinity, ONNX's NaN.",
        ("LogSoftmax",),
        ("edges", "NaN"),
        ("NaN",),
        lambda arrays, attributes: any(np.isposinf(x.astype(np.float64)).any() for x in arrays.values()),
    ),
    Explanation(
        "onnxruntime takes the whole of an axis whose extent does not change, ONNX the part that is given.",
        ("Resize",),
        what=("off by",),
        holds=_crops_what_keeps_its_extent,
    ),
    Explanation(
        "MindSpore's CPU kernel sorts float64 in float32, and takes any of equal elements.", ("TopK",), holds=_is_double
    ),
    Explanation(
        "MindSpore's CPU kernel of a softmax stops at a row with NaN.",
        ("Attention", "GroupQueryAttention", "MultiHeadAttention"),
        ("edges", "NaN"),
        ("NaN",),
    ),
    Explanation(
        _OF_ZERO,
        (
            "AffineGrid",
            "Conv",
            "ConvTranspose",
            "DFT",
            "Einsum",
            "Gemm",
            "GridSample",
            "MatMul",
            "Resize",
            "RoiAlign",
            "RotaryEmbedding",
            "STFT",
        ),
        ("edges", "NaN"),
        ("NaN", "infinities"),
    ),
    Explanation(
        "An integer type does not hold the result.",
        ("ReduceLogSumExp", "ReduceLogSum", "ReduceL2", "Pow"),
        ("edges", "zeros"),
        holds=lambda arrays, attributes: all(x.dtype.kind in "iu" for x in arrays.values()),
    ),
    Explanation("MindSpore's CPU kernel rounds the quotient of fmod.", ("Mod",), what=("off by", "NaN", "infinities")),
    Explanation(
        "onnxruntime bounds NaN and infinity in its recurrent layers.",
        ("GRU", "LSTM", "RNN"),
        ("NaN", "edges"),
        ("NaN", "off", "infinities"),
    ),
    Explanation(
        "onnxruntime adds nothing to the deviation, which ONNX's function does.",
        ("MeanVarianceNormalization",),
        what=("NaN",),
    ),
    Explanation("onnx's evaluator takes NaN for padding.", ("AveragePool",), ("NaN",), (" NaN for ",)),
    Explanation("MindSpore's CPU kernel doubles what it is given.", ("Gelu",), ("edges", "NaN"), ("infinities",)),
    Explanation("onnxruntime's sign of NaN in float16 is a number.", ("Sign",), ("NaN",)),
    Explanation(
        "What a sum of infinities or a product that overflows becomes depends on the order.",
        (
            "LRN",
            "ReduceMean",
            "ReduceSum",
            "ReduceProd",
            "DynamicQuantizeLinear",
            "LpPool",
            "LpNormalization",
            "BatchNormalization",
            "InstanceNormalization",
            "LayerNormalization",
            "GroupNormalization",
            "RMSNormalization",
            "AveragePool",
            "GlobalAveragePool",
            "GlobalLpPool",
            "MeanVarianceNormalization",
            "CumSum",
            "CumProd",
            "Det",
            "ReduceL1",
            "ReduceL2",
            "ReduceSumSquare",
            "ReduceLogSum",
            "ReduceLogSumExp",
        ),
        ("edges",),
    ),
    Explanation(
        "Which element is the largest among NaN no standard says.",
        ("ScatterElements", "ScatterND", "Unique", "MaxPool"),
        ("NaN",),
    ),
    Explanation(
        "MindSpore's CPU kernel of a softmax stops at a row with NaN.",
        ("SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss"),
        ("NaN", "edges"),
        ("NaN",),
    ),
    Explanation("A kernel of MindSpore's CPU loses NaN in a sum.", ("LRN",), ("NaN",)),
    Explanation(
        "MindSpore's kernel of max pooling starts from the least finite number.",
        ("MaxPool",),
        ("edges",),
        ("infinities",),
    ),
    Explanation("The range of numbers among which NaN is is undefined.", ("DynamicQuantizeLinear",), ("NaN",)),
    Explanation(
        "A graph of MindSpore that raised, or has branches of other ranks, stays in its runtime: later ones raise.",
        what=("The actor already exists", "The pointer[actor_set] is null"),
    ),
    Explanation("MindSpore cannot stack the results of no iterations.", ("Loop",), what=("Stack",)),
    Explanation(
        "onnxruntime's softplus in a recurrent layer is infinite from 88 on.",
        ("GRU", "LSTM", "RNN"),
        what=("infinities", "NaN"),
        holds=lambda arrays, attributes: b"Softplus" in attributes.get("activations", []),
    ),
    Explanation("MindSpore's tanh in float32 is good to 1e-4.", ("GRU", "LSTM", "RNN"), what=("e-04",)),
    Explanation("MindSpore's CPU kernel of a norm refuses a variance of 0.", what=("Var + Epsilon is zero",)),
    Explanation(
        "An integer type cuts off what rounding decides.",
        ("ReduceLogSumExp", "ReduceL2", "ReduceMean"),
        what=("] for [",),
        holds=_is_integer,
    ),
    Explanation("A square that its integer type does not hold has no root.", ("ReduceL2",), ("edges",), (" for ",)),
    Explanation(
        "Whether a maximum keeps NaN no standard says; onnxruntime's depends on the element's position.",
        ("MaxPool", "GlobalMaxPool", "MaxRoiPool"),
        ("NaN",),
        ("NaN", "off", "infinities"),
    ),
)


def explanation(
    operator: str, what: str, kind: str, arrays: Arrays, attributes: Mapping[str, Any] | None = None
) -> str:
    """Why a difference is not the converter's; empty if no explanation fits."""
    for each in EXPLANATIONS:
        if (
            (not each.operators or operator in each.operators)
            and (not each.kinds or kind in each.kinds)
            and any(text in what for text in each.what)
            and each.holds(arrays, attributes or {})
        ):
            return each.why
    return ""


_NONE = re.compile(r"(\w+)\[((?:\d+, )*0)\b[^]]*\] for \1\[\2\b[^]]*\]")


def of_no_iterations(model: onnx.ModelProto, what: str) -> str:
    """Why two results of a loop that never runs have other extents behind that of 0; empty if they are not such.

    They are what the body would have given; onnxruntime takes what the file declares, or 0.
    """
    if not _NONE.fullmatch(what) or not _has_loop([*model.graph.node, *(n for f in model.functions for n in f.node)]):
        return ""
    return "onnxruntime knows no extents of what a loop that never runs collects."


def _has_loop(nodes: Sequence[onnx.NodeProto]) -> bool:
    return any(node.op_type == "Loop" or any(_has_loop(a.g.node) for a in node.attribute) for node in nodes)


ORDERED = frozenset({"ArgMax", "ArgMin", "Hardmax", "MaxPool", "GlobalMaxPool", "NonMaxSuppression", "TopK", "Unique"})
"""Operators that compare elements with each other."""


def left_open(node: onnx.NodeProto, arrays: Arrays) -> str:
    """Why ONNX does not say what a node computes of some inputs; empty if it does.

    For a node that holds others it is what it does not say of one of them.
    """
    for inner in (inner for attribute in node.attribute for inner in attribute.g.node):
        if why := left_open(inner, arrays):
            return why
    floats = [x.astype(np.float64) for x in arrays.values() if x.dtype.kind in "fV"]
    if node.op_type in ORDERED and any(np.isnan(x).any() for x in floats):
        return "Which element is the largest among NaN no standard says."
    if node.op_type in WEIGHTED and not all(np.isfinite(x).all() for x in floats):
        return _OF_ZERO
    if node.op_type in ("Cast", "QuantizeLinear") and floats:
        to = helper.tensor_dtype_to_np_dtype(next((a.i for a in node.attribute if a.name == "to"), TensorProto.UINT8))
        if to.kind in "iu":
            limits = np.iinfo(to)
            if not ((floats[0] > float(limits.min) - 1) & (floats[0] < float(limits.max) + 1)).all():
                return "What becomes of a number that an integer type does not hold no standard says."
    return ""


_ROUNDED = frozenset({"Cast", "Ceil", "Floor", "Pow", "QuantizeLinear", "Round"})
"""Operators that cut off or round what is behind the point; a power of a negative number asks whether there is any."""


def cut_off(node: onnx.NodeProto, inputs: Arrays) -> str:
    """Why rounding decides what a node gives: an element is a few units of the last place from where it changes."""
    x = inputs.get(node.input[1] if node.op_type == "Pow" else node.input[0]) if node.input else None
    if node.op_type not in _ROUNDED or x is None or x.dtype.kind != "f":
        return ""
    near = 8 * float(np.finfo(x.dtype).eps)
    base = inputs.get(node.input[0])
    if node.op_type == "Pow" and base is not None and base.dtype.kind == "f" and base.size:
        large = np.abs(base[np.isfinite(base)]).max(initial=0)
        if ((np.abs(base) < near * large) & (np.abs(base) < near)).any():
            return "The base of a power is so near to 0 that rounding decides its sign."
    wide = x.astype(np.float64)
    wide = wide[np.isfinite(wide) & (wide != 0)]
    behind = np.abs(wide * 2 - np.round(wide * 2)) / np.maximum(np.abs(wide), 1)
    return "A number is so near to a half or a whole one that rounding decides." if (behind < near).any() else ""


def not_allowed(node: onnx.NodeProto, arrays: Arrays) -> str:
    """Why ONNX does not allow a node such inputs, which onnxruntime reads or broadcasts all the same."""
    shapes = [arrays[name].shape if name in arrays else None for name in node.input]
    known = [shape for shape in shapes if shape is not None]
    attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
    if node.op_type == "Reshape" and not attributes.get("allowzero") and node.input[1] in arrays:
        zeros = np.flatnonzero(arrays[node.input[1]] == 0)
        if any(axis >= len(known[0]) or known[0][axis] for axis in zeros):
            return "An extent that is computed as 0 is 0; a Reshape without allowzero keeps what the axis has."
    if node.op_type == "PRelu" and len(known) == 2 and np.broadcast_shapes(*known) != known[0]:
        return "A slope is broadcast to its input, not the input to the slope."
    if node.op_type == "Einsum" and "..." not in (equation := attributes["equation"].decode()):
        words = equation.partition("->")[0].replace(" ", "").split(",")
        extents: dict[str, set[int]] = {}
        for word, shape in zip(words, known, strict=False):
            for letter, extent in zip(word, shape, strict=False):
                extents.setdefault(letter, set()).add(extent)
        if any(len(found) > 1 for found in extents.values()):
            return "A letter of an equation has one extent."
    if node.op_type.startswith("TreeEnsemble"):
        prefix = "class" if "class_ids" in attributes else "target"
        answers = [attributes.get(f"{prefix}_{name}", ()) for name in ("treeids", "nodeids", "ids")]
        if len(set(zip(*answers, strict=True))) < len(answers[0]):
            return "A leaf has two weights for one target."
    if node.op_type in ("BatchNormalization", "InstanceNormalization") and known[1:2] != [known[0][1:2]]:
        return _OTHER_SCALE
    if node.op_type in ("SoftmaxCrossEntropyLoss", "NegativeLogLikelihoodLoss") and len(known) > 1:
        scores, labels = known[:2]
        if (scores[0], *scores[2:]) != labels:
            return "onnxruntime reads labels behind the end."
        if len(known) > 2 and known[2] != scores[1:2]:
            return "There is a weight for each class."
    if node.op_type in ("LinearClassifier", "LinearRegressor") and known:
        scores_of = len(attributes.get("intercepts", [])) or int(attributes.get("targets", 1))
        if len(attributes["coefficients"]) != scores_of * known[0][-1]:
            return "There are coefficients for another number of features."
    if node.op_type == "Concat" and any(0 in shape for shape in known):
        axis = attributes["axis"] % len(known[0])
        if len({(*shape[:axis], *shape[axis + 1 :]) for shape in known}) > 1:
            return "onnxruntime leaves out what has no elements, and does not look at its other extents."
    keeps = attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch"
    if node.op_type == "Resize" and keeps and min(attributes.get("axes", [0])) < 0:
        return "onnxruntime leaves the extents as they are if the ratio is kept and axes count from the last one."
    if node.op_type == "RotaryEmbedding":
        heads = attributes.get("num_heads", 1) if len(known[0]) == 3 else 1
        turned = attributes.get("rotary_embedding_dim", 0) or known[0][-1] // heads
        if known[1][-1] * 2 != turned:
            return "There are cosines for another number of elements."
    if node.op_type == "Compress" and len(known) == 2:
        extent = known[0][attributes["axis"]] if "axis" in attributes else math.prod(known[0])
        if known[1][0] > extent:
            return "A condition is not longer than the axis that it selects from."
    if node.op_type in ("AveragePool", "LpPool", "MaxPool", "QLinearAveragePool") and not all(
        _windows(known[0][2:], attributes)
    ):
        return "No window fits into the input."
    return ""


def _windows(extents: Sequence[int], attributes: Mapping[str, Any]) -> list[bool]:
    """Whether a window of pooling fits along each axis."""
    rank = len(extents)
    kernel, dilations = attributes["kernel_shape"], attributes.get("dilations", [1] * rank)
    pads = attributes.get("pads", [0] * 2 * rank)
    if attributes.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER"):
        return [extent > 0 for extent in extents]
    return [extent + pads[i] + pads[i + rank] >= (kernel[i] - 1) * dilations[i] + 1 for i, extent in enumerate(extents)]
