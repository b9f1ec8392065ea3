"""Layers of PyTorch that few networks have: recurrent cells, transformers, norms, padding, and their functions."""

from __future__ import annotations

from converter.rewriting import Chosen, NotStatic, Row, call, layer
from operator_maps.pytorch.nn import recurrent

_F = "torch.nn.functional"
_PLACE = "device=None, dtype=None"
_RNN = (
    "(input_size, hidden_size, num_layers=1, nonlinearity='tanh', bias=True, batch_first=False, dropout=0.0, "
    f"bidirectional=False, {_PLACE})"
)
_INSTANCE = f"(num_features, eps=1e-05, momentum=0.1, affine=False, track_running_stats=False, {_PLACE})"
_TRANSFORMER_LAYER = (
    "(d_model, nhead, dim_feedforward=2048, dropout=0.1, activation='relu', layer_norm_eps=1e-05, "
    f"batch_first=False, norm_first=False, bias=True, {_PLACE})"
)
_TRANSPOSED = (
    "(in_channels, out_channels, kernel_size, stride=1, padding=0, output_padding=0, groups=1, bias=True, "
    f"dilation=1, padding_mode='zeros', {_PLACE})"
)
_TRANSPOSED_F = "(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1)"
_AVERAGE = "ceil_mode=False, count_include_pad=True"


def _transposed(chosen: Chosen) -> str:
    """Padding and no more is MindSpore's; what is added at the end of an axis is composed."""
    zero = chosen.is_static("output_padding") and chosen.value("output_padding") in (0, (0, 0))
    padding = chosen.value("padding") if chosen.is_static("padding") else None
    if not zero or not isinstance(padding, int) or chosen.value("padding_mode") != "zeros":
        raise NotStatic("its padding or output_padding decides")
    mode = "pad_mode='pad', padding={padding}, *, "
    return (
        "nn.Conv2dTranspose(in_channels={in_channels}, out_channels={out_channels}, kernel_size={kernel_size}, "
        f"stride={{stride}}, {mode}dilation={{dilation}}, group={{groups}}, has_bias={{bias!}})"
    )


_FLOAT = "It is the identity before the network is quantised."
_LAZY = "Its weights are made at its first call, so run it once before an optimizer takes them; graph mode cannot."

