"""Layers with PyTorch's signature: for classes that are handed on, derived from, or called with `**kwargs`."""

import collections
import functools

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops


def tuple_of(value, rank):
    """A number for every axis."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,) * rank


def padding_of(padding, rank):
    """PyTorch's padding as MindSpore's pad_mode and padding, which names both sides of each axis."""
    if isinstance(padding, str):
        return {"pad_mode": padding} if padding == "same" else {"pad_mode": "valid"}
    if not isinstance(padding, (tuple, list)):
        return {"pad_mode": "pad", "padding": padding}
    if len(set(padding)) == 1:
        return {"pad_mode": "pad", "padding": padding[0]}
    return {"pad_mode": "pad", "padding": tuple(each for each in padding for _ in range(2))}


class Conv1d(nn.Conv1d):
    """torch.nn.Conv1d."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        first = [
            each[0] if isinstance(each, (tuple, list)) else each for each in (kernel_size, stride, padding, dilation)
        ]
        padded = {"pad_mode": padding} if isinstance(padding, str) else {"pad_mode": "pad", "padding": first[2]}
        super().__init__(
            in_channels,
            out_channels,
            first[0],
            stride=first[1],
            dilation=first[3],
            group=groups,
            has_bias=bias,
            **padded,
        )


class Conv2d(nn.Conv2d):
    """torch.nn.Conv2d."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        if padding_mode != "zeros":
            raise NotImplementedError(f"Conv2d with padding_mode={padding_mode!r} was not converted")
        super().__init__(
            in_channels, out_channels, kernel_size if isinstance(kernel_size, int) else tuple(kernel_size),
            stride=stride if isinstance(stride, int) else tuple(stride),
            dilation=dilation if isinstance(dilation, int) else tuple(dilation),
            group=groups, has_bias=bias, **padding_of(padding, 2),
        )  # fmt: skip

    @property
    def groups(self):
        return self.group

    @property
    def padding_mode(self):
        return "zeros"


class Conv3d(nn.Conv3d):
    """torch.nn.Conv3d."""

    def __init__(
        self, in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True,
        padding_mode="zeros", device=None, dtype=None,
    ):  # fmt: skip
        super().__init__(
            in_channels, out_channels, kernel_size if isinstance(kernel_size, int) else tuple(kernel_size),
            stride=stride if isinstance(stride, int) else tuple(stride), dilation=dilation, group=groups,
            has_bias=bias, **padding_of(padding, 3),
        )  # fmt: skip


class BatchNorm1d(nn.BatchNorm1d):
    """torch.nn.BatchNorm1d."""

    def __init__(
        self, num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None
    ):
        super().__init__(
            num_features, eps=eps, momentum=1.0 - momentum, affine=affine,
            use_batch_statistics=None if track_running_stats else True,
        )  # fmt: skip

    @property
    def weight(self):
        return self.gamma

    @property
    def bias(self):
        return self.beta


class BatchNorm2d(nn.BatchNorm2d):
    """torch.nn.BatchNorm2d."""

    def __init__(
        self, num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None
    ):
        super().__init__(
            num_features, eps=eps, momentum=1.0 - momentum, affine=affine,
            use_batch_statistics=None if track_running_stats else True,
        )  # fmt: skip

    @property
    def weight(self):
        return self.gamma

    @property
    def bias(self):
        return self.beta

    @property
    def running_mean(self):
        return self.moving_mean

    @property
    def running_var(self):
        return self.moving_variance


class BatchNorm3d(nn.BatchNorm3d):
    """torch.nn.BatchNorm3d."""

    def __init__(
        self, num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None
    ):
        super().__init__(
            num_features, eps=eps, momentum=1.0 - momentum, affine=affine,
            use_batch_statistics=None if track_running_stats else True,
        )  # fmt: skip

    @property
    def weight(self):
        return self.bn2d.gamma

    @property
    def bias(self):
        return self.bn2d.beta


class LayerNorm(nn.Cell):
    """torch.nn.LayerNorm, with MindSpore's names of its parameters."""

    def __init__(self, normalized_shape, eps=1e-05, elementwise_affine=True, bias=True, device=None, dtype=None):
        super().__init__()
        self.normalized_shape = tuple_of(normalized_shape, 1)
        self.epsilon = eps
        self.elementwise_affine = elementwise_affine
        ones, zeros = ops.ones(self.normalized_shape, ms.float32), ops.zeros(self.normalized_shape, ms.float32)
        affine = elementwise_affine
        self.gamma = Parameter(ones, name="gamma", requires_grad=affine) if affine else ones
        self.beta = Parameter(zeros, name="beta", requires_grad=affine) if affine and bias else zeros
        self.norm = ops.LayerNorm(-len(self.normalized_shape), -len(self.normalized_shape), epsilon=eps)

    @property
    def eps(self):
        return self.epsilon

    @property
    def weight(self):
        return self.gamma

    @property
    def bias(self):
        return self.beta

    def construct(self, x):
        return self.norm(x, self.gamma, self.beta)[0]


