"""Signals: Fourier transforms, window functions, and the mel scale.

Source: https://onnx.ai/onnx/operators/. ONNX represents a complex tensor as a real one (…, 2) whose last axis holds the
real and the imaginary part; a real signal is (…, 1).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Expression, Node, Operand, expr

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def dft(
    node: Node, x: Operand, length: Operand | None, axis: Operand | None, *, inverse: int = 0, onesided: int = 0
) -> Arg:
    """ONNX DFT: `ops.fft` or `ops.ifft`; `ops.rfft` or `ops.irfft` for the one-sided spectrum of a real signal.

    Raises:
        Unsupported: a one-sided spectrum of a complex signal is wanted.
    """
    place = -2 if axis is None else _python_number(axis)
    size: Arg = None if length is None else _python_number(length)
    source: Arg = x
    backwards = bool(onesided and inverse)
    transform: Arg = expr(f"ops.{'i' if inverse else ''}{'r' if onesided else ''}fft")
    if length is not None and length.items() is None:  # in graph mode MindSpore ignores it
        source = _along(fit_along, x, x, expr("{0} // 2 + 1", size) if backwards else size, place)
        transform, size = (irfft_of, size) if backwards else (rfft_of if onesided else transform, None)
    elif onesided and length is None and _extent_at(x, place) in ((1, None) if backwards else (None,)):
        transform = irfft_of if backwards else rfft_of  # of one element MindSpore's kernel ends the process
    signal = _signal(node, x, source, onesided=bool(onesided), inverse=bool(inverse))
    if isinstance(place, int):
        options: dict[str, Arg] = {} if size is None else {"n": size}
        options |= _axis_option(place, x.rank)
        holes = "".join(f", {option}={{{i}}}" for i, option in enumerate(options, 2))
        y = expr(f"{{0}}({{1}}{holes})", transform, signal, *options.values())
    else:
        y = _along(transform, x, signal, size, place)
    real = expr("{0}.unsqueeze(-1)", y) if backwards else expr("{0}({1})", as_real, y)
    return _result(node, x, real)


def _axis_option(place: int, rank: int | None) -> dict[str, Arg]:
    """The axis of a transform as an argument, which is left out for the last one of the signal."""
    if rank is None:
        return {} if place == -2 else {"dim": place + 1 if place < 0 else place}
    return {} if place % rank == rank - 2 else {"dim": place % rank}


def _along(function: Arg, x: Operand, signal: Arg, length: Arg, place: Arg) -> Expression:
    """Call a function for an axis of `x`, which may be known only when the network runs."""
    if isinstance(place, int):
        return expr("{0}({1}, {2}, {3})", function, signal, length, place)
    return expr("{0}({1}, {2}, {3}, {4} % {5}.ndim)", call_along, function, signal, length, place, x)


def stft(
    node: Node, x: Operand, step: Operand, window: Operand | None, length: Operand | None, *, onesided: int = 1
) -> Arg:
    """ONNX STFT: `ops.rfft` of the windowed frames of a signal, or `ops.fft` for the two-sided spectrum.

    Raises:
        Unsupported: as for DFT.
    """
    signal = x if x.rank == 2 else _signal(node, x, x, onesided=bool(onesided))  # onnxruntime needs no last axis of 1
    size = _python_number(length) if length is not None else _extent(x, 1) if window is None else _extent(window, 0)
    framed = expr("{0}({1}, {2}, {3})", frames, signal, size, _python_number(step))
    if window is not None:  # the CPU multiplies no complex numbers by real ones
        is_complex = x.rank == 3 and x.shape is not None and x.shape[-1] == 2
        framed = expr("{0} * {1}.astype({0}.dtype)" if is_complex else "{0} * {1}", framed, window)
    one_side: Arg = expr("ops.rfft") if isinstance(size, int) else rfft_of
    return _result(node, x, expr("{0}({1}({2}))", as_real, one_side if onesided else expr("ops.fft"), framed))


def _signal(node: Node, x: Operand, source: Arg, onesided: bool = False, inverse: bool = False) -> Expression:
    """The signal as a real or complex tensor, without the last axis of ONNX's representation; `source` is `x` cut."""
    last = x.shape[-1] if x.shape else None
    if onesided and last is not None and (last == 2) != inverse:
        raise node.decline("one side of a spectrum stands for real numbers, and its signal is complex")
    if last == 1:
        return expr("{0}.squeeze(-1)", source)
    if last is None and onesided and not inverse:
        return expr("{0}[..., 0]", source)
    parts = source if x.dtype in _COMPLEX_PARTS else expr("{0}.astype(ms.float32)", source)
    return expr("{0}({1})", as_complex if last == 2 or onesided else as_complex_or_real, parts)