ROWS: dict[str, Row] = {
    "torch.nn.LazyLinear": layer(
        "(out_features, bias=True, device=None, dtype=None)", "compat.LazyLinear(...)", note=_LAZY
    ),
    **{
        f"torch.nn.LazyConv{rank}d": layer(
            "(out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1, bias=True, padding_mode='zeros', "
            "device=None, dtype=None)",
            f"compat.LazyConv{rank}d(...)",
            note=_LAZY,
        )
        for rank in (1, 2, 3)
    },
    **{
        f"torch.nn.LazyBatchNorm{rank}d": layer(
            "(eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, device=None, dtype=None)",
            f"compat.LazyBatchNorm{rank}d(...)",
            note=_LAZY,
        )
        for rank in (1, 2)
    },
    "torch.nn.RNN": layer(
        _RNN,
        recurrent(
            "nn.RNN(input_size={input_size}, hidden_size={hidden_size}, num_layers={num_layers}, "
            "*, nonlinearity={nonlinearity}, has_bias={bias}, batch_first={batch_first}, dropout={dropout}, "
            "bidirectional={bidirectional})"
        ),
    ),
    **{f"torch.{place}nn.quantized.FloatFunctional": layer("()", "compat.FloatFunctional()") for place in ("", "ao.")},
    **{
        f"torch.{place}quantization.{name}": layer("(qconfig=None)", "nn.Identity()", ignored="qconfig", note=_FLOAT)
        for place in ("", "ao.")
        for name in ("QuantStub", "DeQuantStub")
    },
    "torch.nn.RNNCell": layer(
        f"(input_size, hidden_size, bias=True, nonlinearity='tanh', {_PLACE})", "compat.RNNCell(...)"
    ),
    "torch.nn.LSTMCell": layer(f"(input_size, hidden_size, bias=True, {_PLACE})", "compat.LSTMCell(...)"),
    "torch.nn.GRUCell": layer(f"(input_size, hidden_size, bias=True, {_PLACE})", "compat.GRUCell(...)"),
    **{f"torch.nn.InstanceNorm{rank}d": layer(_INSTANCE, f"compat.InstanceNorm{rank}d(...)") for rank in (1, 2, 3)},
    "torch.nn.RMSNorm": layer(
        f"(normalized_shape, eps=None, elementwise_affine=True, {_PLACE})", "compat.RMSNorm(...)"
    ),
    "torch.nn.LocalResponseNorm": layer("(size, alpha=0.0001, beta=0.75, k=1.0)", "compat.LocalResponseNorm(...)"),
    "torch.nn.TransformerEncoderLayer": layer(_TRANSFORMER_LAYER, "compat.TransformerEncoderLayer(...)"),
    "torch.nn.TransformerDecoderLayer": layer(_TRANSFORMER_LAYER, "compat.TransformerDecoderLayer(...)"),
    "torch.nn.TransformerEncoder": layer(
        "(encoder_layer, num_layers, norm=None, enable_nested_tensor=True, mask_check=True)",
        "compat.TransformerEncoder(...)",
    ),
    "torch.nn.TransformerDecoder": layer("(decoder_layer, num_layers, norm=None)", "compat.TransformerDecoder(...)"),
    "torch.nn.Transformer": layer(
        "(d_model=512, nhead=8, num_encoder_layers=6, num_decoder_layers=6, dim_feedforward=2048, dropout=0.1, "
        "activation='relu', custom_encoder=None, custom_decoder=None, layer_norm_eps=1e-05, batch_first=False, "
        f"norm_first=False, bias=True, {_PLACE})",
        "compat.Transformer(...)",
    ),
    "torch.nn.Transformer.generate_square_subsequent_mask": call(
        f"(sz, {_PLACE})", "compat.causal_mask({sz})", ignored="dtype"
    ),
    "torch.nn.ConvTranspose2d": layer(_TRANSPOSED, _transposed, instance_of="nn.Conv2dTranspose"),
    "torch.nn.ConvTranspose1d": layer(
        _TRANSPOSED,
        "nn.Conv1dTranspose(in_channels={in_channels}, out_channels={out_channels}, kernel_size={kernel_size}, "
        "stride={stride}, pad_mode='pad', padding={padding}, *, dilation={dilation}, group={groups}, "
        "has_bias={bias!})",
        refused="output_padding padding_mode",
    ),
    "torch.nn.ConvTranspose3d": layer(
        _TRANSPOSED,
        "nn.Conv3dTranspose(in_channels={in_channels}, out_channels={out_channels}, kernel_size={kernel_size}, "
        "stride={stride}, pad_mode='pad', padding={padding}, *, dilation={dilation}, group={groups}, "
        "has_bias={bias!})",
        refused="output_padding padding_mode",
    ),
    f"{_F}.conv_transpose1d": call(_TRANSPOSED_F, "compat.conv_transpose1d(...)"),
    f"{_F}.conv_transpose2d": call(_TRANSPOSED_F, "compat.conv_transpose2d(...)"),
    **{
        f"torch.nn.{name}": layer("(padding)", f"nn.{name}({{padding}})")
        for name in ("ReflectionPad1d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad3d")
    },
    **{
        f"torch.nn.ZeroPad{axes}d": layer("(padding)", f"compat.ConstantPad({{padding}}, 0.0, {axes})")
        for axes in (1, 2, 3)
    },
    **{
        f"torch.nn.ConstantPad{axes}d": layer("(padding, value)", f"compat.ConstantPad({{padding}}, {{value}}, {axes})")
        for axes in (1, 2, 3)
    },
    "torch.nn.AdaptiveMaxPool3d": layer(
        "(output_size, return_indices=False)", "nn.AdaptiveMaxPool3d({output_size})", refused="return_indices"
    ),
    "torch.nn.Softmin": layer("(dim=None)", "compat.Softmin({dim})"),
    "torch.nn.ParameterList": layer("(values=None)", "compat.ParameterList(...)"),
    "torch.nn.ParameterDict": layer("(parameters=None)", "compat.ParameterDict(...)"),
    "torch.nn.SyncBatchNorm.convert_sync_batchnorm": call(
        "(module, process_group=None)", "{module}", ignored="process_group", returns="unknown"
    ),
    "torch.nn.Softmax2d": layer("()", "nn.Softmax(axis=-3)"),
    "torch.nn.Softshrink": layer("(lambd=0.5)", "nn.SoftShrink({lambd})"),
    "torch.nn.Hardshrink": layer("(lambd=0.5)", "nn.HShrink({lambd})"),
    "torch.nn.Threshold": layer("(threshold, value, inplace=False)", "nn.Threshold({threshold}, {value})"),
    "torch.nn.UpsamplingNearest2d": layer(
        "(size=None, scale_factor=None)", "compat.Upsample({size!}, {scale_factor!})"
    ),
    "torch.nn.UpsamplingBilinear2d": layer(
        "(size=None, scale_factor=None)", "compat.Upsample({size!}, {scale_factor!}, 'bilinear', True)"
    ),
    "torch.nn.Fold": layer("(output_size, kernel_size, dilation=1, padding=0, stride=1)", "compat.Fold(...)"),
    f"{_F}.fold": call("(input, output_size, kernel_size, dilation=1, padding=0, stride=1)", "compat.fold(...)"),
    "torch.nn.Bilinear": layer(
        f"(in1_features, in2_features, out_features, bias=True, {_PLACE})",
        "nn.BiDense({in1_features}, {in2_features}, {out_features}, *, has_bias={bias})",
    ),
    "torch.nn.EmbeddingBag": layer(
        "(num_embeddings, embedding_dim, max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode='mean', "
        "sparse=False, _weight=None, include_last_offset=False, padding_idx=None, device=None, dtype=None)",
        "compat.EmbeddingBag({num_embeddings}, {embedding_dim}, mode={mode})",
        ignored="norm_type scale_grad_by_freq sparse",
        refused="max_norm _weight include_last_offset padding_idx",
    ),
    f"{_F}.tanhshrink": call("(input)", "({input} - ops.tanh({input}))"),
    f"{_F}.softmin": call(
        "(input, dim=None, _stacklevel=3, dtype=None)",
        "compat.softmin(...)",
    ),
    f"{_F}.hardshrink": call("(input, lambd=0.5)", "ops.hardshrink({input}, {lambd})"),
    f"{_F}.softshrink": call("(input, lambd=0.5)", "ops.softshrink({input}, {lambd})"),
    f"{_F}.leaky_relu_": call("(input, negative_slope=0.01)", "ops.leaky_relu({input}, alpha={negative_slope!})"),
    f"{_F}.gumbel_softmax": call("(logits, tau=1, hard=False, eps=1e-10, dim=-1)", "compat.gumbel_softmax(...)"),
    f"{_F}.local_response_norm": call(
        "(input, size, alpha=0.0001, beta=0.75, k=1.0)", "compat.local_response_norm(...)"
    ),
    f"{_F}.affine_grid": call(
        "(theta, size, align_corners=None)", "ops.affine_grid({theta}, tuple({size}), align_corners={align_corners!})"
    ),
    f"{_F}.channel_shuffle": call("(input, groups)", "ops.channel_shuffle({input}, {groups})"),
    f"{_F}.dropout1d": call(
        "(input, p=0.5, training=True, inplace=False)", "ops.dropout1d({input}, p={p}, training={training})"
    ),
    f"{_F}.dropout3d": call(
        "(input, p=0.5, training=True, inplace=False)", "ops.dropout3d({input}, p={p}, training={training})"
    ),
    f"{_F}.max_pool1d": call(
        "(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False)",
        "compat.max_pool1d({input}, {kernel_size}, {stride!}, {padding!}, {dilation!}, {ceil_mode!})",
        refused="return_indices",
    ),
    f"{_F}.avg_pool1d": call(
        f"(input, kernel_size, stride=None, padding=0, {_AVERAGE})",
        "compat.avg_pool1d({input}, {kernel_size}, {stride!}, {padding!}, {ceil_mode!}, {count_include_pad!})",
    ),
    f"{_F}.upsample_nearest": call(
        "(input, size=None, scale_factor=None)", "compat.interpolate({input}, {size!}, {scale_factor!})"
    ),
    f"{_F}.upsample_bilinear": call(
        "(input, size=None, scale_factor=None)",
        "compat.interpolate({input}, {size!}, {scale_factor!}, 'bilinear', True)",
    ),
}
