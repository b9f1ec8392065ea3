"""GroupQueryAttention, the attention of decoders with a cache of keys and values."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from converter.graph.edit import Edit, RefusedError


def group_query_attention(edit: Edit) -> None:
    """GroupQueryAttention as ONNX's Attention: causal, each query attends to the keys up to its own position.

    Input 5 holds the position of the last token of every sequence. Shorter sequences are padded at the end; the keys
    of new tokens are written before the padding.
    """
    _refuse_what_has_no_counterpart(edit)
    heads, key_heads = edit.get("num_heads"), edit.get("kv_num_heads")
    q, k, v = _queries_keys_values(edit, heads, key_heads)
    length = edit.before("Shape", q, start=1, end=2)
    starts = _starts(edit, length)
    places = edit.before("Add", starts, _count(edit, length))
    if edit.get("do_rotary", 0):
        places_of_tokens = edit.input(9) or places
        q, k = (_turned(edit, x, count, places_of_tokens) for x, count in ((q, heads), (k, key_heads)))
    q, k, v = (_split(edit, x, count) for x, count in ((q, heads), (k, key_heads), (v, key_heads)))
    if edit.input(3) is not None:
        k, v = _behind_past(edit, starts, length, k, v)
    allowed = _allowed(edit, places, edit.before("Shape", k, start=2, end=3))
    options = {name: edit.get(name) for name in ("scale", "softcap") if edit.get(name, 0.0)}
    y = edit.before("Attention", q, k, v, allowed, **options)
    for index, value in ((1, k), (2, v)):
        if len(edit.node.outputs) > index:
            edit.replace_output(index, value)
    edit.node.resize_outputs(1)
    merged = edit.before("Transpose", y, perm=[0, 2, 1, 3])
    edit.become("Reshape", [merged, edit.ints("shape", [0, 0, -1])])


def _refuse_what_has_no_counterpart(edit: Edit) -> None:
    for index, name in ((10, "an attention bias"), (11, "a head sink")):
        if edit.input(index) is not None:
            raise RefusedError(f"it has {name}")
    for name in ("smooth_softmax", "qk_output"):
        if edit.get(name, 0) > 0:
            raise RefusedError(f"its attribute {name} is set")
    if edit.input(5) is None or edit.input(6) is None:
        raise RefusedError("the lengths of its sequences are no inputs")
    if any(edit.get(name, "NONE") != "NONE" for name in ("k_quant_type", "v_quant_type")):
        raise RefusedError("its past is quantised")


def _queries_keys_values(edit: Edit, heads: int, key_heads: int) -> list[ir.Value]:
    """Queries, keys and values, (batch, length, heads * size) each; the first input may pack all three."""
    q, k, v = (edit.input(i) for i in range(3))
    if q is not None and k is not None and v is not None:
        return [q, k, v]
    width = edit.shape(q)[-1]
    if width is None:
        raise RefusedError("the extents of its inputs are unknown")
    size = width // (heads + 2 * key_heads)
    sizes = edit.ints("sizes", [heads * size, key_heads * size, key_heads * size])
    return list(edit.before_all("Split", 3, q, sizes, axis=2))


def _starts(edit: Edit, length: ir.Value) -> ir.Value:
    """(batch, 1): the number of past positions of each sequence, without padding."""
    last = edit.before("Cast", edit.before("Reshape", edit.input(5), edit.ints("shape", [-1, 1])), to=ir.DataType.INT64)
    filled = edit.before("Sub", edit.before("Add", last, edit.ints("one", 1)), length)
    return edit.before("Max", filled, edit.ints("zero", 0))


def _count(edit: Edit, length: ir.Value) -> ir.Value:
    """0, 1, …, length - 1, of shape (length,); `length` has shape (1,)."""
    return edit.before("Range", edit.ints("zero", 0), edit.before("Squeeze", length), edit.ints("one", 1))


def _turned(edit: Edit, x: ir.Value, heads: int, places: ir.Value) -> ir.Value:
    interleaved = edit.get("rotary_interleaved", 0)
    inputs = (x, edit.input(7), edit.input(8), places)
    return edit.before("RotaryEmbedding", *inputs, num_heads=heads, interleaved=interleaved)


def _split(edit: Edit, x: ir.Value, heads: int) -> ir.Value:
    """From (batch, length, heads * size) to (batch, heads, length, size)."""
    apart = edit.before("Reshape", x, edit.constant("shape", np.array([0, 0, heads, -1], np.int64)))
    return edit.before("Transpose", apart, perm=[0, 2, 1, 3])


def _behind_past(edit: Edit, starts: ir.Value, length: ir.Value, k: ir.Value, v: ir.Value) -> tuple[ir.Value, ir.Value]:
    """For each sequence, past keys and values without padding, then the new ones, then zeros."""
    room = edit.before("Shape", edit.input(3), start=2, end=3)
    total = edit.before("Cast", edit.before("Reshape", edit.input(6), edit.ints("shape", [1])), to=ir.DataType.INT64)
    places = _count(edit, edit.before("Max", room, total))
    new = edit.before("Sub", edit.before("Add", places, room), starts)
    new = edit.before("Min", new, edit.before("Add", room, length))  # the position of the zeros
    source = edit.before("Where", edit.before("Less", places, starts), places, new)
    source = edit.before("Unsqueeze", source, edit.ints("axes", [1, 3]))
    pads = edit.ints("pads", [0, 0, 0, 0, 0, 0, 1, 0])
    both = (edit.before("Concat", past, x, axis=2) for past, x in ((edit.input(3), k), (edit.input(4), v)))
    keys, values = (_taken(edit, edit.before("Pad", each, pads), source) for each in both)
    return keys, values


def _taken(edit: Edit, both: ir.Value, places: ir.Value) -> ir.Value:
    """Gather from `both`, (batch, heads, length, size), at positions (batch, 1, new length, 1) along the length."""
    one, ends = edit.ints("one", [1]), {i: edit.before("Shape", both, start=i, end=i + 1) for i in (0, 1, 3)}
    shape = edit.before("Concat", ends[0], ends[1], one, ends[3], axis=0)
    return edit.before("GatherElements", both, edit.before("Expand", places, shape), axis=2)


def _allowed(edit: Edit, places: ir.Value, length: ir.Value) -> ir.Value:
    """Mask (batch, 1, queries, keys): true for keys up to the query's position, within the local window if any."""
    queries = edit.before("Unsqueeze", places, edit.ints("axes", [1, 3]))
    keys, window = _count(edit, length), edit.get("local_window_size", -1)
    allowed = edit.before("LessOrEqual", keys, queries)
    if window <= 0:
        return allowed
    near = edit.before("Greater", keys, edit.before("Sub", queries, edit.ints("window", window)))
    return edit.before("And", allowed, near)
