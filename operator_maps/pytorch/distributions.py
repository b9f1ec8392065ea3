"""torch.distributions: what policies and variational networks draw from."""

from __future__ import annotations

from converter.rewriting import Row, call

_D = "torch.distributions"
_CLASSES = {
    "Normal": "(loc, scale, validate_args=None)",
    "Categorical": "(probs=None, logits=None, validate_args=None)",
    "Bernoulli": "(probs=None, logits=None, validate_args=None)",
    "Uniform": "(low, high, validate_args=None)",
    "MultivariateNormal": "(loc, covariance_matrix=None, precision_matrix=None, scale_tril=None, validate_args=None)",
    "Independent": "(base_distribution, reinterpreted_batch_ndims, validate_args=None)",
    "MixtureSameFamily": "(mixture_distribution, component_distribution, validate_args=None)",
    "LogNormal": "(loc, scale, validate_args=None)",
    "Laplace": "(loc, scale, validate_args=None)",
    "Exponential": "(rate, validate_args=None)",
    "OneHotCategorical": "(probs=None, logits=None, validate_args=None)",
    "Gamma": "(concentration, rate, validate_args=None)",
    "Beta": "(concentration1, concentration0, validate_args=None)",
    "Dirichlet": "(concentration, validate_args=None)",
    "TransformedDistribution": "(base_distribution, transforms, validate_args=None)",
}
_MODULES = {
    **{name: name.lower() for name in _CLASSES},
    "MultivariateNormal": "multivariate_normal",
    "MixtureSameFamily": "mixture_same_family",
    "LogNormal": "log_normal",
    "OneHotCategorical": "one_hot_categorical",
    "TransformedDistribution": "transformed_distribution",
}

_TRANSFORMS = {
    "Transform": "(cache_size=0)",
    "AffineTransform": "(loc, scale, event_dim=0, cache_size=0)",
    "ExpTransform": "(cache_size=0)",
    "SigmoidTransform": "(cache_size=0)",
    "TanhTransform": "(cache_size=0)",
    "PowerTransform": "(exponent, cache_size=0)",
    "ComposeTransform": "(parts, cache_size=0)",
}

ROWS: dict[str, Row] = {
    **{
        f"{_D}.{place}{name}": call(signature, f"compat.{name}(...)", value=f"compat.{name}", returns="other")
        for name, signature in _TRANSFORMS.items()
        for place in ("", "transforms.")
    },
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
