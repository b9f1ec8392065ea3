"""Handlers of operators on sound: AudioSpectrogram and Mfcc.

What they compute: tensorflow/core/kernels/spectrogram.cc, mfcc_mel_filterbank.cc, mfcc_dct.cc.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder

_FLOOR = 1e-12
"""The least energy of a band, whose logarithm is taken."""


def _spectrogram(build: NodeBuilder) -> None:
    """AudioSpectrogram: (samples, channels) → (channels, frames, bins), the magnitudes of short Fourier transforms.

    A frame is multiplied by a Hann window and filled with zeros up to a power of two.
    """
    shape = build.shape(build.inputs[0])
    if not shape or shape[0] < 0:
        raise NotImplementedError("a free number of samples")
    size, stride = (build.attribute(name) for name in ("window_size", "stride"))
    if shape[0] < size:
        raise NotImplementedError("fewer samples than a window has")
    frames = 1 + (shape[0] - size) // stride
    places = stride * np.arange(frames)[:, None] + np.arange(size)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    sound = build.add("Transpose", build.inputs[0], perm=[1, 0])
    cut = build.add("Gather", sound, build.int64(places), axis=1)
    tapered = build.add("Mul", cut, build.constant(hann))
    last = build.int64([-1])
    length = build.int64(1 << (size - 1).bit_length())
    signal = build.add("Unsqueeze", tapered, last)
    spectrum = build.add("DFT", signal, length, axis=2, onesided=1)
    total = "ReduceSumSquare" if build.attribute("magnitude_squared") else "ReduceL2"
    build.finish(total, *[spectrum, last] if build.graph.opset >= 18 else [spectrum], keepdims=0)
    if build.graph.opset < 18:
        build.node.set_attr("axes", [-1])


def _mfcc(build: NodeBuilder) -> None:
    """Mfcc: (channels, frames, bins) → (channels, frames, coefficients): bands of the mel scale, logarithm, cosines."""
    shape = build.shape(build.inputs[0])
    if not shape or shape[-1] < 0 or not build.sources[1].is_const():
        raise NotImplementedError("a number of bins or a sample rate that is computed")
    rate = int(build.sources[1].get_tensor_value(as_list=False))
    bands, coefficients = (
        build.attribute(name, default)
        for name, default in (("filterbank_channel_count", 40), ("dct_coefficient_count", 13))
    )
    low, high = (
        build.attribute(name, default)
        for name, default in (("lower_frequency_limit", 20.0), ("upper_frequency_limit", 4000.0))
    )
    weights = build.constant(mel_weights(shape[-1], rate, bands, low, high))
    angles = np.pi / bands * np.outer(np.arange(bands) + 0.5, np.arange(coefficients))
    magnitudes = build.add("Sqrt", *build.inputs[:1])
    energies = build.add("MatMul", magnitudes, weights)
    logarithms = build.add("Log", build.add("Max", energies, build.constant(_FLOOR)))
    cosines = build.constant(np.sqrt(2 / bands) * np.cos(angles))
    build.finish("MatMul", logarithms, cosines)


def mel_weights(bins: int, rate: int, bands: int, low: float, high: float) -> np.ndarray:
    """The weight of each bin of a spectrum in each band, (bins, bands): triangles, equally wide on the mel scale.

    Args:
        bins: the number of frequencies, from 0 to half the sample rate.
        rate: samples per second.
        bands: the number of bands.
        low: the lower limit of the bands, in hertz.
        high: the upper one.
    """
    step = 0.5 * rate / (bins - 1)  # hertz
    mels = 1127 * np.log1p(step * np.arange(bins) / 700)
    edges = np.linspace(1127 * np.log1p(low / 700), 1127 * np.log1p(high / 700), bands + 2)
    rising = (mels[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.clip(np.minimum(rising, falling), 0, None)
    first, last = int(1.5 + low / step), int(high / step)
    weights[:first] = 0
    weights[last + 1 :] = 0
    return weights


HANDLERS: Mapping[str, Handler] = {"AudioSpectrogram": _spectrogram, "Mfcc": _mfcc}
