"""One run of tf2onnx, patched to keep weights unchanged and untranslatable nodes in place; the patches are undone."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import onnx

from converter.frontends.tensorflow.batch_norm import rewrite_batch_norm
from converter.frontends.tensorflow.detached import rewrite_stop_gradient
from converter.frontends.tensorflow.dilations import rewrite_dilations
from converter.frontends.tensorflow.dropout import rewrite_dropout
from converter.frontends.tensorflow.handlers import HANDLERS
from converter.frontends.tensorflow.handlers.node_builder import Handler, NodeBuilder
from converter.frontends.tensorflow.provenance import recording
from converter.frontends.tensorflow.recurrent import rewrite_recurrent
from converter.frontends.tensorflow.sample_norm import rewrite_fused_layer_norm, rewrite_sample_norm
from converter.frontends.tensorflow.transposed import rewrite_transposed

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef

DOMAIN = "tensorflow"
"""The ONNX domain of nodes that keep their TensorFlow operator."""

_ATTEMPTS = 4


OPSET = 18
"""The newest opset that tf2onnx writes."""


class Session:
    """A conversion by tf2onnx.

    Args:
        **source: what `tf2onnx.tfonnx.process_tf_graph` is called with: the model, and its ends if it does not say.

    Attributes:
        failed: the names of the nodes on which their handler in tf2onnx failed.
    """

    def __init__(self, **source: Any) -> None:
        self._source = source
        self.failed: set[str] = set()

    def convert(self) -> onnx.ModelProto:
        """Translate the graph. A handler that fails leaves its node half translated: start again without that node.

        Raises:
            RuntimeError: after several attempts there are still new nodes that fail.
        """
        for _ in range(_ATTEMPTS):
            try:
                model = self._attempt(careful=False)
            except Exception:  # an optimizer of tf2onnx failed, and may have damaged the graph
                model = self._attempt(careful=True)
            if model is not None:
                return model
        raise RuntimeError(f"tf2onnx fails on {len(self.failed)} nodes, among them {min(self.failed)}")

    def _attempt(self, careful: bool) -> onnx.ModelProto | None:
        """Translate the graph except the nodes in `failed`; None if further nodes failed.

        A careful attempt skips optimizers that fail, for which it copies the graph before each.
        """
        import tensorflow as tf
        from tf2onnx import optimizer, tfonnx
        from tf2onnx.graph import Graph

        before = set(self.failed)
        with self._patched(), tf.Graph().as_default() as graph:
            self._import()
            converted = tfonnx.process_tf_graph(
                graph, continue_on_error=True, opset=OPSET, custom_rewriter=self._rewriters(), **self._source
            )
            if self.failed != before:
                return None
            with mock.patch.object(Graph, "update_proto"):  # it took a quarter of all the time
                converted = optimizer.optimize_graph(converted, careful, _optimizers())
            return _model_of(converted)

    def _import(self) -> None:
        """Import the source into the default graph of TensorFlow, if tf2onnx reads it from there."""

    def _rewriters(self) -> list[Any]:
        own = [rewrite_dropout, rewrite_dilations, rewrite_fused_layer_norm, rewrite_batch_norm, rewrite_sample_norm]
        own += [rewrite_transposed, rewrite_stop_gradient]
        return [*own, self._keep_failed]

    def _keep_failed(self, graph: Any, ops: list[Any]) -> list[Any]:
        """A rewriter for tf2onnx: mark the nodes on which it failed, so that it does not translate them."""
        for node in ops:
            if node.name in self.failed:
                _keep(graph, node)
        return ops

    @contextlib.contextmanager
    def _patched(self) -> Iterator[None]:
        """Patch tf2onnx's treatment of weights and of nodes that it cannot translate, inside the block."""
        from tf2onnx import handler, tf_loader, tfonnx, utils
        from tf2onnx.graph import Graph, Node
        from tf2onnx.optimizer import back_to_back_optimizer
        from tf2onnx.rewriter import cond_rewriter

        update, create = Node.update_proto, Node.__init__

        def create_without_copy(node: Any, proto: onnx.NodeProto, *args: Any, **kwargs: Any) -> None:
            create(node, proto, *args, **kwargs)
            if node.is_const():  # each part of the proto would keep its first value beside the one that replaces it
                node._op = onnx.NodeProto(name=proto.name, op_type=proto.op_type, domain=proto.domain)
                for name in node.attr.keys() - {"value"}:
                    node.attr[name] = onnx.AttributeProto.FromString(node.attr[name].SerializeToString())

        def update_all_but_constants(node: Any, *args: Any) -> None:
            if not node.is_const():  # its proto would be a copy of its value, which nothing reads
                update(node, *args)

        consumers = Graph.find_output_consumers  # from a set: the order of a loop's values would be random
        fold, create_mapping = tfonnx.compute_const_folding_using_tf, handler.tf_op.create_mapping

        def fold_all_but_weights(graph: Any, *args: Any) -> Any:
            others = [op for op in graph.get_operations() if not _holds_weight(op)]
            return fold(SimpleNamespace(get_operations=lambda: others), *args)

        def consumers_in_order(*args: Any) -> list[Any]:
            return sorted(consumers(*args), key=lambda node: (len(node.name), node.name))

        def mapping(*args: Any) -> _Handlers:
            return _Handlers(create_mapping(*args), self.failed)

        with (
            mock.patch.object(tfonnx, "compute_const_folding_using_tf", fold_all_but_weights),
            mock.patch.object(tfonnx, "rewrite_constant_fold", lambda graph, ops: ops),
            mock.patch.object(handler.tf_op, "create_mapping", mapping),
            mock.patch.object(cond_rewriter, "OrderedDict", _InnerFirst),
            mock.patch.object(utils, "INTERNAL_NAME", 0),
            mock.patch.object(Node, "__init__", create_without_copy),
            mock.patch.object(Node, "update_proto", update_all_but_constants),
            mock.patch.object(Graph, "find_output_consumers", consumers_in_order),
            mock.patch.object(Node, "__hash__", lambda node: zlib.crc32(node.name.encode())),  # for sets of nodes
            mock.patch.dict(back_to_back_optimizer._func_map),
            recording(),
        ):
            del back_to_back_optimizer._func_map["Conv", "BatchNormalization"]
            try:
                yield
            finally:
                tf_loader.clear_functions()


