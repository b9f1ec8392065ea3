"""Layers: torch.nn."""

from __future__ import annotations

from converter.rewriting import Chosen, NotStatic, Row, UnsupportedCall, call, layer, value

_NORM = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
_NORM_3D = {torch: f"bn2d.{name}" for torch, name in _NORM.items()}
_GROUPS = {"groups": "group"}
_CONVOLUTION = (
    "(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, "
    "padding_mode='zeros', device=None, dtype=None)"
)
_BATCH_NORM = "(num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None)"
_POOL = "(kernel_size, stride=None, padding=0, dilation=1, return_indices=False, ceil_mode=False)"
_AVERAGE = "(kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None)"


def _is_zero(value: object) -> bool:
    return value == 0 or (isinstance(value, tuple) and not any(value))


def recurrent(template: str):
    """A recurrent layer, whose dropout MindSpore wants as a float."""

    def written(call: Chosen) -> str:
        if not call.has("dropout"):
            return template
        given = call.value("dropout") if call.is_static("dropout") else None
        if isinstance(given, float):
            return template
        return template.replace("{dropout}", "float({dropout})" if given is None else str(float(str(given))))

    return written


def _convolution(name: str):
    def convolution(call: Chosen) -> str:
        """Padding is written as numbers, pad_mode says so; a tuple is given for both sides of each axis."""
        if call.value("padding_mode") != "zeros":
            raise NotStatic("its padding_mode is not 'zeros'")
        head = (
            f"nn.{name}(in_channels={{in_channels}}, out_channels={{out_channels}}, kernel_size={{kernel_size}}, "
            "stride={stride}, "
        )
        tail = "dilation={dilation}, group={groups}, has_bias={bias!})"
        if not call.is_static("padding"):
            if call.kind("padding") != "number":
                raise NotStatic("its padding is computed")
            return f"{head}pad_mode='pad', padding={{padding}}, {tail}"
        padding = call.value("padding")
        if isinstance(padding, str):
            return f"{head}pad_mode='{padding}', {tail}"
        if isinstance(padding, tuple) and len(set(padding)) > 1:
            written = ", ".join(f"{each}, {each}" for each in padding)
            return f"{head}pad_mode='pad', padding=({written}), {tail}"
        if isinstance(padding, tuple):
            return f"{head}pad_mode='pad', padding={padding[0]}, {tail}"
        mode = "" if _is_zero(padding) and not call.has("padding") else "padding={padding}, "
        return f"{head}pad_mode='pad', {mode}{tail}"

    return convolution


def _batch_norm(name: str):
    def batch_norm(call: Chosen) -> str:
        """MindSpore's momentum is that of the old statistics: 1 - torch's."""
        if call.has("track_running_stats") and call.value("track_running_stats") is not True:
            raise NotStatic("track_running_stats is not True")
        if call.has("affine") and not (call.is_static("affine") and call.value("affine") is True):
            raise NotStatic("MindSpore's has a weight and a bias that is not trained")
        momentum = "momentum={momentum}, "
        if call.has("momentum"):
            if call.is_static("momentum"):
                given = call.value("momentum")
                if given is None:
                    raise UnsupportedCall("a cumulative average (momentum=None) has no counterpart")
                momentum = f"momentum={round(1 - float(str(given)), 10)}, "
            else:
                momentum = "momentum=1.0 - {momentum}, "
        return f"nn.{name}(num_features={{num_features}}, eps={{eps}}, {momentum}affine={{affine}})"

    return batch_norm


def _layer_norm(call: Chosen) -> str:
    """MindSpore takes a tuple, and its epsilon is 1e-7 by default."""
    if call.has("elementwise_affine") or call.has("bias"):
        raise NotStatic("it is without weight or bias")
    kind = call.kind("normalized_shape")
    if kind == "number":
        return "nn.LayerNorm(({normalized_shape},), epsilon={eps!})"
    raise NotStatic("its shape is computed")


def _pool(name: str):
    def pool(call: Chosen) -> str:
        """The stride is the kernel where torch has none; padding needs pad_mode."""
        if call.value("return_indices"):
            return _with_indices(call, name)
        if call.has("dilation") and call.value("dilation") != 1:
            raise NotStatic("its dilation is not 1")
        stride = "{stride}" if call.has("stride") and call.value("stride") is not None else call.text("kernel_size")
        if not call.has("padding") and not call.has("ceil_mode"):
            return f"nn.{name}(kernel_size={{kernel_size}}, stride={stride})"
        return (
            f"nn.{name}(kernel_size={{kernel_size}}, stride={stride}, pad_mode='pad', padding={{padding}}, "
            "ceil_mode={ceil_mode})"
        )

    return pool


