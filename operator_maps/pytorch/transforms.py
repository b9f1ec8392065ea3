"""torch.func and torch.autograd.functional: derivatives of functions, and functions of batches."""

from __future__ import annotations

from converter.rewriting import Chosen, Row, UnsupportedCall, call, missing

_F = "torch.func"
_A = "torch.autograd.functional"
_JACOBIAN = "(func, argnums=0, *, has_aux=False, chunk_size=None, _preallocate_and_copy=False)"
_OWN = "Take the gradients of the module's own parameters: mindspore.value_and_grad(function, None, weights)."
_OUTSIDE = "Graph mode compiles it only where it stands outside networks."


def _vmap(call: Chosen) -> str:
    if call.text("func").startswith("lambda"):
        raise UnsupportedCall("MindSpore reads no lambda that stands in the call: define the function before it")
    return "ms.vmap({func}, {in_dims}, {out_dims})"


_VMAP = call(
    "(func, in_dims=0, out_dims=0, randomness='error', *, chunk_size=None)",
    _vmap,
    ignored="randomness chunk_size",
    returns="other",
)

ROWS: dict[str, Row] = {
    f"{_F}.vmap": _VMAP,
    "torch.vmap": _VMAP,
    f"{_F}.grad": call(
        "(func, argnums=0, has_aux=False)", "ms.grad({func}, {argnums}, has_aux={has_aux})", returns="other"
    ),
    f"{_F}.grad_and_value": call(
        "(func, argnums=0, has_aux=False)", "compat.grad_and_value(...)", refused="has_aux", returns="other"
    ),
    f"{_F}.jacrev": call(
        _JACOBIAN,
        "ms.jacrev({func}, {argnums}, has_aux={has_aux})",
        ignored="chunk_size _preallocate_and_copy",
        returns="other",
        note=_OUTSIDE,
    ),
    f"{_F}.jacfwd": call(
        "(func, argnums=0, has_aux=False, *, randomness='error')",
        "ms.jacfwd({func}, {argnums}, has_aux={has_aux})",
        ignored="randomness",
        returns="other",
        note=_OUTSIDE,
    ),
    f"{_F}.hessian": call("(func, argnums=0)", "ms.jacfwd(ms.jacrev({func}, {argnums!}), {argnums!})", returns="other"),
    f"{_F}.jvp": call(
        "(func, primals, tangents, *, strict=False, has_aux=False)",
        "compat.jvp({func}, {primals}, {tangents})",
        ignored="strict",
        refused="has_aux",
        returns="tensors",
    ),
    f"{_F}.vjp": call(
        "(func, *primals, has_aux=False)", "compat.vjp({func}, {*primals})", refused="has_aux", returns="other"
    ),
    **{f"{_F}.{name}": missing(_OWN) for name in ("functional_call", "stack_module_state", "linearize")},
    f"{_A}.jacobian": call(
        "(func, inputs, create_graph=False, strict=False, vectorize=False, strategy='reverse-mode')",
        "compat.jacobian({func}, {inputs})",
        ignored="create_graph strict vectorize strategy",
        returns="unknown",
        note=_OUTSIDE,
    ),
    f"{_A}.hessian": call(
        "(func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy='reverse-mode')",
        "compat.hessian({func}, {inputs})",
        ignored="create_graph strict vectorize outer_jacobian_strategy",
        returns="unknown",
        note=_OUTSIDE,
    ),
}
