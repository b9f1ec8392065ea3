"""Functions of layers: torch.nn.functional."""

from __future__ import annotations

from converter.rewriting import Chosen, NotStatic, Row, UnsupportedCall, call

_F = "torch.nn.functional"


def _dim(name: str):
    """Softmax and its kin: the axis must be known."""

    def softmax(chosen: Chosen) -> str:
        if not chosen.has("dim"):
            raise NotStatic("its axis depends on the rank")
        return (
            f"ops.{name}({{input}}, axis={{dim}}, dtype={{dtype}})"
            if chosen.has("dtype")
            else (f"ops.{name}({{input}}, axis={{dim}})")
        )

    return softmax


def _one_hot(chosen: Chosen) -> str:
    if not chosen.has("num_classes") or (chosen.is_static("num_classes") and chosen.value("num_classes") == -1):
        return "compat.one_hot({tensor})"
    return "ops.one_hot({tensor}, {num_classes})"


def _embedding(chosen: Chosen) -> str:
    if not chosen.has("padding_idx") or (chosen.is_static("padding_idx") and chosen.value("padding_idx") is None):
        return "ops.gather({weight}, {input}, 0)"
    return "compat.embedding({input}, {weight}, {padding_idx})"


def _interpolate(chosen: Chosen) -> str:
    raise NotStatic("its size or mode decides")


def _pool(name: str):
    def pool(chosen: Chosen) -> str:
        if chosen.has("return_indices") and chosen.value("return_indices"):
            if chosen.has("dilation"):
                raise UnsupportedCall("it returns indices")
            return (
                "compat.max_pool_with_indices({input}, {kernel_size}, stride={stride}, padding={padding}, "
                "ceil_mode={ceil_mode})"
            )
        if chosen.has("stride") and chosen.value("stride") is None:
            raise NotStatic("its stride is None")
        if name == "avg_pool2d":
            stride = "{stride}" if chosen.has("stride") else chosen.text("kernel_size")
            if not isinstance(chosen.value("padding"), int):
                raise NotStatic("its padding differs by axis")
            return (
                f"ops.avg_pool2d({{input}}, kernel_size={{kernel_size}}, stride={stride}, padding={{padding}}, "
                "ceil_mode={ceil_mode}, count_include_pad={count_include_pad}, divisor_override={divisor_override})"
            )
        return (
            "ops.max_pool2d({input}, kernel_size={kernel_size}, stride={stride}, padding={padding}, "
            "dilation={dilation}, *, ceil_mode={ceil_mode})"
        )

    return pool


def _conv(name: str):
    def conv(chosen: Chosen) -> str:
        padding = chosen.value("padding")
        if isinstance(padding, str):
            mode = f"pad_mode='{padding}', "
        elif isinstance(padding, tuple) and len(set(padding)) > 1:
            raise NotStatic("its padding differs by axis")
        else:
            mode = "pad_mode='pad', padding={padding}, " if chosen.has("padding") else "pad_mode='pad', "
        head = f"ops.{name}({{input}}, {{weight}}, {{bias}}, stride={{stride}}, "
        return f"{head}{mode}dilation={{dilation}}, groups={{groups}})"

    return conv


def _pad(chosen: Chosen) -> str:
    """ops.pad is right once only where it cuts, on the CPU, and the gradient of padding by a value cuts."""
    repeats = chosen.is_static("mode") and chosen.value("mode") != "constant"
    widths = chosen.value("pad") if chosen.is_static("pad") else [-1]
    adds = isinstance(widths, (list, tuple)) and all(isinstance(each, int) and each >= 0 for each in widths)
    return ("ops" if repeats and adds else "compat") + ".pad({input}, {pad}, mode={mode}, value={value})"


def _elu(chosen: Chosen) -> str:
    """MindSpore's knows no alpha but 1."""
    plain = chosen.is_static("alpha") and chosen.value("alpha") == 1
    return "ops.elu({input})" if plain else "compat.elu({input}, {alpha})"