class _InnerFirst(dict[str, Any]):
    """The Merges of each scope, inner scopes first: tf2onnx's rewriter takes a branch in a branch only as an If."""

    def items(self) -> Any:
        return sorted(super().items(), key=lambda item: -item[0].count("/"))


def _model_of(converted: Any) -> onnx.ModelProto:
    """The model of a graph of tf2onnx. Each constant leaves the graph when it is in the model, so it is held once."""
    defaults = {name for end in converted.inputs for name in end.input}  # of a PlaceholderWithDefault, which reads it
    held = {}
    for node in converted.get_nodes():
        if node.is_const() and defaults.isdisjoint(node.output):
            held[node.output[0]] = node.attr["value"].t
            node.set_attr("value", onnx.TensorProto())
    model = converted.make_model("")
    for tensor in model.graph.initializer:
        if tensor.name in held:
            name = tensor.name
            tensor.CopyFrom(held.pop(name))
            tensor.name = name
    return model


class GraphSession(Session):
    """A conversion of a frozen graph: its large constants are in `contents`, by node."""

    def __init__(
        self, graph: GraphDef, contents: Mapping[str, bytes], inputs: Sequence[str], outputs: Sequence[str]
    ) -> None:
        super().__init__(const_node_values=dict(contents), input_names=list(inputs), output_names=list(outputs))
        self._graph = graph

    def _import(self) -> None:
        import tensorflow as tf

        tf.import_graph_def(self._graph, name="")

    def _rewriters(self) -> list[Any]:
        *others, last = super()._rewriters()
        return [*others, self._rewrite_recurrent, last]

    def _rewrite_recurrent(self, graph: Any, ops: list[Any]) -> list[Any]:
        rewrite_recurrent(graph, [node for node in ops if node.is_while()], self._graph.library)
        return graph.get_nodes()


