"""Packed sequences of torch.nn.utils.rnn: here the padded ones, their lengths, and whether the batch comes first."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """torch.nn.utils.rnn.pack_padded_sequence."""
    lengths = lengths if isinstance(lengths, Tensor) else Tensor(lengths)
    return input, lengths.astype(ms.int32), batch_first


def pack_sequence(sequences, enforce_sorted=True):
    """torch.nn.utils.rnn.pack_sequence."""
    return pack_padded_sequence(pad_sequence(sequences), [len(each) for each in sequences])


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """torch.nn.utils.rnn.pad_packed_sequence."""
    x, lengths, is_first = sequence
    x = x if is_first else x.swapaxes(0, 1)
    outside = ops.arange(x.shape[1]).reshape((1, -1)) >= lengths.reshape((-1, 1))
    outside = outside.reshape(outside.shape + (1,) * (x.ndim - 2))
    x = ops.where(outside, ops.full((), padding_value, dtype=x.dtype), x)
    x = x[:, : lengths.max()] if total_length is None else x[:, :total_length]
    if total_length is not None and total_length > x.shape[1]:
        rest = ops.full((x.shape[0], total_length - x.shape[1], *x.shape[2:]), padding_value, dtype=x.dtype)
        x = ops.cat((x, rest), 1)
    return (x if batch_first else x.swapaxes(0, 1)), lengths.astype(ms.int64)


def run_packed(layer, packed, hx=None):
    """A recurrent layer of packed sequences."""
    x, lengths, is_first = packed
    output, state = layer(x if is_first == layer.batch_first else x.swapaxes(0, 1), hx, lengths)
    return (output, lengths, layer.batch_first), state


def packed_data(packed):
    """PackedSequence.data: the steps one after another, of each those of all sequences, the longest first."""
    x, lengths, is_first = packed
    x, lengths = (x if is_first else x.swapaxes(0, 1)), lengths.asnumpy()
    order = np.argsort(-lengths, kind="stable")
    places = [row * x.shape[1] + step for step in range(lengths.max()) for row in order if lengths[row] > step]
    return x.reshape((-1, *x.shape[2:]))[Tensor(places)]


def packed_batch_sizes(packed):
    """PackedSequence.batch_sizes: how many sequences have each step."""
    lengths = packed[1].asnumpy()
    return Tensor([int((lengths > step).sum()) for step in range(lengths.max())], ms.int64)


def packed_sorted_indices(packed):
    """PackedSequence.sorted_indices: the sequences, the longest first."""
    return Tensor(np.argsort(-packed[1].asnumpy(), kind="stable"), ms.int64)


def packed_unsorted_indices(packed):
    """PackedSequence.unsorted_indices: the place of each sequence among the sorted ones."""
    return Tensor(np.argsort(packed_sorted_indices(packed).asnumpy()), ms.int64)