class GroupNorm(nn.GroupNorm):
    """torch.nn.GroupNorm."""

    def __init__(self, num_groups, num_channels, eps=1e-05, affine=True, device=None, dtype=None):
        super().__init__(num_groups, num_channels, eps=eps, affine=affine)

    @property
    def weight(self):
        return self.gamma

    @property
    def bias(self):
        return self.beta


class Embedding(nn.Embedding):
    """torch.nn.Embedding: its table begins as N(0, 1), and the row for padding is not trained."""

    def __init__(
        self, num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False,
        sparse=False, _weight=None, _freeze=False, device=None, dtype=None,
    ):  # fmt: skip
        table = np.random.normal(size=(num_embeddings, embedding_dim)) if _weight is None else _weight.asnumpy()
        padding_idx = None if padding_idx is None else padding_idx % num_embeddings
        super().__init__(
            num_embeddings, embedding_dim, embedding_table=Tensor(table, ms.float32), padding_idx=padding_idx
        )
        if padding_idx is not None and _weight is None:
            table[padding_idx] = 0
            self.embedding_table.set_data(Tensor(table, ms.float32))
        self.padding = padding_idx

    def construct(self, ids):
        found = super().construct(ids)
        if self.padding is None:
            return found
        return ops.where((ids == self.padding).expand_dims(-1), ops.stop_gradient(found), found)

    @property
    def weight(self):
        return self.embedding_table


def _pool_arguments(kernel_size, stride, padding, rank):
    kernel = kernel_size if isinstance(kernel_size, int) else tuple(kernel_size)
    stride = kernel if stride is None else stride if isinstance(stride, int) else tuple(stride)
    if padding == 0 or (isinstance(padding, (tuple, list)) and not any(padding)):
        return kernel, stride, {}
    return kernel, stride, {"pad_mode": "pad", "padding": padding if isinstance(padding, int) else tuple(padding)}


class MaxPool1d(nn.MaxPool1d):
    """torch.nn.MaxPool1d."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 1)
        padded = {"pad_mode": "pad", **padded} if ceil_mode or dilation != 1 else padded
        super().__init__(kernel, stride, dilation=dilation, ceil_mode=ceil_mode, **padded)


class MaxPool2d(nn.MaxPool2d):
    """torch.nn.MaxPool2d."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 2)
        padded = {"pad_mode": "pad", **padded} if ceil_mode or dilation != 1 else padded
        super().__init__(kernel, stride, dilation=dilation, ceil_mode=ceil_mode, **padded)


class MaxPool3d(nn.MaxPool3d):
    """torch.nn.MaxPool3d."""

    def __init__(self, kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 3)
        padded = {"pad_mode": "pad", **padded} if ceil_mode or dilation != 1 else padded
        super().__init__(kernel, stride, dilation=dilation, ceil_mode=ceil_mode, **padded)


