"""Order statistics, comparisons of whole tensors, random numbers, and other functions that helpers compute."""

from __future__ import annotations

from converter.rewriting import Chosen, Returns, Row, attribute, call, method, value
from operator_maps.pytorch import aliases, functions, tensor

_T = "torch.Tensor"

# The signature without `input`, the text, and what it returns; each is a function and a method.
_BOTH: dict[str, tuple[str, str, Returns]] = {
    "kthvalue": ("k, dim=-1, keepdim=False", "compat.kthvalue({input}, {k}, {dim!}, {keepdim!})", "pair"),
    "median": ("dim=None, keepdim=False", "compat.median({input}, {dim}, {keepdim})", "pair"),
    "quantile": (
        "q, dim=None, keepdim=False, *, interpolation='linear'",
        "compat.quantile({input}, {q}, {dim!}, {keepdim!}, {interpolation!})",
        "tensor",
    ),
    "nanmean": ("dim=None, keepdim=False", "compat.nanmean({input}, {dim}, {keepdim})", "tensor"),
    "nansum": ("dim=None, keepdim=False", "compat.nansum({input}, {dim}, {keepdim})", "tensor"),
    "aminmax": ("*, dim=None, keepdim=False", "compat.aminmax({input}, {dim}, {keepdim})", "tensors"),
    "allclose": (
        "other, rtol=1e-05, atol=1e-08, equal_nan=False",
        "compat.allclose({input}, {other}, {rtol!}, {atol!}, {equal_nan!})",
        "number",
    ),
    "equal": ("other", "compat.equal({input}, {other})", "number"),
    "isin": (
        "test_elements, *, assume_unique=False, invert=False",
        "compat.isin({input}, {test_elements}, {assume_unique!}, {invert!})",
        "tensor",
    ),
    "diag": ("diagonal=0", "compat.diag({input}, {diagonal})", "tensor"),
    "diagflat": ("offset=0", "compat.diag({input}.reshape((-1,)), {offset})", "tensor"),
    "multinomial": (
        "num_samples, replacement=False, *, generator=None",
        "compat.multinomial({input}, {num_samples}, {replacement})",
        "tensor",
    ),
    "argwhere": ("", "ops.nonzero({input})", "tensor"),
    "bincount": ("weights=None, minlength=0", "compat.bincount({input}, {weights}, {minlength})", "tensor"),
    "bitwise_not": ("", "(~{input})", "tensor"),
    "cross": ("other, dim=None", "ops.cross({input}, {other}, {dim})", "tensor"),
    "count_nonzero": ("dim=None", "({input} != 0).sum({dim})", "tensor"),
    "cummax": ("dim", "ops.cummax({input}, {dim})", "pair"),
    "cummin": ("dim", "ops.cummin({input}, {dim})", "pair"),
    "deg2rad": ("", "ops.deg2rad({input})", "tensor"),
    "rad2deg": ("", "ops.rad2deg({input})", "tensor"),
    "erfinv": ("", "ops.erfinv({input})", "tensor"),
    "inner": ("other", "ops.inner({input}, {other})", "tensor"),
    "lerp": ("end, weight", "ops.lerp({input}, {end}, {weight})", "tensor"),
    "moveaxis": ("source, destination", "ops.movedim({input}, {source}, {destination})", "tensor"),
    "movedim": ("source, destination", "ops.movedim({input}, {source}, {destination})", "tensor"),
    "multiply": ("other", "ops.mul({input}, {other})", "tensor"),
    "narrow": ("dim, start, length", "ops.narrow({input}, {dim}, {start}, {length})", "tensor"),
    "swapdims": ("dim0, dim1", "ops.swapaxes({input}, {dim0}, {dim1})", "tensor"),
    "scatter": (
        "dim, index, src=None, *, value=None",
        "compat.scatter({input}, {dim}, {index}, {src}, {value})",
        "tensor",
    ),
    "scatter_reduce": (
        "dim, index, src, reduce, *, include_self=True",
        "compat.scatter_reduce({input}, {dim}, {index}, {src}, {reduce}, {include_self})",
        "tensor",
    ),
    "subtract": ("other, *, alpha=1", "({input} - {alpha!} * {other})", "tensor"),
    "clamp_min": ("min", "ops.clamp({input}, min={min})", "tensor"),
    "clamp_max": ("max", "ops.clamp({input}, *, max={max})", "tensor"),
    "masked_select": ("mask", "ops.masked_select({input}, {mask})", "tensor"),
    "detach": ("", "ops.stop_gradient({input})", "tensor"),
    "amax": ("dim=(), keepdim=False", "ops.amax({input}, {dim}, {keepdim})", "tensor"),
    "amin": ("dim=(), keepdim=False", "ops.amin({input}, {dim}, {keepdim})", "tensor"),
    "diagonal": ("offset=0, dim1=0, dim2=1", "ops.diagonal({input}, {offset!}, {dim1!}, {dim2!})", "tensor"),
    "index_copy": ("dim, index, source", "compat.index_copy({input}, {dim}, {index}, {source})", "tensor"),
    "index_put": (
        "indices, values, accumulate=False",
        "compat.index_put({input}, {indices}, {values}, {accumulate})",
        "tensor",
    ),
    "dist": ("other, p=2", "compat.norm({input} - {other}, {p!})", "tensor"),
    "is_complex": ("", "compat.is_complex({input})", "number"),
    "angle": ("", "ops.angle({input})", "tensor"),
    "conj": ("", "ops.conj({input})", "tensor"),
    "sinc": ("", "ops.sinc({input})", "tensor"),
    "unsqueeze": ("dim", "ops.unsqueeze({input}, {dim})", "tensor"),
    "matrix_power": ("n", "ops.matrix_power({input}, {n})", "tensor"),
}
_IN_PLACE = (
    "scatter", "scatter_reduce", "index_copy", "index_put", "clamp_min", "clamp_max", "lerp", "bitwise_not", "multiply",
    "subtract", "swapdims", "erfinv", "bernoulli",
)  # fmt: skip
_IGNORED = {"multinomial": "generator"}
_MADE = "dtype=None, layout=None, device=None, requires_grad=False, pin_memory=False"
_MEMORY = "*, dtype=None, layout=None, device=None, requires_grad=False, memory_format=None"


