"""Functions and methods of one text: torch.f(x) and x.f() become the same, and x.f_() is that in place.

A name that another table has is not taken from here.
"""

from __future__ import annotations

from converter.rewriting import Returns, Row, call, method
from operator_maps.pytorch import functions, tensor

_UNARY = """
    acos asin atan acosh asinh atanh cosh sinh tan expm1 log1p log2 log10 exp2 erfc trunc frac isnan isinf isfinite
    logit digamma lgamma sgn neg abs sqrt rsqrt exp log floor ceil round sin cos tanh square reciprocal sign erf
"""
_BINARY = {
    "fmod": "ops.fmod({input}, {other})",
    "remainder": "ops.remainder({input}, {other})",
    "floor_divide": "ops.floor_divide({input}, {other})",
    "atan2": "ops.atan2({input}, {other})",
    "hypot": "ops.hypot({input}, {other})",
    "logaddexp": "ops.logaddexp({input}, {other})",
    "xlogy": "ops.xlogy({input}, {other})",
    "bitwise_and": "ops.bitwise_and({input}, {other})",
    "bitwise_or": "ops.bitwise_or({input}, {other})",
    "bitwise_xor": "ops.bitwise_xor({input}, {other})",
    "logical_and": "ops.logical_and({input}, {other})",
    "logical_or": "ops.logical_or({input}, {other})",
    "logical_xor": "ops.logical_xor({input}, {other})",
    "maximum": "ops.maximum({input}, {other})",
    "minimum": "ops.minimum({input}, {other})",
    "heaviside": "ops.heaviside({input}, {other})",
    "outer": "ops.outer({input}, {other})",
    "dot": "({input} * {other}).sum()",
    "eq": "ops.equal({input}, {other})",
    "ne": "ops.not_equal({input}, {other})",
    "gt": "ops.greater({input}, {other})",
    "ge": "ops.greater_equal({input}, {other})",
    "lt": "ops.less({input}, {other})",
    "le": "ops.less_equal({input}, {other})",
}
_SECOND = {
    "greater": "gt",
    "greater_equal": "ge",
    "less": "lt",
    "less_equal": "le",
    "not_equal": "ne",
    "true_divide": "div",
    "arccos": "acos",
    "arccosh": "acosh",
    "arcsin": "asin",
    "arcsinh": "asinh",
    "arctan": "atan",
    "arctanh": "atanh",
    "arctan2": "atan2",
    "absolute": "abs",
    "negative": "neg",
}
_OTHERS = {  # the signature without `input`, and the text
    "isclose": ("other, rtol=1e-05, atol=1e-08", "ops.isclose({input}, {other}, rtol={rtol}, atol={atol})"),
    "nan_to_num": ("nan=None, posinf=None, neginf=None", "ops.nan_to_num({input}, {nan}, {posinf}, {neginf})"),
    "argmin": ("dim=None, keepdim=False", "ops.argmin({input}, {dim}, keepdims={keepdim})"),
    "argsort": ("dim=-1, descending=False, stable=False", "ops.argsort({input}, {dim}, descending={descending})"),
    "masked_fill": ("mask, value", "ops.masked_fill({input}, {mask}, {value})"),
    "addcmul": ("tensor1, tensor2, *, value=1", "({input} + {value!} * {tensor1} * {tensor2})"),
    "addcdiv": ("tensor1, tensor2, *, value=1", "({input} + {value!} * {tensor1} / {tensor2})"),
    "addmm": ("mat1, mat2, *, beta=1, alpha=1", "ops.addmm({input}, {mat1}, {mat2}, beta={beta}, alpha={alpha})"),
    "baddbmm": (
        "batch1, batch2, *, beta=1, alpha=1",
        "ops.baddbmm({input}, {batch1}, {batch2}, beta={beta}, alpha={alpha})",
    ),
    "cumprod": ("dim, dtype=None", "ops.cumprod({input}, {dim}, dtype={dtype})"),
    "logcumsumexp": ("dim", "ops.logcumsumexp({input}, {dim})"),
    "logsumexp": ("dim, keepdim=False", "ops.logsumexp({input}, {dim}, {keepdim})"),
    "trace": ("", "ops.trace({input})"),
    "kron": ("other", "ops.kron({input}, {other})"),
    "ravel": ("", "ops.reshape({input}, (-1,))"),
    "broadcast_to": ("size", "ops.broadcast_to({input}, {size})"),
    "fliplr": ("", "ops.flip({input}, (1,))"),
    "flipud": ("", "ops.flip({input}, (0,))"),
    "rot90": ("k=1, dims=(0, 1)", "ops.rot90({input}, {k!}, {dims!})"),
    "take": ("index", "{input}.reshape((-1,))[{index}]"),
    "take_along_dim": ("indices, dim", "ops.gather_elements({input}, {dim}, {indices})"),
    "mv": ("vec", "ops.matmul({input}, {vec})"),
    "diag_embed": ("offset=0, dim1=-2, dim2=-1", "ops.diag_embed({input}, {offset!}, {dim1!}, {dim2!})"),
    "scatter_add": (
        "dim, index, src",
        "ops.tensor_scatter_elements({input}, {index}, {src}, {dim}, 'add')",
    ),
    "index_add": (
        "dim, index, source, *, alpha=1",
        "compat.index_add({input}, {dim}, {index}, {source})",
    ),
    "index_fill": ("dim, index, value", "ops.index_fill({input}, {dim}, {index}.astype(ms.int32), {value})"),
    "masked_scatter": ("mask, source", "compat.masked_scatter({input}, {mask}, {source})"),
    "unfold": ("dimension, size, step", "compat.unfold_dim({input}, {dimension}, {size}, {step})"),
    "select": ("dim, index", "compat.select({input}, {dim}, {index})"),
    "std_mean": ("dim=None, *, correction=1, keepdim=False", "ops.std_mean({input}, {dim}, {correction!}, {keepdim})"),
    "var_mean": ("dim=None, *, correction=1, keepdim=False", "ops.var_mean({input}, {dim}, {correction!}, {keepdim})"),
    "inverse": ("", "ops.inverse({input})"),
    "det": ("", "ops.det({input})"),
    "histc": ("bins=100, min=0, max=0", "ops.histc({input}, {bins!}, {min!}, {max!})"),
}
_SEVERAL = {"std_mean", "var_mean"}
_ONLY_METHODS = {"unfold"}
_REFUSED = {"index_add": "alpha"}
_IGNORED = {"argsort": "stable"}


