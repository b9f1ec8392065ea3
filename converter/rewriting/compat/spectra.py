"""Short-time Fourier transforms."""

import mindspore as ms
from mindspore import ops


def window_of(window, n_fft, win_length):
    """A window in the middle of `n_fft` values."""
    length = n_fft if win_length is None else win_length
    weights = ops.ones((length,), ms.float32) if window is None else window
    before = (n_fft - length) // 2
    return weights if length == n_fft else pad(weights, (before, n_fft - length - before))


def stft(
    input, n_fft, hop_length=None, win_length=None, window=None, center=True, pad_mode="reflect", normalized=False,
    onesided=True, return_complex=None,
):  # fmt: skip
    """torch.stft of real values."""
    hop = n_fft // 4 if hop_length is None else hop_length
    x = input.reshape((1, -1)) if input.ndim == 1 else input
    if center:
        half = n_fft // 2
        x = ops.pad(x.reshape((x.shape[0], 1, -1)), (half, half), mode=pad_mode).reshape((x.shape[0], -1))
    count = 1 + (x.shape[1] - n_fft) // hop
    index = ops.arange(count).reshape((-1, 1)) * hop + ops.arange(n_fft).reshape((1, -1))
    frames = ops.gather(x, index.reshape((-1,)), 1).reshape((x.shape[0], count, n_fft))
    frames = frames * window_of(window, n_fft, win_length)
    norm = "ortho" if normalized else "backward"
    spectrum = ops.rfft(frames, norm=norm) if onesided is not False else ops.fft(frames, norm=norm)
    spectrum = spectrum.swapaxes(1, 2)
    spectrum = spectrum[0] if input.ndim == 1 else spectrum
    return spectrum if return_complex else ops.stack([ops.real(spectrum), ops.imag(spectrum)], -1)


def istft(
    input, n_fft, hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=True,
    length=None, return_complex=False,
):  # fmt: skip
    """torch.istft, whose result is real: the frames are added where they overlap."""
    hop = n_fft // 4 if hop_length is None else hop_length
    x = input.reshape((1, *input.shape)) if input.ndim == 2 else input
    norm = "ortho" if normalized else "backward"
    weights = window_of(window, n_fft, win_length)
    x = x.swapaxes(1, 2)
    frames = ops.irfft(x, n=n_fft, norm=norm) if onesided is not False else ops.real(ops.ifft(x, norm=norm))
    frames = frames * weights
    batch, count = frames.shape[0], frames.shape[1]
    size = n_fft + hop * (count - 1)
    index = (ops.arange(count).reshape((-1, 1)) * hop + ops.arange(n_fft).reshape((1, -1))).reshape((1, -1))
    total = ops.zeros((batch, size), frames.dtype)
    index_of_all = ops.broadcast_to(index, (batch, count * n_fft))
    total = ops.tensor_scatter_elements(total, index_of_all, frames.reshape((batch, -1)), 1, "add")
    squares = ops.broadcast_to((weights * weights).reshape((1, 1, -1)), (1, count, n_fft)).reshape((1, -1))
    share = ops.tensor_scatter_elements(ops.zeros((1, size), frames.dtype), index, squares, 1, "add")
    start = n_fft // 2 if center else 0
    end = size - start if length is None else min(size, start + length)
    out = total[:, start:end] / share[:, start:end]
    if length is not None and end - start < length:
        out = pad(out, (0, length - (end - start)))
    return out[0] if input.ndim == 2 else out
