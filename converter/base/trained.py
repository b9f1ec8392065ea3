"""Whether a tensor of the source is trained: what a frontend knows, as metadata of the tensor or of its value."""

from __future__ import annotations

TRAINED = "onnx2mindspore.trained"
"""Key of the metadata."""
YES = "yes"
NO = "no"
"""A buffer, or a number, table or mask of a formula."""
FROZEN = "frozen"
"""A parameter that the source does not train."""
INFERENCE = "inference"
"""A parameter that the source does not train, and whose layer runs as in inference there: Keras' frozen batch norm."""
