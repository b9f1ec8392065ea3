"""Rewrite rules for older versions of operators: `(operator, version that changed its meaning or form) → rewrite rule`.

A rewrite rule receives a node with the meaning of the version before, and changes it to the meaning of this version.
"""

from __future__ import annotations

from collections.abc import Callable

from converter.graph.edit import Edit
from converter.graph.normalize.rewrites import arithmetic, attributes, experimental, layers, microsoft, resize, scan

Rewrite = Callable[[Edit], None]

REWRITES: dict[tuple[str, int], Rewrite] = {
    **attributes.REWRITES,
    **arithmetic.REWRITES,
    **layers.REWRITES,
    **resize.REWRITES,
    **scan.REWRITES,
}

EXPERIMENTAL: dict[str, Rewrite] = experimental.REWRITES
"""Operators that ONNX before version 10 had without specification."""

RELATIVES: dict[str, Rewrite] = microsoft.REWRITES
"""Operators of onnxruntime's own domain, `RELATIVES_DOMAIN`."""

RELATIVES_DOMAIN = microsoft.DOMAIN
