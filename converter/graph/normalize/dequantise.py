"""Dequantise: the float network of a quantised one. Weights become floats; values are no longer rounded to integers.

A quantiser leaves out a Relu whose result it saturates at zero; it is put back.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter.graph.constants import new_initializer
from converter.graph.edit import Edit
from converter.graph.normalize.clean import remove_dead_code
from converter.graph.queries import is_float
from converter.graph.traits import Trait, has_trait
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_nodes

_SUFFIXES = ("_quantized", "_quant", "_Quant", ".quantized", "/quantized")
"""What quantisers append to the name of a weight."""

_NOT_NEGATIVE = frozenset({"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Softplus", "Exp", "Abs", "Sqrt"})
_KEEP_SIGN = frozenset({"MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax"})
_KEEP_SIGN_OF_ALL = frozenset({"Add", "Mul", "Concat", "Max"})


def dequantise(model: ir.Model) -> bool:
    """Turn a normalised model into its float network, as far as it is possible; return whether anything was.

    Types of inputs and outputs stay: what converts them stays, too.
    """
    names = UniqueNames.of(model)
    found = False
    for node in list(all_nodes(model.graph)):
        if node.op_type in _TAKEN_APART:
            _TAKEN_APART[node.op_type](Edit(node, names))
    for node in all_nodes(model.graph):
        if node.op_type == "QuantizeLinear":
            _name_after_source(node, names)
    reals: dict[ir.Value, ir.Value] = {}
    for node in list(all_nodes(model.graph)):
        match node.op_type:
            case "DynamicQuantizeLinear":
                found |= _drop_dynamic(node, names)
            case "DequantizeLinear":
                found |= _fold(node, names) or _drop_pair(node, reals, names)
    if found:
        remove_dead_code(model)
    return found


# Operators with scales of their own


def _take_convolution_apart(edit: Edit) -> None:
    """QLinearConv: dequantise, convolve, quantise."""
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, *bias = edit.node.inputs
    inputs = [
        edit.before("DequantizeLinear", x, x_scale, x_zero),
        edit.before("DequantizeLinear", w, w_scale, w_zero, axis=0),
    ]
    if bias and bias[0] is not None:
        inputs.append(edit.before("DequantizeLinear", bias[0], edit.before("Mul", x_scale, w_scale), axis=0))
    attributes = {name: value.value for name, value in edit.node.attributes.items()}
    edit.become("QuantizeLinear", [edit.before("Conv", *inputs, **attributes), y_scale, y_zero])


def _take_product_apart(edit: Edit) -> None:
    """QLinearMatMul: dequantise, multiply, quantise. Scales of rows of the left factor stay as they are."""
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = edit.node.inputs
    if a_scale is None or a_scale.shape is None or a_scale.shape.rank() > 0:
        return
    product = edit.before(
        "MatMul",
        edit.before("DequantizeLinear", a, a_scale, a_zero),
        edit.before("DequantizeLinear", b, b_scale, b_zero, axis=-1),
    )
    edit.become("QuantizeLinear", [product, y_scale, y_zero])


def _take_gemm_apart(edit: Edit) -> None:
    """QGemm: dequantise, multiply and add, quantise, if there is a scale of the output."""
    a, a_scale, a_zero, b, b_scale, b_zero, bias, *output = (*edit.node.inputs, None)[:9]
    inputs = [
        edit.before("DequantizeLinear", a, a_scale, a_zero),
        edit.before("DequantizeLinear", b, b_scale, b_zero, axis=0 if edit.get("transB", 0) else 1),
    ]
    if bias is not None:
        inputs.append(edit.before("DequantizeLinear", bias, edit.before("Mul", a_scale, b_scale), axis=0))
    attributes = edit.given("alpha", "transA", "transB")
    edit.node.domain = ""
    if output and output[0] is not None:
        edit.become("QuantizeLinear", [edit.before("Gemm", *inputs, **attributes), *output])
    else:
        edit.become("Gemm", inputs, **attributes)


_TAKEN_APART = {"QGemm": _take_gemm_apart, "QLinearConv": _take_convolution_apart, "QLinearMatMul": _take_product_apart}

WITH_SCALES = frozenset({"com.microsoft.QGemm"})
"""Operators with scales of their own that normalisation is to keep for `dequantise`."""


def _name_after_source(quantised: ir.Node, names: UniqueNames) -> None:
    """Give the name of a quantised operator to the one that computes with floats, without what a quantiser appended."""
    maker = quantised.inputs[0].producer() if quantised.inputs[0] is not None else None
    own = quantised.name or ""
    if maker is not None and (maker.name or "").startswith(f"{own}/"):
        quantised.name, maker.name = maker.name, names.fresh(own.removesuffix("_quant"))


# Weights


def _fold(node: ir.Node, names: UniqueNames) -> bool:
    """Replace the dequantisation of a constant by floats."""
    x, scale, zero = (*node.inputs, None)[:3]
    arrays = [_array(x), _array(scale), np.zeros((), np.int8) if zero is None else _array(zero)]
    if any(array is None for array in arrays) or "block_size" in node.attributes:
        return False
    values = real_values(*arrays, axis=node.attributes.get_int("axis", 1))  # type: ignore[arg-type]
    _replace(node, x, values, names)
    return True


def _replace(node: ir.Node, weight: ir.Value | None, values: np.ndarray, names: UniqueNames) -> None:
    """Replace the result of a node by a constant with the name of the integers that it was made of."""
    assert weight is not None
    _take_over(node.outputs[0], _constant_like(node, weight, values, names))


def _constant_like(node: ir.Node, weight: ir.Value, values: np.ndarray, names: UniqueNames) -> ir.Value:
    assert isinstance(node.graph, ir.Graph)
    name = weight.name or ""
    suffix = next((suffix for suffix in _SUFFIXES if name.endswith(suffix)), "")
    made = new_initializer(node.graph, names.fresh(name.removesuffix(suffix) or name), ir.tensor(values))
    made.metadata_props.update(weight.metadata_props)
    return made


def _take_over(value: ir.Value, other: ir.Value) -> None:
    """Let what reads a value read another one, which gets its name if it is an output of the network."""
    if value.is_graph_output() and (other.producer() is None or other.is_graph_output()):
        node = value.producer()
        assert node is not None
        node.op_type, node.domain = "Identity", ""
        node.attributes.clear()
        node.resize_inputs(1)
        node.replace_input_with(0, other)
    elif value.is_graph_output():
        value.replace_all_uses_with(other, replace_graph_outputs=True)
        value.name, other.name = other.name, value.name
    else:
        value.replace_all_uses_with(other)


def _array(value: ir.Value | None) -> np.ndarray | None:
    """What a value holds: a constant, or the product of two (the scale of a bias)."""
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy()
    maker = value.producer()
    if maker is None or maker.op_type != "Mul":
        return None
    one, other = map(_array, maker.inputs)
    return None if one is None or other is None else one * other


def real_values(array: np.ndarray, scale: np.ndarray, zero: np.ndarray, *, axis: int) -> np.ndarray:
    """`(array - zero) * scale`; scale and zero are numbers, or vectors along the axis."""
    shape = [-1 if i == axis % array.ndim else 1 for i in range(array.ndim)] if array.ndim else []
    scale, zero = (part.reshape(shape) if part.size > 1 else part.reshape(()) for part in (scale, zero))
    return (array.astype(np.float32) - zero.astype(np.float32)).astype(scale.dtype) * scale


# Values


def _drop_pair(node: ir.Node, reals: dict[ir.Value, ir.Value], names: UniqueNames) -> bool:
    """Bypass a dequantisation whose integers were quantised from floats, with nothing but data movement between.

    `reals` has the floats of integers that were met before.
    """
    moves: list[ir.Node] = []
    value = node.inputs[0]
    while value is not None and (maker := value.producer()) is not None and _moves(maker):
        moves.append(maker)
        value = maker.inputs[0]
    maker = None if value is None else value.producer()
    if maker is None or maker.op_type != "QuantizeLinear" or not _is_same_scale(maker, node):
        return False
    real = reals.get(maker.outputs[0]) or _saturated(maker, names)
    reals[maker.outputs[0]] = real
    for move in reversed(moves):
        known = reals.get(move.outputs[0])
        if known is None:
            attributes = {name: each.value for name, each in move.attributes.items()}
            known = Edit(move, names).before(move.op_type, real, *move.inputs[1:], **attributes)
            reals[move.outputs[0]] = known
            producer = known.producer()
            assert producer is not None
            producer.name, move.name = move.name, producer.name
        real = known
    if node.outputs[0].dtype != real.dtype and real.dtype is not None:
        real = Edit(node, names).before("Cast", real, to=node.outputs[0].dtype)
    _take_over(node.outputs[0], real)
    return True


def _moves(node: ir.Node) -> bool:
    """Whether a node moves the elements of one input, so that it does the same with floats."""
    return (node.op_type != "Concat" and has_trait(node, Trait.DATA_MOVEMENT)) or node.op_type == "MaxPool"


def _is_same_scale(quantised: ir.Node, back: ir.Node) -> bool:
    """Whether a dequantisation undoes a quantisation: one scale, one zero point."""
    for one, other in zip((*quantised.inputs, None)[1:3], (*back.inputs, None)[1:3], strict=True):
        if one is other:
            continue
        first, second = _array(one), _array(other)
        if first is None or second is None:
            return not (one or other)
        if not np.array_equal(first, second):
            return False
    return True


def _saturated(quantised: ir.Node, names: UniqueNames) -> ir.Value:
    """What was quantised; behind a Relu, where the quantisation saturates at zero and nothing else does."""
    real = quantised.inputs[0]
    assert real is not None
    maker = real.producer()
    zero = _array(quantised.inputs[2]) if len(quantised.inputs) > 2 else np.zeros((), np.uint8)
    if zero is None or (zero != np.iinfo(zero.dtype).min).any() or maker is None or _is_not_negative(real):
        return real
    return Edit(quantised, names).before("Relu", real)


def _is_not_negative(value: ir.Value | None) -> bool:
    """Whether no element of a value is below zero."""
    pending, seen = [value], set()
    while pending:
        found = pending.pop()
        if found is None:
            return False
        if found in seen:
            continue
        seen.add(found)
        if found.const_value is not None:
            if (found.const_value.numpy() < 0).any():
                return False
            continue
        maker = found.producer()
        if maker is None:
            return False
        if maker.op_type in _NOT_NEGATIVE or _is_clipped_at_zero(maker):
            continue
        if maker.op_type in _KEEP_SIGN_OF_ALL:
            pending += maker.inputs
        elif maker.op_type in _KEEP_SIGN or _moves(maker) or maker.op_type in ("QuantizeLinear", "DequantizeLinear"):
            pending.append(maker.inputs[0])
        else:
            return False
    return True


def _is_clipped_at_zero(node: ir.Node) -> bool:
    low = _array(node.inputs[1]) if node.op_type == "Clip" and len(node.inputs) > 1 else None
    return low is not None and bool((low >= 0).all())


# Values that are quantised by their own range


def _drop_dynamic(node: ir.Node, names: UniqueNames) -> bool:
    """Let the products of a value that is quantised by its range read the value itself."""
    value, (integers, scale, zero) = node.inputs[0], node.outputs
    products = [use.node for use in integers.uses()]
    if value is None or not all(_is_product(product, integers, zero) for product in products):
        return False
    factors = [use.node for use in scale.uses()]
    if not all(factor.op_type == "Mul" and _other(factor, scale) is not None for factor in factors):
        return False
    for factor in factors:
        other = _other(factor, scale)
        assert other is not None
        _take_over(factor.outputs[0], other)
    for product in products:
        _multiply_floats(product, value, names)
    return True


def _multiply_floats(product: ir.Node, value: ir.Value, names: UniqueNames) -> None:
    """Replace a product of integers, which is scaled afterwards, by one of floats."""
    weight, zero = product.inputs[1], (*product.inputs, None, None)[3]
    array, zeros = _array(weight), np.zeros((), np.int8) if zero is None else _array(zero)
    assert weight is not None
    assert array is not None
    assert zeros is not None
    last, scale = product.outputs[0], np.ones((), np.float32)
    kind, axis = ("Conv", 0) if product.op_type == "ConvInteger" else ("MatMul", -1)
    if (scaled := _scaled(product, array.shape[axis])) is not None:
        last, scale = scaled
    attributes = {name: each.value for name, each in product.attributes.items()}
    floats = _constant_like(product, weight, real_values(array, scale, zeros, axis=axis), names)
    own = (product.name or "").removesuffix("_quant")
    made = Edit(product, names).before(kind, value, floats, **attributes)
    producer = made.producer()
    assert producer is not None
    producer.name = names.fresh(own)
    _take_over(last, made)


def _scaled(product: ir.Node, channels: int) -> tuple[ir.Value, np.ndarray] | None:
    """What a product is, multiplied by the constant scale of its weight; and that scale."""
    value = product.outputs[0]
    for op_type in ("Cast", "Mul"):
        readers = [use.node for use in value.uses()]
        if len(readers) != 1 or readers[0].op_type != op_type or value.is_graph_output():
            return None
        before, value = value, readers[0].outputs[0]
    scale = _array(_other(readers[0], before))
    return None if scale is None or scale.size not in (1, channels) else (value, scale.reshape(-1))


def _is_product(node: ir.Node, integers: ir.Value, zero: ir.Value) -> bool:
    """Whether a node multiplies quantised values by constant integers."""
    if node.op_type not in ("MatMulInteger", "ConvInteger"):
        return False
    given: Sequence[ir.Value | None] = (*node.inputs, None, None)
    constant = _array(given[1]) is not None and (given[3] is None or _array(given[3]) is not None)
    return constant and given[0] is integers and given[2] is zero and _is_scaled(node)


def _is_scaled(node: ir.Node) -> bool:
    """Whether every reader of an integer product converts it to floats."""
    uses = [use.node for use in node.outputs[0].uses()]
    return bool(uses) and all(use.op_type == "Cast" and is_float(use.outputs[0]) for use in uses)


def _other(node: ir.Node, value: ir.Value) -> ir.Value | None:
    """The constant that a Mul multiplies a value by."""
    others = [each for each in node.inputs if each is not value]
    return others[0] if len(others) == 1 and _array(others[0]) is not None else None
