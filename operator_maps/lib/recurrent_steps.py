"""Recurrent layers as explicit loops, for variants that MindSpore's layers lack: functions copied into scripts.

A step takes one time step of the sequence, (batch, input), and the state, (1, batch, hidden) or with a cell state
(2, batch, hidden), and returns the next state. Its weights are ONNX's: input weights, hidden weights, their biases, and
peephole weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def recurrent(step, x, state, weights, activations, lengths=None, backward=False):
    """Run `step` along the first axis of x; return the hidden state after every step, and the last state.

    Beyond a sequence's length the output is zero and the state stays.
    """
    output = ops.zeros((ms.mutable(0), *state.shape[1:]), dtype=state.dtype)
    for i in range(ms.mutable(x.shape[0])):  # mutable: graph mode compiles one round, not every one
        t = x.shape[0] - 1 - i if backward else i
        new = step(x[t], state, weights, activations)
        hidden = new[:1]
        if lengths is not None:
            inside = (t < lengths).unsqueeze(1)
            new, hidden = ops.where(inside, new, state), ops.where(inside, hidden, ops.zeros_like(hidden))
        output = ops.cat((hidden, output)) if backward else ops.cat((output, hidden))
        state = new
    return output.reshape((x.shape[0], *output.shape[1:])), state  # graph mode takes the extent it grew to for 0


def lstm_step(x, state, weights, activations):
    """One step of an LSTM; gates in the order input, output, forget, cell."""
    h, c = state[0], state[1]
    w, r, b_w, b_r = weights
    gate, squash, expose = activations
    i, o, f, g = ops.chunk(ops.matmul(x, w.T) + b_w + ops.matmul(h, r.T) + b_r, 4, 1)
    c = gate(f) * c + gate(i) * squash(g)
    return ops.stack((gate(o) * expose(c), c))


def peephole_lstm_step(x, state, weights, activations):
    """One step of an LSTM whose gates also see the cell state, through the weights p."""
    h, c = state[0], state[1]
    w, r, b_w, b_r, p = weights
    gate, squash, expose = activations
    i, o, f, g = ops.chunk(ops.matmul(x, w.T) + b_w + ops.matmul(h, r.T) + b_r, 4, 1)
    p_i, p_o, p_f = ops.chunk(p, 3)
    c = gate(f + p_f * c) * c + gate(i + p_i * c) * squash(g)
    return ops.stack((gate(o + p_o * c) * expose(c), c))


def coupled_lstm_step(x, state, weights, activations):
    """One step of an LSTM that forgets as much as it lets in."""
    h, c = state[0], state[1]
    w, r, b_w, b_r, p = weights
    gate, squash, expose = activations
    i, o, _, g = ops.chunk(ops.matmul(x, w.T) + b_w + ops.matmul(h, r.T) + b_r, 4, 1)
    p_i, p_o, _ = ops.chunk(p, 3)
    i = gate(i + p_i * c)
    c = (1 - i) * c + i * squash(g)
    return ops.stack((gate(o + p_o * c) * expose(c), c))


def gru_step(x, state, weights, activations):
    """One step of a GRU whose reset comes before the recurrent product; gates in the order update, reset, hidden."""
    h = state[0]
    w, r, b_w, b_r = weights
    gate, squash = activations
    x_z, x_r, x_h = ops.chunk(ops.matmul(x, w.T) + b_w, 3, 1)
    r_z, r_r, r_h = ops.chunk(r, 3)
    b_z, b_r, b_h = ops.chunk(b_r, 3)
    z = gate(x_z + ops.matmul(h, r_z.T) + b_z)
    reset = gate(x_r + ops.matmul(h, r_r.T) + b_r)
    new = squash(x_h + ops.matmul(reset * h, r_h.T) + b_h)
    return ((1 - z) * new + z * h).unsqueeze(0)


def reset_after_gru_step(x, state, weights, activations):
    """One step of a GRU whose reset comes after the recurrent product; gates in the order update, reset, hidden."""
    h = state[0]
    w, r, b_w, b_r = weights
    gate, squash = activations
    x_z, x_r, x_h = ops.chunk(ops.matmul(x, w.T) + b_w, 3, 1)
    h_z, h_r, h_h = ops.chunk(ops.matmul(h, r.T) + b_r, 3, 1)
    z = gate(x_z + h_z)
    new = squash(x_h + gate(x_r + h_r) * h_h)
    return ((1 - z) * new + z * h).unsqueeze(0)


def rnn_step(x, state, weights, activations):
    """One step of a plain recurrent layer."""
    w, r, b_w, b_r = weights
    h = activations[0](ops.matmul(x, w.T) + b_w + ops.matmul(state[0], r.T) + b_r)
    return h.unsqueeze(0)
