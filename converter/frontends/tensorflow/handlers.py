"""tf2onnx handlers for TensorFlow operators that tf2onnx lacks, translates wrongly, or translates to needless nodes.

A handler has tf2onnx's signature: it changes `node`, a node of tf2onnx's `graph`, into the last node of the
translation, and adds the others before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from converter.base.bounded import follows
from converter.frontends.tensorflow.audio_handlers import AUDIO_HANDLERS
from converter.frontends.tensorflow.image_handlers import IMAGE_HANDLERS
from converter.frontends.tensorflow.matrix_handlers import MATRIX_HANDLERS
from converter.frontends.tensorflow.node_building import NUMBER, finish

Handler = Callable[..., None]

_OF_EXTENTS = ("Add", "AddV2", "ConcatV2", "Concat", "Max", "Maximum", "Mul", "Pack")
"""Operators whose result is not negative if no input is negative."""

_PARTS = ("Cast", "Gather", "GatherV2", "Identity", "Reshape", "Slice", "Squeeze", "StridedSlice", "Unsqueeze")
"""Operators whose result consists of elements of their first input."""

_MOST_STEPS = 256
"""Nodes before an extent that are visited."""


def _alias(operator: str) -> Handler:
    """A handler for an operator that ONNX has under another name."""

    def handle(graph: Any, node: Any, **kwargs: Any) -> None:
        node.type = operator

    return handle


def _fake_quant(graph: Any, node: Any, **kwargs: Any) -> None:
    """Quantise and dequantise: round to 2**num_bits levels between two limits, shifted so that 0 is a level."""
    if node.type == "FakeQuantWithMinMaxArgs":
        low, high = (np.array(node.get_attr_value(name), np.float32) for name in ("min", "max"))
    elif all(source.is_const() for source in node.inputs[1:]):
        low, high = (source.get_tensor_value(as_list=False) for source in node.inputs[1:])
    else:
        raise NotImplementedError("limits that are computed")
    first = 1 if node.get_attr_value("narrow_range") else 0
    last = 2 ** (node.get_attr_value("num_bits") or 8) - 1
    scale = (high - low) / np.float32(last - first)
    zero = np.clip(np.floor(first - low / scale + np.float32(0.5)), first, last)
    low, high = (first - zero) * scale, (last - zero) * scale

    def number(value: Any) -> str:
        return _constant(graph, node, np.asarray(value, np.float32))

    inside = _make(graph, node, "Min", _make(graph, node, "Max", node.input[0], number(low)), number(high))
    steps = _make(graph, node, "Div", _make(graph, node, "Sub", inside, number(low)), number(scale))
    whole = _make(graph, node, "Floor", _make(graph, node, "Add", steps, number(0.5)))
    node.type = "Add"
    graph.replace_inputs(node, [_make(graph, node, "Mul", whole, number(scale)), number(low)])


def _bucketize(graph: Any, node: Any, **kwargs: Any) -> None:
    """The number of boundaries that are less than or equal to each element."""
    from tf2onnx import utils

    last = _constant(graph, node, np.array([-1], np.int64))
    dtype = utils.map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))
    boundaries = _constant(graph, node, np.array(node.get_attr("boundaries").floats, dtype))
    reached = _make(graph, node, "GreaterOrEqual", _make(graph, node, "Unsqueeze", node.input[0], last), boundaries)
    counted = graph.make_node("Cast", [reached], attr={"to": graph.get_dtype(node.output[0])}).output[0]
    node.type = "ReduceSum"
    node.set_attr("keepdims", 0)
    graph.replace_inputs(node, [counted, last])


def _broadcast_args(graph: Any, node: Any, **kwargs: Any) -> None:
    """The shape to which tensors of two shapes are broadcast."""
    from tf2onnx import utils

    lengths = [graph.get_shape(shape) for shape in node.input]
    if any(not length or length[0] < 0 for length in lengths):
        raise NotImplementedError("shapes of unknown rank")
    dtype, rank = graph.get_dtype(node.output[0]), max(length[0] for length in lengths)

    def padded(shape: str, missing: int) -> str:
        if not missing:
            return shape
        ones = _constant(graph, node, np.ones(missing, utils.map_onnx_to_numpy_type(dtype)))
        return str(graph.make_node("Concat", [ones, shape], attr={"axis": 0}, dtypes=[dtype]).output[0])

    one, other = (padded(shape, rank - length[0]) for shape, length in zip(node.input, lengths, strict=True))
    is_one = _make(graph, node, "Equal", one, _number(graph, node, 1))
    node.type = "Where"
    graph.replace_inputs(node, [is_one, other, one])


def _print(graph: Any, node: Any, **kwargs: Any) -> None:
    """Identity of the first input; nothing is printed."""
    node.type = "Identity"
    graph.replace_inputs(node, node.input[:1])


def _erfc(graph: Any, node: Any, **kwargs: Any) -> None:
    """1 - erf(x)."""
    erf = _make(graph, node, "Erf", node.input[0])
    node.type = "Sub"
    graph.replace_inputs(node, [_number(graph, node, 1), erf])


def _scatter(graph: Any, node: Any, **kwargs: Any) -> None:
    """ScatterND into zeros; TensorFlow adds the updates of duplicate indices."""
    import onnx

    indices, updates, shape = node.input
    dtype = graph.get_dtype(updates)
    zero = onnx.helper.make_tensor("value", dtype, [1], [0])
    int64 = {"to": onnx.TensorProto.INT64}
    extents = graph.make_node("Cast", [shape], attr=int64).output[0]
    zeros = graph.make_node("ConstantOfShape", [extents], attr={"value": zero}, dtypes=[dtype]).output[0]
    places = graph.make_node("Cast", [indices], attr=int64).output[0]
    node.type = "ScatterND"
    node.set_attr("reduction", "add")
    graph.replace_inputs(node, [zeros, places, updates])


def _select(graph: Any, node: Any, **kwargs: Any) -> None:
    """Where; if the condition of Select is a vector, it selects rows and is reshaped to (-1, 1, …)."""
    condition, rank = node.input[0], graph.get_rank(node.input[1])
    if node.type == "Select" and graph.get_rank(condition) == 1 and rank and rank > 1:
        shape = graph.make_const(f"{node.name}/rows", np.array([-1] + [1] * (rank - 1), np.int64)).output[0]
        graph.replace_inputs(node, [_make(graph, node, "Reshape", condition, shape), *node.input[1:]])
    node.type = "Where"


def _floor_mod(graph: Any, node: Any, **kwargs: Any) -> None:
    """The remainder with the divisor's sign: Mod for integers, x - floor(x / y) * y for floats."""
    if not _is_integer(graph, node):
        rounded = _make(graph, node, "Floor", _quotient(graph, node))
        product = _make(graph, node, "Mul", rounded, node.input[1])
        node.type = "Sub"
        graph.replace_inputs(node, [node.input[0], product])
    else:
        node.type = "Mod"


