"""Constant folding, except of operators that read the source's weights."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import onnx_ir as ir

from converter.base.trained import DETACHED
from converter.graph.annotations import FOLDED, SOURCES, is_folded, is_literal
from converter.graph.constants import lift_constants, new_initializer
from converter.graph.normalize.trained import EXPORTERS_NAME, MAX_ELEMENTS, is_uniform
from converter.graph.origins import is_fixed
from converter.graph.queries import count_uses
from converter.graph.shape_inference import concatenates_exponentially, infer_node, infer_shapes
from converter.graph.traits import Trait, has_trait
from converter.graph.unique_names import Memory, UniqueNames, named_tensor
from converter.graph.walk import all_graphs, all_nodes

_MAX_BYTES = 64 << 20  # of one folded tensor, such as a causal mask for 4096 positions; not more than the model has
_LEAST_BYTES = 4 << 20  # the same where the model has less: a small one may have a mask for 1024 positions
_MAX_GROWTH = 128 << 20  # bytes that folding may add to a model
_MAX_COMPUTED = 2 << 30  # bytes that folding may compute altogether, kept or not
_MAX_TURNS = 8  # iterations: newly inferred shapes can allow more folding, once per up-sampling of a detector
_MOST_ORIGINS = 256  # that onnxscript records for a folded value; unlimited, a billion for a chain of 50,000 nodes
_MOST_READERS = 256  # of one constant while onnxscript folds: it copies their list for each of them that it folds
_LITERAL_SIZE = 16  # elements; a larger Constant node is a weight (some exporters write all weights as Constant nodes)

_HIDDEN = "converter.hidden"  # a domain that onnxscript does not know
_WEIGHT_TYPES = frozenset((ir.DataType.FLOAT, ir.DataType.DOUBLE, ir.DataType.FLOAT16, ir.DataType.BFLOAT16))
_PACKED_TYPES = frozenset(dtype for dtype in ir.DataType if re.match(r"FLOAT[468]E|U?INT[24]$", dtype.name))


def fold_constants(model: ir.Model) -> None:
    """Replace nodes that depend only on constants by their values, marked as folded (`is_folded`).

    Dropouts and random operators are not folded. Nor are operators on a float weight that the source names, such as
    those of a weight norm: training changes the weight, so the results must be computed again. Tensors of packed types
    (4 bits, float8), which frameworks lack, are unpacked.
    """
    memory = Memory(model)
    known = set(_initializers(model))
    rule = _Rule(model)
    for _ in range(_MAX_TURNS):
        _gather_elements(model, rule)
        _split(model, rule)
        if not any(_may_fold(node) for node in all_nodes(model.graph)) or not _folds(model, rule):
            break
        infer_shapes(model)
    for value in _initializers(model):
        if value not in known:
            value.meta[FOLDED] = True
            value.meta[SOURCES] = rule.sources.get(value.name or "", frozenset())
        if value.const_value is not None:
            value.shape = ir.Shape(value.const_value.shape.numpy())  # the file, or inference, may have known less
    memory.restore(model)


def _folds(model: ir.Model, rule: _Rule) -> bool:
    """Let onnxscript fold once; return whether it changed the model."""
    from onnxscript.optimizer import fold_constants_ir

    _keep_shapes_of_inputs(model)
    with _hidden_from_folder(model), _unshared(model, rule), _silent_folder():
        modified = fold_constants_ir(
            model, input_size_limit=MAX_ELEMENTS, output_size_limit=MAX_ELEMENTS, should_fold=rule
        ).modified
    lift_constants(model)  # the folder writes the result of a folded Shape as a Constant node
    return modified


def _keep_shapes_of_inputs(model: ir.Model) -> None:
    """Give what is an input the shape of the input, or onnxscript gives the input what the file says of the other."""
    for node in all_nodes(model.graph):
        source = node.inputs[0] if node.op_type == "Identity" and not node.domain else None
        if source is not None and source.producer() is None and source.shape is not None:
            node.outputs[0].shape = source.shape


EVALUATED = frozenset(
    {"Cast", "CastLike", "Concat", "ConcatFromSequence", "Dropout", "Expand", "Identity", "If", "SequenceAt"}
    | {"SequenceConstruct", "Shape", "Size", "SplitToSequence"}
)
"""Operators that onnxscript may replace although an input is not constant."""
PROPAGATING = frozenset({"Abs", "Add", "Gather", "Squeeze"})
"""Operators that it replaces only behind a Shape."""


def _may_fold(node: ir.Node) -> bool:
    """Whether onnxscript may replace a node; if not, it need not be imported, which takes 0.2 s."""
    if node.op_type == "Reshape":
        before, after = (None if value is None else value.shape for value in (node.inputs[0], node.outputs[0]))
        if before is None or after is None or before == after:
            return True
    return node.op_type in EVALUATED or all(value is None or value.const_value is not None for value in node.inputs)


def fold_loops(model: ir.Model) -> None:
    """Fold again where the types and shapes of loop-carried values have become known: Casts without effect go."""
    if any(has_trait(node, Trait.LOOP) for node in all_nodes(model.graph)):
        fold_constants(model)


def _gather_elements(model: ir.Model, rule: _Rule) -> None:
    """Fold GatherElements, for which onnx's evaluator fails when the index is smaller than the data (seen in 1.23)."""
    for node in list(all_nodes(model.graph)):
        if node.op_type != "GatherElements" or node.domain:
            continue
        data, index = (value.const_value if value is not None else None for value in node.inputs)
        if data is None or index is None or max(data.size, index.size) > MAX_ELEMENTS or not rule(node):
            continue
        axis = node.attributes.get_int("axis", 0)
        cut = tuple(
            slice(None) if i == axis % len(index.shape) else slice(n) for i, n in enumerate(index.shape.numpy())
        )
        replace_by_constants(node, [np.take_along_axis(data.numpy()[cut], index.numpy(), axis)])


