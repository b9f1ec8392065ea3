"""Layers and functions of torchvision that networks of other projects take from it."""

from __future__ import annotations

from converter.rewriting import Row, layer

ROWS: dict[str, Row] = {
    **{
        f"torchvision.ops.{module}FrozenBatchNorm2d": layer(
            "(num_features, eps=1e-05)", "compat.FrozenBatchNorm2d(...)"
        )
        for module in ("", "misc.")
    },
}
