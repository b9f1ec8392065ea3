"""Pooling that returns where the largest values were, and its inverse."""

import mindspore as ms
import numpy as np
from mindspore import nn, ops


def pooled_places(sizes, kernel, stride, padding, ceil_mode):
    """For each window of an image the places of its values in the image; -1 where it hangs over."""
    axes = []
    for size, k, s, p in zip(sizes, kernel, stride, padding):
        count = -(-(size + 2 * p - k) // s) + 1 if ceil_mode else (size + 2 * p - k) // s + 1
        count -= ceil_mode and (count - 1) * s >= size + p
        places = np.arange(count)[:, None] * s - p + np.arange(k)
        axes.append(np.where((places < 0) | (places >= size), -1, places))
    flat, shape = axes[0], axes[0].shape[:1]
    for size, places in zip(sizes[1:], axes[1:]):
        before, behind = flat[:, None, :, None], places[None, :, None, :]
        whole = np.where((before < 0) | (behind < 0), -1, before * size + behind)
        flat = whole.reshape(whole.shape[0] * whole.shape[1], -1)
        shape = (*shape, len(places))
    return flat, shape


def max_pool_with_indices(input, kernel_size, stride=None, padding=0, ceil_mode=False, rank=2):
    """The largest value of each window, and its place in the image as one number."""
    kernel, padding = tuple_of(kernel_size, rank), tuple_of(padding, rank)
    sizes = input.shape[-rank:]
    places, shape = pooled_places(sizes, kernel, tuple_of(stride or kernel, rank), padding, ceil_mode)
    flat = input.reshape((-1, int(np.prod(sizes))))
    outside = ms.Tensor((places < 0).reshape(-1))
    index = ms.Tensor(np.maximum(places, 0).reshape(-1).astype(np.int32))
    values = ops.gather(flat, index, 1).masked_fill(outside, float("-inf")).reshape((-1, *places.shape))
    chosen = ops.argmax(ops.stop_gradient(values), -1, keepdim=True)
    largest = ops.gather_elements(values, 2, chosen)
    where = ops.gather_elements(ops.broadcast_to(index.reshape((1, *places.shape)), values.shape), 2, chosen)
    out = (*input.shape[:-rank], *shape)
    return largest.reshape(out), where.reshape(out).astype(ms.int64)


def max_unpool(input, indices, kernel_size, stride=None, padding=0, output_size=None, rank=2):
    """The values at their places in an image of zeros."""
    kernel, padding = tuple_of(kernel_size, rank), tuple_of(padding, rank)
    steps = tuple_of(stride or kernel, rank)
    sizes = [(n - 1) * s - 2 * p + k for n, s, p, k in zip(input.shape[-rank:], steps, padding, kernel)]
    sizes = sizes if output_size is None else list(output_size)[-rank:]
    count = int(np.prod(input.shape[:-rank]))
    zeros = ops.zeros((count, int(np.prod(sizes))), input.dtype)
    out = ops.tensor_scatter_elements(zeros, indices.reshape((count, -1)), input.reshape((count, -1)), 1)
    return out.reshape((*input.shape[:-rank], *sizes))


class MaxPoolWithIndices(nn.Cell):
    """torch.nn.MaxPool1d, 2d and 3d with return_indices=True."""

    def __init__(self, kernel_size, stride=None, padding=0, ceil_mode=False, rank=2):
        super().__init__()
        self.options = (kernel_size, stride, padding, ceil_mode, rank)

    def construct(self, x):
        return max_pool_with_indices(x, *self.options)


class MaxUnpool1d(nn.Cell):
    """torch.nn.MaxUnpool1d."""

    rank = 1

    def __init__(self, kernel_size, stride=None, padding=0):
        super().__init__()
        self.options = (kernel_size, stride, padding)

    def construct(self, input, indices, output_size=None):
        return max_unpool(input, indices, *self.options, output_size, self.rank)


class MaxUnpool2d(MaxUnpool1d):
    """torch.nn.MaxUnpool2d."""

    rank = 2


class MaxUnpool3d(MaxUnpool1d):
    """torch.nn.MaxUnpool3d."""

    rank = 3
