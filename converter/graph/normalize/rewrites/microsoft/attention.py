"""Attention: onnxruntime's operators with their many forms of inputs, as ONNX's Attention and RotaryEmbedding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx_ir as ir

from converter.graph.edit import Edit, RefusedError
from converter.graph.normalize.rewrites.microsoft.quantised import real_product


def attention(edit: Edit) -> None:
    """Attention: queries, keys and values come from one MatMul with their packed weights."""
    _refuse(edit, "do_rotary", "past_present_share_buffer")
    product = edit.before("MatMul", edit.input(0), edit.input(1))
    if edit.input(2) is not None:
        product = edit.before("Add", product, edit.input(2))
    _packed_attention(edit, product, edit.shape(edit.input(1))[-1], mask=3, past=4, bias=5)


def qattention(edit: Edit) -> None:
    """QAttention: Attention whose first MatMul is quantised."""
    _refuse(edit, "do_rotary", "past_present_share_buffer")
    x, weights, bias, x_scale, w_scale, _, x_zero_point, w_zero_point = (edit.input(i) for i in range(8))
    product = real_product(edit, (x, weights, x_zero_point, w_zero_point), (x_scale, w_scale))
    _packed_attention(edit, edit.before("Add", product, bias), edit.shape(weights)[-1], mask=5, past=8)


def multi_head_attention(edit: Edit) -> None:
    """MultiHeadAttention: separate queries, keys and values, or packed as (batch, length, heads, parts, size)."""
    if edit.input(8) is not None or edit.input(9) is not None:
        raise RefusedError("its past is kept in a buffer (past_sequence_length, cache_indirection)")
    if len(edit.node.outputs) > 3 and (edit.node.outputs[3].uses() or edit.node.outputs[3].is_graph_output()):
        raise RefusedError("its scores are an output")
    q, k, v, bias = (edit.input(i) for i in range(4))
    if len(edit.shape(q)) == 5:
        q, k, v = _parts(edit, q, 3)
    elif v is None:
        k, v = _parts(edit, k, 2)
    elif len(edit.shape(k)) == 4:
        if bias is not None:
            raise RefusedError("it has a bias, and its keys are split into heads already")
        k, v = (_merged(edit, edit.before("Transpose", x, perm=[0, 2, 1, 3])) for x in (k, v))
    if bias is not None:
        sizes = [edit.shape(x)[-1] for x in (q, k, v)]
        if None in sizes:
            raise RefusedError("the extents of its inputs are unknown")
        biases = edit.before_all("Split", 3, bias, edit.ints("sizes", sizes), axis=0)  # type: ignore[arg-type]
        q, k, v = (edit.before("Add", x, b) for x, b in zip((q, k, v), biases, strict=True))
    past = edit.input(6), edit.input(7)
    mask = _mask(edit, edit.input(4), edit.input(5), q, k, past[0])
    edit.node.resize_outputs(min(len(edit.node.outputs), 3))
    edit.become("Attention", _trimmed(q, k, v, mask, *past), **_options(edit))


def rotary_embedding(edit: Edit) -> None:
    """RotaryEmbedding; `position_ids` may hold the first position only."""
    _refuse(edit, "is_packed_batching")
    if edit.get("scale", 1.0) != 1:
        raise RefusedError("it scales its result")
    x, positions, cosines, sines = edit.node.inputs[:4]
    shape, size = edit.shape(x), edit.get("rotary_embedding_dim", 0)
    heads = edit.get("num_heads", 0)
    if len(shape) == 3 and not heads:
        half = edit.shape(cosines)[-1]
        if half is None or shape[-1] is None:
            raise RefusedError("the number of its heads is unknown")
        heads = shape[-1] // (2 * half)
    if edit.shape(positions) in ((1,), ()):
        batch, length = (edit.before("Shape", x, start=i, end=i + 1) for i in (0, len(shape) - 2))
        steps = edit.before("Range", edit.ints("zero", 0), edit.before("Squeeze", length), edit.ints("one", 1))
        positions = edit.before(
            "Expand", edit.before("Add", steps, positions), edit.before("Concat", batch, length, axis=0)
        )
    options = {"num_heads": heads} if len(shape) == 3 else {}
    interleaved = edit.get("interleaved", 0)
    edit.become(
        "RotaryEmbedding", [x, cosines, sines, positions], interleaved=interleaved, rotary_embedding_dim=size, **options
    )


# Shared by these operators


def _refuse(edit: Edit, *attributes: str) -> None:
    for name in attributes:
        if edit.get(name, 0):
            raise RefusedError(f"its attribute {name} is set")


def _packed_attention(edit: Edit, product: ir.Value, width: int | None, mask: int, past: int, bias: int = -1) -> None:
    """Split the product into queries, keys and values, and compute Attention of them.

    Args:
        edit: the node.
        product: (batch, length, width).
        width: the width of queries, keys and values together, None if unknown.
        mask: index of that input.
        past: index of that input, which holds past keys and values, (2, batch, heads, length, size).
        bias: index of that input, -1 for none.
    """
    if edit.input(6) is not None and edit.node.op_type == "Attention":
        raise RefusedError("its past is kept in a buffer (past_sequence_length)")
    sizes = edit.get("qkv_hidden_sizes") or ([] if width is None else [width // 3] * 3)
    if not sizes:
        raise RefusedError("the extents of its weights are unknown")
    q, k, v = edit.before_all("Split", 3, product, edit.ints("sizes", sizes), axis=2)
    before = edit.input(past)
    pasts = [before and edit.before("Gather", before, edit.ints("part", i), axis=0) for i in (0, 1)]
    allowed = _mask(edit, edit.input(mask), edit.input(bias) if bias > 0 else None, q, k, pasts[0])
    inputs = _trimmed(q, k, v, allowed, *pasts)
    if len(edit.node.outputs) == 1:
        edit.become("Attention", inputs, **_options(edit))
        return
    y, keys, values = edit.before_all("Attention", 3, *inputs, **_options(edit))
    first = edit.ints("axis", [0])
    both = (edit.before("Unsqueeze", x, first) for x in (keys, values))
    edit.replace_output(1, edit.before("Concat", *both, axis=0))
    edit.node.resize_outputs(1)
    edit.become("Identity", [y])


def _options(edit: Edit) -> dict[str, object]:
    heads = edit.get("num_heads")
    options = {"q_num_heads": heads, "kv_num_heads": heads}
    if edit.get("unidirectional", 0):
        options["is_causal"] = 1
    if edit.get("scale", 0.0):
        options["scale"] = edit.get("scale")
    return options


def _mask(
    edit: Edit,
    mask: ir.Value | None,
    bias: ir.Value | None,
    q: ir.Value | None,
    k: ir.Value | None,
    past: ir.Value | None,
) -> ir.Value | None:
    """The addend of the scores: a bias, plus `mask_filter_value` where the mask or causality excludes a key.

    A mask is the number of valid keys, (batch,), or 1 for valid keys, (batch, keys) or (batch, queries, keys). Without
    a mask, causality is left to ONNX's Attention.
    """
    if mask is None:
        return bias
    rank = len(edit.shape(mask))
    if rank == 1:
        if not _one_for_each(mask, q):
            raise RefusedError("its mask may hold where the keys begin, or packed sequences")
        counts = edit.before("Cast", mask, to=ir.DataType.INT64)
        counts = edit.before("Unsqueeze", counts, edit.ints("axes", [1, 2, 3]))
        allowed = edit.before("Less", _locations(edit, k, past), counts)
    elif rank in (2, 3):
        allowed = edit.before("Cast", mask, to=ir.DataType.BOOL)
        allowed = edit.before("Unsqueeze", allowed, edit.ints("axes", [1, 2] if rank == 2 else [1]))
    else:
        raise RefusedError(f"its mask has {rank} axes")
    added = _filter(edit, allowed, q)
    if edit.take("unidirectional", 0):
        queries: ir.Value = _locations(edit, q)
        if past is not None:
            queries = edit.before("Add", queries, edit.before("Shape", past, start=2, end=3))
        queries = edit.before("Unsqueeze", queries, edit.ints("axes", [1]))
        earlier = edit.before("LessOrEqual", _locations(edit, k, past), queries)
        added = edit.before("Add", added, _filter(edit, earlier, q))
    return added if bias is None else edit.before("Add", bias, added)


def _locations(edit: Edit, x: ir.Value | None, past: ir.Value | None = None) -> ir.Value:
    """Positions 0, 1, … of `past`, (batch, heads, past length, …), then of the sequence `x`, (batch, length, …)."""
    length = edit.before("Shape", x, start=1, end=2)
    if past is not None:
        length = edit.before("Add", length, edit.before("Shape", past, start=2, end=3))
    return edit.before("Range", edit.ints("zero", 0), edit.before("Squeeze", length), edit.ints("one", 1))


def _filter(edit: Edit, allowed: ir.Value, q: ir.Value | None) -> ir.Value:
    excluded = edit.like("excluded", edit.get("mask_filter_value", -10000.0), q)
    return edit.before("Where", allowed, edit.like("allowed", 0, q), excluded)


def _one_for_each(mask: ir.Value, x: ir.Value | None) -> bool:
    """Whether a mask (batch,) is known to have one element for each sequence of `x`, (batch, …)."""
    if mask.shape is None or x is None or x.shape is None:
        return False
    count, batch = mask.shape[0], x.shape[0]
    return count == batch and (isinstance(count, int) or count.value is not None)


def _parts(edit: Edit, packed: ir.Value | None, count: int) -> Sequence[ir.Value]:
    """Unpack (batch, length, heads, parts, size) into parts (batch, length, heads * size)."""
    return [_merged(edit, edit.before("Gather", packed, edit.ints("part", i), axis=3)) for i in range(count)]


def _merged(edit: Edit, x: ir.Value) -> ir.Value:
    """From (batch, length, heads, size) to (batch, length, heads * size)."""
    return edit.before("Reshape", x, edit.constant("shape", np.array([0, 0, -1], np.int64)))


def _trimmed(*inputs: ir.Value | None) -> list[ir.Value | None]:
    """The inputs without trailing omitted ones."""
    kept = list(inputs)
    while kept[-1] is None:
        kept.pop()
    return kept