class _Handlers(dict[str, Any]):
    """tf2onnx's handlers by operator; a handler that fails records its node, nodes of unknown operators are kept."""

    def __init__(self, handlers: dict[str, Any], failed: set[str]) -> None:
        super().__init__(handlers)
        self._failed = failed

    def get(self, operator: str, default: Any = None) -> Any:
        if operator in HANDLERS:
            return self._recording(_adapted(HANDLERS[operator])), {}
        handler, kwargs = super().get(operator, (None, {}))
        if handler is None:
            return _keep, {}
        return self._recording(handler), kwargs

    def _recording(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        def call(graph: Any, node: Any, **kwargs: Any) -> Any:
            name = node.name
            try:
                return handler(graph, node, **kwargs)
            except Exception:
                self._failed.add(name)
                raise

        return call


def _adapted(handler: Handler) -> Callable[..., None]:
    """A handler with tf2onnx's signature."""
    return lambda graph, node, **options: handler(NodeBuilder(graph, node, **options))


def _keep(graph: Any, node: Any, **kwargs: Any) -> None:
    """Keep a node's TensorFlow operator, in the domain `tensorflow`."""
    node.domain = DOMAIN
    node.skip_conversion = True


def _optimizers() -> dict[str, Any]:
    """tf2onnx's optimizers, in their order, except those that merge equal weights or decompose an Einsum."""
    from tf2onnx import optimizer, utils
    from tf2onnx.optimizer.const_fold_optimizer import ConstFoldOptimizer
    from tf2onnx.optimizer.transpose_optimizer import TransposeOptimizer

    class FoldConstants(ConstFoldOptimizer):
        """Constant folding, except of nodes that read a weight."""

        @staticmethod
        def _should_skip(node: Any) -> bool:
            return ConstFoldOptimizer._should_skip(node) or any(
                n is not None and n.is_const() and _is_weight(n.get_tensor_value(as_list=False)) for n in node.inputs
            )

    class Transposes(TransposeOptimizer):
        """Layout optimisation that moves transposes, but neither multiplies weights nor makes transposes reshapes."""

        def pre_optimize_action(self) -> None:
            self._output_names = [self._g.get_node_by_output(name).name for name in self._g.outputs]

        def post_optimize_action(self) -> None:
            for node in list(self._g.get_nodes()):
                if node.type == "Transpose" and node.inputs[0].type == "Reshape":
                    self._merge_into_reshape(node.inputs[0], node)

        def _merge_into_reshape(self, reshape: Any, transpose: Any) -> None:
            """Merge a Reshape to (N, 1, 1, C) and a Transpose to (N, C, 1, 1) into a Reshape to (N, C, 1, 1)."""
            if not reshape.inputs[1].is_const() or not self._nodes_has_single_consumer_node([reshape]):
                return
            shape, perm = reshape.inputs[1].get_tensor_value(), transpose.get_attr_value("perm")
            if [axis for axis in perm if shape[axis] != 1] != [axis for axis, dim in enumerate(shape) if dim != 1]:
                return
            new = self._g.make_const(utils.make_name(reshape.name), np.array([shape[axis] for axis in perm], np.int64))
            self._g.replace_input(reshape, reshape.input[1], new.output[0], 1)
            self._g.set_shape(reshape.output[0], self._g.get_shape(transpose.output[0]))
            self._remove_useless_tranpose(transpose)

        def _reduce_latest_handler(self, trans: Any, node: Any) -> bool:
            """Move a transpose past a reduction, also one without keepdims if the remaining axes keep their order."""
            if node.get_attr_value("keepdims", 1) or not node.inputs[1].is_const():
                return super()._reduce_latest_handler(trans, node)
            perm = trans.get_attr_value("perm")
            axes = [axis % len(perm) for axis in node.inputs[1].get_tensor_value()]
            rest = [axis for i, axis in enumerate(perm) if i not in axes]
            if rest != sorted(rest) or not self._nodes_has_single_consumer_node([trans]):
                return False
            new = self._g.make_const(utils.make_name(node.name), np.array([perm[i] for i in axes], np.int64))
            self._g.replace_inputs(node, [trans.input[0], new.output[0]])
            self._g.remove_node(trans.name)
            return True

        def _mul_handler(self, trans: Any, node: Any) -> Any:
            factors = [n for n in node.inputs if n is not None and n.is_const()]
            if any(_is_weight(n.get_tensor_value(as_list=False)) for n in factors):
                return self._handle_node_having_branches(trans, node)
            return super()._mul_handler(trans, node)

    kept = dict(optimizer._get_optimizers())
    del kept["merge_duplication"], kept["einsum_optimizer"]
    kept.update(fold_constants=FoldConstants, optimize_transpose=Transposes)
    return kept


def _is_weight(value: np.ndarray) -> bool:
    return value.dtype.kind == "f" and value.size > 1


def _holds_weight(op: Any) -> bool:
    """Whether a TensorFlow operator is a float constant of more than one element."""
    if op.type != "Const":
        return False
    tensor = op.outputs[0]
    return tensor.dtype.is_floating and tensor.shape.num_elements() != 1
