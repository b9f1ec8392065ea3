"""torch.linalg, torch.special, short-time Fourier transforms, and windows."""

from __future__ import annotations

from converter.rewriting import Returns, Row, call, method
from operator_maps.pytorch import aliases, creation, elementary, functions, reductions, spectral

_L = "torch.linalg"
_MADE = "dtype=None, layout=None, device=None, requires_grad=False"
_OUT = "*, out=None"
_STFT = (
    "hop_length=None, win_length=None, window=None, center=True, pad_mode='reflect', normalized=False, onesided=True, "
    "return_complex=None, align_to_window=None"
)
_ISTFT = (
    "hop_length=None, win_length=None, window=None, center=True, normalized=False, onesided=True, length=None, "
    "return_complex=False"
)
_SAME = "erf erfc erfinv exp2 expm1 log1p logit logsumexp xlogy digamma round sinc"
_SPECIAL = {  # functions of torch that torch.special has, too
    **{name: name for name in _SAME.split()},
    "expit": "sigmoid", "psi": "digamma", "gammaln": "lgamma",
}  # fmt: skip
_OF_SPECIAL = {
    "entr": ("input", "-ops.xlogy({input}, {input})"),
    "ndtr": ("input", "(0.5 * (1 + ops.erf({input} * 0.7071067811865476)))"),
    "xlog1py": ("input, other", "({input} * ops.log1p({other}))"),
    "i0": ("input", "ops.bessel_i0({input})"),
    "i0e": ("input", "ops.bessel_i0e({input})"),
    "i1": ("input", "ops.bessel_i1({input})"),
    "i1e": ("input", "ops.bessel_i1e({input})"),
    "polygamma": ("n, input", "ops.polygamma({n}, {input})"),
    "softmax": ("input, dim, dtype=None", "ops.softmax({input}, axis={dim}, dtype={dtype})"),
    "log_softmax": ("input, dim", "ops.log_softmax({input}, axis={dim})"),
}
_FUNCTIONS: dict[str, tuple[str, str, Returns]] = {  # the signature without `out`, the text, what it returns
    f"{_L}.svd": ("A, full_matrices=True", "compat.svd({A}, {full_matrices})", "tensors"),
    f"{_L}.svdvals": ("A", "ops.svd({A}, compute_uv=False)", "tensor"),
    f"{_L}.eigh": ("A, UPLO='L'", "compat.eigh({A}, {UPLO})", "tensors"),
    f"{_L}.eigvalsh": ("A, UPLO='L'", "compat.eigh({A}, {UPLO})[0]", "tensor"),
    f"{_L}.eig": ("A", "ops.eig({A})", "tensors"),
    f"{_L}.eigvals": ("A", "ops.eigvals({A})", "tensor"),
    f"{_L}.matrix_exp": ("A", "compat.matrix_exp({A})", "tensor"),
    f"{_L}.qr": ("A, mode='reduced'", "ops.qr({A}, {mode})", "tensors"),
    f"{_L}.cholesky": ("A", "ops.cholesky({A})", "tensor"),
    f"{_L}.solve": ("A, B, *, left=True", "compat.solve({A}, {B}, {left})", "tensor"),
    f"{_L}.slogdet": ("A", "ops.slogdet({A})", "tensors"),
    f"{_L}.pinv": ("A", "ops.pinv({A})", "tensor"),
    f"{_L}.cross": ("input, other, *, dim=-1", "ops.cross({input}, {other}, {dim!})", "tensor"),
    f"{_L}.matmul": ("input, other", "ops.matmul({input}, {other})", "tensor"),
    f"{_L}.vecdot": ("x, y, *, dim=-1", "({x} * {y}).sum({dim!})", "tensor"),
    f"{_L}.matrix_norm": (
        "A, ord='fro', dim=(-2, -1), keepdim=False",
        "compat.matrix_norm({A}, {ord}, {dim}, {keepdim})",
        "tensor",
    ),
    f"{_L}.diagonal": (
        "A, *, offset=0, dim1=-2, dim2=-1",
        "ops.diagonal({A}, {offset!}, {dim1!}, {dim2!})",
        "tensor",
    ),
    f"{_L}.vander": ("x, N=None", "compat.vander({x}, {N}, True)", "tensor"),
    "torch.svd": ("input, some=True", "compat.old_svd({input}, {some})", "tensors"),
    "torch.matrix_exp": ("A", "compat.matrix_exp({A})", "tensor"),
    "torch.qr": ("input", "ops.qr({input})", "tensors"),
    "torch.cholesky": ("input, upper=False", "ops.cholesky({input}, {upper})", "tensor"),
    "torch.slogdet": ("input", "ops.slogdet({input})", "tensors"),
    "torch.logdet": ("input", "ops.logdet({input})", "tensor"),
    "torch.pinverse": ("input", "ops.pinv({input})", "tensor"),
    "torch.vander": ("x, N=None, increasing=False", "compat.vander({x}, {N}, {increasing})", "tensor"),
    "torch.trapezoid": ("y, x=None, *, dx=1.0, dim=-1", "compat.trapezoid(...)", "tensor"),
    "torch.trapz": ("y, x=None, *, dx=1.0, dim=-1", "compat.trapezoid(...)", "tensor"),
    "torch.cov": ("input, *, correction=1", "compat.cov({input}, {correction})", "tensor"),
    "torch.corrcoef": ("input", "compat.corrcoef(...)", "tensor"),
    "torch.nn.functional.pdist": ("input, p=2.0", "compat.pdist(...)", "tensor"),
    "torch.vdot": ("input, other", "({input} * {other}).sum()", "tensor"),
    "torch.copysign": ("input, other", "ops.copysign({input}, {other})", "tensor"),
    "torch.fmax": ("input, other", "ops.fmax({input}, {other})", "tensor"),
    "torch.fmin": ("input, other", "ops.fmin({input}, {other})", "tensor"),
    "torch.true_divide": ("input, other", "ops.div({input}, {other})", "tensor"),
    "torch.addmv": (
        "input, mat, vec, *, beta=1, alpha=1",
        "ops.addmv({input}, {mat}, {vec}, beta={beta}, alpha={alpha})",
        "tensor",
    ),
    "torch.hsplit": ("input, indices_or_sections", "ops.hsplit({input}, {indices_or_sections})", "tensors"),
    "torch.vsplit": ("input, indices_or_sections", "ops.vsplit({input}, {indices_or_sections})", "tensors"),
}
_METHODS: dict[str, tuple[str, str, Returns]] = {
    "svd": ("some=True", "compat.old_svd({self}, {some})", "tensors"),
    "matrix_exp": ("", "compat.matrix_exp({self})", "tensor"),
    "qr": ("", "ops.qr({self})", "tensors"),
    "cholesky": ("upper=False", "ops.cholesky({self}, {upper})", "tensor"),
    "slogdet": ("", "ops.slogdet({self})", "tensors"),
    "logdet": ("", "ops.logdet({self})", "tensor"),
    "pinverse": ("", "ops.pinv({self})", "tensor"),
    "true_divide": ("other", "ops.div({self}, {other})", "tensor"),
    "divide": ("other, *, rounding_mode=None", "ops.div({self}, {other}, rounding_mode={rounding_mode})", "tensor"),
    "vdot": ("other", "({self} * {other}).sum()", "tensor"),
    "copysign": ("other", "ops.copysign({self}, {other})", "tensor"),
    "split_with_sizes": ("split_sizes, dim=0", "ops.split({self}, {split_sizes}, axis={dim})", "tensors"),
    "isposinf": ("", '({self} == float("inf"))', "tensor"),
    "isneginf": ("", '({self} == float("-inf"))', "tensor"),
}
_PLAIN = {
    name: row
    for table in (functions, elementary, reductions, aliases, creation, spectral)
    for name, row in table.ROWS.items()
}


