"""tf2onnx handlers for TensorFlow's operators on sound: AudioSpectrogram and Mfcc.

What they compute: tensorflow/core/kernels/spectrogram.cc, mfcc_mel_filterbank.cc, mfcc_dct.cc.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from converter.frontends.tensorflow.node_building import add_constant, add_node, finish

_FLOOR = 1e-12
"""The least energy of a band, whose logarithm is taken."""


def _spectrogram(graph: Any, node: Any, **kwargs: Any) -> None:
    """AudioSpectrogram: (samples, channels) → (channels, frames, bins), the magnitudes of short Fourier transforms.

    A frame is multiplied by a Hann window and filled with zeros up to a power of two.
    """
    shape = graph.get_shape(node.input[0])
    if not shape or shape[0] < 0:
        raise NotImplementedError("a free number of samples")
    size, stride = (node.get_attr_value(name) for name in ("window_size", "stride"))
    if shape[0] < size:
        raise NotImplementedError("fewer samples than a window has")
    frames = 1 + (shape[0] - size) // stride
    places = stride * np.arange(frames)[:, None] + np.arange(size)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    sound = add_node(graph, node, "Transpose", [node.input[0]], perm=[1, 0])
    cut = add_node(graph, node, "Gather", [sound, add_constant(graph, node, places, np.int64)], axis=1)
    tapered = add_node(graph, node, "Mul", [cut, add_constant(graph, node, hann)])
    last = add_constant(graph, node, [-1], np.int64)
    length = add_constant(graph, node, 1 << (size - 1).bit_length(), np.int64)
    signal = add_node(graph, node, "Unsqueeze", [tapered, last])
    spectrum = add_node(graph, node, "DFT", [signal, length], axis=2, onesided=1)
    total = "ReduceSumSquare" if node.get_attr_value("magnitude_squared") else "ReduceL2"
    finish(graph, node, total, [spectrum, last] if graph.opset >= 18 else [spectrum], keepdims=0)
    if graph.opset < 18:
        node.set_attr("axes", [-1])


def _mfcc(graph: Any, node: Any, **kwargs: Any) -> None:
    """Mfcc: (channels, frames, bins) → (channels, frames, coefficients): bands of the mel scale, logarithm, cosines."""
    shape = graph.get_shape(node.input[0])
    if not shape or shape[-1] < 0 or not node.inputs[1].is_const():
        raise NotImplementedError("a number of bins or a sample rate that is computed")
    rate = int(node.inputs[1].get_tensor_value(as_list=False))
    bands, coefficients = (
        node.get_attr_value(name, default)
        for name, default in (("filterbank_channel_count", 40), ("dct_coefficient_count", 13))
    )
    low, high = (
        node.get_attr_value(name, default)
        for name, default in (("lower_frequency_limit", 20.0), ("upper_frequency_limit", 4000.0))
    )
    weights = add_constant(graph, node, mel_weights(shape[-1], rate, bands, low, high))
    angles = np.pi / bands * np.outer(np.arange(bands) + 0.5, np.arange(coefficients))
    magnitudes = add_node(graph, node, "Sqrt", node.input[:1])
    energies = add_node(graph, node, "MatMul", [magnitudes, weights])
    logarithms = add_node(
        graph, node, "Log", [add_node(graph, node, "Max", [energies, add_constant(graph, node, _FLOOR)])]
    )
    cosines = add_constant(graph, node, np.sqrt(2 / bands) * np.cos(angles))
    finish(graph, node, "MatMul", [logarithms, cosines])


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


AUDIO_HANDLERS: Mapping[str, Any] = {"AudioSpectrogram": _spectrogram, "Mfcc": _mfcc}