def _with_indices(call: Chosen, name: str) -> str:
    """Pooling for an unpooling."""
    if call.has("dilation") and call.value("dilation") != 1:
        raise UnsupportedCall("it returns indices")
    return (
        "compat.MaxPoolWithIndices(kernel_size={kernel_size}, stride={stride}, padding={padding}, "
        f"ceil_mode={{ceil_mode}}, rank={name[-2]})"
    )


def _average(name: str):
    def average(call: Chosen) -> str:
        stride = "{stride}" if call.has("stride") and call.value("stride") is not None else call.text("kernel_size")
        if not call.has("padding") and not call.has("ceil_mode"):
            return f"nn.{name}(kernel_size={{kernel_size}}, stride={stride}, count_include_pad={{count_include_pad}})"
        return (
            f"nn.{name}(kernel_size={{kernel_size}}, stride={stride}, pad_mode='pad', padding={{padding}}, "
            "ceil_mode={ceil_mode}, count_include_pad={count_include_pad}, divisor_override={divisor_override})"
        )

    return average


def _elu(call: Chosen) -> str:
    plain = call.is_static("alpha") and call.value("alpha") == 1
    return "nn.ELU()" if plain else "compat.ELU({alpha})"


def _gelu(call: Chosen) -> str:
    approximate = call.value("approximate")
    return f"nn.GELU(approximate={approximate == 'tanh'})"


def _prelu(call: Chosen) -> str:
    return "nn.PReLU(channel={num_parameters}, w={init})"


def _upsample(call: Chosen) -> str:
    raise NotStatic("scale factors become sizes")


def _sequential(call: Chosen) -> str:
    """One without modules gets them later, when MindSpore does not know the names of their parameters."""
    return "nn.SequentialCell(...)" if call.rest() else "compat.Sequential(...)"


def _module_list(call: Chosen) -> str:
    """MindSpore's takes nothing but a list; to an empty one modules are appended later."""
    is_list = call.has("modules") and call.is_list("modules")
    return "nn.CellList(...)" if is_list else "compat.CellList(...)"


def _buffer(call: Chosen) -> str:
    return "{data}" if call.is_static("persistent") and not call.value("persistent") else "compat.Buffer(...)"


def _softmax(name: str):
    """Without an axis, PyTorch takes one that depends on the rank."""

    def softmax(call: Chosen) -> str:
        return f"nn.{name}(axis={{dim}})" if call.has("dim") else f"compat.{name}()"

    return softmax