def _with_out(signature: str) -> str:
    return f"({signature}, out=None)" if "*" in signature else f"({signature}, {_OUT})"


ROWS: dict[str, Row] = {
    **{f"torch.special.{name}": _PLAIN[f"torch.{other}"] for name, other in _SPECIAL.items()},
    **{
        f"torch.special.{name}": call(_with_out(signature), text, refused="out")
        for name, (signature, text) in _OF_SPECIAL.items()
    },
    **{
        name: call(_with_out(signature), text, refused="out", returns=returns)
        if "(...)" not in text
        else call(f"({signature})", text, returns=returns)
        for name, (signature, text, returns) in _FUNCTIONS.items()
    },
    **{
        f"torch.Tensor.{name}": method(f"({signature})", text, returns=returns)
        for name, (signature, text, returns) in _METHODS.items()
    },
    f"{_L}.lstsq": call(
        "(A, B, rcond=None, *, driver=None)",
        "compat.lstsq({A}, {B})",
        ignored="rcond driver",
        returns="tensors",
        note="A must have full rank.",
    ),
    "torch.stft": call(f"(input, n_fft, {_STFT})", "compat.stft(...)", refused="align_to_window", returns="complex"),
    "torch.Tensor.stft": method(
        f"(n_fft, {_STFT})", "compat.stft({self}, ...)", refused="align_to_window", returns="complex"
    ),
    "torch.istft": call(f"(input, n_fft, {_ISTFT})", "compat.istft(...)", refused="return_complex"),
    "torch.Tensor.istft": method(f"(n_fft, {_ISTFT})", "compat.istft({self}, ...)", refused="return_complex"),
    **{
        f"torch.{name}_window": call(
            f"(window_length, periodic=True, *, {_MADE})",
            f"ops.{name}_window({{window_length}}, {{periodic}}, dtype=ms.float32)",
            ignored="dtype",
        )
        for name in ("blackman", "bartlett", "hamming")
    },
}  # fmt: skip
