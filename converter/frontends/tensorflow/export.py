"""From a cut graph to ONNX by tf2onnx."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import onnx

from converter.frontends.tensorflow.cutting import Cut

OPSET = 18
"""The newest opset that tf2onnx writes."""


def to_onnx(cut: Cut) -> onnx.ModelProto:
    """Translate the cut graph; its ends become the ends of the ONNX model, in order."""
    import tensorflow as tf
    from tf2onnx import optimizer, tf_loader, tfonnx

    inputs = [end.value for end in cut.inputs]
    outputs = [end.value for end in cut.outputs]
    with tf.Graph().as_default():
        optimized = tf_loader.tf_optimize(inputs, outputs, cut.graph)
    with _tf2onnx_state(), tf.Graph().as_default() as graph:
        tf.import_graph_def(optimized, name="")
        converted = tfonnx.process_tf_graph(graph, opset=OPSET, input_names=inputs, output_names=outputs)
        return optimizer.optimize_graph(converted, catch_errors=False).make_model("")


@contextlib.contextmanager
def _tf2onnx_state() -> Iterator[None]:
    """Keep batch norms beside their convolutions, and restore what tf2onnx holds in its modules."""
    from tf2onnx import tf_loader, utils
    from tf2onnx.optimizer import back_to_back_optimizer

    fuse = back_to_back_optimizer._func_map.pop(("Conv", "BatchNormalization"))
    counter, utils.INTERNAL_NAME = utils.INTERNAL_NAME, 0
    try:
        yield
    finally:
        back_to_back_optimizer._func_map["Conv", "BatchNormalization"] = fuse
        utils.INTERNAL_NAME = counter
        tf_loader.clear_functions()