def _floor_div(graph: Any, node: Any, **kwargs: Any) -> None:
    """Division rounded to minus infinity. ONNX rounds integer division to zero, which is equal for extents (>= 0)."""
    if not _is_integer(graph, node):
        quotient = _quotient(graph, node)
        node.type = "Floor"
        graph.replace_inputs(node, [quotient])
        return
    x, y = node.input
    if not all(_is_extent(source) for source in node.inputs):
        x = _make(graph, node, "Sub", x, _make(graph, node, "Mod", x, y))
    node.type = "Div"
    graph.replace_inputs(node, [x, y])


def _is_integer(graph: Any, node: Any) -> bool:
    from tf2onnx import utils

    return np.dtype(utils.map_onnx_to_numpy_type(graph.get_dtype(node.input[0]))).kind in "iu"


def _is_extent(node: Any) -> bool:
    """Whether a value is computed from shapes and constants, and never negative."""
    return follows(node, _operands_of_extent, _MOST_STEPS)


def _operands_of_extent(node: Any) -> list[Any] | None:
    """The operands of arithmetic on extents, which must be extents; none if it is one by itself, None if unknown."""
    if node.is_const():
        return [] if (node.get_tensor_value(as_list=False) >= 0).all() else None
    if node.type in _OF_EXTENTS:
        return list(node.inputs)
    if node.type in _PARTS:
        return [node.inputs[0]]
    return [] if node.type in ("Shape", "Size") else None


def _non_max_suppression(graph: Any, node: Any, **kwargs: Any) -> None:
    """tf2onnx's own handler, only if soft_nms_sigma is 0, which that handler does not check."""
    from tf2onnx.onnx_opset.tensor import NonMaxSuppression

    if not node.inputs[5].is_const() or node.inputs[5].get_tensor_value():
        raise NotImplementedError("scores that fall where boxes overlap")
    NonMaxSuppression.any_version(graph.opset, graph, node, **kwargs)


