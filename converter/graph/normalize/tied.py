"""Tied weights: one initializer for an embedding that the file holds twice, as GPT-2's head or as a decoder's."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import onnx_ir as ir

from converter.graph.normalize.trained import EXPORTERS_NAME, is_uniform
from converter.graph.origins import is_fixed
from converter.graph.provenance import OPERATOR
from converter.graph.queries import is_float
from converter.graph.unique_names import UniqueNames

_TABLES = re.compile(
    r"(.*[./_])?(shared|wte|\w*embed\w*|word_embeddings|tok\w*)[./_](weight|embeddings)", re.IGNORECASE
)
_HEADS = re.compile(r"(.*[./_])?(lm_head|embed_out|decoder|predictions|generator|output|head)\.weight")
_SMALLEST, _LARGEST = 256, 1 << 30
"""Elements of a table: fewer may be equal by chance, more take long to compare."""
_PIECE = 64 << 20
"""Bytes that are compared at once."""


def tie_embeddings(model: ir.Model) -> None:
    """Let a head, or another embedding, read the table that it is equal to, bit for bit, as their names suggest.

    A head that the exporter transposed, and so named itself, reads the transposed table, whatever that is called.
    """
    matrices = list(_matrices(model.graph))
    tables = [value for value in matrices if _is_looked_up(value) and not _is_generated(value)]
    if not tables:
        return
    names = UniqueNames.of(model)
    for value in matrices:
        before = tables[: tables.index(value)] if value in tables else tables  # the first of equal tables stays
        if not _is_generated(value):
            named = _HEADS.fullmatch(value.name or "") or (value in tables and _TABLES.fullmatch(value.name or ""))
            before = [table for table in before if named and _TABLES.fullmatch(table.name or "")]
        for table in before:
            if _is_same(value, table, turned=False):
                value.replace_all_uses_with(table)
                break
            if _is_same(value, table, turned=True):
                _read_transposed(table, value, names)
                break


def _matrices(graph: ir.Graph) -> Iterator[ir.Value]:
    for value in graph.initializers.values():
        tensor = value.const_value
        if tensor is None or len(tensor.shape) != 2 or not is_float(value) or value.is_graph_output():
            continue
        if tensor.size >= _SMALLEST and not is_fixed(value):
            yield value


def _is_generated(value: ir.Value) -> bool:
    """Whether an exporter named a matrix, because it computed it from one of the module's."""
    return EXPORTERS_NAME.fullmatch(value.name or "") is not None


def _is_looked_up(value: ir.Value) -> bool:
    return any(use.node.op_type == "Gather" and use.idx == 0 for use in value.uses())


def _is_same(value: ir.Value, table: ir.Value, *, turned: bool) -> bool:
    """Whether a matrix is equal to a table, or to the transposed table, bit for bit."""
    one, other = value.const_value, table.const_value
    assert one is not None
    assert other is not None
    shape = tuple(reversed(other.shape.numpy())) if turned else other.shape.numpy()
    if one.dtype != other.dtype or one.shape.numpy() != shape or one.size > _LARGEST or is_uniform(value):
        return False
    count = one.shape.numpy()[0]
    rows = max(1, _PIECE * count // one.nbytes)
    for start in range(0, count, rows):  # a tensor in a file is mapped anew for each piece
        piece = slice(start, start + rows)
        theirs = other.numpy()[:, piece].T if turned else other.numpy()[piece]
        if not np.array_equal(one.numpy()[piece], theirs):
            return False
    return True


def _read_transposed(table: ir.Value, value: ir.Value, names: UniqueNames) -> None:
    """Let every reader of `value` read a Transpose of the table; the source has no such node, so it is not reported."""
    for use in list(value.uses()):
        node = ir.node("Transpose", [table], {"perm": [1, 0]}, name=names.fresh(f"{table.name}/Transpose"))
        node.metadata_props.update(use.node.metadata_props)
        node.metadata_props[OPERATOR] = ""
        made = node.outputs[0]
        made.name, made.type, made.shape = names.fresh(f"{value.name}_table"), value.type, value.shape
        assert isinstance(use.node.graph, ir.Graph)
        use.node.graph.insert_before(use.node, node)
        use.node.replace_input_with(use.idx, made)
