"""Operators of classical machine learning, the domain ai.onnx.ml: features, labels and linear models.

Source: https://onnx.ai/onnx/operators/#ai-onnx-ml. MindSpore has no string tensors: labels and categories that are
strings are unsupported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.no_elements import best_class
from operator_maps.lib.scores import transformed

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def array_feature_extractor(node: Node, x: Operand, y: Operand) -> Arg:
    """ArrayFeatureExtractor: elements of the last axis, by index; from a vector, a matrix of one row."""
    if x.rank is None:
        raise node.decline("the rank of its input is unknown")
    indices = y if y.rank == 1 else expr("{0}.reshape(-1)", y)
    picked = expr("ops.gather({0}, {1}, {2})", x, indices, x.rank - 1)
    return expr("ops.unsqueeze({0}, 0)", picked) if x.rank == 1 else picked


def binarizer(node: Node, x: Operand, *, threshold: float = 0.0) -> Arg:
    """Binarizer: 1 above the threshold, 0 elsewhere."""
    return expr("({0} > {1}).astype({2})", x, threshold, node.dtype())


def scaler(
    node: Node, x: Operand, *, offset: tuple[float, ...] | None = None, scale: tuple[float, ...] | None = None
) -> Arg:
    """Scaler: (x - offset) * scale; offset and scale have one element, or one per feature."""
    y = _as_float(x)
    if offset and any(offset):
        y = expr("{0} - {1}", y, _per_feature(node, offset, "offset"))
    if scale and any(factor != 1 for factor in scale):
        y = expr("{0} * {1}", y, _per_feature(node, scale, "scale"))
    return y


def normalizer(node: Node, x: Operand, *, norm: str = "MAX") -> Arg:
    """Normalizer: every row divided by its largest element, by its L1 norm or by its L2 norm.

    Raises:
        Unsupported: the input is neither a vector nor a matrix.
    """
    if x.rank not in (1, 2):
        raise node.decline("only a vector and the rows of a matrix have a norm")
    y = x if x.dtype == ir.DataType.FLOAT else node.let("x", _as_float(x))
    divisor = node.let("norm", expr(NORMS[norm], y))
    return expr("{0} / ops.where({1} == 0, ops.ones_like({1}), {1})", y, divisor)


NORMS = {
    "MAX": "ops.amax({0}, -1, True)",
    "L1": "ops.sum(ops.abs({0}), -1, keepdim=True)",
    "L2": "ops.sqrt(ops.sum(ops.square({0}), -1, keepdim=True))",
}


def imputer(
    node: Node,
    x: Operand,
    *,
    imputed_value_floats: tuple[float, ...] | None = None,
    imputed_value_int64s: tuple[int, ...] | None = None,
    replaced_value_float: float = 0.0,
    replaced_value_int64: int = 0,
) -> Arg:
    """Imputer: the marker of missing values replaced by one value, or by one per feature."""
    replaced = replaced_value_float if x.kind == "f" else replaced_value_int64
    values = imputed_value_floats if x.kind == "f" else imputed_value_int64s
    if not values or x.dtype is None:
        raise node.decline("it has no values of its input's type")
    missing = expr("ops.isnan({0})", x) if replaced != replaced else expr("{0} == {1}", x, replaced)
    if len(values) == 1:
        return expr("{0}.masked_fill({1}, {2})", x, missing, values[0])
    imputed = node.constant(np.array(values, x.dtype.numpy()), "imputed")
    return expr("ops.where({0}, {1}, {2})", missing, imputed, x)


def feature_vectorizer(node: Node, *features: Operand, inputdimensions: tuple[int, ...] = ()) -> Arg:
    """FeatureVectorizer: the features side by side, of each input the first so many columns, as floats.

    Raises:
        Unsupported: an input is neither a vector nor a matrix, or has fewer columns.
    """
    parts = []
    for x, wanted in zip(features, inputdimensions, strict=False):
        extent = x.shape[-1] if x.shape else None
        if x.rank not in (1, 2) or not isinstance(extent, int) or extent < wanted:
            raise node.decline("an input is no matrix, or has not as many columns as are taken")
        part = expr("ops.unsqueeze({0}, 0)", x) if x.rank == 1 else x
        part = part if extent == wanted else expr("{0}[:, :{1}]", part, wanted)
        parts.append(part if x.dtype == ir.DataType.FLOAT else expr("{0}.astype(ms.float32)", part))
    if len(parts) != len(features):
        raise node.decline("it does not say how many columns it takes of each input")
    return parts[0] if len(parts) == 1 else expr("ops.cat({0}, 1)", tuple(parts))


def label_encoder(
    node: Node,
    x: Operand,
    *,
    default_float: float = -0.0,
    default_int64: int = -1,
    default_string: str = "_Unused",
    default_tensor: ir.TensorProtocol | None = None,
    keys_floats: tuple[float, ...] | None = None,
    keys_int64s: tuple[int, ...] | None = None,
    keys_strings: tuple[str, ...] | None = None,
    keys_tensor: ir.TensorProtocol | None = None,
    values_floats: tuple[float, ...] | None = None,
    values_int64s: tuple[int, ...] | None = None,
    values_strings: tuple[str, ...] | None = None,
    values_tensor: ir.TensorProtocol | None = None,
) -> Arg:
    """LabelEncoder of numbers: the value of the last key that an element equals, or the default.

    Raises:
        Unsupported: keys or values are strings.
    """
    keys = _given_array(keys_tensor, keys_floats, keys_int64s)
    values = _given_array(values_tensor, values_floats, values_int64s)
    if keys is None or values is None or keys.dtype.kind not in "fiu" or values.dtype.kind not in "fiu":
        raise node.decline("its labels are strings, which MindSpore does not have")
    default = default_float if values.dtype.kind == "f" else default_int64
    if default_tensor is not None:
        default = default_tensor.numpy().item()
    numbers = keys == keys
    mapping = dict(zip(keys[numbers].tolist(), values[numbers], strict=True))
    table = node.constant(np.array(list(mapping), keys.dtype), "keys")
    results = node.constant(np.array([*mapping.values(), default], values.dtype), "values")
    found = expr("{0}({1}, {2}, {3})", look_up, x, table, results)
    if numbers.all():
        return found
    of_nan = expr("ops.full_like({0}, {1}, dtype={2})", x, values[~numbers][-1].item(), node.dtype())
    return expr("ops.where(ops.isnan({0}), {1}, {2})", x, of_nan, found)


def look_up(x, keys, values):
    """The value of the key that each element of `x` equals; the last value where it equals none."""
    same = (ops.unsqueeze(x, -1) == keys).astype(ms.int32)
    index = ops.argmax(same, -1)
    return ops.gather(values, ops.where(ops.sum(same, -1) > 0, index, ops.full_like(index, keys.shape[0])), 0)


def one_hot_encoder(
    node: Node,
    x: Operand,
    *,
    cats_int64s: tuple[int, ...] | None = None,
    cats_strings: tuple[str, ...] | None = None,
    zeros: int = 1,
) -> Arg:
    """OneHotEncoder of numbers: 1 at the category that an element equals, all zeros if it equals none.

    Raises:
        Unsupported: the categories are strings, or an element outside them must raise an error.
    """
    if cats_int64s is None:
        raise node.decline("its categories are strings, which MindSpore does not have")
    if not zeros:
        raise node.decline("an element that is in no category has to be an error")
    whole = x if x.dtype == ir.DataType.INT64 else expr("{0}.astype(ms.int64)", x)
    categories = node.constant(np.array(cats_int64s), "categories")
    return expr("(ops.unsqueeze({0}, -1) == {1}).astype(ms.float32)", whole, categories)


def linear_regressor(
    node: Node,
    x: Operand,
    *,
    coefficients: tuple[float, ...] | None = None,
    intercepts: tuple[float, ...] | None = None,
    post_transform: str = "NONE",
    targets: int = 1,
) -> Arg:
    """LinearRegressor: a matrix product with the coefficients, plus the intercepts.

    Raises:
        Unsupported: a single target is transformed, which onnxruntime leaves out.
    """
    if targets == 1 and post_transform != "NONE":
        raise node.decline(f"onnxruntime applies no {post_transform} to a single target, as ONNX says")
    return transformed(node, _scores(node, x, coefficients or (), intercepts, targets), post_transform)


def linear_classifier(
    node: Node,
    x: Operand,
    *,
    classlabels_ints: tuple[int, ...] | None = None,
    classlabels_strings: tuple[str, ...] | None = None,
    coefficients: tuple[float, ...] | None = None,
    intercepts: tuple[float, ...] | None = None,
    multi_class: int = 0,
    post_transform: str = "NONE",
) -> Arg:
    """LinearClassifier: the label with the highest score, and the scores.

    Two classes may share one row of coefficients: its score is that of the second class, which is taken above 0.

    Raises:
        Unsupported: the labels are strings and read, or there are not as many rows of coefficients as classes.
    """
    if classlabels_ints is None and node.used[0]:
        raise node.decline("its labels are strings, which MindSpore does not have")
    labels = classlabels_ints or classlabels_strings or ()
    if intercepts is not None and len(intercepts) == 1 and len(labels) == 2 and post_transform != "PROBIT":
        return _of_two(node, x, coefficients or (), intercepts, labels, post_transform == "LOGISTIC")
    if intercepts is not None and len(intercepts) != len(labels):
        raise node.decline(f"{len(labels)} classes have {len(intercepts)} rows of coefficients")
    scores = node.let("scores", _scores(node, x, coefficients or (), intercepts, len(labels)))
    chosen: Arg = None
    if node.used[0]:
        chosen = best_class(x, scores)
        if labels != tuple(range(len(labels))):
            chosen = expr("ops.gather({0}, {1}, 0)", node.constant(np.array(labels), "labels"), chosen)
    return chosen, transformed(node, scores, post_transform)


def _of_two(
    node: Node,
    x: Operand,
    coefficients: Sequence[float],
    intercepts: Sequence[float],
    labels: Sequence[int | str],
    logistic: bool,
) -> Arg:
    """The labels and scores of two classes with one row of coefficients; onnxruntime applies no other transform."""
    score = node.let("score", _scores(node, x, coefficients, intercepts, 1))
    chosen: Arg = None
    if node.used[0]:
        second = expr("({0}.reshape(-1) > 0).astype(ms.int64)", score)
        plain = tuple(labels) == (0, 1)
        chosen = second if plain else expr("ops.gather({0}, {1}, 0)", node.constant(np.array(labels), "labels"), second)
    rated = node.let("second", expr("ops.sigmoid({0})", score)) if logistic else score
    return chosen, expr("ops.cat((1 - {0}, {0}), 1)", rated)


def _scores(
    node: Node, x: Operand, coefficients: Sequence[float], intercepts: Sequence[float] | None, rows: int
) -> Arg:
    if x.rank != 2 or len(coefficients) % max(rows, 1):
        raise node.decline("its input is no matrix, or its coefficients are not as many for every row")
    weight = np.array(coefficients, np.float32).reshape(rows, -1).T
    product = expr("ops.matmul({0}, {1})", _as_float(x), node.constant(weight, "coefficients"))
    if not intercepts or not any(intercepts):
        return product
    return expr("{0} + {1}", product, node.constant(np.array(intercepts, np.float32), "intercepts"))


def _as_float(x: Operand) -> Arg:
    return x if x.dtype == ir.DataType.FLOAT else expr("{0}.astype(ms.float32)", x)


def _per_feature(node: Node, values: Sequence[float], hint: str) -> Arg:
    return values[0] if len(values) == 1 else node.constant(np.array(values, np.float32), hint)


def _given_array(
    tensor: ir.TensorProtocol | None, floats: Sequence[float] | None, integers: Sequence[int] | None
) -> np.ndarray | None:
    """The one of the three attributes that is given, as an array; None if none is."""
    if tensor is not None:
        return tensor.numpy()
    if floats is not None:
        return np.array(floats, np.float32)
    return None if integers is None else np.array(integers)


ROWS = {
    "ai.onnx.ml.ArrayFeatureExtractor": array_feature_extractor,
    "ai.onnx.ml.Binarizer": binarizer,
    "ai.onnx.ml.FeatureVectorizer": feature_vectorizer,
    "ai.onnx.ml.Imputer": imputer,
    "ai.onnx.ml.LabelEncoder": label_encoder,
    "ai.onnx.ml.LinearClassifier": linear_classifier,
    "ai.onnx.ml.LinearRegressor": linear_regressor,
    "ai.onnx.ml.Normalizer": normalizer,
    "ai.onnx.ml.OneHotEncoder": one_hot_encoder,
    "ai.onnx.ml.Scaler": scaler,
}