def _expm1(graph: Any, node: Any, **kwargs: Any) -> None:
    """exp(x) - 1."""
    exp = _make(graph, node, "Exp", node.input[0])
    node.type = "Sub"
    graph.replace_inputs(node, [exp, _number(graph, node, 1)])


def _log1p(graph: Any, node: Any, **kwargs: Any) -> None:
    """log(1 + x)."""
    added = _make(graph, node, "Add", node.input[0], _number(graph, node, 1))
    node.type = "Log"
    graph.replace_inputs(node, [added])


def _one_hot(graph: Any, node: Any, **kwargs: Any) -> None:
    """OneHot in which a negative index is none at all; ONNX counts it from the end."""
    from onnx import TensorProto

    def int64(value: str) -> str:
        attributes = {"to": TensorProto.INT64}
        return str(graph.make_node("Cast", [value], attr=attributes, dtypes=[TensorProto.INT64]).output[0])

    indices, depth = int64(node.input[0]), int64(node.input[1])
    zero, first = _constant(graph, node, np.array(0, np.int64)), _constant(graph, node, np.array([0], np.int64))
    is_negative = graph.make_node("Less", [indices, zero], dtypes=[TensorProto.BOOL]).output[0]
    outside = graph.make_node("Where", [is_negative, depth, indices], dtypes=[TensorProto.INT64]).output[0]
    on, off = (_make(graph, node, "Unsqueeze", value, first) for value in node.input[2:])
    values = graph.make_node("Concat", [off, on], attr={"axis": 0}, dtypes=[graph.get_dtype(node.input[2])]).output[0]
    finish(graph, node, "OneHot", [outside, depth, values], axis=node.get_attr_value("axis"))


def _mod(graph: Any, node: Any, **kwargs: Any) -> None:
    """The remainder with the dividend's sign."""
    finish(graph, node, "Mod", list(node.input), fmod=1)


def _shape_n(graph: Any, node: Any, **kwargs: Any) -> None:
    """The shape of each input."""
    inputs, outputs, dtype = list(node.input), list(node.output), node.get_attr_value("out_type")
    graph.remove_node(node.name)
    for x, old in zip(inputs, outputs, strict=True):
        shape = graph.make_node("Shape", [x]).output[0]
        graph.make_node("Cast", [shape], attr={"to": dtype}, outputs=[old], dtypes=[dtype])


def _parallel_concat(graph: Any, node: Any, **kwargs: Any) -> None:
    """Concat along the first axis."""
    finish(graph, node, "Concat", list(node.input), axis=0)


def _complex(graph: Any, node: Any, **kwargs: Any) -> None:
    """Keep the node, for which there is a row; tf2onnx writes transforms as products with large matrices."""
    raise NotImplementedError("complex numbers")


def _zero_where(index: int, compute: Callable[[Any, Any], str]) -> Handler:
    """A handler for an operator that is 0 wherever input `index` is 0, and `compute` elsewhere."""

    def handle(graph: Any, node: Any, **kwargs: Any) -> None:
        zero = _number(graph, node, 0)
        is_zero = _make(graph, node, "Equal", node.input[index], zero)
        value = compute(graph, node)
        node.type = "Where"
        graph.replace_inputs(node, [is_zero, zero, value])

    return handle


def _sparse_cross_entropy(graph: Any, node: Any, **kwargs: Any) -> None:
    """SoftmaxCrossEntropyLoss of each row of scores (N, C), with class indices (N,)."""
    node.type = "SoftmaxCrossEntropyLoss"
    node.set_attr("reduction", "none")


def _cross_entropy(graph: Any, node: Any, **kwargs: Any) -> None:
    """The negative sum of labels times the logarithms of the softmax, for each row."""
    scores, labels = node.input
    logs = graph.make_node("LogSoftmax", [scores], attr={"axis": -1}).output[0]
    axis = _constant(graph, node, np.array([-1], np.int64))
    product = _make(graph, node, "Mul", labels, logs)
    total = graph.make_node("ReduceSum", [product, axis], attr={"keepdims": 0}).output[0]
    node.type = "Neg"
    graph.replace_inputs(node, [total])


def _quotient(graph: Any, node: Any) -> str:
    return _make(graph, node, "Div", *node.input)


def _product(graph: Any, node: Any) -> str:
    return _make(graph, node, "Mul", *node.input)


def _times_log(graph: Any, node: Any) -> str:
    return _make(graph, node, "Mul", node.input[0], _make(graph, node, "Log", node.input[1]))