def _split(model: ir.Model, rule: _Rule) -> None:
    """Fold Split, which onnxscript leaves, as it leaves all operators of several outputs."""
    for node in list(all_nodes(model.graph)):
        if node.op_type != "Split" or node.domain or node.inputs[0] is None:
            continue
        data, extents = node.inputs[0].const_value, [output.shape for output in node.outputs]
        axis = node.attributes.get_int("axis", 0)
        if data is None or data.size > MAX_ELEMENTS or None in extents or not rule(node):
            continue
        sizes = [shape[axis] for shape in extents if shape is not None]
        if all(isinstance(size, int) for size in sizes):
            replace_by_constants(node, np.split(data.numpy(), np.cumsum(sizes)[:-1], axis))  # type: ignore[arg-type]


def replace_by_constants(node: ir.Node, arrays: Sequence[np.ndarray]) -> None:
    """Replace the outputs of a node by these constants."""
    assert isinstance(node.graph, ir.Graph)
    for made, array in zip(node.outputs, arrays, strict=True):
        tensor = named_tensor(ir.tensor(np.asarray(array, order="C")), made.name or "")
        value = new_initializer(node.graph, made.name or "", tensor)
        made.replace_all_uses_with(value, replace_graph_outputs=True)
    node.graph.remove(node, safe=True)


_MAKES_MORE = frozenset(
    {"ConstantOfShape", "EyeLike", "Expand", "OneHot", "Pad", "Range", "Resize", "Tile", "Upsample"}
)
"""Operators whose result may have any number of elements, by the numbers that they read."""


class _Rule:
    """Decides whether a node whose inputs are constant may be folded.

    Attributes:
        sources: name of a value that may be folded → the tables that others read, too, and that it is computed from.
    """

    def __init__(self, model: ir.Model) -> None:
        self.sources: dict[str, frozenset[str]] = {}
        self._shared: set[str] = set()
        self._weights = {value for value in _initializers(model) if _is_weight(value)}
        self._growth = self._computed = 0
        total = sum(value.const_value.nbytes for value in _initializers(model) if value.const_value is not None)
        self._largest = min(_MAX_BYTES, max(_LEAST_BYTES, total))

    def folds(self, value: ir.Value) -> bool:
        """Whether nodes that read this constant may be folded."""
        return value not in self._weights

    def __call__(self, node: ir.Node) -> bool:
        from onnxscript.optimizer import FOLDED_FROM_KEY

        inputs = [value for value in node.inputs if value is not None]
        for value in inputs:
            if len(value.meta.get(FOLDED_FROM_KEY, ())) > _MOST_ORIGINS:
                value.meta[FOLDED_FROM_KEY] = set()
        if has_trait(node, Trait.RANDOM):
            return False
        if any(value.dtype in _PACKED_TYPES for value in inputs):
            return True
        if has_trait(node, Trait.QUANTIZATION) or any(value in self._weights for value in inputs):
            return False
        if not self._fits(node, inputs):
            return False
        sources = frozenset[str]().union(*map(self._sources_with, inputs))
        self.sources |= {value.name or "": sources for value in node.outputs if sources}
        return True

    def _sources_with(self, value: ir.Value) -> frozenset[str]:
        """The sources of a constant, and the constant itself if it is one."""
        name, tensor = value.name or "", value.const_value
        if tensor is not None and tensor.size > _LITERAL_SIZE and count_uses(value) > 1:
            self._shared.add(name)  # the last of its readers is its only one when the others are folded
        return self.sources.get(name, frozenset()) | ({name} & self._shared)

    def _fits(self, node: ir.Node, inputs: list[ir.Value]) -> bool:
        """Whether the result is small enough, which must be known before it is computed."""
        if not _is_static(node):
            infer_node(node)
        if node.op_type in _MAKES_MORE and not _is_static(node):
            return False
        size = sum(map(_bytes, node.outputs))
        self._computed += size
        if size > self._largest or self._computed > _MAX_COMPUTED:
            return False
        growth = sum(map(_bytes, node.outputs)) - sum(_bytes(value) for value in inputs if count_uses(value) == 1)
        if growth > 0 and self._growth + growth > _MAX_GROWTH:
            return False
        self._growth += growth
        return True


