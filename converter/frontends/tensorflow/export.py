"""From a cut graph to ONNX, by tf2onnx.

tf2onnx is made for inference: it computes constants together, merges equal ones and folds batch norms. Here the
result is trained on, so each weight of the source stays an initializer of its own, under its own name.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import onnx

from converter.frontends.tensorflow.batch_norm import rewrite_batch_norm
from converter.frontends.tensorflow.cutting import Cut

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

OPSET = 18
"""The newest opset that tf2onnx writes."""


def to_onnx(cut: Cut) -> onnx.ModelProto:
    """Translate the cut graph; its ends become the ends of the ONNX model, in order."""
    import tensorflow as tf
    from tf2onnx import optimizer, tfonnx

    inputs = [end.value for end in cut.inputs]
    outputs = [end.value for end in cut.outputs]
    inlined = _inline_functions(cut.graph, inputs + outputs)
    with _for_training(), tf.Graph().as_default() as graph:
        tf.import_graph_def(inlined, name="")
        converted = tfonnx.process_tf_graph(
            graph,
            opset=OPSET,
            input_names=inputs,
            output_names=outputs,
            custom_rewriter=[rewrite_batch_norm],
        )
        return optimizer.optimize_graph(converted, catch_errors=False, optimizers=_optimizers()).make_model("")


def _inline_functions(graph: GraphDef, ends: list[str]) -> GraphDef:
    """Expand function calls and drop what only orders execution, by TensorFlow's own optimizer."""
    import tensorflow as tf
    from tensorflow.core.protobuf.config_pb2 import ConfigProto
    from tensorflow.python.grappler import tf_optimizer

    config = ConfigProto()
    config.graph_options.rewrite_options.optimizers[:] = ["function", "dependency"]
    with tf.Graph().as_default():
        meta_graph = tf.compat.v1.train.export_meta_graph(graph_def=graph)
    meta_graph.collection_def["train_op"].node_list.value.extend(ends)
    return tf_optimizer.OptimizeGraph(config, meta_graph)


def _optimizers() -> dict[str, Any]:
    """tf2onnx's optimizers, in their order, without the ones that make one weight of several."""
    from tf2onnx import optimizer
    from tf2onnx.optimizer.const_fold_optimizer import ConstFoldOptimizer
    from tf2onnx.optimizer.transpose_optimizer import TransposeOptimizer

    class FoldConstants(ConstFoldOptimizer):
        """Fold what is not computed from a weight."""

        @staticmethod
        def _should_skip(node: Any) -> bool:
            return ConstFoldOptimizer._should_skip(node) or any(
                n is not None and n.is_const() and _is_weight(n.get_tensor_value(as_list=False)) for n in node.inputs
            )

    class Transposes(TransposeOptimizer):
        """Move transposes, and leave those of single-channel tensors transposes."""

        def post_optimize_action(self) -> None:
            pass

    kept = dict(optimizer._get_optimizers())
    del kept["merge_duplication"]
    kept.update(fold_constants=FoldConstants, optimize_transpose=Transposes)
    return kept


def _is_weight(value: np.ndarray) -> bool:
    return value.dtype.kind == "f" and value.size > 1


@contextlib.contextmanager
def _for_training() -> Iterator[None]:
    """Stop tf2onnx from folding weights, and leave its modules as they were."""
    from tf2onnx import tf_loader, tfonnx, utils
    from tf2onnx.optimizer import back_to_back_optimizer

    fold = tfonnx.compute_const_folding_using_tf

    def fold_all_but_weights(graph: Any, *args: Any) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        values, dtypes = fold(graph, *args)
        weights = _computed_from_weights(graph)
        return {name: value for name, value in values.items() if name not in weights}, dtypes

    with (
        mock.patch.object(tfonnx, "compute_const_folding_using_tf", fold_all_but_weights),
        mock.patch.object(tfonnx, "rewrite_constant_fold", lambda graph, ops: ops),
        mock.patch.object(utils, "INTERNAL_NAME", 0),
        mock.patch.dict(back_to_back_optimizer._func_map),
    ):
        del back_to_back_optimizer._func_map["Conv", "BatchNormalization"]
        try:
            yield
        finally:
            tf_loader.clear_functions()


def _computed_from_weights(graph: Any) -> set[str]:
    """Tensors whose values depend on a float constant of more than one element."""
    import tensorflow as tf

    found: set[str] = set()
    for op in graph.get_operations():
        if op.type == "Const":
            tensor = op.outputs[0]
            weight = tensor.dtype.is_floating and tensor.shape.num_elements() != 1
        else:
            weight = op.type not in ("Shape", "Size", "Rank") and any(t.name in found for t in op.inputs)
        if weight:
            found.update(t.name for t in op.outputs)
    del tf
    return found