def _make(graph: Any, node: Any, operator: str, *inputs: str) -> str:
    """Add a node in the scope of `node`; return its output."""
    from tf2onnx import utils

    return graph.make_node(operator, list(inputs), name=utils.make_name(f"{node.name}/{operator}")).output[0]


def _number(graph: Any, node: Any, value: float) -> str:
    from tf2onnx import utils

    return _constant(graph, node, np.array(value, utils.map_onnx_to_numpy_type(graph.get_dtype(node.output[0]))))


def _constant(graph: Any, node: Any, array: np.ndarray) -> str:
    from tf2onnx import utils

    return graph.make_const(utils.make_name(f"{node.name}/{NUMBER}"), array).output[0]


def _cumulative_logsumexp(graph: Any, node: Any, **kwargs: Any) -> None:
    """log(cumsum(exp(x - m))) + m for the maximum m."""
    axis = _constant(graph, node, np.array([int(node.inputs[1].get_tensor_value())], np.int64))
    dtype = graph.get_dtype(node.input[0])
    largest = graph.make_node("ReduceMax", [node.input[0], axis], attr={"keepdims": 1}, dtypes=[dtype]).output[0]
    exp = _make(graph, node, "Exp", _make(graph, node, "Sub", node.input[0], largest))
    how = {name: int(node.get_attr_value(name) or 0) for name in ("exclusive", "reverse")}
    total = graph.make_node("CumSum", [exp, node.input[1]], attr=how, dtypes=[dtype]).output[0]
    node.type = "Add"
    for name in list(node.attr):
        del node.attr[name]
    graph.replace_inputs(node, [_make(graph, node, "Log", total), largest])


def _bound(compare: str) -> Handler:
    """A handler that counts, for each value, the elements of its sorted row that are less, or not greater."""

    def handle(graph: Any, node: Any, **kwargs: Any) -> None:
        one, last = (_constant(graph, node, np.array([axis], np.int64)) for axis in (1, -1))
        row = _make(graph, node, "Unsqueeze", node.input[0], one)
        value = _make(graph, node, "Unsqueeze", node.input[1], last)
        reached = _make(graph, node, compare, row, value)
        counted = graph.make_node("Cast", [reached], attr={"to": graph.get_dtype(node.output[0])}).output[0]
        node.type = "ReduceSum"
        node.set_attr("keepdims", 0)
        graph.replace_inputs(node, [counted, last])

    return handle


def _gru_block_cell(graph: Any, node: Any, **kwargs: Any) -> None:
    """One step of a GRU with one matrix for reset and update gate.

    https://github.com/tensorflow/tensorflow/blob/master/tensorflow/core/ops/rnn_ops.cc
    """
    x, before, gates_weight, cell_weight, gates_bias, cell_bias = node.input
    dtype, results = graph.get_dtype(x), list(node.output)

    def make(operator: str, *inputs: str, **attributes: Any) -> str:
        return str(graph.make_node(operator, list(inputs), attr=attributes, dtypes=[dtype]).output[0])

    both = make("Concat", x, before, axis=1)
    gates = make("Sigmoid", make("Add", make("MatMul", both, gates_weight), gates_bias))
    halves = {"axis": 1, "num_outputs": 2}
    reset, update = graph.make_node("Split", [gates], attr=halves, output_count=2, dtypes=[dtype] * 2).output
    kept = make("Concat", x, make("Mul", before, reset), axis=1)
    cell = make("Tanh", make("Add", make("MatMul", kept, cell_weight), cell_bias))
    fresh = make("Mul", make("Sub", _number(graph, node, 1), update), cell)
    after = make("Add", fresh, make("Mul", update, before))
    graph.remove_node(node.name)
    for old, new in zip(results, (reset, update, cell, after), strict=True):
        graph.make_node("Identity", [new], outputs=[old], dtypes=[dtype])


def _in_dtype_of_scale(batch_norm: Handler) -> Handler:
    """A handler that computes a norm of 16-bit values in the type of its scale, as TensorFlow does."""

    def handle(graph: Any, node: Any, **kwargs: Any) -> None:
        narrow, wide = (graph.get_dtype(value) for value in node.input[:2])
        if narrow != wide:
            widened = graph.insert_new_node_on_input(node, "Cast", node.input[0], to=wide)
            graph.copy_shape(widened.input[0], widened.output[0])
            graph.set_dtype(widened.output[0], wide)
            graph.set_dtype(node.output[0], wide)
            narrowed = graph.insert_new_node_on_output("Cast", node.output[0], to=narrow)
            graph.copy_shape(node.output[0], narrowed.output[0])
            graph.set_dtype(narrowed.output[0], narrow)
        batch_norm(graph, node, **kwargs)

    return handle


