"""torch.distributions: what policies and variational networks draw from."""

from __future__ import annotations

from converter.rewriting import Row, call

_D = "torch.distributions"
_CLASSES = {
    "Normal": "(loc, scale, validate_args=None)",
    "Categorical": "(probs=None, logits=None, validate_args=None)",
    "Bernoulli": "(probs=None, logits=None, validate_args=None)",
    "Uniform": "(low, high, validate_args=None)",
}
_MODULES = {"Normal": "normal", "Categorical": "categorical", "Bernoulli": "bernoulli", "Uniform": "uniform"}

ROWS: dict[str, Row] = {
    **{
        f"{_D}.{place}{name}": call(
            signature, f"compat.{name}(...)", value=f"compat.{name}", returns="other", ignored="validate_args"
        )
        for name, signature in _CLASSES.items()
        for place in ("", f"{_MODULES[name]}.")
    },
    f"{_D}.kl_divergence": call("(p, q)", "compat.kl_divergence(...)"),
    f"{_D}.kl.kl_divergence": call("(p, q)", "compat.kl_divergence(...)"),
}
