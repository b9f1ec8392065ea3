"""Functions that make tensors, and types: torch.zeros, torch.float32."""

from __future__ import annotations

import re

from converter.rewriting import Chosen, Row, UnsupportedCall, call, value

_MADE = "dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False, out=None"


def _filled(name: str):
    def filled(chosen: Chosen) -> str:
        if chosen.rest() == 1 and chosen.rest_is_empty() and not chosen.has("dtype"):  # type: ignore[attr-defined]
            return f"ops.{name}((), dtype=ms.float32)"  # it has no kernel for (), but with a type
        if chosen.has("size"):
            return f"ops.{name}({{size}}, dtype={{dtype}})"
        if chosen.rest() == 1 and chosen.rest_kind(0) not in ("number", "starred"):  # type: ignore[attr-defined]
            return f"ops.{name}({{*size}}, dtype={{dtype}})"
        return f"ops.{name}(({{*size}},), dtype={{dtype}})"

    return filled


def _full(chosen: Chosen) -> str:
    if chosen.has("dtype"):
        return "ops.full({size}, {fill_value}, dtype={dtype})"
    given = chosen.value("fill_value") if chosen.is_static("fill_value") else None
    if isinstance(given, bool):
        return "ops.full({size}, {fill_value}, dtype=ms.bool_)"
    if isinstance(given, int):
        return "ops.full({size}, {fill_value}, dtype=ms.int64)"
    return "ops.full({size}, {fill_value}, dtype=ms.float32)"


def _arange(chosen: Chosen) -> str:
    """What is made for `out` on the spot says the type: `out=torch.LongTensor(n)`."""
    made = re.fullmatch(r"ops\.\w+\(.*, dtype=(ms\.\w+)\)", chosen.text("out")) if chosen.has("out") else None
    if chosen.has("out") and made is None:
        raise UnsupportedCall("MindSpore has no counterpart of its argument 'out'")
    return f"ops.arange({{start}}, {{end}}, {{step}}, dtype={made[1] if made is not None else '{dtype}'})"


def _linspace(chosen: Chosen) -> str:
    text = "ops.linspace(start={start}, end={end}, steps={steps})"
    return f"{text}.astype({{dtype}})" if chosen.has("dtype") else text


def _random(name: str):
    def random(chosen: Chosen) -> str:
        if chosen.rest() == 1 and chosen.rest_kind(0) not in ("number", "starred"):  # type: ignore[attr-defined]
            return f"compat.{name}({{*size}}, dtype={{dtype}})"
        return f"compat.{name}(({{*size}},), dtype={{dtype}})"

    return random


def _typed(name: str, ours: str):
    """Of data, or of a size, whose elements PyTorch leaves open."""

    def typed(chosen: Chosen) -> str:
        kind = chosen.rest_kind(0) if chosen.rest() == 1 else "number"  # type: ignore[attr-defined]
        if kind == "size":
            return f"ops.zeros({{*data}}, dtype=ms.{ours})"
        if kind in ("number", "starred"):
            return f"ops.zeros(({{*data}},), dtype=ms.{ours})"
        if kind in ("list", "items", "tensor", "other"):
            data = "list({*data})" if chosen.rest_is_range(0) else "{*data}"  # type: ignore[attr-defined]
            return f"ms.Tensor({data}, ms.{ours})"
        return f"compat.{name}Tensor({{*data}})"

    return typed


def _tensor(chosen: Chosen) -> str:
    if chosen.kind("data") == "deque":
        return "ms.tensor(list({data}), dtype={dtype})"
    data = "list({data})" if chosen.is_range("data") else "{data}"
    return f"ms.tensor({data}, dtype={{dtype}})"


def _device(chosen: Chosen) -> str:
    return "{type}" if chosen.kind("type") == "string" else "str({type})"


_TENSORS = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64",
    "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool_",
}  # fmt: skip
_TYPES = {
    **{name: name for name in ("float16", "float32", "float64", "bfloat16", "complex64", "complex128")},
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8")},
    "float": "float32", "double": "float64", "half": "float16", "int": "int32", "long": "int64", "short": "int16",
    "bool": "bool_", "cfloat": "complex64",
}  # fmt: skip

ROWS: dict[str, Row] = {
    **{f"torch.{torch}": value(f"ms.{ours}", returns="dtype") for torch, ours in _TYPES.items()},
    **{
        f"torch.{name}Tensor": call(
            "(*data)", _typed(name, ours), value=f"compat.{name}Tensor", instance_of="ms.Tensor"
        )
        for name, ours in _TENSORS.items()
    },
    "torch.Tensor": call("(*data, device=None)", _typed("Float", "float32"), value="ms.Tensor"),
    "torch.autograd.Variable": call(
        "(data, requires_grad=False, volatile=False)", "{data}", ignored="volatile", value="ms.Tensor"
    ),
    "torch.dtype": value("ms.Type"),
    "torch.Size": value("tuple"),
    "torch.device": call("(type, index=None)", _device, value="str", ignored="index", returns="device"),
    "torch.zeros": call(f"(*size, {_MADE})", _filled("zeros"), refused="out"),
    "torch.ones": call(f"(*size, {_MADE})", _filled("ones"), refused="out"),
    "torch.empty": call(f"(*size, {_MADE}, memory_format=None)", _filled("zeros"), refused="out"),
    "torch.full": call(f"(size, fill_value, *, {_MADE})", _full, refused="out"),
    "torch.rand": call(f"(*size, {_MADE}, generator=None)", _random("rand"), refused="out generator"),
    "torch.randn": call(f"(*size, {_MADE}, generator=None)", _random("randn"), refused="out generator"),
    **{
        f"torch.{name}_like": call(
            "(input, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None)",
            f"ops.{ours}_like({{input}}, dtype={{dtype}})",
        )
        for name, ours in (("zeros", "zeros"), ("ones", "ones"), ("empty", "zeros"))
    },
    "torch.full_like": call(
        "(input, fill_value, *, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None)",
        "ops.full_like({input}, {fill_value}, dtype={dtype})",
    ),
    "torch.arange": call(f"(start=0, end=None, step=1, *, {_MADE})", _arange, ignored="out"),
    "torch.linspace": call(f"(start, end, steps, *, {_MADE})", _linspace, refused="out"),
    "torch.eye": call(f"(n, m=None, *, {_MADE})", "ops.eye({n}, {m}, dtype={dtype})", refused="out"),
    "torch.tensor": call(
        "(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False)", _tensor, value="compat.as_tensor"
    ),
    "torch.as_tensor": call("(data, dtype=None, device=None)", "compat.as_tensor({data}, dtype={dtype})"),
    "torch.scalar_tensor": call(
        "(s, *, dtype=None, layout=None, device=None, pin_memory=False, requires_grad=False)",
        "ms.tensor({s}, dtype={dtype})",
    ),
    "torch.from_numpy": call("(ndarray)", "ms.from_numpy({ndarray})"),
    "torch.pi": value("np.pi", returns="number"),
    "torch.inf": value("np.inf", returns="number"),
    "torch.nan": value("np.nan", returns="number"),
    "torch.channels_last": value("None"),
    "torch.contiguous_format": value("None"),
    "torch.preserve_format": value("None"),
}
