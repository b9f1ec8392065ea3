"""MatMul and Gather with weights of a few bits: the weights are dequantised to floats, which can be trained."""

from __future__ import annotations

import numpy as np

from converter.graph.edit import Edit, RefusedError


def mat_mul_n_bits(edit: Edit) -> None:
    """MatMulNBits: the product with a matrix (N, K) of 2, 4 or 8 bits, with one scale for each block along K."""
    bits, size = edit.get("bits", 4), edit.get("block_size")
    rows, columns = edit.get("N"), edit.get("K")
    if bits not in (2, 4, 8):
        raise RefusedError(f"its weights have {bits} bits")
    if edit.get("weight_prepacked", 0):
        raise RefusedError("its weights are packed for one kind of processor")
    scales = edit.array(edit.input(2))
    blocks = -(-columns // size)
    weight = _unpacked(edit.array(edit.input(1)).reshape(rows, -1), bits)[:, : blocks * size]
    zeros: np.ndarray | int = 2 ** (bits - 1)
    if edit.input(3) is not None:
        points = edit.array(edit.input(3))
        if points.dtype == np.uint8:
            points = _unpacked(points.reshape(rows, -1), bits)
        zeros = points.reshape(rows, -1)[:, :blocks].astype(np.float32)
    groups = np.arange(columns) // size
    if edit.input(4) is not None:
        groups = edit.array(edit.input(4))[:columns]
    steps = scales.reshape(rows, blocks).astype(np.float32)[:, groups]
    zeros = zeros[:, groups] if isinstance(zeros, np.ndarray) else zeros
    real = ((weight[:, :columns].astype(np.float32) - zeros) * steps).astype(scales.dtype)
    inputs = [edit.input(0), edit.constant("weight", np.ascontiguousarray(real.T))]
    if edit.input(5) is None:
        edit.become("MatMul", inputs)
    else:
        edit.become("Add", [edit.before("MatMul", *inputs), edit.input(5)])


_OF_4_BITS = (
    # bitsandbytes' FP4, and its NF4, of Dettmers et al., QLoRA (2023).
    (0.0, 1 / 192, 2 / 3, 1.0, 1 / 3, 1 / 2, 1 / 6, 1 / 4, 0.0, -1 / 192, -2 / 3, -1.0, -1 / 3, -1 / 2, -1 / 6, -1 / 4),
    (
        *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
        *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
        *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
    ),
)


def mat_mul_bnb4(edit: Edit) -> None:
    """MatMulBnb4: the product with a matrix (N, K) of 4-bit floats, with one scale for each block of elements."""
    kind, size, rows, columns = (edit.get(name) for name in ("quant_type", "block_size", "N", "K"))
    if kind not in (0, 1) or not edit.get("transB", 1):
        raise RefusedError(f"its weights are of an unknown kind ({kind})")
    packed, scales = edit.array(edit.input(1)).reshape(-1), edit.array(edit.input(2)).reshape(-1)
    codes = np.stack([packed >> 4, packed & 15], -1).reshape(-1)[: rows * columns]
    real = np.array(_OF_4_BITS[kind], np.float32)[codes] * scales.astype(np.float32)[np.arange(codes.size) // size]
    weight = np.ascontiguousarray(real.reshape(rows, columns).T.astype(scales.dtype))
    edit.become("MatMul", [edit.input(0), edit.constant("weight", weight)])


def gather_block_quantized(edit: Edit) -> None:
    """GatherBlockQuantized: a Gather from a table whose rows have one scale for each block along the last axis."""
    table, scales = edit.array(edit.input(0)), edit.array(edit.input(2))
    bits, size = edit.get("bits", 4), edit.get("block_size", 128)
    if edit.get("quantize_axis", 1) % scales.ndim != scales.ndim - 1:
        raise RefusedError("its blocks do not lie along the last axis")
    packed = table.dtype == np.uint8
    numbers = _unpacked(table, bits) if packed else table
    zeros: np.ndarray | float = 2.0 ** (bits - 1) if packed else 0.0
    if edit.input(3) is not None:
        points = edit.array(edit.input(3))
        points = _unpacked(points, bits) if packed else points
        zeros = _of_each(points.astype(np.float32)[..., : scales.shape[-1]], size, numbers.shape[-1])
    steps = _of_each(scales.astype(np.float32), size, numbers.shape[-1])
    real = ((numbers.astype(np.float32) - zeros) * steps).astype(scales.dtype)
    edit.become("Gather", [edit.constant("table", real), edit.input(1)], axis=edit.get("gather_axis", 0))


def _of_each(blocks: np.ndarray, size: int, count: int) -> np.ndarray:
    """What each block has, for each of `count` elements along the last axis."""
    return np.repeat(blocks, size, -1)[..., :count]


def _unpacked(packed: np.ndarray, bits: int) -> np.ndarray:
    """Unpack the numbers in each byte, lowest bits first: (..., bytes) to (..., bytes * 8 // bits)."""
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return ((packed[..., None] >> shifts) & (2**bits - 1)).reshape(*packed.shape[:-1], -1)
