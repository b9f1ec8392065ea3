"""Methods and attributes of a tensor: torch.Tensor."""

from __future__ import annotations

from converter.rewriting import Chosen, NotStatic, Row, attribute, method, missing
from operator_maps.pytorch.functions import clamp, extremum

_T = "torch.Tensor"

_SAME = {  # the same text, right in both modes
    "view_as": "(other)",
    "reshape": "(*shape)",
    "permute": "(*dims)",
    "t": "()",
    "expand_as": "(other)",
    "unsqueeze": "(dim)",
    "unbind": "(dim=0)",
    "narrow": "(dim, start, length)",
    "gather": "(dim, index)",
    "masked_fill": "(mask, value)",
    "masked_select": "(mask)",
    "where": "(condition, other)",
    "pow": "(exponent)",
    "matmul": "(other)",
    "bmm": "(mat2)",
    "mm": "(mat2)",
    "add": "(other, *, alpha=1)",
    "sub": "(other, *, alpha=1)",
    "mul": "(other)",
    "div": "(other, *, rounding_mode=None)",
    "tril": "(diagonal=0)",
    "triu": "(diagonal=0)",
    "movedim": "(source, destination)",
    "item": "()",
    "tolist": "()",
    "lerp": "(end, weight)",
    "logical_not": "()",
    "swapaxes": "(axis0, axis1)",
    "type_as": "(other)",
    "float": "()",
    "half": "()",
    "double": "()",
    "int": "()",
    "long": "()",
    "bool": "()",
    **dict.fromkeys(["eq", "ne", "lt", "le", "gt", "ge"], "(other)"),
    **dict.fromkeys(
        [
            "sqrt",
            "rsqrt",
            "exp",
            "log",
            "abs",
            "neg",
            "sign",
            "floor",
            "ceil",
            "round",
            "sigmoid",
            "tanh",
            "erf",
            "square",
            "reciprocal",
            "sin",
            "cos",
        ],
        "()",
    ),
    "is_floating_point": "()",
    "dim": "()",
    "ndimension": "()",
    "numel": "()",
    "nelement": "()",
}
_NUMBERS = {"item", "tolist", "dim", "ndimension", "numel", "nelement", "is_floating_point"}


def _size(call: Chosen) -> str:
    return "{self}.shape[{dim}]" if call.has("dim") else "{self}.shape"


def _sizes(form: str):
    """A method that takes the numbers one by one or as a tuple; MindSpore wants the tuple."""

    def sizes(call: Chosen) -> str:
        kind = call.rest_kind(0) if call.rest() == 1 else "number"  # type: ignore[attr-defined]
        if kind != "number":
            return form.replace("SIZES", "tuple({*sizes})" if kind == "list" else "{*sizes}")
        return form.replace("SIZES", "({*sizes},)")

    return sizes


def _flatten(call: Chosen) -> str:
    return "{self}.flatten(...)"


def _spread(name: str):
    """std, var: MindSpore's are biased by default."""

    def spread(call: Chosen) -> str:
        if call.has("dim") and call.is_static("dim") and isinstance(call.value("dim"), bool):
            raise NotStatic("its first argument is `unbiased`")
        ddof = 1
        if call.has("unbiased"):
            ddof = int(bool(call.value("unbiased")))
        if call.has("correction"):
            ddof = int(str(call.value("correction")))
        if not call.has("dim"):
            return f"{{self}}.{name}(ddof={ddof})"
        if call.is_static("dim") and isinstance(call.value("dim"), list):
            axes = ", ".join(map(str, call.value("dim")))  # type: ignore[call-overload]
            return f"{{self}}.{name}(axis=({axes},), ddof={ddof}, keepdims={{keepdim}})"
        return f"{{self}}.{name}(axis={{dim}}, ddof={ddof}, keepdims={{keepdim}})"

    return spread


def _to(call: Chosen) -> str:
    """A device goes; a type stays."""
    if call.has("dtype"):
        return "{self}.to({dtype})"
    if not call.has("other"):
        return "{self}"
    kind = call.kind("other")
    if kind in ("dtype", "tensor"):
        return "{self}.to({other})" if kind == "dtype" else "{self}.to({other}.dtype)"
    if kind in ("string", "other", "number"):
        return "{self}"
    if call.text("other").endswith("dtype"):
        return "{self}.to({other})"
    if call.rest() or call.text("other").endswith("device"):
        return "{self}"
    raise NotStatic("a device or a type")


def _type(call: Chosen) -> str:
    if not call.has("dtype"):
        return "compat.type_name({self})"
    return "{self}.to({dtype})" if call.kind("dtype") == "dtype" else "compat.typed({self}, {dtype})"


def _view(call: Chosen) -> str:
    """Another shape, or the same bytes as another type."""
    if call.rest() == 1 and call.rest_kind(0) == "dtype":  # type: ignore[attr-defined]
        return "compat.bits({self}, {*shape})"
    return "{self}.view({*shape})"