class AvgPool2d(nn.AvgPool2d):
    """torch.nn.AvgPool2d."""

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 2)
        padded = {"pad_mode": "pad", **padded} if ceil_mode else padded
        super().__init__(
            kernel, stride, ceil_mode=ceil_mode, count_include_pad=count_include_pad,
            divisor_override=divisor_override, **padded,
        )  # fmt: skip


class AvgPool3d(nn.AvgPool3d):
    """torch.nn.AvgPool3d."""

    def __init__(
        self, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None
    ):
        kernel, stride, padded = _pool_arguments(kernel_size, stride, padding, 3)
        padded = {"pad_mode": "pad", **padded} if ceil_mode else padded
        super().__init__(
            kernel, stride, ceil_mode=ceil_mode, count_include_pad=count_include_pad,
            divisor_override=divisor_override, **padded,
        )  # fmt: skip


class GELU(nn.GELU):
    """torch.nn.GELU."""

    def __init__(self, approximate="none"):
        super().__init__(approximate=approximate == "tanh")


class Softplus(nn.Cell):
    """torch.nn.Softplus."""

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def construct(self, x):
        return ops.softplus(x, beta=self.beta, threshold=self.threshold)


class Identity(nn.Identity):
    """torch.nn.Identity: it takes any arguments."""

    def __init__(self, *args, **kwargs):
        super().__init__()


class Upsample(nn.Cell):
    """torch.nn.Upsample."""

    def __init__(self, size=None, scale_factor=None, mode="nearest", align_corners=None, recompute_scale_factor=None):
        super().__init__()
        self.size = size
        self.scale_factor = scale_factor
        self.mode = mode
        self.align_corners = align_corners

    def construct(self, x):
        return interpolate(x, self.size, self.scale_factor, self.mode, self.align_corners)


class Unflatten(nn.Cell):
    """torch.nn.Unflatten."""

    def __init__(self, dim, unflattened_size):
        super().__init__()
        self.dim = dim
        self.unflattened_size = tuple(unflattened_size)

    def construct(self, x):
        return unflatten(x, self.dim, self.unflattened_size)


def prefix_of(cell):
    """What stands before the names of a cell's parameters: where the cell is in the network, as far as it is known."""
    for name, parameter in cell.parameters_and_names():
        if parameter.name.endswith(name):
            return parameter.name[: -len(name)]
    return getattr(cell, "_prefix", "")


class Sequential(nn.SequentialCell):
    """torch.nn.Sequential: it may get further modules at any time, also as attributes."""

    def __init__(self, *args):
        super().__init__()
        self._prefix = ""
        named = args[0].items() if len(args) == 1 and hasattr(args[0], "items") else enumerate(args)
        for name, module in named:
            self.insert_child_to_cell(str(name), module)

    def update_parameters_name(self, prefix="", recurse=True):
        self._prefix = prefix
        super().update_parameters_name(prefix, recurse)

    def insert_child_to_cell(self, child_name, child_cell):
        super().insert_child_to_cell(child_name, child_cell)
        child_cell.update_parameters_name(f"{self._prefix}{child_name}.")
        self._is_dynamic_name.append(child_name.isdigit())
        self.cell_list = list(self._cells.values())

    def append(self, module):
        self.insert_child_to_cell(str(len(self._cells)), module)
        return self

    def extend(self, modules):
        for module in modules:
            self.append(module)
        return self

    def __iter__(self):
        return iter(self._cells.values())

    def __getitem__(self, index):
        cells = list(self._cells.items())
        if isinstance(index, slice):
            return nn.SequentialCell(collections.OrderedDict(cells[index]))
        return cells[index][1]


class CellList(nn.CellList):
    """torch.nn.ModuleList of any iterable, or of what is appended later; it has no `construct`."""

    def __init__(self, modules=None):
        super().__init__()
        self._prefix = ""
        self.extend(() if modules is None else modules)

    def update_parameters_name(self, prefix="", recurse=True):
        self._prefix = prefix
        super().update_parameters_name(prefix, recurse)

    def append(self, cell):
        super().append(cell)
        cell.update_parameters_name(f"{self._prefix}{len(self) - 1}.")
        return self

    def extend(self, cells):
        for cell in cells:
            self.append(cell)
        return self

    def insert(self, index, cell):
        super().insert(index, cell)
        super().update_parameters_name(self._prefix)


