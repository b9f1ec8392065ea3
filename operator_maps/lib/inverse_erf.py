"""The inverse of the error function: on the CPU `ops.erfinv` of MindSpore 2.10 is off by 0.6 % at 0.998, then by more.

Approximation for single precision: M. Giles, "Approximating the erfinv function", GPU Computing Gems, 2012.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from converter.rows import Arg, Node, Operand, expr

if TYPE_CHECKING:
    from mindspore import ops


def erfinv(node: Node, x: Operand) -> Arg:
    """The inverse of the error function by `inverse_erf`."""
    return expr("{0}({1})", inverse_erf, x)


def inverse_erf(x):
    """The inverse of the error function, in single precision also near -1 and 1, where `ops.erfinv` is not."""
    size = -ops.log((1.0 - x) * (1.0 + x))
    inside, outside = ops.minimum(size, 5.0) - 2.5, ops.sqrt(ops.maximum(size, 5.0)) - 3.0
    inner, outer = 2.81022636e-08, -0.000200214257
    for factor in (
        3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503, -0.00417768164, 0.246640727,
        1.50140941,
    ):  # fmt: skip
        inner = inner * inside + factor
    for factor in (
        0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613, 0.00943887047, 1.00167406,
        2.83297682,
    ):  # fmt: skip
        outer = outer * outside + factor
    found = x * ops.where(size > 5.0, outer, inner)
    found = ops.where(ops.abs(x) > 1.0, float("nan"), found)
    found = ops.where(x == 1.0, float("inf"), found)
    return ops.where(x == -1.0, float("-inf"), found)
