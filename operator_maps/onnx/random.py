"""Random numbers and dropout.

Shape, element type and distribution are those of the ONNX operator; the numbers differ, and its `seed` is ignored: call
`ms.set_seed` for a reproducible run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx_ir as ir

from converter.rows import Arg, Expression, Node, Operand, Unpacked, expr, invoke

if TYPE_CHECKING:
    from mindspore import ops


def random_normal(
    node: Node,
    *,
    shape: tuple[int, ...],
    dtype: int = 1,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
) -> Arg:
    """RandomNormal: `ops.randn`."""
    return _scaled(_draw(node, "ops.randn", shape, dtype), scale, mean)


def random_normal_like(
    node: Node,
    x: Operand,
    *,
    dtype: int | None = None,
    mean: float = 0.0,
    scale: float = 1.0,
    seed: float | None = None,
) -> Arg:
    """RandomNormalLike: `ops.randn` with the shape of another tensor."""
    return _scaled(_draw(node, "ops.randn", expr("{0}.shape", x), dtype or x.dtype), scale, mean)


def random_uniform(
    node: Node,
    *,
    shape: tuple[int, ...],
    dtype: int = 1,
    high: float = 1.0,
    low: float = 0.0,
    seed: float | None = None,
) -> Arg:
    """RandomUniform: `ops.rand`."""
    return _scaled(_draw(node, "ops.rand", shape, dtype), high - low, low)


def random_uniform_like(
    node: Node, x: Operand, *, dtype: int | None = None, high: float = 1.0, low: float = 0.0, seed: float | None = None
) -> Arg:
    """RandomUniformLike: `ops.rand` with the shape of another tensor."""
    return _scaled(_draw(node, "ops.rand", expr("{0}.shape", x), dtype or x.dtype), high - low, low)


def _draw(node: Node, function: str, shape: Arg, dtype: int | ir.DataType | None) -> Expression:
    known = {} if dtype == ir.DataType.FLOAT else {"dtype": node.mindspore_dtype(dtype)}
    return invoke(function, shape, **known)


def _scaled(drawn: Expression, scale: float, offset: float) -> Expression:
    drawn = drawn if scale == 1 else expr("{0} * {1}", drawn, scale)
    return drawn if offset == 0 else expr("{0} + {1}", drawn, offset)


def bernoulli(node: Node, p: Operand, *, dtype: int | None = None, seed: float | None = None) -> Arg:
    """Bernoulli: each element is 1 with the probability that the input has there, else 0."""
    drawn = expr("{0} < {1}", _draw(node, "ops.rand", expr("{0}.shape", p), p.dtype), p)
    return expr("({0}).astype({1})", drawn, node.mindspore_dtype(dtype or p.dtype))


def multinomial(node: Node, x: Operand, *, dtype: int = 6, sample_size: int = 1, seed: float | None = None) -> Arg:
    """Multinomial: draws classes from unnormalised log-probabilities (batch, classes)."""
    return invoke("ops.random_categorical", x, sample_size, dtype=node.mindspore_dtype(dtype))


def dropout(
    node: Node, x: Operand, ratio: Operand | None, training_mode: Operand | None, *, seed: float | None = None
) -> Arg:
    """Dropout: `nn.Dropout`, active in training mode only; a function if `training_mode` is true in the source.

    `nn.Dropout2d` and its like, by the rank, where the source drops whole channels.
    """
    p = 0.5 if ratio is None else ratio.number_or_tensor()
    training = False if training_mode is None else training_mode.number_or_tensor()
    with_mask = any(node.used[1:])
    if training is False:
        axes = x.rank - 2 if node.is_of_channels and x.rank in (3, 4, 5) else 0
        kind = f"nn.Dropout{axes}d" if axes else "nn.Dropout"
        y = x if isinstance(p, Operand) else node.apply(invoke(kind, p=p), {}, x)
        return (y, expr("ops.ones_like({0}, dtype=ms.bool_)", x)) if with_mask else y
    if training is True and not isinstance(p, Operand) and not with_mask:
        return invoke("ops.dropout", x, p)
    both = expr("{0}({1}, {2}, {3})", dropout_with_mask, x, p, training_mode)
    return Unpacked(both) if len(node.used) > 1 else expr("{0}[0]", both)


def dropout_with_mask(x, ratio, training):
    """Drop elements and scale the others up, if `training`; also return which were kept."""
    kept = ops.logical_or(ops.rand(x.shape) >= ratio, ops.logical_not(training))
    scaled = (x * kept.astype(x.dtype) / (1 - ratio)).astype(x.dtype)
    return ops.where(training, scaled, x), kept


ROWS = {
    "Bernoulli": bernoulli,
    "Dropout": dropout,
    "Multinomial": multinomial,
    "RandomNormal": random_normal,
    "RandomNormalLike": random_normal_like,
    "RandomUniform": random_uniform,
    "RandomUniformLike": random_uniform_like,
}