class ModuleList(nn.Cell):
    """torch.nn.ModuleList, to derive from: it may have a `construct` of its own."""

    def __init__(self, modules=None):
        super().__init__()
        self._prefix = ""
        self.extend(() if modules is None else modules)

    def update_parameters_name(self, prefix="", recurse=True):
        self._prefix = prefix
        super().update_parameters_name(prefix, recurse)

    def insert_child_to_cell(self, child_name, child_cell):
        super().insert_child_to_cell(child_name, child_cell)
        child_cell.update_parameters_name(f"{self._prefix}{child_name}.")
        self.cell_list = tuple(self._cells.values())

    def append(self, module):
        self.insert_child_to_cell(str(len(self._cells)), module)
        return self

    def extend(self, modules):
        for module in modules:
            self.append(module)
        return self

    def __len__(self):
        return len(self._cells)

    def __iter__(self):
        return iter(self._cells.values())

    def __getitem__(self, index):
        return list(self._cells.values())[index]


class ModuleDict(nn.Cell):
    """torch.nn.ModuleDict, of cells of any kind."""

    def __init__(self, modules=None):
        super().__init__()
        self._prefix = ""
        self.update({} if modules is None else modules)

    def update_parameters_name(self, prefix="", recurse=True):
        self._prefix = prefix
        super().update_parameters_name(prefix, recurse)

    def update(self, modules):
        for name, module in modules.items() if hasattr(modules, "items") else modules:
            self.insert_child_to_cell(name, module)

    def insert_child_to_cell(self, child_name, child_cell):
        self._cells[child_name] = child_cell
        child_cell.update_parameters_name(f"{self._prefix}{child_name}.")
        self.cell_list = tuple(self._cells.values())
        self.cell_names = tuple(self._cells)

    def __setitem__(self, name, module):
        self.insert_child_to_cell(name, module)

    def __getitem__(self, name):
        return self.cell_list[self.cell_names.index(name)]

    def __contains__(self, name):
        return name in self.cell_names

    def __len__(self):
        return len(self._cells)

    def __iter__(self):
        return iter(self._cells)

    def keys(self):
        return self.cell_names

    def values(self):
        return self.cell_list

    def items(self):
        return tuple([(name, cell) for name, cell in zip(self.cell_names, self.cell_list)])