_COMPLEX_PARTS = (ir.DataType.FLOAT, ir.DataType.DOUBLE)


def _result(node: Node, x: Operand, y: Expression) -> Expression:
    return y if x.dtype in _COMPLEX_PARTS else expr("{0}.astype({1})", y, node.dtype())


def _python_number(scalar: Operand) -> Arg:
    """A scalar as a Python number; read from the tensor when the network runs, if it is not known."""
    items = scalar.items(computed=True)
    return expr("int({0})", scalar) if items is None else items[0]


def _extent_at(x: Operand, place: Arg) -> int | None:
    """The extent of an axis, if both are known."""
    return x.shape[place] if isinstance(place, int) and x.shape is not None else None


def _extent(x: Operand, axis: int) -> Arg:
    shape = x.shape_python()
    return expr(f"{{0}}.shape[{axis}]", x) if shape is None else shape[axis]


def as_complex(x):
    """A complex tensor of the real and imaginary parts that the last axis holds."""
    return ops.Complex()(x[..., 0], x[..., 1])


def as_complex_or_real(x):
    """A complex tensor of parts along the last axis, which holds the imaginary one or does not."""
    return ops.Complex()(x[..., 0], ops.cat((x, ops.zeros_like(x)), -1)[..., 1])


def as_real(x):
    """The real and imaginary parts of a complex tensor, along a new last axis."""
    return ops.stack((ops.real(x), ops.imag(x)), -1)


def fit_along(x, length, axis):
    """Cut an axis to `length` elements, or fill it up with zeros."""
    size = x.shape[axis]
    places = ops.arange(length)
    inside = (places < size).reshape((-1,) + (1,) * (x.ndim - 1 - axis % x.ndim))
    taken = ops.gather(x, ops.clamp(places, 0, size - 1), axis)
    return ops.where(inside, taken, ops.zeros_like(taken))