def _rows() -> dict[str, Row]:
    signatures = {name: ("", f"ops.{name}({{input}})") for name in _UNARY.split()}
    signatures |= {name: ("other", text) for name, text in _BINARY.items()} | _OTHERS
    signatures |= {second: signatures[first] for second, first in _SECOND.items() if first in signatures}
    rows: dict[str, Row] = {}
    for name, (rest, text) in signatures.items():
        star = "" if "*" in rest else "*, "
        inside = f"{rest}, " if rest else ""
        refused, ignored = _REFUSED.get(name, ""), _IGNORED.get(name, "")
        returns: Returns = "tensors" if name in _SEVERAL else "tensor"
        own = text.replace("{input}", "{self}")
        if name not in _ONLY_METHODS:
            rows[f"torch.{name}"] = call(
                f"(input, {inside}{star}out=None)",
                text,
                refused=f"{refused} out",
                ignored=ignored,
                returns=returns,
            )
        for suffix in ("", "_"):
            rows[f"torch.Tensor.{name}{suffix}"] = method(
                f"({rest})",
                own,
                refused=refused,
                ignored=ignored,
                returns=returns,
                in_place=bool(suffix),
            )
    return rows


ROWS: dict[str, Row] = {
    name: row for name, row in _rows().items() if name not in functions.ROWS and name not in tensor.ROWS
}