ROWS: dict[str, Row] = {
    "torch.nn.Buffer": call("(data=None, *, persistent=True)", _buffer),
    "torch.nn.Conv1d": layer(
        _CONVOLUTION, _convolution("Conv1d"), instance_of="nn.Conv1d", parameters={"groups": "group"}
    ),
    "torch.nn.Conv2d": layer(
        _CONVOLUTION, _convolution("Conv2d"), instance_of="nn.Conv2d", parameters={"groups": "group"}
    ),
    "torch.nn.Conv3d": layer(
        _CONVOLUTION, _convolution("Conv3d"), instance_of="nn.Conv3d", parameters={"groups": "group"}
    ),
    "torch.nn.Linear": layer(
        "(in_features, out_features, bias=True, device=None, dtype=None)",
        "nn.Dense(in_channels={in_features}, out_channels={out_features}, *, has_bias={bias})",
        parameters={"in_features": "in_channels", "out_features": "out_channels"},
    ),
    "torch.nn.BatchNorm1d": layer(
        _BATCH_NORM, _batch_norm("BatchNorm1d"), instance_of="nn.BatchNorm1d", parameters=_NORM
    ),
    "torch.nn.Unfold": layer(
        "(kernel_size, dilation=1, padding=0, stride=1)",
        "compat.Unfold(...)",
    ),
    "torch.nn.BatchNorm2d": layer(
        _BATCH_NORM, _batch_norm("BatchNorm2d"), instance_of="nn.BatchNorm2d", parameters=_NORM
    ),
    "torch.nn.BatchNorm3d": layer(
        _BATCH_NORM, _batch_norm("BatchNorm3d"), instance_of="nn.BatchNorm3d", parameters=_NORM_3D
    ),
    "torch.nn.SyncBatchNorm": layer(
        "(num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, process_group=None, "
        "device=None, dtype=None)",
        None,
        instance_of="nn.SyncBatchNorm",
        parameters=_NORM,
        remedy="nn.SyncBatchNorm of MindSpore runs on Ascend only.",
    ),
    "torch.nn.LayerNorm": layer(
        "(normalized_shape, eps=1e-05, elementwise_affine=True, bias=True, device=None, dtype=None)",
        _layer_norm,
        instance_of="nn.LayerNorm",
        parameters={"weight": "gamma", "bias": "beta", "eps": "epsilon"},
    ),
    "torch.nn.GroupNorm": layer(
        "(num_groups, num_channels, eps=1e-05, affine=True, device=None, dtype=None)",
        "nn.GroupNorm(num_groups={num_groups}, num_channels={num_channels}, eps={eps}, affine={affine})",
        parameters={"weight": "gamma", "bias": "beta"},
    ),
    "torch.nn.Embedding": layer(
        "(num_embeddings, embedding_dim, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, "
        "sparse=False, _weight=None, _freeze=False, device=None, dtype=None)",
        "compat.Embedding(...)",
        instance_of="nn.Embedding",
        parameters={"weight": "embedding_table", "num_embeddings": "vocab_size", "embedding_dim": "embedding_size"},
    ),
    "torch.nn.MaxPool1d": layer(_POOL, _pool("MaxPool1d"), instance_of="nn.MaxPool1d"),
    "torch.nn.MaxPool2d": layer(_POOL, _pool("MaxPool2d"), instance_of="nn.MaxPool2d"),
    "torch.nn.MaxPool3d": layer(_POOL, _pool("MaxPool3d"), instance_of="nn.MaxPool3d"),
    **{
        f"torch.nn.MaxUnpool{rank}d": layer("(kernel_size, stride=None, padding=0)", f"compat.MaxUnpool{rank}d(...)")
        for rank in (1, 2, 3)
    },
    "torch.nn.AvgPool1d": layer(
        "(kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True)", _average("AvgPool1d")
    ),
    "torch.nn.AvgPool2d": layer(_AVERAGE, _average("AvgPool2d"), instance_of="nn.AvgPool2d"),
    "torch.nn.AvgPool3d": layer(_AVERAGE, _average("AvgPool3d"), instance_of="nn.AvgPool3d"),
    **{
        f"torch.nn.Adaptive{kind}Pool{rank}d": layer("(output_size)", f"nn.Adaptive{kind}Pool{rank}d({{output_size}})")
        for kind, rank in (("Avg", 1), ("Avg", 2), ("Avg", 3), ("Max", 1))
    },
    "torch.nn.AdaptiveMaxPool2d": layer(
        "(output_size, return_indices=False)", "nn.AdaptiveMaxPool2d({output_size})", refused="return_indices"
    ),
    **{
        f"torch.nn.{torch}": layer("(inplace=False)", f"nn.{ours}()")
        for torch, ours in (
            *(("ReLU", "ReLU"), ("ReLU6", "ReLU6"), ("SiLU", "SiLU"), ("Hardswish", "HSwish")),
            *(("Hardsigmoid", "HSigmoid"), ("Mish", "Mish")),
        )
    },
    **{
        f"torch.nn.{torch}": layer("()", f"nn.{ours}()")
        for torch, ours in (
            *(("Sigmoid", "Sigmoid"), ("Tanh", "Tanh"), ("LogSigmoid", "LogSigmoid"), ("Softsign", "Softsign")),
            *(("Tanhshrink", "Tanhshrink"),),
        )
    },
    "torch.nn.SELU": layer("(inplace=False)", "compat.SELU()"),
    "torch.nn.CELU": layer("(alpha=1.0, inplace=False)", "nn.CELU(alpha={alpha})"),
    "torch.nn.ELU": layer("(alpha=1.0, inplace=False)", _elu, instance_of="nn.ELU"),
    "torch.nn.Hardtanh": layer(
        "(min_val=-1.0, max_val=1.0, inplace=False, min_value=None, max_value=None)",
        "nn.Hardtanh(min_val={min_val}, max_val={max_val})",
        refused="min_value max_value",
    ),
    "torch.nn.LeakyReLU": layer("(negative_slope=0.01, inplace=False)", "nn.LeakyReLU(alpha={negative_slope!})"),
    "torch.nn.GELU": layer("(approximate='none')", _gelu, instance_of="nn.GELU"),
    "torch.nn.PReLU": layer(
        "(num_parameters=1, init=0.25, device=None, dtype=None)",
        "nn.PReLU(channel={num_parameters}, w={init})",
        parameters={"weight": "w"},
    ),
    "torch.nn.Softplus": layer("(beta=1.0, threshold=20.0)", "compat.Softplus(...)"),
    "torch.nn.Softmax": layer("(dim=None)", _softmax("Softmax"), instance_of="nn.Softmax"),
    "torch.nn.LogSoftmax": layer("(dim=None)", _softmax("LogSoftmax"), instance_of="nn.LogSoftmax"),
    "torch.nn.GLU": layer("(dim=-1)", "nn.GLU(axis={dim})"),
    "torch.nn.Dropout": layer("(p=0.5, inplace=False)", "nn.Dropout(*, p={p})"),
    "torch.nn.Dropout1d": layer("(p=0.5, inplace=False)", "nn.Dropout1d(*, p={p})"),
    "torch.nn.Dropout2d": layer("(p=0.5, inplace=False)", "compat.Dropout2d({p})", instance_of="nn.Dropout2d"),
    "torch.nn.Dropout3d": layer("(p=0.5, inplace=False)", "nn.Dropout3d(*, p={p})"),
    "torch.nn.Flatten": layer("(start_dim=1, end_dim=-1)", "nn.Flatten(start_dim={start_dim}, end_dim={end_dim})"),
    "torch.nn.Unflatten": layer("(dim, unflattened_size)", "compat.Unflatten(...)"),
    "torch.nn.Identity": layer("(*args, **kwargs)", lambda call: "nn.Identity()", instance_of="nn.Identity"),
    "torch.nn.PixelShuffle": layer("(upscale_factor)", "nn.PixelShuffle({upscale_factor})"),
    "torch.nn.PixelUnshuffle": layer("(downscale_factor)", "nn.PixelUnshuffle({downscale_factor})"),
    "torch.nn.ChannelShuffle": layer("(groups)", "nn.ChannelShuffle({groups})"),
    "torch.nn.ReflectionPad2d": layer("(padding)", "nn.ReflectionPad2d({padding})"),
    "torch.nn.ReplicationPad2d": layer("(padding)", "nn.ReplicationPad2d({padding})"),
    "torch.nn.Upsample": layer(
        "(size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None)",
        "compat.Upsample(...)",
    ),
    "torch.nn.Sequential": layer("(*args)", _sequential, instance_of="nn.SequentialCell"),
    "torch.nn.ModuleList": layer("(modules=None)", _module_list, instance_of="nn.CellList"),
    "torch.nn.ModuleDict": layer("(modules=None)", "compat.ModuleDict(...)"),
    "torch.nn.MultiheadAttention": layer(
        "(embed_dim, num_heads, dropout=0.0, bias=True, add_bias_kv=False, add_zero_attn=False, kdim=None, vdim=None, "
        "batch_first=False, device=None, dtype=None)",
        "compat.MultiheadAttention(...)",
    ),
    "torch.nn.LSTM": layer(
        "(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False, "
        "proj_size=0, device=None, dtype=None)",
        recurrent(
            "nn.LSTM(input_size={input_size}, hidden_size={hidden_size}, num_layers={num_layers}, has_bias={bias}, "
            "batch_first={batch_first}, dropout={dropout}, bidirectional={bidirectional})"
        ),
        refused="proj_size",
    ),
    "torch.nn.GRU": layer(
        "(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0, bidirectional=False, "
        "device=None, dtype=None)",
        recurrent(
            "nn.GRU(input_size={input_size}, hidden_size={hidden_size}, num_layers={num_layers}, has_bias={bias}, "
            "batch_first={batch_first}, dropout={dropout}, bidirectional={bidirectional})"
        ),
    ),
    "torch.nn.CrossEntropyLoss": layer(
        "(weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean', label_smoothing=0.0)",
        "compat.CrossEntropyLoss(weight={weight}, ignore_index={ignore_index}, reduction={reduction}, "
        "label_smoothing={label_smoothing})",
        instance_of="nn.CrossEntropyLoss",
        refused="size_average reduce",
    ),
    "torch.nn.NLLLoss": layer(
        "(weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean')",
        "nn.NLLLoss(weight={weight}, ignore_index={ignore_index}, reduction={reduction})",
        refused="size_average reduce",
    ),
    "torch.nn.MSELoss": layer(
        "(size_average=None, reduce=None, reduction='mean')",
        "nn.MSELoss(reduction={reduction})",
        refused="size_average reduce",
    ),
    "torch.nn.L1Loss": layer(
        "(size_average=None, reduce=None, reduction='mean')",
        "nn.L1Loss(reduction={reduction})",
        refused="size_average reduce",
    ),
    "torch.nn.SmoothL1Loss": layer(
        "(size_average=None, reduce=None, reduction='mean', beta=1.0)",
        "nn.SmoothL1Loss(beta={beta}, reduction={reduction!})",
        refused="size_average reduce",
    ),
    "torch.nn.BCELoss": layer(
        "(weight=None, size_average=None, reduce=None, reduction='mean')",
        "nn.BCELoss(weight={weight}, reduction={reduction!})",
        refused="size_average reduce",
    ),
    "torch.nn.Module": value("nn.Cell"),
    "torch.nn.Parameter": call(
        "(data=None, requires_grad=True)",
        "ms.Parameter(default_input={data}, requires_grad={requires_grad})",
        value="ms.Parameter",
    ),
    "torch.nn.modules.batchnorm._BatchNorm": value("nn.BatchNorm2d"),
}