def rfft_of(x, n=None, dim=-1):
    """ops.rfft along a free axis, whose new extent graph mode gets wrong."""
    both = ops.fft(x, n, dim)
    return ops.gather(both, ops.arange(both.shape[dim] // 2 + 1), dim)


def irfft_of(x, n=None, dim=-1):
    """ops.irfft along a free axis, or to a computed number of elements: graph mode gets the new extent wrong."""
    if n is None:
        n = 2 * (x.shape[dim] - 1)
    if n == 0:
        part = ops.real(x)
        return ops.zeros([0 if axis == dim % x.ndim else x.shape[axis] for axis in range(x.ndim)], dtype=part.dtype)
    places = ops.arange(n)
    mirrored = places > n // 2
    both = ops.gather(x, ops.where(mirrored, n - places, places), dim)
    mirrored = mirrored.reshape((-1,) + (1,) * (x.ndim - 1 - dim % x.ndim))
    imaginary = ops.imag(both)
    both = ops.Complex()(ops.real(both), ops.where(mirrored, -imaginary, imaginary))
    return ops.real(ops.ifft(both, dim=dim))


def call_along(function, x, length, axis):
    """Call a function of a tensor and a length for an axis that is known only when the network runs."""
    for i in range(x.ndim - 1):
        if axis == i:
            return function(x, length, i)
    return function(x, length, -1)


def frames(x, size, step):
    """Cut (batch, length) into (batch, frames, size), with `step` from the beginning of one frame to the next."""
    starts = ops.arange(0, x.shape[1] - size + 1, step)
    return ops.gather(x, starts.unsqueeze(1) + ops.arange(size), 1)


# Window functions


def window(a0: float, a1: float, a2: float):  # type: ignore[no-untyped-def]
    """Make the row of a window function that is a sum of cosines: `cosine_window(400, True, (0.5, 0.5, 0.0))`."""

    def row(node: Node, size: Operand, *, output_datatype: int = 1, periodic: int = 1) -> Arg:
        """HannWindow, HammingWindow, BlackmanWindow: a0 - a1 cos(2 pi n / N) + a2 cos(4 pi n / N).

        A function, as MindSpore's Hann window is float64 and its Hamming window has other coefficients.
        """
        dtype, terms = ir.DataType(output_datatype), [a0, a1, a2]
        wide = dtype == ir.DataType.DOUBLE or dtype.is_integer()  # integers cut what is a little less than 1
        if wide:  # as onnxruntime, whose terms are of 32 bits
            terms = [float(np.float32(a)) for a in terms]
        kind = ir.DataType.DOUBLE if wide else ir.DataType.FLOAT
        arguments = (_python_number(size), bool(periodic), tuple(terms), node.mindspore_dtype(kind))
        y = expr("{0}({1}, {2}, {3}, {4})", cosine_window, *arguments)
        if dtype == kind:
            return y
        return expr("{0}.astype({1})", y, node.mindspore_dtype(output_datatype))

    return row


def cosine_window(size, periodic, coefficients, dtype):
    """A window of `size` elements; a periodic one is a symmetric one of one more element without its last."""
    turns = ops.arange(size).astype(dtype) / (size if periodic else size - 1)
    angles = turns * 2 * ops.acos(ops.full((1,), -1.0, dtype=dtype))  # graph mode rounds a number to 32 bits
    return coefficients[0] - coefficients[1] * ops.cos(angles) + coefficients[2] * ops.cos(2 * angles)


def mel_weight_matrix(
    node: Node,
    bands: Operand,
    dft_length: Operand,
    sample_rate: Operand,
    lower_edge: Operand,
    upper_edge: Operand,
    *,
    output_datatype: int = 1,
) -> Arg:
    """ONNX MelWeightMatrix: triangular filters over the bins of a spectrum, equally spaced on the mel scale."""
    edges = [item.number_or_tensor() for item in (sample_rate, lower_edge, upper_edge)]
    y = expr("{0}({1}, {2}, {3}, {4}, {5})", mel_weights, _python_number(bands), _python_number(dft_length), *edges)
    if output_datatype == ir.DataType.FLOAT:
        return y
    return expr("{0}.astype({1})", y, node.mindspore_dtype(output_datatype))


def mel_weights(bands, dft_length, sample_rate, lower_edge, upper_edge):
    """Weights from (dft_length // 2 + 1) bins of a spectrum to bands of the mel scale."""
    low = 2595 * ops.log10(1 + ops.full((1,), lower_edge, dtype=ms.float32) / 700)
    high = 2595 * ops.log10(1 + ops.full((1,), upper_edge, dtype=ms.float32) / 700)
    mels = low + ops.arange(bands + 2) * ((high - low) / (bands + 2))
    edges = ops.floor((dft_length + 1) * 700 * (ops.pow(10, mels / 2595) - 1) / sample_rate)
    left, peak, right = edges[:-2], edges[1:-1], edges[2:]
    bins = ops.arange(dft_length // 2 + 1).astype(ms.float32).unsqueeze(1)
    rising = (bins - left) / ops.clamp(peak - left, 1)
    falling = (right - bins) / ops.clamp(right - peak, 1)
    slopes = ops.where(bins < peak, rising, ops.where(bins > peak, falling, ops.ones_like(falling)))
    return ops.clamp(slopes, 0)


ROWS = {
    "BlackmanWindow": window(float((1 - np.float32(0.16)) / 2), 0.5, 0.08),
    "DFT": dft,
    "HammingWindow": window(25 / 46, 21 / 46, 0.0),
    "HannWindow": window(0.5, 0.5, 0.0),
    "MelWeightMatrix": mel_weight_matrix,
    "STFT": stft,
}
