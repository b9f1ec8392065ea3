"""Interpolation along one axis: samples between the elements of a tensor, with any kernel, and the nearest elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def sample_points(count, lead, numerator, denominator, shift):
    """The positions in the input that the elements 0, 1, … of the result are taken from."""
    return (ops.arange(count).astype(ms.float32) + lead) * numerator / denominator + shift


def resample(x, points, axis, a, reach, stretch, repeat_border):
    """Interpolate along an axis: linearly, or by cubic convolution with the coefficient `a`.

    The kernel reaches `reach` elements to either side; with antialiasing it is stretched. Beyond the border the
    elements of `x` repeat, or do not count.
    """
    length = x.shape[axis]
    shape = (-1,) + (1,) * (x.ndim - 1 - axis)
    lower = ops.floor(points)
    total, weights = 0, ops.zeros_like(points)
    for tap in range(1 - reach, reach + 1):
        index = lower + tap
        weight = kernel_weight(ops.abs(points - index) / stretch, a)
        if not repeat_border:
            weight = weight * ops.logical_and(index >= 0, index < length).astype(weight.dtype)
        taken = ops.gather(x, ops.clamp(index, 0, length - 1).astype(ms.int32), axis)
        total = total + taken * weight.astype(x.dtype).reshape(shape)
        weights = weights + weight
    return total / weights.astype(x.dtype).reshape(shape)


def resample_stretched(x, points, axis, a, stretch, repeat_border):
    """The same, with a kernel whose width is known only when the network runs: a product with a matrix of weights."""
    length = x.shape[axis]
    reach = int(-(-stretch * (1 if a is None else 2) // 1))
    places = ops.arange(-reach, length + reach).astype(ms.float32)
    weights = kernel_weight(ops.abs(points.unsqueeze(1) - places) / stretch, a)
    if not repeat_border:
        weights = weights * ops.logical_and(places >= 0, places < length).astype(weights.dtype)
    weights = weights / weights.sum(1, keepdims=True)
    taken = ops.gather(x, ops.clamp(places, 0, length - 1).astype(ms.int32), axis)
    return ops.matmul(taken.swapaxes(axis, -1), weights.astype(x.dtype).T).swapaxes(axis, -1)


def kernel_weight(distance, a):
    """The weight of an element at a distance: a triangle, or Keys' cubic with the coefficient `a`."""
    if a is None:
        return ops.relu(1 - distance)
    near = ((a + 2) * distance - (a + 3)) * distance * distance + 1
    far = ((a * distance - 5 * a) * distance + 8 * a) * distance - 4 * a
    return ops.where(distance <= 1, near, ops.where(distance < 2, far, ops.zeros_like(far)))


def take_nearest(x, points, axis, rounding):
    """Take the nearest element along an axis."""
    if rounding == "floor":
        index = ops.floor(points)
    elif rounding == "ceil":
        index = ops.ceil(points)
    elif rounding == "round_prefer_floor":
        index = ops.ceil(points - 0.5)
    else:
        index = ops.floor(points + 0.5)
    return ops.gather(x, ops.clamp(index, 0, x.shape[axis] - 1).astype(ms.int32), axis)


def fill_outside(y, points, axis, length, value):
    """Put `value` where positions lie outside an axis of the input that had `length` elements."""
    outside = ops.logical_or(points < 0, points > length - 1).reshape((-1,) + (1,) * (y.ndim - 1 - axis))
    return ops.where(outside, ops.full_like(y, value), y)