_PLAIN = {  # functions of one tensor
    "relu": "relu", "relu6": "relu6", "silu": "silu", "hardswish": "hardswish", "hardsigmoid": "hardsigmoid",
    "mish": "mish",
}  # fmt: skip
_BARE = {"logsigmoid": "logsigmoid", "sigmoid": "sigmoid", "tanh": "tanh", "softsign": "softsign"}
_REDUCED = "size_average reduce"

ROWS: dict[str, Row] = {
    **{f"{_F}.{torch}": call("(input, inplace=False)", f"ops.{ours}({{input}})") for torch, ours in _PLAIN.items()},
    **{
        f"{_F}.{torch}": call("(input)", f"ops.{ours}({{input}})", value=f"ops.{ours}") for torch, ours in _BARE.items()
    },
    f"{_F}.relu_": call("(input)", "ops.relu({input})"),
    f"{_F}.gelu": call("(input, approximate='none')", "ops.gelu({input}, approximate={approximate})"),
    f"{_F}.leaky_relu": call(
        "(input, negative_slope=0.01, inplace=False)", "ops.leaky_relu({input}, alpha={negative_slope!})"
    ),
    f"{_F}.elu": call("(input, alpha=1.0, inplace=False)", _elu),
    f"{_F}.selu": call("(input, inplace=False)", "compat.selu({input})"),
    f"{_F}.celu": call("(input, alpha=1.0, inplace=False)", "ops.celu({input}, alpha={alpha})"),
    f"{_F}.hardtanh": call(
        "(input, min_val=-1.0, max_val=1.0, inplace=False)",
        "ops.hardtanh({input}, min_val={min_val}, max_val={max_val})",
    ),
    f"{_F}.softplus": call(
        "(input, beta=1, threshold=20)", "ops.softplus({input}, beta={beta}, threshold={threshold})"
    ),
    f"{_F}.glu": call("(input, dim=-1)", "ops.glu({input}, axis={dim})"),
    f"{_F}.prelu": call("(input, weight)", "ops.prelu({input}, {weight})"),
    f"{_F}.threshold": call("(input, threshold, value, inplace=False)", "ops.threshold({input}, {threshold}, {value})"),
    f"{_F}.softmax": call("(input, dim=None, _stacklevel=3, dtype=None)", _dim("softmax")),
    f"{_F}.log_softmax": call("(input, dim=None, _stacklevel=3, dtype=None)", _dim("log_softmax")),
    f"{_F}.linear": call("(input, weight, bias=None)", "ops.dense({input}, {weight}, {bias})"),
    f"{_F}.embedding": call(
        "(input, weight, padding_idx=None, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, sparse=False)",
        _embedding,
        ignored="norm_type scale_grad_by_freq sparse",
        refused="max_norm",
    ),
    f"{_F}.conv1d": call("(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)", _conv("conv1d")),
    f"{_F}.conv2d": call("(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)", _conv("conv2d")),
    f"{_F}.conv3d": call("(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1)", _conv("conv3d")),
    f"{_F}.max_pool2d": call(
        "(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False)",
        _pool("max_pool2d"),
    ),
    **{
        f"{_F}.max_unpool{rank}d": call(
            "(input, indices, kernel_size, stride=None, padding=0, output_size=None)",
            "compat.max_unpool({input}, {indices}, {kernel_size}, {stride}, {padding}, {output_size}, "
            f"rank={rank})",
        )
        for rank in (1, 2, 3)
    },
    f"{_F}.avg_pool2d": call(
        "(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True, divisor_override=None)",
        _pool("avg_pool2d"),
    ),
    **{
        f"{_F}.adaptive_avg_pool{rank}d": call(
            "(input, output_size)", f"ops.adaptive_avg_pool{rank}d({{input}}, {{output_size}})"
        )
        for rank in (1, 2, 3)
    },
    **{
        f"{_F}.adaptive_max_pool{rank}d": call(
            "(input, output_size, return_indices=False)",
            f"ops.adaptive_max_pool{rank}d({{input}}, {{output_size}})",
            refused="return_indices",
        )
        for rank in (1, 2)
    },
    f"{_F}.interpolate": call(
        "(input, size=None, scale_factor=None, mode='nearest', align_corners=None, recompute_scale_factor=None, "
        "antialias=False)",
        "compat.interpolate(...)",
    ),
    f"{_F}.upsample": call(
        "(input, size=None, scale_factor=None, mode='nearest', align_corners=None)", "compat.interpolate(...)"
    ),
    f"{_F}.pad": call("(input, pad, mode='constant', value=None)", _pad, value="compat.pad"),
    f"{_F}.layer_norm": call("(input, normalized_shape, weight=None, bias=None, eps=1e-05)", "compat.layer_norm(...)"),
    f"{_F}.group_norm": call(
        "(input, num_groups, weight=None, bias=None, eps=1e-05)",
        "ops.group_norm({input}, {num_groups}, weight={weight}, bias={bias}, eps={eps})",
    ),
    f"{_F}.instance_norm": call(
        "(input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, "
        "eps=1e-05)",
        "compat.instance_norm(...)",
    ),
    f"{_F}.batch_norm": call(
        "(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-05)",
        "compat.batch_norm(...)",
    ),
    f"{_F}.normalize": call("(input, p=2.0, dim=1, eps=1e-12, out=None)", "compat.normalize(...)", refused="out"),
    f"{_F}.cross_entropy": call(
        "(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean', "
        "label_smoothing=0.0)",
        "ops.cross_entropy({input}, {target}, weight={weight}, ignore_index={ignore_index}, reduction={reduction}, "
        "label_smoothing={label_smoothing})",
        refused=_REDUCED,
    ),
    f"{_F}.nll_loss": call(
        "(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean')",
        "ops.nll_loss({input}, {target}, weight={weight}, ignore_index={ignore_index}, reduction={reduction})",
        refused=_REDUCED,
    ),
    **{
        f"{_F}.{name}": call(
            "(input, target, size_average=None, reduce=None, reduction='mean')",
            f"ops.{name}({{input}}, {{target}}, reduction={{reduction}})",
            refused=_REDUCED,
        )
        for name in ("mse_loss", "l1_loss")
    },
    f"{_F}.smooth_l1_loss": call(
        "(input, target, size_average=None, reduce=None, reduction='mean', beta=1.0)",
        "ops.smooth_l1_loss({input}, {target}, beta={beta}, reduction={reduction!})",
        refused=_REDUCED,
    ),
    f"{_F}.binary_cross_entropy": call(
        "(input, target, weight=None, size_average=None, reduce=None, reduction='mean')",
        "ops.binary_cross_entropy({input}, {target}, weight={weight}, reduction={reduction})",
        refused=_REDUCED,
    ),
    f"{_F}.one_hot": call("(tensor, num_classes=-1)", _one_hot),
    f"{_F}.unfold": call(
        "(input, kernel_size, dilation=1, padding=0, stride=1)",
        "ops.unfold({input}, kernel_size={kernel_size}, dilation={dilation}, padding={padding}, stride={stride})",
    ),
    f"{_F}.pixel_shuffle": call("(input, upscale_factor)", "ops.pixel_shuffle({input}, {upscale_factor})"),
    f"{_F}.pixel_unshuffle": call("(input, downscale_factor)", "ops.pixel_unshuffle({input}, {downscale_factor})"),
    f"{_F}.grid_sample": call(
        "(input, grid, mode='bilinear', padding_mode='zeros', align_corners=None)",
        "ops.grid_sample({input}, {grid}, mode={mode}, padding_mode={padding_mode}, align_corners={align_corners!})",
    ),
    f"{_F}.dropout": call(
        "(input, p=0.5, training=True, inplace=False)", "ops.dropout({input}, p={p}, training={training})"
    ),
    f"{_F}.dropout2d": call(
        "(input, p=0.5, training=True, inplace=False)", "compat.dropout2d({input}, {p}, {training})"
    ),
    f"{_F}.scaled_dot_product_attention": call(
        "(query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False)",
        "compat.scaled_dot_product_attention(...)",
    ),
    f"{_F}.cosine_similarity": call(
        "(x1, x2, dim=1, eps=1e-8)", "ops.cosine_similarity({x1}, {x2}, dim={dim}, eps={eps})"
    ),
}