def _both() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name, (rest, text, returns) in _BOTH.items():
        star = "" if "*" in rest else "*, "
        inside = f"{rest}, " if rest else ""
        ignored = _IGNORED.get(name, "")
        first = "elements" if name == "isin" else "input"
        rows[f"torch.{name}"] = call(
            f"({first}, {inside}{star}out=None)",
            text.replace("{input}", f"{{{first}}}"),
            refused="out",
            ignored=ignored,
            returns=returns,
        )
        own = text.replace("{input}", "{self}")
        rows[f"{_T}.{name}"] = method(f"({rest})", own, ignored=ignored, returns=returns)
        if name in _IN_PLACE:
            rows[f"{_T}.{name}_"] = method(f"({rest})", own, ignored=ignored, in_place=True)
    return rows


_OTHERS = functions.ROWS.keys() | tensor.ROWS.keys() | aliases.ROWS.keys()


def _cdist(chosen: Chosen) -> str:
    """MindSpore's takes no whole number."""
    if not chosen.has("p"):
        return "ops.cdist({x1}, {x2})"
    if not chosen.is_static("p"):
        return "ops.cdist({x1}, {x2}, float({p}))"
    return f"ops.cdist({{x1}}, {{x2}}, {float(str(chosen.value('p')))})"


def _new(call: Chosen) -> str:
    """Another tensor of the type: of an extent for each number, of a shape, or of data."""
    if call.rest() == 0:
        return "{self}.new_zeros((0,))"
    kind = call.rest_kind(0)  # type: ignore[attr-defined]
    if call.rest() > 1 or kind == "number":
        return "{self}.new_zeros(({*size},))"
    if kind == "size":
        return "{self}.new_zeros({*size})"
    return "compat.new({self}, {*size})"


