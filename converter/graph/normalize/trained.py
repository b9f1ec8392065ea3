"""Which constants are trained: what the file of an exporter says by the form and by the names of its constants."""

from __future__ import annotations

import re

import onnx_ir as ir

from converter.base.trained import NO, TRAINED, YES
from converter.graph.annotations import is_literal
from converter.graph.origins import has_signature, trained
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
    for value in floats:
        if trained(value) is not None:
            continue
        name = value.name or ""
        generated = EXPORTERS_NAME.fullmatch(name) is not None
        if is_literal(value) or (generated and is_uniform(value)):
            value.metadata_props[TRAINED] = NO
        elif value.graph is not None and not has_signature(value.graph) and not generated:
            value.metadata_props[TRAINED] = NO if _BUFFERS.fullmatch(name) else YES


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
