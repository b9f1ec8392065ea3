"""Translation of TensorFlow operators that tf2onnx lacks, translates wrongly, or translates to needless nodes.

A handler translates one node with a `NodeBuilder`. Each module has the handlers of one family, by operator.
"""

from __future__ import annotations

from collections.abc import Mapping

from converter.frontends.tensorflow.handlers import (
    arithmetic,
    arrays,
    audio,
    images,
    lite,
    losses,
    matrices,
    norms,
    recurrent,
    resizing,
    segments,
)
from converter.frontends.tensorflow.handlers.node_builder import Handler

_FAMILIES = (arithmetic, arrays, audio, images, lite, losses, matrices, norms, recurrent, resizing, segments)

HANDLERS: Mapping[str, Handler] = {
    operator: handler for family in _FAMILIES for operator, handler in family.HANDLERS.items()
}
