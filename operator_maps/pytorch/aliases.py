"""Functions that few scripts call: second names, and what helpers compute."""

from __future__ import annotations

from converter.rewriting import Row, call, method, value
from operator_maps.pytorch.functions import clamp

_TYPING = ("List", "Tuple", "Dict", "Optional", "Union")

ROWS: dict[str, Row] = {
    **{f"torch.jit.annotations.{name}": value(f"compat.{name}") for name in _TYPING},
    "torch.jit.annotations.BroadcastingList2": value("compat.List"),
    "torch.swapaxes": call("(input, axis0, axis1)", "ops.swapaxes({input}, {axis0}, {axis1})"),
    "torch.divide": call(
        "(input, other, *, rounding_mode=None, out=None)",
        "ops.div({input}, {other}, rounding_mode={rounding_mode})",
        refused="out",
    ),
    "torch.unique": call(
        "(input, sorted=True, return_inverse=False, return_counts=False, dim=None)",
        "compat.unique(...)",
        returns="unknown",
    ),
    "torch.finfo": call("(type=None)", "compat.finfo(...)", returns="other"),
    "torch.randint": call(
        "(low, high=None, size=None, *, dtype=None, layout=None, device=None, requires_grad=False, generator=None)",
        "compat.randint({low}, {high}, {size}, dtype={dtype})",
        refused="generator",
    ),
    "torch.concatenate": call("(tensors, dim=0, *, out=None)", "ops.cat({tensors}, axis={dim})", refused="out"),
    "torch.split_with_sizes": call(
        "(input, split_sizes, dim=0)", "ops.split({input}, {split_sizes}, axis={dim})", returns="tensors"
    ),
    "torch.get_default_dtype": call("()", "compat.default_dtype()", returns="dtype"),
    "torch.is_floating_point": call("(input)", "compat.is_floating_point({input})", returns="number"),
    "torch.nn.functional.rms_norm": call("(input, normalized_shape, weight=None, eps=None)", "compat.rms_norm(...)"),
    "torch.Tensor.reshape_as": method("(other)", "{self}.reshape({other}.shape)"),
    "torch.Tensor.clip": method("(min=None, max=None)", clamp("{self}.clamp({min}, {max})")),
    "torch.Tensor.clip_": method("(min=None, max=None)", clamp("{self}.clamp({min}, {max})"), in_place=True),
    "torch.Tensor.clamp_min": method("(min)", "{self}.clamp({min})"),
    "torch.Tensor.clamp_max": method("(max)", "{self}.clamp(None, {max})"),
    "torch.Tensor.pow_": method("(exponent)", "{self}.pow({exponent})", in_place=True),
    "torch.Tensor.squeeze_": method("(dim=None)", "{self}.squeeze({dim})", in_place=True),
    "torch.Tensor.detach_": method("()", "ops.stop_gradient({self})", in_place=True),
    "torch.Tensor.tril_": method("(diagonal=0)", "{self}.tril({diagonal})", in_place=True),
    "torch.Tensor.triu_": method("(diagonal=0)", "{self}.triu({diagonal})", in_place=True),
    "torch.Tensor.is_contiguous": method("(memory_format=None)", "True", returns="number"),
    "torch.Tensor.unique": method(
        "(sorted=True, return_inverse=False, return_counts=False, dim=None)",
        "compat.unique({self}, ...)",
        returns="unknown",
    ),
    "torch.Tensor.diff": method("(n=1, dim=-1, prepend=None, append=None)", "compat.diff({self}, ...)"),
    "torch.Tensor.bernoulli_": method(
        "(p=0.5, *, generator=None)", "compat.bernoulli_({self}, ...)", refused="generator", in_place=True
    ),
    "torch.jit.annotate": call("(the_type, the_value)", "{the_value}", returns="unknown", ignored="the_type"),
    "torch.diff": call("(input, n=1, dim=-1, prepend=None, append=None, *, out=None)", "compat.diff(...)"),
    "torch.tensor_split": call(
        "(input, indices_or_sections=None, dim=0, *, indices=None, sections=None)",
        "compat.tensor_split(...)",
        returns="tensors",
    ),
}
