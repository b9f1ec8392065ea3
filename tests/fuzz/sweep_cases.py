# ruff: noqa: E501
"""The cases of `sweep.py`: combinations that the families of random graphs do not reach."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np

F, D, H, I = np.float32, np.float64, np.float16, np.int64  # noqa: E741
RNG = np.random.default_rng(7)


class Case(NamedTuple):
    """One node.

    `tensors` of its inputs are fed, those behind are parameters; elements of the inputs `fixed` are not varied. `outputs` says which
    are used.
    """

    operator: str
    inputs: Sequence[Any]
    attributes: dict[str, Any]
    opset: int
    tensors: int = 1
    outputs: tuple[int, ...] = (1,)
    domain: str = ""
    fixed: tuple[int, ...] = ()


def n(*shape: int, kind: Any = F) -> np.ndarray:
    """Normal numbers."""
    return RNG.normal(size=shape).astype(kind)


def ints(*items: int, kind: Any = I) -> np.ndarray:
    """A vector."""
    return np.array(items, kind)


CASES: list[Case] = []


def add(
    operator: str,
    inputs: Sequence[Any],
    opset: int,
    tensors: int = 1,
    outputs: tuple[int, ...] = (1,),
    domain: str = "",
    fixed: tuple[int, ...] = (),
    **how: Any,
) -> None:
    """Add a case."""
    CASES.append(Case(operator, inputs, how, opset, tensors, outputs, domain, fixed))


# Versions whose meaning was another one
for name, axis in product(("Softmax", "LogSoftmax", "Hardmax"), (None, 0, 2, -1)):
    add(name, [n(2, 3, 4)], 11, **({} if axis is None else {"axis": axis}))
for name in ("Add", "Sub", "Mul", "Div"):
    add(name, [n(2, 3, 4), n(3)], 6, broadcast=1, axis=1)
    add(name, [n(2, 3, 4), n(4)], 6, broadcast=1)
add("Pow", [np.abs(n(2, 3)), n(3)], 6, broadcast=1)
for opset in (6, 7, 9, 14, 15):
    for kind in (F, D):
        how = {"is_test": 1} if opset < 7 else {}
        add(
            "BatchNormalization",
            [
                n(2, 3, 4, kind=kind),
                n(3, kind=kind),
                n(3, kind=kind),
                n(3, kind=kind),
                np.abs(n(3, kind=kind)) + kind(0.5),
            ],
            opset,
            epsilon=0.1,
            **how,
        )
add("BatchNormalization", [n(4, 3), n(3), n(3), n(3), np.abs(n(3)) + F(0.5)], 15)
add(
    "BatchNormalization",
    [n(4, 3, 2), n(3), n(3), n(3), np.abs(n(3)) + F(0.5)],
    15,
    outputs=(1, 1, 1),
    training_mode=1,
    momentum=0.7,
)
for opset in (6, 7, 10, 12, 13, 22):
    add("Dropout", [n(2, 3)], opset, **({"is_test": 1} if opset < 7 else {}))
add("Dropout", [n(2, 3)], 12, outputs=(1, 1))
add("Dropout", [n(2, 3), np.array(0.3, F), np.array(False)], 13, outputs=(1, 1))
add("Dropout", [n(2, 3), np.array(0.0, F), np.array(True)], 13, outputs=(1, 1))
for mode in ("nearest", "linear"):
    add("Upsample", [n(1, 2, 3, 4), np.array([1, 1, 2, 3], F)], 9, mode=mode)
    add("Upsample", [n(1, 2, 3, 4), np.array([1, 1, 1.5, 2], F)], 9, mode=mode)
    add("Upsample", [n(1, 2, 3, 4)], 7, mode=mode, scales=[1.0, 1.0, 2.0, 2.0])
    add("Resize", [n(1, 2, 3, 4), np.array([1, 1, 2, 1.5], F)], 10, mode=mode)
    add("Resize", [n(1, 2, 4, 6), np.array([1, 1, 0.5, 0.6], F)], 10, mode=mode)
add("Slice", [n(3, 4, 5)], 9, starts=[1, -3], ends=[9, -1], axes=[0, 2])
add("Slice", [n(3, 4)], 9, starts=[-9], ends=[-1])
add("Pad", [n(2, 3)], 10, pads=[1, 0, -1, 2], value=3.0)
add("Pad", [n(2, 3, 4)], 2, pads=[0, 1, 2, 0, 1, 1], mode="reflect")
add("Clip", [n(2, 3)], 6, min=-0.5, max=0.5)
add("Clip", [n(2, 3)], 6, max=0.5)
add("TopK", [n(3, 5)], 9, outputs=(1, 1), k=2, axis=0)
add("TopK", [n(3, 5), ints(2)], 10, outputs=(1, 1), axis=-1)
add("TopK", [n(3, 5), ints(3)], 11, outputs=(0, 1), largest=0)
add("TopK", [n(3, 40), ints(40)], 24, outputs=(1, 1), axis=1)
add("Split", [n(6, 2)], 2, outputs=(1, 1, 1), axis=0)
add("Split", [n(6, 2)], 11, outputs=(1, 1), axis=-2, split=[4, 2])
add("Split", [n(7, 2)], 18, outputs=(1, 1, 1), axis=0, num_outputs=3)
add("Split", [n(2, 7)], 18, outputs=(1, 1, 1, 1), axis=1, num_outputs=4)
for opset in (1, 11):
    add("Squeeze", [n(1, 3, 1)], opset, axes=[0, 2] if opset < 11 else [-1])
    add("Unsqueeze", [n(3, 2)], opset, axes=[0, 2] if opset < 11 else [-1, 0])
    add("ReduceSum", [n(3, 2, 4)], opset, axes=[1], keepdims=0)
    add("ReduceMax", [n(3, 2, 4)], opset)
for name in ("ReduceMean", "ReduceL1", "ReduceL2", "ReduceLogSumExp", "ReduceProd", "ReduceSumSquare", "ReduceMin"):
    add(name, [n(3, 2, 4), ints()], 18, noop_with_empty_axes=1)
    add(name, [n(3, 2, 4), ints()], 18, noop_with_empty_axes=0)
    add(name, [n()], 18, keepdims=0)
for name in ("ReduceMax", "ReduceMin"):
    add(name, [n(3, 4) > 0, ints(1)], 20, keepdims=0)
add("Cast", [n(2, 3)], 9, to=7)
add("Gemm", [n(2, 3), n(3, 4), n(4)], 6, broadcast=1, tensors=2)
add("Gemm", [n(2, 3), n(3, 4)], 11, tensors=2)
add(
    "Gemm",
    [np.arange(6, dtype=np.int32).reshape(2, 3), np.arange(12, dtype=np.int32).reshape(3, 4), np.ones(4, np.int32)],
    13,
    tensors=2,
    alpha=2.0,
    beta=3.0,
)
add("Scatter", [n(3, 4), np.array([[0, 2], [1, -1]]), n(2, 2)], 9, axis=1)
add("Flatten", [n(2, 3, 4)], 9, axis=0)
add("Flatten", [n(2, 3, 4)], 9, axis=3)
for axis in (-3, -1, 0, 3):
    add("Flatten", [n(2, 3, 4)], 13, axis=axis)
add("Gather", [n(3, 4), np.array([[0, 1], [2, 0]])], 1, axis=1)
add("Reshape", [n(2, 3)], 1, shape=[3, -1])
add("Tile", [n(2, 3), np.array([2, 1])], 6)
add("ArgMax", [n(2, 5)], 11, axis=-1, keepdims=0)
add("ArgMin", [np.array([[1, 0, 0, 2], [3, 3, 3, 3]], F)], 12, select_last_index=1)
add("Mean", [n(2, 3), n(3), n(2, 1)], 8, tensors=3)
add("Max", [n(2, 3), n(2, 3)], 6, tensors=2)
add("Sum", [n(2, 3)], 13)
add("PRelu", [n(2, 3, 4), n(3, 1)], 6)
add("PRelu", [n(2, 3, 4), n(1)], 16)
add("PRelu", [ints(-3, 4, -5), ints(2)], 16)
add("DepthToSpace", [n(1, 8, 2, 3)], 1, blocksize=2)
add("LRN", [n(2, 5, 3, 3)], 1, size=3)
add("LRN", [n(2, 5, 3)], 13, size=4, alpha=0.1)
add("LRN", [n(2, 5)], 13, size=2, bias=2.0, beta=0.5)
add("InstanceNormalization", [n(2, 3, 4), n(3), n(3)], 6)
for kind, groups, stash in product((F, H), (1, 3), (1,)):
    add(
        "GroupNormalization", [n(2, 6, 3, kind=kind), n(groups, kind=kind), n(groups, kind=kind)], 18, num_groups=groups
    )
    add(
        "GroupNormalization",
        [n(2, 6, 3, kind=kind), n(6, kind=kind), n(6, kind=kind)],
        21,
        num_groups=groups,
        stash_type=stash,
    )
for axis, outputs, kind in product((-1, 1, 0), ((1,), (1, 1, 1), (1, 0, 1)), (F, H, D)):
    x = n(2, 3, 4, kind=kind)
    add(
        "LayerNormalization",
        [x, n(*x.shape[axis:], kind=kind), n(*x.shape[axis:], kind=kind) if kind != H else None],
        17,
        outputs=outputs,
        axis=axis,
        epsilon=1e-3,
    )
add("LayerNormalization", [n(2, 3, 4), n(4)], 17)
add("LayerNormalization", [n(2, 3, 4), n(3, 1)], 17, axis=1)
for axis, kind in product((-1, 1, -3), (F, H)):
    x = n(2, 3, 4, kind=kind)
    add("RMSNormalization", [x, n(*x.shape[axis:], kind=kind)], 23, axis=axis)
add("LpNormalization", [n(2, 3, 4)], 1, axis=1, p=1)
add("LpPool", [n(1, 2, 5, 5)], 2, kernel_shape=[2, 3], strides=[2, 1], auto_pad="SAME_UPPER")
add("AveragePool", [n(1, 2, 5, 5)], 7, kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1)
for kind, ceil, include, dilation in product((F, D, H), (0, 1), (0, 1), ([1, 1], [2, 1])):
    add(
        "AveragePool",
        [n(1, 2, 6, 7, kind=kind)],
        19,
        kernel_shape=[3, 2],
        strides=[2, 3],
        pads=[1, 0, 1, 1],
        ceil_mode=ceil,
        count_include_pad=include,
        dilations=dilation,
    )
for kind, order, ceil in product((F, np.int8, np.uint8, D), (0, 1), (0, 1)):
    add(
        "MaxPool",
        [(n(1, 2, 5, 6) * 9).astype(kind)],
        12,
        outputs=(1, 1),
        kernel_shape=[2, 3],
        strides=[2, 2],
        storage_order=order,
        ceil_mode=ceil,
        pads=[1, 1, 0, 1],
    )
for auto in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    add("Conv", [n(1, 2, 6, 5), n(4, 1, 3, 2)], 11, group=2, auto_pad=auto, strides=[2, 3])
    add("ConvTranspose", [n(1, 2, 4, 3), n(2, 2, 3, 2)], 11, group=2, auto_pad=auto, strides=[2, 3])
add("ConvTranspose", [n(1, 2, 4, 3), n(2, 2, 3, 2), n(2)], 11, output_shape=[9, 7], strides=[2, 2])
add("ConvTranspose", [n(1, 2, 4, 3), n(2, 2, 3, 2)], 11, output_padding=[1, 1], strides=[2, 2], dilations=[2, 1])
add("ConvTranspose", [n(1, 2, 4), n(2, 2, 3)], 22, output_shape=[8], strides=[2], auto_pad="SAME_LOWER")

# Attention
for opset, mode, cap, causal in product((23, 24), (0, 1, 2, 3), (0.0, 1.5), (0, 1)):
    q, k, v = n(2, 4, 3, 8), n(2, 2, 5, 8), n(2, 2, 5, 6)
    add(
        "Attention",
        [q, k, v, n(3, 5)],
        opset,
        tensors=3,
        outputs=(1, 0, 0, 1),
        qk_matmul_output_mode=mode,
        softcap=cap,
        is_causal=causal,
    )
for mask in (RNG.random((2, 1, 3, 7)) < 0.7, n(1, 1, 3, 7), n(3, 7)):
    add(
        "Attention",
        [n(2, 2, 3, 4), n(2, 2, 5, 4), n(2, 2, 5, 4), mask, n(2, 2, 2, 4), n(2, 2, 2, 4)],
        23,
        tensors=6,
        outputs=(1, 1, 1, 1),
        fixed=(3,),
    )
    add(
        "Attention",
        [n(2, 3, 8), n(2, 5, 8), n(2, 5, 8), mask, n(2, 2, 2, 4), n(2, 2, 2, 4)],
        23,
        tensors=6,
        outputs=(1, 1, 1),
        fixed=(3,),
        q_num_heads=2,
        kv_num_heads=2,
        is_causal=1,
    )
add("Attention", [n(2, 2, 3, 4), n(2, 2, 5, 4), n(2, 2, 5, 4), None, None, None, ints(3, 5)], 24, tensors=3)
add("Attention", [n(2, 2, 3, 4), n(2, 2, 5, 4), n(2, 2, 5, 4), n(3, 4), None, None, ints(3, 5)], 24, tensors=3)
add(
    "Attention",
    [n(2, 2, 3, 4, kind=H), n(2, 2, 5, 4, kind=H), n(2, 2, 5, 4, kind=H)],
    23,
    tensors=3,
    softmax_precision=1,
)
add(
    "Attention",
    [n(2, 4, 3, 4, kind=D), n(2, 1, 5, 4, kind=D), n(2, 1, 5, 4, kind=D)],
    23,
    tensors=3,
    is_causal=1,
    scale=0.0,
)
for inter, part in product((0, 1), (0, 4)):
    add(
        "RotaryEmbedding",
        [n(2, 3, 4, 8), n(6, (part or 8) // 2), n(6, (part or 8) // 2), RNG.integers(0, 6, (2, 4))],
        23,
        interleaved=inter,
        rotary_embedding_dim=part,
    )
    add(
        "RotaryEmbedding",
        [n(2, 4, 24), n(2, 4, (part or 8) // 2), n(2, 4, (part or 8) // 2)],
        23,
        interleaved=inter,
        rotary_embedding_dim=part,
        num_heads=3,
    )

# Images
for mode, way, outside in product(
    ("linear", "cubic"),
    ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"),
    (0, 1),
):
    add(
        "Resize",
        [n(1, 2, 5, 6), None, np.array([0.6, 1.7], F)],
        19,
        mode=mode,
        coordinate_transformation_mode=way,
        antialias=1,
        exclude_outside=outside,
        axes=[2, 3],
    )
for mode, policy in product(("nearest", "linear", "cubic"), ("not_larger", "not_smaller")):
    add("Resize", [n(1, 2, 5, 6), None, None, ints(3, 9)], 18, mode=mode, keep_aspect_ratio_policy=policy, axes=[2, 3])
for kind, mode in product((np.uint8, np.int8, np.int32, H, D), ("nearest", "linear")):
    add("Resize", [(n(1, 2, 4, 5) * 20).astype(kind), None, None, ints(1, 2, 7, 3)], 19, mode=mode)
for kind, mode, pad, align in product((F, D), ("linear", "nearest"), ("zeros", "border", "reflection"), (0, 1)):
    add(
        "GridSample",
        [n(1, 2, 3, 4, 5, kind=kind), (RNG.random((1, 2, 3, 2, 3)) * 3 - 1.5).astype(kind)],
        20,
        tensors=2,
        fixed=(1,),
        mode=mode,
        padding_mode=pad,
        align_corners=align,
    )
for pad, align in product(("zeros", "border", "reflection"), (0, 1)):
    add(
        "GridSample",
        [n(1, 2, 3, 4), (RNG.random((1, 2, 3, 2)) * 3 - 1.5).astype(F)],
        16,
        tensors=2,
        fixed=(1,),
        mode="bicubic",
        padding_mode=pad,
        align_corners=align,
    )
for opset, mode in product((10, 16), ("avg", "max")):
    add(
        "RoiAlign",
        [n(1, 2, 6, 6), np.array([[0, 0, 4, 5], [1, 1, 9, 3]], F), ints(0, 0)],
        opset,
        tensors=3,
        fixed=(1, 2),
        mode=mode,
        output_height=2,
        output_width=3,
        sampling_ratio=2,
    )
add(
    "MaxRoiPool",
    [n(1, 2, 6, 6), np.array([[0, 0, 0, 4, 5], [0, 1, 1, 5, 3]], F)],
    1,
    tensors=2,
    fixed=(1,),
    pooled_shape=[2, 2],
)
add("CenterCropPad", [n(5, 4, 3), ints(3, 6)], 18, axes=[-1, 0])
add("CenterCropPad", [n(5, 4), ints(2, 7)], 18)
for dilation in (1, 2):
    add("Col2Im", [n(1, 8, 9 if dilation == 1 else 4), ints(4, 4), ints(2, 2)], 18, dilations=[dilation, dilation])
add("Col2Im", [n(2, 6, 4), ints(5), ints(2)], 18)
add("Col2Im", [n(1, 8, 8), ints(3, 3, 3), ints(2, 2, 2)], 18)

# Elements and types
for kind in (np.uint8, np.int8, np.int32, np.int64, np.uint32):
    add("Mod", [np.array([7, 8, 9, 100], kind), np.array([3, 5, 2, 7], kind)], 13, fixed=(0,))
    add("Mod", [np.array([7, 8, 9, 100], kind), np.array([3, 5, 2, 7], kind)], 13, fmod=1, fixed=(0,))
for kind in (F, D, H):
    add("Mod", [np.array([-7.5, 8, -9, 5.25], kind), np.array([3, -5, 2, -1.5], kind)], 13, fmod=1, fixed=(0,))
for kind, way in product((np.uint8, np.uint16, np.uint32, np.uint64), ("LEFT", "RIGHT")):
    add("BitShift", [np.array([1, 200, 3, 255], kind), np.array([0, 1, 7, 3], kind)], 11, direction=way, fixed=(0,))
for kind in (H, D, np.int32, np.bool_, np.uint8):
    add("CastLike", [n(2, 3), np.zeros(1, kind)], 19)
    add("CastLike", [(n(2, 3) * 3).astype(kind), np.zeros(1, F)], 19)
for before, after in ((F, 6), (np.int32, 1), (D, 7), (I, 11), (np.uint8, 3), (H, 5), (np.int16, 10), (np.uint32, 1)):
    add("BitCast", [(n(2, 3) * 50).astype(before)], 26, to=after)
for kind, start, end in product((F,), (-3, 1, None), (-1, 2, 9, None)):
    add(
        "Shape",
        [n(2, 3, 4, kind=kind)],
        15,
        **({} if start is None else {"start": start}),
        **({} if end is None else {"end": end}),
    )
for kind, exclusive, reverse in product((H, np.int32, D), (0, 1), (0, 1)):
    add("CumSum", [(n(2, 5) * 3).astype(kind), np.array(-1, np.int32)], 14, exclusive=exclusive, reverse=reverse)
for axis, order in product((0, 1, -1), (0, 1)):
    add("Unique", [RNG.integers(0, 3, (4, 3)).astype(F)], 11, outputs=(1, 1, 1, 1), axis=axis, sorted=order, fixed=(0,))
    add("Unique", [RNG.integers(0, 3, (4, 3))], 11, outputs=(1, 0, 0, 1), axis=axis, sorted=order, fixed=(0,))
for axis, kind in product((-1, 0, 1), (F, np.int32)):
    add("OneHot", [ints(0, -1, 2, 5), np.array([3], kind), np.array([2, 5], kind)], 9, axis=axis, fixed=(0,))
    add("OneHot", [np.array([[0.0, 2.0]], F), np.array(3, kind), np.array([0, 1], kind)], 11, axis=axis, fixed=(0,))
for equation, shapes in {
    "ii": [(3, 3)],
    "ij,ij->i": [(2, 3), (2, 3)],
    "b...i,b...i->b...": [(2, 3, 4)] * 2,
    "i->ii": [(3,)],
    "...": [(2, 3)],
    "ij,jk,kl->il": [(2, 3), (3, 2), (2, 4)],
    "iij->j": [(2, 2, 3)],
    "...ab->...ba": [(2, 3, 4)],
    ",i->i": [(), (3,)],
    "abc,cd->abd": [(1, 2, 3), (3, 2)],
}.items():
    for kind in (F, D, np.int32):
        add("Einsum", [(n(*shape) * 3).astype(kind) for shape in shapes], 12, tensors=len(shapes), equation=equation)
for opset, axis, block in ((10, None, 0), (13, 1, 0), (19, 0, 0), (21, 1, 2), (23, 1, 0)):
    shape = () if axis is None else (3, 2) if block else ((4,) if axis == 1 else (3,))
    scale, zero = (np.abs(n(*shape)) + F(0.1)).astype(F), RNG.integers(0, 9, shape).astype(np.uint8)
    how = {} if axis is None else {"axis": axis, **({"block_size": block} if block else {})}
    add("QuantizeLinear", [n(3, 4) * 9, scale, zero], opset, **how)
    add("DequantizeLinear", [RNG.integers(0, 255, (3, 4)).astype(np.uint8), scale, zero], opset, **how)
    add("QuantizeLinear", [n(3, 4) * 9, scale], opset, **how)
    add("DequantizeLinear", [RNG.integers(-9, 99, (3, 4)).astype(np.int32), scale], opset, **how)
add("QuantizeLinear", [n(3, 4) * 9, np.array(0.1, F)], 21, output_dtype=3)
add("QuantizeLinear", [(n(3, 4) * 9).astype(H), np.array(0.1, H), np.array(3, np.int8)], 19)
add("DynamicQuantizeLinear", [n(3, 4)], 11, outputs=(1, 1, 1))
for reduction, axis in product(("none", "add", "mul", "max", "min"), (0, -1)):
    add("ScatterElements", [n(3, 4), np.array([[0, -1, 2, 1]]), n(1, 4)], 18, reduction=reduction, axis=axis)
    add("ScatterND", [n(3, 4), np.array([[0], [-1]]), n(2, 4)], 18, reduction=reduction)
add("TensorScatter", [n(2, 2, 5, 3), n(2, 2, 2, 3), ints(1, 4)], 24, tensors=2, mode="circular", axis=2)
add("TensorScatter", [n(2, 5, 3), n(2, 2, 3)], 24, tensors=2, axis=1)
for kind in (F, D, H):
    add("Swish", [n(2, 3, kind=kind)], 24, alpha=0.5)
    add("Gelu", [n(2, 3, kind=kind)], 20, approximate="tanh")
    add("Mish", [n(2, 3, kind=kind)], 18)
for k in (-9, 0, 2, 9):
    add("Trilu", [n(2, 3, 4), np.array(k)], 14, upper=0)
    add("EyeLike", [n(3, 4)], 9, k=k)
for align in (0, 1):
    add("AffineGrid", [n(2, 2, 3), ints(2, 1, 3, 4)], 20, align_corners=align)
for inverse, axis, length in product((0, 1), (-2, 1), (None, 3, 7)):
    x = n(2, 4, 3, 2)
    add("DFT", [x, None if length is None else np.array(length), np.array(axis)], 20, inverse=inverse)
add("DFT", [n(2, 5, 1), None, np.array(1)], 20, onesided=1)
add("DFT", [n(2, 3, 2), np.array(5), np.array(1)], 20, onesided=1, inverse=1)
for name in ("HannWindow", "HammingWindow", "BlackmanWindow"):
    for dtype, periodic in product((1, 11, 7, 10), (0, 1)):
        add(name, [np.array(6)], 17, output_datatype=dtype, periodic=periodic, fixed=(0,))