class MultiheadAttention(nn.Cell):
    """torch.nn.MultiheadAttention, with its own names of the parameters."""

    def __init__(
        self, embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None,
        vdim=None, batch_first=False, device=None, dtype=None,
    ):  # fmt: skip
        super().__init__()
        if add_bias_kv or add_zero_attn or kdim not in (None, embed_dim) or vdim not in (None, embed_dim):
            raise NotImplementedError("MultiheadAttention with add_bias_kv, add_zero_attn, kdim or vdim")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.dropout = dropout
        self.batch_first = batch_first
        self.head_dim = embed_dim // num_heads
        self.in_proj_weight = Parameter(ops.zeros((3 * embed_dim, embed_dim), ms.float32), name="in_proj_weight")
        self.in_proj_bias = Parameter(ops.zeros((3 * embed_dim,), ms.float32), name="in_proj_bias") if bias else None
        self.out_proj = nn.Dense(embed_dim, embed_dim, has_bias=bias)
        xavier_uniform_(self.in_proj_weight)
        if bias:
            zeros_(self.out_proj.bias)

    def construct(
        self, query, key, value, key_padding_mask=None, need_weights=True, attn_mask=None, average_attn_weights=True,
        is_causal=False,
    ):  # fmt: skip
        if not self.batch_first:
            query, key, value = query.swapaxes(0, 1), key.swapaxes(0, 1), value.swapaxes(0, 1)
        weights = ops.chunk(self.in_proj_weight, 3, 0)
        biases = (None, None, None) if self.in_proj_bias is None else ops.chunk(self.in_proj_bias, 3, 0)
        q = self._heads(ops.dense(query, weights[0], biases[0]))
        k = self._heads(ops.dense(key, weights[1], biases[1]))
        v = self._heads(ops.dense(value, weights[2], biases[2]))
        scores = ops.matmul(q * (self.head_dim**-0.5), k.swapaxes(-2, -1))
        if attn_mask is not None:
            if attn_mask.ndim == 3:
                attn_mask = attn_mask.reshape((-1, self.num_heads, *attn_mask.shape[-2:]))
            if attn_mask.dtype == ms.bool_:
                scores = scores.masked_fill(attn_mask, float("-inf"))
            else:
                scores = scores + attn_mask
        if key_padding_mask is not None:
            mask = key_padding_mask[:, None, None, :]
            if mask.dtype == ms.bool_:
                scores = scores.masked_fill(mask, float("-inf"))
            else:
                scores = scores + mask
        attention = ops.softmax(scores, axis=-1)
        dropped = ops.dropout(attention, self.dropout, training=self.training)
        out = ops.matmul(dropped, v).swapaxes(1, 2)
        out = self.out_proj(out.reshape((out.shape[0], out.shape[1], self.embed_dim)))
        if not self.batch_first:
            out = out.swapaxes(0, 1)
        if not need_weights:
            return out, None
        return out, attention.mean(1) if average_attn_weights else attention

    def _heads(self, x):
        return x.reshape((x.shape[0], x.shape[1], self.num_heads, self.head_dim)).swapaxes(1, 2)


def modules(cell):
    """Module.modules."""
    return [each for _, each in cell.cells_and_names()]


def add_module(cell, name, module):
    """Module.add_module."""
    prefix = prefix_of(cell)
    cell.insert_child_to_cell(name, module)
    if module is not None:
        module.update_parameters_name(f"{prefix}{name}.")
    if isinstance(cell, nn.SequentialCell):
        cell.cell_list = list(cell._cells.values())


class Unfold(nn.Cell):
    """torch.nn.Unfold: the windows of an image as columns."""

    def __init__(self, kernel_size, dilation=1, padding=0, stride=1):
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def construct(self, input):
        return ops.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)


class FrozenBatchNorm2d(nn.Cell):
    """torchvision.ops.FrozenBatchNorm2d: statistics, scale and shift that are not trained."""

    def __init__(self, num_features, eps=1e-5):
        super().__init__()
        self.eps = eps
        self.weight = Parameter(ops.ones((num_features,)), requires_grad=False)
        self.bias = Parameter(ops.zeros((num_features,)), requires_grad=False)
        self.running_mean = Parameter(ops.zeros((num_features,)), requires_grad=False)
        self.running_var = Parameter(ops.ones((num_features,)), requires_grad=False)

    def construct(self, x):
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        bias = self.bias - self.running_mean * scale
        return x * scale.reshape((1, -1, 1, 1)) + bias.reshape((1, -1, 1, 1))


def register_buffer(cell, name, tensor, persistent=True):
    """Module.register_buffer: what is kept in the checkpoint is a parameter that is not trained."""
    if tensor is not None and persistent:
        tensor = Parameter(tensor, name=name, requires_grad=False)
    setattr(cell, name, tensor)


def register_parameter(cell, name, param):
    """Module.register_parameter."""
    setattr(cell, name, param)


def Buffer(data=None, persistent=True):
    """torch.nn.Buffer: what is kept in the checkpoint is a parameter that is not trained."""
    return Parameter(data, requires_grad=False) if persistent and data is not None else data


def without(keywords, name):
    """A dict without one of its keys."""
    kept = {}
    for key, value in keywords.items():
        if key != name:
            kept[key] = value
    return kept


def part_in_graph(cells, start, stop):
    """Some cells of a list, in graph mode."""
    return cells[start:stop]


@functools.wraps(part_in_graph)  # whose text graph mode reads
def part(cells, start, stop):
    return list(cells)[start:stop]