def _nonzero(call: Chosen) -> str:
    if call.has("as_tuple") and call.value("as_tuple"):
        return "tuple(ops.unbind(ops.nonzero({self}), 1))"
    return "{self}.nonzero()"


def _axis(form: str, none: str = ""):
    """Reductions whose `dim=` is another overload in graph mode: positional."""

    def reduced(call: Chosen) -> str:
        return none if none and not call.has("dim") else form

    return reduced


ROWS: dict[str, Row] = {
    f"{_T}.register_hook": missing("Multiply the loss instead, or call register_hook of a Parameter in PyNative mode."),
    f"{_T}.retain_grad": missing("Make the tensor an argument of the function whose gradient mindspore.grad takes."),
    **{
        f"{_T}.{name}": method(
            signature,
            f"{{self}}.{name}(...)",
            returns="number" if name in _NUMBERS else "tensors" if name == "unbind" else "tensor",
        )
        for name, signature in _SAME.items()
    },
    f"{_T}.view": method("(*shape)", _view),
    f"{_T}.nonzero": method("(*, as_tuple=False)", _nonzero),
    f"{_T}.shape": attribute("{self}.shape", returns="size"),
    f"{_T}.ndim": attribute("{self}.ndim", returns="number"),
    f"{_T}.dtype": attribute("{self}.dtype", returns="dtype"),
    f"{_T}.device": attribute('"cpu"', returns="device"),
    f"{_T}.T": attribute("{self}.T", returns="tensor"),
    f"{_T}.mT": attribute("{self}.mT", returns="tensor"),
    f"{_T}.data": attribute("{self}", returns="tensor"),
    f"{_T}.requires_grad": attribute("{self}.requires_grad"),
    f"{_T}.is_cuda": attribute("False", returns="number"),
    f"{_T}.size": method("(dim=None)", _size, returns="size"),
    f"{_T}.flatten": method("(start_dim=0, end_dim=-1)", "{self}.flatten(start_dim={start_dim}, end_dim={end_dim})"),
    f"{_T}.unflatten": method("(dim, sizes)", "compat.unflatten({self}, ...)"),
    f"{_T}.transpose": method("(dim0, dim1)", "{self}.swapaxes({dim0}, {dim1})"),
    f"{_T}.contiguous": method("(memory_format=None)", "{self}.contiguous()"),
    f"{_T}.expand": method("(*sizes)", _sizes("{self}.broadcast_to(SIZES)")),
    f"{_T}.repeat": method("(*sizes)", _sizes("{self}.tile(SIZES)")),
    f"{_T}.tile": method("(*sizes)", _sizes("{self}.tile(SIZES)")),
    f"{_T}.flip": method("(*sizes)", _sizes("{self}.flip(SIZES)")),
    f"{_T}.repeat_interleave": method("(repeats, dim=None)", "{self}.repeat_interleave(...)"),
    f"{_T}.squeeze": method("(dim=None)", "{self}.squeeze({dim})"),
    f"{_T}.chunk": method("(chunks, dim=0)", "ops.chunk({self}, {chunks}, {dim})", returns="tensors"),
    f"{_T}.split": method("(split_size, dim=0)", "ops.split({self}, {split_size}, axis={dim})", returns="tensors"),
    f"{_T}.mean": method("(dim=None, keepdim=False, *, dtype=None)", "{self}.mean(...)"),
    f"{_T}.sum": method("(dim=None, keepdim=False, *, dtype=None)", "{self}.sum(...)"),
    f"{_T}.prod": method("(dim=None, keepdim=False, *, dtype=None)", "{self}.prod(...)"),
    f"{_T}.max": method("(dim=None, keepdim=False)", extremum("max", "{self}"), returns="pair"),
    f"{_T}.min": method("(dim=None, keepdim=False)", extremum("min", "{self}"), returns="pair"),
    f"{_T}.amax": method("(dim=(), keepdim=False)", "{self}.amax({dim}, {keepdim})"),
    f"{_T}.amin": method("(dim=(), keepdim=False)", "{self}.amin({dim}, {keepdim})"),
    f"{_T}.argmax": method(
        "(dim=None, keepdim=False)", _axis("{self}.argmax({dim}, keepdim={keepdim})", "ops.argmax({self})")
    ),
    f"{_T}.argmin": method(
        "(dim=None, keepdim=False)", _axis("{self}.argmin({dim}, keepdims={keepdim})", "ops.argmin({self})")
    ),
    f"{_T}.std": method("(dim=None, unbiased=True, keepdim=False, *, correction=1)", _spread("std")),
    f"{_T}.var": method("(dim=None, unbiased=True, keepdim=False, *, correction=1)", _spread("var")),
    f"{_T}.norm": method("(p='fro', dim=None, keepdim=False, dtype=None)", "compat.norm({self}, ...)"),
    f"{_T}.cumsum": method("(dim, dtype=None)", "{self}.cumsum({dim})", refused="dtype"),
    f"{_T}.any": method("(dim=None, keepdim=False)", "{self}.any({dim}, {keepdim})"),
    f"{_T}.all": method("(dim=None, keepdim=False)", "{self}.all({dim}, {keepdim})"),
    f"{_T}.topk": method(
        "(k, dim=-1, largest=True, sorted=True)",
        "compat.topk({self}, {k}, dim={dim}, largest={largest}, sorted={sorted})",
        returns="pair",
    ),
    f"{_T}.sort": method(
        "(dim=-1, descending=False, stable=False)",
        "ops.sort({self}, axis={dim}, descending={descending})",
        ignored="stable",
        returns="pair",
    ),
    f"{_T}.argsort": method("(dim=-1, descending=False)", "ops.argsort({self}, axis={dim}, descending={descending})"),
    f"{_T}.relu": method("()", "ops.relu({self})"),
    f"{_T}.softmax": method("(dim, dtype=None)", "ops.softmax({self}, axis={dim}, dtype={dtype})"),
    f"{_T}.log_softmax": method("(dim, dtype=None)", "ops.log_softmax({self}, axis={dim})", refused="dtype"),
    f"{_T}.detach": method("()", "ops.stop_gradient({self})"),
    f"{_T}.clone": method("(*, memory_format=None)", "{self}.copy()"),
    f"{_T}.to": method(
        "(other=None, *rest, dtype=None, device=None, non_blocking=False, copy=False, memory_format=None)", _to
    ),
    f"{_T}.type": method("(dtype=None)", _type),
    f"{_T}.cuda": method("(device=None, non_blocking=False)", "{self}"),
    f"{_T}.cpu": method("()", "{self}"),
    f"{_T}.numpy": method("()", "{self}.asnumpy()", returns="array"),
    f"{_T}.new_zeros": method(
        "(*sizes, dtype=None, device=None, requires_grad=False)", _sizes("{self}.new_zeros(SIZES, dtype={dtype})")
    ),
    f"{_T}.new_ones": method(
        "(*sizes, dtype=None, device=None, requires_grad=False)", _sizes("{self}.new_ones(SIZES, dtype={dtype})")
    ),
    f"{_T}.new_empty": method(
        "(*sizes, dtype=None, device=None, requires_grad=False)", _sizes("{self}.new_zeros(SIZES, dtype={dtype})")
    ),
    f"{_T}.new_full": method(
        "(size, fill_value, *, dtype=None, device=None)",
        "ops.full({size}, {fill_value}, dtype={self}.dtype)",
        refused="dtype",
    ),
    f"{_T}.new_tensor": method(
        "(data, *, dtype=None, device=None)", "ms.Tensor({data}, {self}.dtype)", refused="dtype"
    ),
    f"{_T}.roll": method("(shifts, dims=None)", "compat.roll({self}, ...)"),
    f"{_T}.diagonal": method("(offset=0, dim1=0, dim2=1)", "{self}.diagonal({offset!}, {dim1!}, {dim2!})"),
    f"{_T}.requires_grad_": method("(requires_grad=True)", "compat.requires_grad_({self}, ...)"),
    # In place: a statement becomes an assignment.
    f"{_T}.add_": method("(other, *, alpha=1)", "{self}.add({other}, alpha={alpha})", in_place=True),
    f"{_T}.sub_": method("(other, *, alpha=1)", "{self}.sub({other}, alpha={alpha})", in_place=True),
    f"{_T}.mul_": method("(other)", "{self}.mul({other})", in_place=True),
    f"{_T}.div_": method(
        "(other, *, rounding_mode=None)", "{self}.div({other}, rounding_mode={rounding_mode})", in_place=True
    ),
    f"{_T}.clamp": method("(min=None, max=None)", clamp("{self}.clamp({min}, {max})")),
    f"{_T}.clamp_": method("(min=None, max=None)", clamp("{self}.clamp({min}, {max})"), in_place=True),
    f"{_T}.masked_fill_": method("(mask, value)", "{self}.masked_fill({mask}, {value})", in_place=True),
    f"{_T}.relu_": method("()", "ops.relu({self})", in_place=True),
    f"{_T}.sigmoid_": method("()", "{self}.sigmoid()", in_place=True),
    f"{_T}.zero_": method("()", "ops.zeros_like({self})", in_place=True),
    f"{_T}.fill_": method("(value)", "ops.full_like({self}, {value})", in_place=True),
    f"{_T}.copy_": method("(src, non_blocking=False)", "compat.copied({self}, {src})", in_place=True),
    f"{_T}.normal_": method("(mean=0.0, std=1.0, *, generator=None)", "compat.normal_({self}, ...)"),
    f"{_T}.uniform_": method("(a=0.0, b=1.0, *, generator=None)", "compat.uniform_({self}, ...)"),
    f"{_T}.unsqueeze_": method("(dim)", "{self}.unsqueeze({dim})", in_place=True),
    f"{_T}.erfinv_": method("()", "{self}.erfinv()", in_place=True),
    "torch.Size.numel": method("()", "compat.number_of_elements({self})", returns="number"),
}
