"""Functions of tensors: torch.cat, torch.matmul."""

from __future__ import annotations

import re

from converter.rewriting import Chosen, NotStatic, Row, call, missing, value

_PLAIN = [
    "abs",
    "exp",
    "log",
    "sqrt",
    "rsqrt",
    "sin",
    "cos",
    "tan",
    "tanh",
    "sigmoid",
    "relu",
    "erf",
    "square",
    "sign",
    "floor",
    "ceil",
    "round",
    "neg",
    "reciprocal",
    "log2",
    "log10",
    "log1p",
    "expm1",
    "isnan",
    "isinf",
    "isfinite",
    "logical_not",
]
_PAIRS = [
    "matmul",
    "bmm",
    "mm",
    "maximum",
    "minimum",
    "mul",
    "atan2",
    "logical_and",
    "logical_or",
    "outer",
    "remainder",
]


def _flatten(chosen: Chosen) -> str:
    if not chosen.has("start_dim") and not chosen.has("end_dim"):
        return "ops.flatten({input}, *, start_dim=0)"
    return "ops.flatten({input}, *, start_dim={start_dim!}, end_dim={end_dim})"


def extremum(name: str, of: str):
    """max, min: of everything, along an axis (a pair), or of two tensors; `of` is the first tensor."""
    helper = {"max": "larger", "min": "smaller"}[name]

    def found(chosen: Chosen) -> str:
        if not chosen.has("dim"):
            return f"{of}.{name}()"
        if chosen.kind("dim") == "tensor":
            return f"ops.{name}imum({of}, {{dim}})"
        if chosen.kind("dim") == "unknown" and not re.search(r"(^|[._])(dim|axis)\w*$", chosen.text("dim")):
            return f"compat.{helper}({of}, {{dim}}, keepdim={{keepdim}})"
        return f"ops.{name}({of}, axis={{dim}}, keepdims={{keepdim}})"

    return found


def clamp(plain: str):
    """A clamp by a number and a tensor is two: MindSpore's bounds are of one kind."""

    def bounded(chosen: Chosen) -> str:
        if {chosen.kind(each) for each in ("min", "max") if chosen.has(each)} != {"number", "tensor"}:
            return plain
        owner = "{self}" if "{self}" in plain else "{input}"
        return f"ops.clamp(ops.clamp({owner}, min={{min}}), *, max={{max}})"

    return bounded


def _spread(name: str):
    def spread(chosen: Chosen) -> str:
        if chosen.has("dim") and chosen.is_static("dim") and isinstance(chosen.value("dim"), bool):
            raise NotStatic("its second argument is `unbiased`")
        ddof = int(bool(chosen.value("unbiased")))
        if chosen.has("correction"):
            ddof = int(str(chosen.value("correction")))
        if chosen.has("dim") and chosen.is_static("dim") and isinstance(chosen.value("dim"), list):
            axes = ", ".join(map(str, chosen.value("dim")))  # type: ignore[call-overload]
            return f"ops.{name}({{input}}, axis=({axes},), ddof={ddof}, keepdims={{keepdim}})"
        return f"ops.{name}({{input}}, axis={{dim}}, ddof={ddof}, keepdims={{keepdim}})"

    return spread


def _meshgrid(chosen: Chosen) -> str:
    indexing = "indexing={indexing}" if chosen.has("indexing") else "indexing='ij'"
    if chosen.rest() == 1 and chosen.rest_kind(0) in ("list", "items"):  # type: ignore[attr-defined]
        return f"ops.meshgrid(*({{*tensors}}), {indexing})"
    return f"ops.meshgrid({{*tensors}}, {indexing})"


def _where(chosen: Chosen) -> str:
    if chosen.has("input"):
        return "ops.where({condition}, {input}, {other})"
    return "tuple(ops.unbind(ops.nonzero({condition}), 1))"


def _nonzero(chosen: Chosen) -> str:
    if chosen.value("as_tuple"):
        return "tuple(ops.unbind(ops.nonzero({input}), 1))"
    return "ops.nonzero({input})"


def _add(sign: str, name: str):
    def add(chosen: Chosen) -> str:
        if chosen.has("alpha"):
            return f"{{input}} {sign} {{alpha}} * {{other}}"
        return f"ops.{name}({{input}}, {{other}})"

    return add


def _reduce(name: str):
    def reduce(chosen: Chosen) -> str:
        return {
            "mean": "ops.mean({input}, axis={dim}, keep_dims={keepdim})",
            "sum": "ops.sum({input}, dim={dim}, keepdim={keepdim})",
            "prod": "ops.prod({input}, axis={dim}, keep_dims={keepdim})",
        }[name]

    return reduce


def _joined(name: str):
    def joined(call: Chosen) -> str:
        if call.mixes_types("tensors"):  # of which MindSpore takes the first one's type, or none
            return f"ops.{name}(compat.same_type({{tensors}}), axis={{dim}})"
        return f"ops.{name}(tensors={{tensors}}, axis={{dim}})"

    return joined


