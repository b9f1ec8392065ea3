"""Which constants are trained: what the file of an exporter says by the form and by the names of its constants."""

from __future__ import annotations

import re

import onnx_ir as ir

from converter.base.trained import NO, TRAINED, YES
from converter.graph.annotations import is_literal
from converter.graph.origins import has_signature, is_frozen, trained
from converter.graph.queries import is_float
from converter.graph.walk import all_graphs, all_nodes

EXPORTERS_NAME = re.compile(r"val_\d+|scalar_tensor_default.*|onnx::.*|\d+|.*Constant.*|const_fold_opt__\d+")
"""Names that exporters give to constants of their own."""
_BUFFERS = re.compile(
    r"(.*\.)?(inv_freq|masked_bias|anchors?|anchor_grid|freqs(_cis)?|(cos|sin)_cached|mean|std"
    r"|fb|window|dct_mat|mel_(basis|fb|filters?|scale))"
)
"""Names of torch's buffers, as libraries have them; a file of the older exporter does not tell them from parameters."""
_HAS_SCALES = re.compile(r"(Dequantize|Quantize|QLinear)\w+|QGemm|QAttention")
"""Operators whose float inputs, except the first, are scales."""

MAX_ELEMENTS = 1 << 24
"""Of a constant whose elements are looked at."""


def record_trained(model: ir.Model) -> None:
    """Record which float constants of a model that torch exported are trained, where its metadata do not say it.

    Torch's parameters and buffers are initializers with the names that they have in the module. A Constant node holds
    a number of a formula, a table or a mask, unless the whole module was frozen, and has no initializers.
    """
    _record_scales(model)
    if not (model.producer_name or "").startswith("pytorch"):
        return
    floats = [value for graph in all_graphs(model) for value in graph.initializers.values() if is_float(value)]
    if all(map(is_literal, floats)):
        return
    _record_frozen_norms(model)
    for value in floats:
        if trained(value) is not None or is_frozen(value):
            continue
        name = value.name or ""
        generated = EXPORTERS_NAME.fullmatch(name) is not None
        if is_literal(value) or (generated and is_uniform(value)):
            value.metadata_props[TRAINED] = NO
        elif value.graph is not None and not has_signature(value.graph) and not generated:
            value.metadata_props[TRAINED] = NO if _BUFFERS.fullmatch(name) else YES


def _record_frozen_norms(model: ir.Model) -> None:
    """Record that a scale and a shift that the exporter computed, for the channels of a convolution, are not trained.

    They are a batch norm that the source holds as buffers (`FrozenBatchNorm2d`); those that it trains are folded into
    the convolution or stay layers, and a scale that it trains by itself has no shift.
    """
    for node in all_nodes(model.graph):
        if node.op_type != "Add" or node.domain:
            continue
        for scaled, shift in (node.inputs, reversed(node.inputs)):
            product = None if scaled is None else scaled.producer()
            if product is None or product.op_type != "Mul" or product.domain or not _is_computed_of_channels(shift):
                continue
            for x, scale in (product.inputs, reversed(product.inputs)):
                layer = None if x is None else x.producer()
                if layer is not None and layer.op_type == "Conv" and _is_computed_of_channels(scale):
                    for value in (scale, shift):
                        assert value is not None
                        value.metadata_props[TRAINED] = NO


def _is_computed_of_channels(value: ir.Value | None) -> bool:
    """Whether a value is a constant (1, C, 1, …) with a name that the exporter gave it."""
    if value is None or not value.is_initializer() or not is_float(value) or value.shape is None:
        return False
    first, _, *others = [*value.shape, None, None][: max(len(value.shape), 2)]
    generated = EXPORTERS_NAME.fullmatch(value.name or "") is not None
    return generated and trained(value) is None and len(value.shape) > 2 and {first, *others} == {1}


def _record_scales(model: ir.Model) -> None:
    """Record that the scales of quantised operators are not trained: they were measured."""
    for node in all_nodes(model.graph):
        if _HAS_SCALES.fullmatch(node.op_type):
            for value in node.inputs[1:]:
                if value is not None and value.is_initializer() and is_float(value):
                    value.metadata_props[TRAINED] = NO


def is_uniform(value: ir.Value) -> bool:
    """Whether all elements are equal, as in constants of masks; those of a trained weight are not."""
    if value.const_value is None or not 0 < value.const_value.size <= MAX_ELEMENTS:
        return False
    elements = value.const_value.numpy().ravel()
    return bool((elements == elements[0]).all())
