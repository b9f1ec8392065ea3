"""Losses and distances that helpers compute: torch.nn and torch.nn.functional."""

from __future__ import annotations

from converter.rewriting import Row, call, layer

_F = "torch.nn.functional"
_REDUCED = "size_average=None, reduce=None, reduction='mean'"

# The function's signature, the layer's, and whether these have `size_average` and `reduce`.
_LOSSES = {
    "kl_div": ("KLDivLoss", "input, target", "", "log_target=False", True),
    "binary_cross_entropy_with_logits": ("BCEWithLogitsLoss", "input, target", "weight=None", "pos_weight=None", True),
    "huber_loss": ("HuberLoss", "input, target", "", "delta=1.0", False),
    "cosine_embedding_loss": ("CosineEmbeddingLoss", "input1, input2, target", "margin=0", "", True),
    "margin_ranking_loss": ("MarginRankingLoss", "input1, input2, target", "margin=0", "", True),
    "hinge_embedding_loss": ("HingeEmbeddingLoss", "input, target", "margin=1.0", "", True),
    "soft_margin_loss": ("SoftMarginLoss", "input, target", "", "", True),
    "multilabel_soft_margin_loss": ("MultiLabelSoftMarginLoss", "input, target", "weight=None", "", True),
    "triplet_margin_loss": (
        "TripletMarginLoss", "anchor, positive, negative", "margin=1.0, p=2, eps=1e-06, swap=False", "", True
    ),
    "poisson_nll_loss": ("PoissonNLLLoss", "input, target", "log_input=True, full=False", "eps=1e-08", True),
    "gaussian_nll_loss": ("GaussianNLLLoss", "input, target, var", "full=False, eps=1e-06", "", False),
}  # fmt: skip


def _given(*parts: str) -> list[str]:
    return [each.split("=")[0].strip() for part in parts if part for each in part.split(",")]


def _rows() -> dict[str, Row]:
    rows: dict[str, Row] = {}
    for name, (title, inputs, before, after, reduced) in _LOSSES.items():
        how = _REDUCED if reduced else "reduction='mean'"
        if name == "poisson_nll_loss":  # its eps stands between them
            how, after = "size_average=None, eps=1e-08, reduce=None, reduction='mean'", ""
        options = ", ".join(part for part in (before, how, after) if part)
        refused = "size_average reduce" if reduced else ""
        kept = [each for each in _given(options) if each not in ("size_average", "reduce")]
        inside = ", ".join([*(f"{{{each}}}" for each in _given(inputs)), *(f"{each}={{{each}}}" for each in kept)])
        rows[f"{_F}.{name}"] = call(f"({inputs}, {options})", f"compat.{name}({inside})", refused=refused)
        rows[f"torch.nn.{title}"] = layer(
            f"({options})",
            f"compat.{title}({', '.join(f'{each}={{{each}}}' for each in kept)})",
            refused=refused,
        )
    return rows


_MARGIN = "p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction='mean'"
_MARGINS = "p={p}, margin={margin}, weight={weight}, reduction={reduction}"

ROWS: dict[str, Row] = {
    f"{_F}.multi_margin_loss": call(
        f"(input, target, {_MARGIN})",
        f"compat.multi_margin_loss({{input}}, {{target}}, {_MARGINS})",
        refused="size_average reduce",
    ),
    "torch.nn.MultiMarginLoss": layer(
        f"({_MARGIN})", f"compat.MultiMarginLoss({_MARGINS})", refused="size_average reduce"
    ),
    **_rows(),
    f"{_F}.pairwise_distance": call("(x1, x2, p=2.0, eps=1e-06, keepdim=False)", "compat.pairwise_distance(...)"),
    "torch.pairwise_distance": call("(x1, x2, p=2.0, eps=1e-06, keepdim=False)", "compat.pairwise_distance(...)"),
    "torch.cosine_similarity": call("(x1, x2, dim=1, eps=1e-08)", "compat.cosine({x1}, {x2}, dim={dim}, eps={eps})"),
    "torch.nn.CosineSimilarity": layer("(dim=1, eps=1e-08)", "compat.CosineSimilarity(...)"),
    "torch.nn.PairwiseDistance": layer("(p=2.0, eps=1e-06, keepdim=False)", "compat.PairwiseDistance(...)"),
    "torch.nn.CTCLoss": layer("(blank=0, reduction='mean', zero_infinity=False)", "compat.CTCLoss(...)"),
    f"{_F}.ctc_loss": call(
        "(log_probs, targets, input_lengths, target_lengths, blank=0, reduction='mean', zero_infinity=False)",
        "compat.ctc_loss(...)",
    ),
}