def _batch_norm(graph: Any, node: Any, **kwargs: Any) -> None:
    """tf2onnx's own handler; a norm that trains uses the mean and the variance of the batch itself."""
    from tf2onnx.onnx_opset.nn import BatchNorm

    if not node.get_attr_value("is_training", True):
        BatchNorm.version_9(graph, node, **kwargs)
        return
    x, dtype, results, epsilon = node.input[0], graph.get_dtype(node.input[0]), list(node.output), node.get_attr_value
    last = node.get_attr_str("data_format") == "NHWC"
    axes = _constant(graph, node, np.array([0, 1, 2] if last else [0, 2, 3], np.int64))

    def make(operator: str, *inputs: str, **attributes: Any) -> str:
        return str(graph.make_node(operator, list(inputs), attr=attributes, dtypes=[dtype]).output[0])

    def mean(value: str, keepdims: int) -> str:
        return make("ReduceMean", value, axes, keepdims=keepdims)

    gamma, beta = node.input[1:3]
    if not last:
        column = _constant(graph, node, np.array([-1, 1, 1], np.int64))
        gamma, beta = (make("Reshape", vector, column) for vector in (gamma, beta))
    centred = make("Sub", x, mean(x, 1))
    squares = make("Mul", centred, centred)
    deviation = make("Sqrt", make("Add", mean(squares, 1), _number(graph, node, epsilon("epsilon"))))
    normal = make("Add", make("Mul", make("Div", centred, deviation), gamma), beta)
    made = [normal, mean(x, 0)]
    if len(results) > 2 and (graph.find_output_consumers(results[2]) or results[2] in graph.outputs):
        int64 = graph.get_dtype(axes)
        size = graph.make_node("Size", [x], dtypes=[int64]).output[0]
        channels = graph.make_node("Size", [node.input[1]], dtypes=[int64]).output[0]
        count = make("Cast", graph.make_node("Div", [size, channels], dtypes=[int64]).output[0], to=dtype)
        one = _number(graph, node, 1)
        correction = make("Div", count, make("Max", make("Sub", count, one), one))  # the batch may have any size
        made.append(make("Mul", mean(squares, 0), correction))
    graph.remove_node(node.name)
    for old, new in zip(results, made, strict=False):
        graph.make_node("Identity", [new], outputs=[old], dtypes=[dtype])


HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(("FusedBatchNorm", "FusedBatchNormV2", "FusedBatchNormV3"), _in_dtype_of_scale(_batch_norm)),
    **AUDIO_HANDLERS,
    **IMAGE_HANDLERS,
    **dict.fromkeys(("ComplexAbs", "FFT", "FFT2D", "RFFT", "RFFT2D"), _complex),
    **MATRIX_HANDLERS,
    "AccumulateNV2": _alias("Sum"),
    "BroadcastArgs": _broadcast_args,
    "Bucketize": _bucketize,
    "CumulativeLogsumexp": _cumulative_logsumexp,
    "DeepCopy": _alias("Identity"),
    "Erfc": _erfc,
    "Expm1": _expm1,
    "FakeQuantWithMinMaxArgs": _fake_quant,
    "FakeQuantWithMinMaxVars": _fake_quant,
    "FakeQuantWithMinMaxVarsPerChannel": _fake_quant,
    "FloorDiv": _floor_div,
    "FloorMod": _floor_mod,
    "GRUBlockCell": _gru_block_cell,
    "GuaranteeConst": _alias("Identity"),
    "Inv": _alias("Reciprocal"),
    "Log1p": _log1p,
    "LowerBound": _bound("Less"),
    "Mod": _mod,
    "MulNoNan": _zero_where(1, _product),
    "NonMaxSuppressionV5": _non_max_suppression,
    "OneHot": _one_hot,
    "ParallelConcat": _parallel_concat,
    "Print": _print,
    "ScatterNd": _scatter,
    "Select": _select,
    "SelectV2": _select,
    "ShapeN": _shape_n,
    "Snapshot": _alias("Identity"),
    "SoftmaxCrossEntropyWithLogits": _cross_entropy,
    "SparseSoftmaxCrossEntropyWithLogits": _sparse_cross_entropy,
    "UpperBound": _bound("LessOrEqual"),
    "Xdivy": _zero_where(0, _quotient),
    "Xlogy": _zero_where(0, _times_log),
}
