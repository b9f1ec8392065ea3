"""Convolutions."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, expr


def conv(
    node: Node,
    x: Operand,
    w: Operand,
    b: Operand | None,
    *,
    auto_pad: str = "NOTSET",
    dilations: tuple[int, ...] | None = None,
    group: int = 1,
    kernel_shape: tuple[int, ...] | None = None,
    pads: tuple[int, ...] | None = None,
    strides: tuple[int, ...] | None = None,
) -> Arg:
    """ONNX Conv on images, NCHW."""
    if not w.is_weight or w.rank != 4:
        raise node.decline("only 2-D with constant weights")
    out, channels, *kernel = w.shape
    pads = pads or (0, 0, 0, 0)
    layer = expr(
        "nn.Conv2d({0}, {1}, {2}, stride={3}, pad_mode='pad', padding={4}, group={5}, has_bias={6})",
        channels * group,
        out,
        tuple(kernel),
        strides or (1, 1),
        (pads[0], pads[2], pads[1], pads[3]),
        group,
        b is not None,
    )
    weights = {"weight": w.weight()}
    if b is not None:
        weights["bias"] = b.weight()
    return node.apply(layer, weights, x)


ROWS = {"Conv": conv}
