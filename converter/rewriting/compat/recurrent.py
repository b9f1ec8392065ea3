"""Recurrent layers with PyTorch's own parameters, and recurrent cells with PyTorch's names of the weights."""

import math

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops


class RecurrentCell(nn.Cell):
    """The weights of torch.nn.RNNCell, LSTMCell and GRUCell."""

    def __init__(self, input_size, hidden_size, bias, gates):
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        bound = 1.0 / math.sqrt(hidden_size)
        rows = gates * hidden_size
        for name, shape in (("ih", (rows, input_size)), ("hh", (rows, hidden_size))):
            drawn = np.random.uniform(-bound, bound, shape)
            setattr(self, f"weight_{name}", Parameter(Tensor(drawn, ms.float32), name=f"weight_{name}"))
        for name in ("ih", "hh"):
            drawn = Parameter(Tensor(np.random.uniform(-bound, bound, (rows,)), ms.float32), name=f"bias_{name}")
            setattr(self, f"bias_{name}", drawn if bias else None)

    def zeros(self, input):
        return ops.zeros((*input.shape[:-1], self.hidden_size), input.dtype)


class RNNCell(RecurrentCell):
    """torch.nn.RNNCell."""

    def __init__(self, input_size, hidden_size, bias=True, nonlinearity="tanh", device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 1)
        self.nonlinearity = nonlinearity

    def construct(self, input, hx=None):
        hx = self.zeros(input) if hx is None else hx
        gates = ops.dense(input, self.weight_ih, self.bias_ih) + ops.dense(hx, self.weight_hh, self.bias_hh)
        return ops.tanh(gates) if self.nonlinearity == "tanh" else ops.relu(gates)


class LSTMCell(RecurrentCell):
    """torch.nn.LSTMCell."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 4)

    def construct(self, input, hx=None):
        h, c = (self.zeros(input), self.zeros(input)) if hx is None else hx
        gates = ops.dense(input, self.weight_ih, self.bias_ih) + ops.dense(h, self.weight_hh, self.bias_hh)
        entered, forgotten, made, shown = ops.chunk(gates, 4, -1)
        c = ops.sigmoid(forgotten) * c + ops.sigmoid(entered) * ops.tanh(made)
        return ops.sigmoid(shown) * ops.tanh(c), c


class GRUCell(RecurrentCell):
    """torch.nn.GRUCell."""

    def __init__(self, input_size, hidden_size, bias=True, device=None, dtype=None):
        super().__init__(input_size, hidden_size, bias, 3)

    def construct(self, input, hx=None):
        hx = self.zeros(input) if hx is None else hx
        given = ops.chunk(ops.dense(input, self.weight_ih, self.bias_ih), 3, -1)
        kept = ops.chunk(ops.dense(hx, self.weight_hh, self.bias_hh), 3, -1)
        update = ops.sigmoid(given[1] + kept[1])
        new = ops.tanh(given[2] + ops.sigmoid(given[0] + kept[0]) * kept[2])
        return new + update * (hx - new)


class LSTM(nn.LSTM):
    """torch.nn.LSTM with its own parameters."""

    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
        proj_size=0, device=None, dtype=None,
    ):  # fmt: skip
        if proj_size:
            raise NotImplementedError("proj_size of torch.nn.LSTM was not converted")
        super().__init__(
            input_size, hidden_size, num_layers, has_bias=bias, batch_first=batch_first, dropout=float(dropout),
            bidirectional=bidirectional,
        )  # fmt: skip


class GRU(nn.GRU):
    """torch.nn.GRU with its own parameters."""

    def __init__(
        self, input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False,
        device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            input_size, hidden_size, num_layers, has_bias=bias, batch_first=batch_first, dropout=float(dropout),
            bidirectional=bidirectional,
        )  # fmt: skip


class RNN(nn.RNN):
    """torch.nn.RNN with its own parameters."""

    def __init__(
        self, input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False, dropout=0.0,
        bidirectional=False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            input_size, hidden_size, num_layers, nonlinearity=nonlinearity, has_bias=bias, batch_first=batch_first,
            dropout=float(dropout), bidirectional=bidirectional,
        )  # fmt: skip