ROWS: dict[str, Row] = {
    **{name: row for name, row in _both().items() if name not in _OTHERS},
    f"{_T}.real": attribute("ops.real({self})", returns="tensor"),
    f"{_T}.imag": attribute("ops.imag({self})", returns="tensor"),
    f"{_T}.H": attribute("ops.conj({self}).T", returns="tensor"),
    f"{_T}.is_leaf": attribute("True", returns="number"),
    **{
        f"{_T}.{name}": attribute("False", returns="number")
        for name in ("is_xpu", "is_mps", "is_meta", "is_sparse", "is_quantized", "is_nested")
    },
    "torch.real": call("(input)", "ops.real({input})"),
    "torch.imag": call("(input)", "ops.imag({input})"),
    "torch.complex": call(
        "(real, imag, *, out=None)", "ops.Complex()({real}, {imag})", refused="out", returns="complex"
    ),
    "torch.polar": call("(abs, angle, *, out=None)", "ops.polar({abs}, {angle})", refused="out", returns="complex"),
    "torch.view_as_real": call("(input)", "ops.view_as_real({input})"),
    "torch.view_as_complex": call("(input)", "compat.view_as_complex({input})", returns="complex"),
    "torch.searchsorted": call(
        "(sorted_sequence, input, *, out_int32=False, right=False, side=None, out=None, sorter=None)",
        "ops.searchsorted({sorted_sequence}, {input}, out_int32={out_int32}, right={right})",
        refused="side out sorter",
    ),
    "torch.bucketize": call(
        "(input, boundaries, *, out_int32=False, right=False, out=None)",
        "ops.searchsorted({boundaries}, {input}, out_int32={out_int32}, right={right})",
        refused="out",
    ),
    "torch.cdist": call(
        "(x1, x2, p=2.0, compute_mode='use_mm_for_euclid_dist_if_necessary')",
        _cdist,
        ignored="compute_mode",
    ),
    "torch.tensordot": call("(a, b, dims=2, out=None)", "compat.tensordot({a}, {b}, {dims})", refused="out"),
    **{
        f"torch.{name}": call("(tensors, *, out=None)", f"ops.{ours}({{tensors}})", refused="out")
        for name, ours in (
            ("hstack", "hstack"),
            ("vstack", "vstack"),
            ("row_stack", "vstack"),
            ("dstack", "dstack"),
            ("column_stack", "column_stack"),
        )
    },
    "torch.atleast_1d": call("(*tensors)", "ops.atleast_1d({*tensors})", returns="unknown"),
    "torch.atleast_2d": call("(*tensors)", "ops.atleast_2d({*tensors})", returns="unknown"),
    "torch.block_diag": call("(*tensors)", "ops.block_diag({*tensors})"),
    "torch.cartesian_prod": call("(*tensors)", "ops.cartesian_prod({*tensors})"),
    "torch.broadcast_shapes": call("(*shapes)", "compat.broadcast_shapes({*shapes})", returns="size"),
    "torch.broadcast_tensors": call("(*tensors)", "compat.broadcast_tensors({*tensors})", returns="tensors"),
    **{
        f"torch.{name}_indices": call(
            f"(row, col, offset=0, *, {_MADE})",
            f"ops.{name}_indices({{row}}, {{col}}, {{offset}}, dtype={{dtype!}})".replace(
                "dtype={dtype!}", "dtype=ms.int64"
            ),
            ignored="dtype",
        )
        for name in ("tril", "triu")
    },
    "torch.logspace": call(
        f"(start, end, steps, base=10.0, *, {_MADE})",
        "({base!} ** ops.linspace({start}, {end}, {steps}))",
        refused="dtype",
    ),
    "torch.range": call(
        f"(start=0, end=None, step=1, *, {_MADE})",
        "ops.arange({start!}, {end} + {step!}, {step!}).astype(ms.float32)",
        refused="dtype",
    ),
    "torch.hann_window": call(
        f"(window_length, periodic=True, *, {_MADE})",
        "ops.hann_window({window_length}, {periodic}, dtype=ms.float32)",
        ignored="dtype",
    ),
    "torch.bernoulli": call(
        "(input, p=None, *, generator=None, out=None)", "compat.bernoulli({input}, {p})", refused="generator out"
    ),
    "torch.rand_like": call(f"(input, {_MEMORY})", "compat.rand_like({input}, dtype={dtype})"),
    "torch.randn_like": call(f"(input, {_MEMORY})", "compat.randn_like({input}, dtype={dtype})"),
    "torch.randint_like": call(
        f"(input, low, high=None, {_MEMORY})", "compat.randint_like({input}, {low}, {high}, dtype={dtype})"
    ),
    "torch.normal": call(
        f"(mean, std=1.0, size=None, *, generator=None, out=None, {_MADE})",
        "compat.normal({mean}, {std}, {size})",
        ignored="dtype",
        refused="generator out",
    ),
    "torch.Generator": call("(device=None)", "compat.Generator()", value="compat.Generator", returns="other"),
    "torch.randperm": call(
        f"(n, *, generator=None, out=None, {_MADE})",
        "compat.randperm({n}, {generator}, {dtype})",
        refused="out",
    ),
    "torch.rsub": call("(input, other, *, alpha=1)", "({other} - {alpha!} * {input})"),
    "torch.dropout": call("(input, p, train)", "ops.dropout({input}, p={p}, training={train})"),
    "torch.iinfo": call("(type)", "compat.iinfo({type})", value="compat.iinfo", returns="other"),
    f"{_T}.index_select": method("(dim, index)", "{self}.index_select({dim}, {index})"),
    f"{_T}.fill_diagonal_": method(
        "(fill_value, wrap=False)", "compat.fill_diagonal({self}, {fill_value})", refused="wrap", in_place=True
    ),
    f"{_T}.exponential_": method(
        "(lambd=1.0, *, generator=None)", "compat.exponential_({self}, {lambd})", refused="generator", in_place=True
    ),
    f"{_T}.bernoulli": method("(*, generator=None)", "compat.bernoulli({self})", refused="generator"),
    f"{_T}.cumsum_": method("(dim)", "{self}.cumsum({dim})", in_place=True),
    f"{_T}.logical_not_": method("()", "ops.logical_not({self})", in_place=True),
    f"{_T}.t_": method("()", "{self}.t()", in_place=True),
    f"{_T}.transpose_": method("(dim0, dim1)", "{self}.swapaxes({dim0}, {dim1})", in_place=True),
    f"{_T}.swapaxes_": method("(axis0, axis1)", "{self}.swapaxes({axis0}, {axis1})", in_place=True),
    f"{_T}.index_put_": method(
        "(indices, values, accumulate=False)",
        "compat.index_put({self}, {indices}, {values}, {accumulate})",
        in_place=True,
    ),
    f"{_T}.pin_memory": method("(device=None)", "{self}"),
    f"{_T}.share_memory_": method("()", "{self}"),
    f"{_T}.bfloat16": method("(memory_format=None)", "{self}.astype(ms.bfloat16)"),
    f"{_T}.byte": method("(memory_format=None)", "{self}.astype(ms.uint8)"),
    f"{_T}.char": method("(memory_format=None)", "{self}.astype(ms.int8)"),
    f"{_T}.short": method("(memory_format=None)", "{self}.astype(ms.int16)"),
    f"{_T}.element_size": method("()", "{self}.itemsize", returns="number"),
    f"{_T}.tensor_split": method(
        "(indices_or_sections, dim=0)", "compat.tensor_split({self}, {indices_or_sections}, {dim})", returns="tensors"
    ),
    f"{_T}.new": method("(*size)", _new),
    f"{_T}.resize_": method("(*sizes)", "compat.resize_({self}, {*sizes})", in_place=True),
    "torch.clone": call("(input, *, memory_format=None)", "compat.clone({input})"),
    "torch.newaxis": value("None"),
}
