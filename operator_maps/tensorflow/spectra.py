"""Fourier transforms and complex numbers of TensorFlow, which ONNX has as pairs of real numbers only."""

from __future__ import annotations

from converter.rows import Arg, Node, Operand, call, expr, invoke


def rfft(node: Node, x: Operand, lengths: Operand) -> Arg:
    """tf.signal.rfft, rfft2d: `ops.rfft(x, 512)`; the length is left out where it is the last extent of the signal."""
    wanted = _items(node, lengths)
    function = "ops.rfft" if len(wanted) == 1 else "ops.rfft2"
    if x.shape is not None and wanted == x.shape[-len(wanted) :]:
        return invoke(function, x)
    return invoke(function, x, wanted[0] if len(wanted) == 1 else wanted)


def irfft(node: Node, x: Operand, lengths: Operand) -> Arg:
    """tf.signal.irfft, irfft2d: `ops.irfft(x, 512)`."""
    wanted = _items(node, lengths)
    return invoke("ops.irfft", x, wanted[0]) if len(wanted) == 1 else invoke("ops.irfft2", x, wanted)


def complex_numbers(node: Node, real: Operand, imaginary: Operand) -> Arg:
    """tf.complex: `ops.Complex()(x, y)`, whose parts have one shape in MindSpore."""
    if real.shape is not None and real.shape == imaginary.shape:
        return expr("ops.Complex()({0}, {1})", real, imaginary)
    parts = (expr("{0} + ops.zeros_like({1})", a, b) for a, b in ((real, imaginary), (imaginary, real)))
    return expr("ops.Complex()({0}, {1})", *parts)


def _items(node: Node, lengths: Operand) -> tuple[Arg, ...]:
    wanted = lengths.items(computed=True)
    if wanted is None:
        raise node.decline("the number of its lengths is unknown")
    return wanted


ROWS = {
    "tensorflow.Angle": call("ops.angle({0})"),
    "tensorflow.Complex": complex_numbers,
    "tensorflow.ComplexAbs": call("ops.real(ops.abs({0}))"),  # on the CPU ops.abs keeps the complex type
    "tensorflow.Conj": call("ops.conj({0})"),
    "tensorflow.FFT": call("ops.fft({0})"),
    "tensorflow.FFT2D": call("ops.fft2({0})"),
    "tensorflow.IFFT": call("ops.ifft({0})"),
    "tensorflow.IFFT2D": call("ops.ifft2({0})"),
    "tensorflow.IRFFT": irfft,
    "tensorflow.IRFFT2D": irfft,
    "tensorflow.Imag": call("ops.imag({0})"),
    "tensorflow.RFFT": rfft,
    "tensorflow.RFFT2D": rfft,
    "tensorflow.Real": call("ops.real({0})"),
}
