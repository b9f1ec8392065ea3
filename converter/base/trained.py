"""What a frontend knows about training: as metadata whether a tensor is trained, and what a Dropout drops."""

from __future__ import annotations

TRAINED = "onnx2mindspore.trained"
"""Key of the metadata of a tensor, or of its value."""
OF_CHANNELS = "onnx2mindspore.of_channels"
"""Key of the metadata of a Dropout that drops whole channels in the source; its value is `YES`."""
BIASED = "onnx2mindspore.biased"
"""Key of the metadata of a BatchNormalization that moves its variance towards that of a batch itself; as above."""
DETACHED = "onnx2mindspore.detached"
"""Key of the metadata of an Identity that the source lets no gradient through; as above."""
YES = "yes"
NO = "no"
"""A buffer, or a number, table or mask of a formula."""
FROZEN = "frozen"
"""A parameter that the source does not train."""
INFERENCE = "inference"
"""A parameter that the source does not train, and whose layer runs as in inference there: Keras' frozen batch norm."""