def _softmax(name: str):
    return f"ops.{name}({{input}}, axis={{dim}})"


ROWS: dict[str, Row] = {
    **{
        f"torch.{name}": call("(input, *, out=None)", f"ops.{name}({{input}})", refused="out", value=f"ops.{name}")
        for name in _PLAIN
    },
    **{
        f"torch.{name}": call("(input, other, *, out=None)", f"ops.{name}({{input}}, {{other}})", refused="out")
        for name in _PAIRS
    },
    **{
        f"torch.{name}": call("(tensors, dim=0, *, out=None)", _joined(name), refused="out")
        for name in ("cat", "concat", "stack")
    },
    "torch.split": call(
        "(tensor, split_size_or_sections, dim=0)",
        "ops.split({tensor}, {split_size_or_sections}, axis={dim})",
        returns="tensors",
    ),
    "torch.chunk": call("(input, chunks, dim=0)", "ops.chunk({input}, {chunks}, axis={dim})", returns="tensors"),
    "torch.unbind": call("(input, dim=0)", "ops.unbind({input}, dim={dim})", returns="tensors"),
    "torch.flatten": call("(input, start_dim=0, end_dim=-1)", _flatten),
    "torch.reshape": call("(input, shape)", "ops.reshape({input}, {shape})"),
    "torch.transpose": call("(input, dim0, dim1)", "ops.swapaxes({input}, {dim0}, {dim1})"),
    "torch.t": call("(input)", "ops.t({input})"),
    "torch.permute": call("(input, dims)", "ops.permute({input}, {dims})"),
    "torch.squeeze": call("(input, dim=None)", "ops.squeeze({input}, {dim})"),
    "torch.unsqueeze": call("(input, dim)", "ops.unsqueeze({input}, {dim})"),
    "torch.einsum": call("(equation, *operands)", "compat.einsum(...)"),
    "torch.addmm": call(
        "(input, mat1, mat2, *, beta=1, alpha=1, out=None)",
        "ops.addmm({input}, {mat1}, {mat2}, beta={beta}, alpha={alpha})",
        refused="out",
    ),
    "torch.baddbmm": call(
        "(input, batch1, batch2, *, beta=1, alpha=1, out=None)",
        "ops.baddbmm({input}, {batch1}, {batch2}, beta={beta}, alpha={alpha})",
        refused="out",
    ),
    "torch.mean": call(
        "(input, dim=None, keepdim=False, *, dtype=None, out=None)", _reduce("mean"), refused="out dtype"
    ),
    "torch.sum": call("(input, dim=None, keepdim=False, *, dtype=None, out=None)", _reduce("sum"), refused="out dtype"),
    "torch.prod": call(
        "(input, dim=None, keepdim=False, *, dtype=None, out=None)", _reduce("prod"), refused="out dtype"
    ),
    "torch.max": call(
        "(input, dim=None, keepdim=False, *, out=None)", extremum("max", "{input}"), refused="out", returns="pair"
    ),
    "torch.min": call(
        "(input, dim=None, keepdim=False, *, out=None)", extremum("min", "{input}"), refused="out", returns="pair"
    ),
    "torch.argmax": call("(input, dim=None, keepdim=False)", "ops.argmax({input}, dim={dim}, keepdim={keepdim})"),
    "torch.pow": call("(input, exponent, *, out=None)", "ops.pow({input}, {exponent})", refused="out"),
    "torch.softmax": call(
        "(input, dim, dtype=None, *, out=None)", "ops.softmax({input}, axis={dim}, dtype={dtype})", refused="out"
    ),
    "torch.log_softmax": call(
        "(input, dim, dtype=None, *, out=None)", "ops.log_softmax({input}, axis={dim})", refused="out dtype"
    ),
    "torch.clamp": call(
        "(input, min=None, max=None, *, out=None)", clamp("ops.clamp({input}, min={min}, max={max})"), refused="out"
    ),
    "torch.clip": call(
        "(input, min=None, max=None, *, out=None)", clamp("ops.clip({input}, min={min}, max={max})"), refused="out"
    ),
    "torch.where": call("(condition, input=None, other=None, *, out=None)", _where, refused="out"),
    "torch.meshgrid": call("(*tensors, indexing=None)", _meshgrid, returns="tensors"),
    "torch.tril": call("(input, diagonal=0, *, out=None)", "ops.tril({input}, diagonal={diagonal})", refused="out"),
    "torch.triu": call("(input, diagonal=0, *, out=None)", "ops.triu({input}, diagonal={diagonal})", refused="out"),
    "torch.roll": call("(input, shifts, dims=None)", "compat.roll(...)"),
    "torch.gather": call(
        "(input, dim, index, *, sparse_grad=False, out=None)",
        "ops.gather_elements({input}, {dim}, {index})",
        refused="out sparse_grad",
    ),
    "torch.index_select": call(
        "(input, dim, index, *, out=None)", "ops.index_select({input}, {dim}, {index})", refused="out"
    ),
    "torch.topk": call(
        "(input, k, dim=None, largest=True, sorted=True, *, out=None)",
        "compat.topk({input}, {k}, dim={dim}, largest={largest}, sorted={sorted})",
        refused="out",
        returns="pair",
    ),
    "torch.sort": call(
        "(input, dim=-1, descending=False, stable=False, *, out=None)",
        "ops.sort({input}, axis={dim}, descending={descending})",
        ignored="stable",
        refused="out",
        returns="pair",
    ),
    "torch.cumsum": call(
        "(input, dim, *, dtype=None, out=None)", "ops.cumsum({input}, axis={dim})", refused="out dtype"
    ),
    "torch.norm": call("(input, p='fro', dim=None, keepdim=False, out=None, dtype=None)", "compat.norm(...)"),
    "torch.linalg.norm": call(
        "(A, ord=None, dim=None, keepdim=False, *, out=None, dtype=None)",
        "ops.norm({A}, ord={ord}, dim={dim}, keepdim={keepdim})",
        refused="out dtype",
    ),
    "torch.linalg.vector_norm": call(
        "(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None)",
        "ops.vector_norm({x}, ord={ord}, axis={dim}, keepdims={keepdim})",
        refused="out dtype",
    ),
    "torch.var_mean": call(
        "(input, dim=None, unbiased=True, keepdim=False, *, correction=1)", _spread("var_mean"), returns="tensors"
    ),
    "torch.std": call(
        "(input, dim=None, unbiased=True, keepdim=False, *, correction=1, out=None)", _spread("std"), refused="out"
    ),
    "torch.var": call(
        "(input, dim=None, unbiased=True, keepdim=False, *, correction=1, out=None)", _spread("var"), refused="out"
    ),
    "torch.add": call("(input, other, *, alpha=1, out=None)", _add("+", "add"), refused="out"),
    "torch.sub": call("(input, other, *, alpha=1, out=None)", _add("-", "sub"), refused="out"),
    "torch.div": call(
        "(input, other, *, rounding_mode=None, out=None)",
        "ops.div({input}, {other}, rounding_mode={rounding_mode})",
        refused="out",
    ),
    "torch.floor_divide": call("(input, other, *, out=None)", "ops.floor_divide({input}, {other})", refused="out"),
    "torch.any": call(
        "(input, dim=None, keepdim=False, *, out=None)",
        "ops.any({input}, axis={dim}, keep_dims={keepdim})",
        refused="out",
    ),
    "torch.all": call(
        "(input, dim=None, keepdim=False, *, out=None)",
        "ops.all({input}, axis={dim}, keep_dims={keepdim})",
        refused="out",
    ),
    "torch.repeat_interleave": call(
        "(input, repeats, dim=None, *, output_size=None)",
        "ops.repeat_interleave({input}, {repeats}, axis={dim})",
        ignored="output_size",
    ),
    "torch.tile": call("(input, dims)", "ops.tile({input}, {dims})"),
    "torch.flip": call("(input, dims)", "ops.flip({input}, {dims})"),
    "torch.nonzero": call("(input, *, out=None, as_tuple=False)", _nonzero, refused="out"),
    "torch.numel": call("(input)", "ops.numel({input})", returns="number"),
    "torch.is_tensor": call("(obj)", "ops.is_tensor({obj})", returns="number"),
    "torch.broadcast_to": call("(input, size)", "ops.broadcast_to({input}, {size})"),
    "torch.logsumexp": call(
        "(input, dim, keepdim=False, *, out=None)", "ops.logsumexp({input}, {dim}, keepdim={keepdim})", refused="out"
    ),
    "torch._assert": call("(condition, message)", "compat.check(...)", value="compat.check", returns="other"),
    "torch.no_grad": call("(orig_func=None)", "compat.no_grad(...)", value="compat.no_grad", returns="other"),
    "torch.inference_mode": call("(mode=True)", "compat.no_grad()", ignored="mode", returns="other"),
    "torch.jit.ignore": value("compat.identity"),
    "torch.jit.unused": value("compat.identity"),
    "torch.jit.export": value("compat.identity"),
    "torch.jit.script": value("compat.identity"),
    "torch.jit.interface": value("compat.identity"),
    "torch.jit.Final": value("compat.Final"),
    "torch.autograd.Function": value("compat.Function"),
    "torch.autograd.function.once_differentiable": value("compat.identity"),
    **{
        name: call(
            "(*args, **kwargs)", "compat.no_grad()", ignored="args kwargs", value="compat.no_grad", returns="other"
        )
        for name in ("torch.autocast", "torch.amp.autocast", "torch.cuda.amp.autocast", "torch.enable_grad")
    },
    "torch.fx.wrap": value(""),
    "torch._C._log_api_usage_once": value(""),
    "torch.compile": value("compat.identity"),
    "torch.hub.load_state_dict_from_url": missing(
        "Convert the checkpoint with mindconverter-weights and load it with mindspore.load_checkpoint."
    ),
}