def _is_static(node: ir.Node) -> bool:
    return all(value.shape is not None and value.shape.is_static() for value in node.outputs)


def _is_weight(value: ir.Value) -> bool:
    """Whether `value` is a weight, scale or bias of the source, and not a number in a formula."""
    size = 0 if value.const_value is None else value.const_value.size
    if value.dtype not in _WEIGHT_TYPES or size == 0 or is_fixed(value) or is_folded(value):
        return False
    if is_literal(value) and size <= _LITERAL_SIZE:
        return False
    return not EXPORTERS_NAME.fullmatch(value.name or "") or not is_uniform(value)


def _initializers(model: ir.Model) -> Iterator[ir.Value]:
    for graph in all_graphs(model):
        yield from graph.initializers.values()


def _bytes(value: ir.Value) -> int:
    """The size of a tensor; 0 when it is unknown."""
    if value.shape is None or value.dtype is None or value.dtype == ir.DataType.STRING:
        return 0
    dims = [dim if isinstance(dim, int) else 0 for dim in value.shape]
    return int(math.prod(dims) * value.dtype.itemsize)


@contextmanager
def _hidden_from_folder(model: ir.Model) -> Iterator[None]:
    """Hide the nodes that onnxscript folds incorrectly from it."""
    grows = concatenates_exponentially(model)
    nodes = [node for node in all_nodes(model.graph) if node.domain == "" and _must_hide(node, grows)]
    for node in nodes:
        node.domain = _HIDDEN
    try:
        yield
    finally:
        for node in nodes:
            node.domain = ""


@contextmanager
def _unshared(model: ir.Model, rule: _Rule) -> Iterator[None]:
    """Let no more than `_MOST_READERS` nodes read one constant; the others read copies, which are merged at the end."""
    shared = [value for value in _initializers(model) if count_uses(value) > _MOST_READERS and rule.folds(value)]
    names = UniqueNames.of(model) if shared else UniqueNames(())
    copies: dict[ir.Value, ir.Value] = {}
    for value in shared:
        graph, tensor, uses = value.graph, value.const_value, list(value.uses())
        assert isinstance(graph, ir.Graph)
        assert tensor is not None
        for start in range(_MOST_READERS, len(uses), _MOST_READERS):
            copy = new_initializer(graph, names.fresh(value.name or ""), tensor)
            copies[copy] = value
            for use in uses[start : start + _MOST_READERS]:
                use.node.replace_input_with(use.idx, copy)
    try:
        yield
    finally:
        for copy, value in copies.items():
            graph = copy.graph
            if isinstance(graph, ir.Graph):  # it is still in use
                graph.initializers.pop(copy.name or "")
                if value.graph is None:
                    graph.register_initializer(value)
                copy.replace_all_uses_with(value, replace_graph_outputs=True)


def _must_hide(node: ir.Node, grows: bool) -> bool:
    match node.op_type:
        case "Concat":  # onnxscript lists all elements of a concatenated shape
            return grows
        case "Dropout":  # would be removed
            return True
        case "Identity":  # as well
            return DETACHED in node.metadata_props
        case "OptionalHasElement":  # would become a vector
            return True
        case "CastLike":  # would become a Cast without the attributes
            return bool(node.attributes)
        case "SplitToSequence":  # fails when the sizes are computed
            sizes = node.inputs[1] if len(node.inputs) > 1 else None
            return sizes is not None and sizes.const_value is None
    return False


@contextmanager
def _silent_folder() -> Iterator[None]:
    """Keep warnings about operators that cannot be folded from the user's terminal."""
    logger = logging.getLogger("onnxscript.optimizer._constant_folding")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
