"""Fourier transforms, linear algebra, and sparse matrices, which become dense."""

from __future__ import annotations

from converter.rewriting import Returns, Row, call, method

_DENSE = "MindSpore's matrix products of sparse matrices lack gradients; the matrix is dense, with the same values."
_FFT = {
    **dict.fromkeys(("fft", "ifft", "rfft", "irfft", "hfft", "ihfft"), ("n=None, dim=-1, norm=None", "n dim norm")),
    **dict.fromkeys(("fft2", "ifft2", "rfft2", "irfft2"), ("s=None, dim=(-2, -1), norm=None", "s dim norm")),
    **dict.fromkeys(("fftn", "ifftn", "rfftn", "irfftn"), ("s=None, dim=None, norm=None", "s dim norm")),
    **dict.fromkeys(("fftshift", "ifftshift"), ("dim=None", "dim")),
}


def _transform(name: str, signature: str, names: str) -> Row:
    inside = ", ".join(f"{each}={{{each}}}" for each in names.split())
    end = "" if name.endswith("shift") else ", *, out=None"
    refused = "" if name.endswith("shift") else "out"
    returns: Returns = "tensor" if name.startswith(("irfft", "hfft")) else "complex"
    return call(f"(input, {signature}{end})", f"ops.{name}({{input}}, {inside})", refused=refused, returns=returns)


ROWS: dict[str, Row] = {
    **{f"torch.fft.{name}": _transform(name, *each) for name, each in _FFT.items()},
    **{
        f"torch.fft.{name}": call(
            "(n, d=1.0, *, out=None, dtype=None, layout=None, device=None, requires_grad=False)",
            f"ops.{name}({{n}}, d={{d}}, dtype={{dtype}})",
            refused="out",
        )
        for name in ("fftfreq", "rfftfreq")
    },
    "torch.linalg.inv": call("(A, *, out=None)", "ops.inverse({A})", refused="out"),
    "torch.linalg.det": call("(A, *, out=None)", "ops.det({A})", refused="out"),
    "torch.linalg.matrix_power": call("(A, n, *, out=None)", "ops.matrix_power({A}, {n})", refused="out"),
    "torch.linalg.multi_dot": call("(tensors, *, out=None)", "compat.chained({tensors})", refused="out"),
    "torch.chain_matmul": call("(*matrices)", "compat.chained(({*matrices},))"),
    "torch.ger": call("(input, vec2, *, out=None)", "ops.outer({input}, {vec2})", refused="out"),
    "torch.sparse_coo_tensor": call(
        "(indices, values, size=None, *, dtype=None, device=None, requires_grad=False, check_invariants=None, "
        "is_coalesced=None)",
        "compat.dense({indices}, {values}, {size}, dtype={dtype})",
        ignored="check_invariants is_coalesced",
        note=_DENSE,
    ),
    "torch.sparse.FloatTensor": call("(indices, values, size=None)", "compat.dense(...)", note=_DENSE),
    "torch.sparse.mm": call("(sparse, dense)", "ops.matmul({sparse}, {dense})"),
    **{f"torch.{name}": call("(input, mat2)", "ops.matmul({input}, {mat2})") for name in ("spmm", "dsmm", "hspmm")},
    **{
        f"torch.Tensor.{name}": method("(sparse_dim=None)", "{self}", ignored="sparse_dim", note=_DENSE)
        for name in ("to_sparse", "to_sparse_coo", "to_sparse_csr")
    },
    **{f"torch.Tensor.{name}": method("()", "{self}") for name in ("to_dense", "coalesce")},
}
