"""Lists of TensorFlow as tensors whose first axis counts the items.

tf2onnx knows a list that a loop writes once in each step. One that a branch writes (`if found: ys = ys.write(n, y)`,
the steps before a `break`), that is written and read, or that grows is a plain tensor here: a write makes another
one, a read takes one row. Places that were never written are 0, as TensorFlow says.

Each operator on lists becomes a call of a function of the library, which TensorFlow inlines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from converter.frontends.tensorflow import graph as graphs

if TYPE_CHECKING:
    from tensorflow.core.framework.function_pb2 import FunctionDef
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_BRANCHES = ("If", "StatelessIf")
_HAND_ON = ("Identity", "Enter", "Merge", "Switch", "NextIteration", "Exit", "RefEnter")

_MAKERS = ("TensorListReserve", "EmptyTensorList", "TensorListFromTensor")
_RESULTS = {
    "TensorListReserve": "handle",
    "EmptyTensorList": "handle",
    "TensorListFromTensor": "output_handle",
    "TensorListSetItem": "output_handle",
    "TensorListPushBack": "output_handle",
    "TensorListScatterIntoExistingList": "output_handle",
    "TensorListGetItem": "item",
    "TensorListStack": "tensor",
    "TensorListGather": "values",
    "TensorListLength": "length",
}
"""The operators that have a form here, and how TensorFlow calls their results."""


def has_lists(graph: GraphDef) -> bool:
    """Whether the graph has lists, and every operator on them has a form here."""
    operators = {node.op for _, nodes in _bodies(graph) for node in nodes if "TensorList" in node.op}
    return bool(operators) and operators <= _RESULTS.keys()


def as_tensors(graph: GraphDef) -> set[str]:
    """Write the lists of a graph as tensors, in the functions of its library too.

    Returns:
        The names of the nodes that work on them.

    Raises:
        ValueError: the items of a list have several shapes, or an unknown rank.
    """
    lists = _Lists(graph)
    lists.find()
    lists.write()
    for name, nodes in _bodies(graph):
        for node in nodes:
            if (name, node.name) in lists.makers:
                made = lists.makers[name, node.name]
                _replace(graph, node, made.dtype, lists.items[made])
    return {node for _, node in lists.makers}


def _bodies(graph: GraphDef) -> Iterator[tuple[str, Any]]:
    """The nodes of the graph, and those of each function of its library, by its name."""
    yield "", graph.node
    for function in graph.library.function:
        yield function.signature.name, function.node_def


_PLACES_OF_SHAPES = {
    "TensorListReserve": 0,
    "EmptyTensorList": 0,
    "TensorListFromTensor": 1,
    "TensorListGetItem": 2,
    "TensorListStack": 1,
    "TensorListGather": 2,
}
"""Which input of an operator is the shape of the items."""


class _List(NamedTuple):
    """A list: the type of its items, and the node that makes it, with the name of its function."""

    dtype: int
    maker: tuple[str, str]


class _Scope(NamedTuple):
    """The nodes of the graph, or of a function whose arguments may be lists."""

    function: str
    nodes: Mapping[str, NodeDef]
    arguments: Mapping[str, _List | None]


class _Lists:
    """The lists of a graph.

    Attributes:
        makers: the list that a node makes, reads or writes, by the name of its function and its own.
        items: the extents of the items, -1 where free.
    """

    def __init__(self, graph: GraphDef) -> None:
        self.functions = {function.signature.name: function for function in graph.library.function}
        self.whole = _Scope("", {node.name: node for node in graph.node}, {})
        self.makers: dict[tuple[str, str], _List] = {}
        self.items: dict[_List, list[int]] = {}

    def find(self) -> None:
        """Find what each operator on lists works on, and the shapes that the operators tell."""
        shapes: dict[_List, set[tuple[int, ...]]] = {}
        self._find(self.whole, shapes)
        for made, found in shapes.items():
            self.items[made] = _common(found)

    def _find(self, scope: _Scope, shapes: dict[_List, set[tuple[int, ...]]]) -> None:
        for node in scope.nodes.values():
            if node.op in _RESULTS:
                made = self._made(scope, node)
                if self.makers.setdefault((scope.function, node.name), made) != made:
                    raise ValueError("a function is called with several lists")
                shapes.setdefault(made, set()).update(_told(scope, node))
            for function, given in self._called(scope, node):
                self._find(_inside(function, given), shapes)

    def write(self) -> None:
        """Let what hands lists on hand on tensors."""
        self._write(self.whole)

    def _write(self, scope: _Scope) -> None:
        changes: list[Callable[[], None]] = []  # what is a list is read while the graph still has lists
        for node in scope.nodes.values():
            if node.op in _HAND_ON and (made := self._of(scope, node.input[0])):
                changes.append(partial(setattr, node.attr["T"], "type", made.dtype))
            elif node.op in (*graphs.LOOPS, *_BRANCHES):
                changes.append(self._call(scope, node))
        for change in changes:
            change()
        for node in scope.nodes.values():
            node.attr.pop("_output_shapes", None)
            node.ClearField("experimental_type")

    def _call(self, scope: _Scope, node: NodeDef) -> Callable[[], None]:
        """What writes the types of a loop or a branch, and of its functions."""
        calls = [(function, _inside(function, given)) for function, given in self._called(scope, node)]
        given = [*calls[0][1].arguments.values()]
        results = given if node.op in graphs.LOOPS else self._results(scope, node)
        types = {"T": given} if node.op in graphs.LOOPS else {"Tin": given, "Tout": results}

        def change() -> None:
            for function, within in calls:
                self._declare(function, within)
            for attribute, lists in types.items():
                for place, made in enumerate(lists):
                    if made is not None:
                        node.attr[attribute].list.type[place] = made.dtype
            for shape, made in zip(node.attr["output_shapes"].list.shape, results, strict=False):
                if made is not None:
                    shape.Clear()
                    for extent in (-1, *self.items[made]):
                        shape.dim.add(size=extent)

        return change

    def _declare(self, function: FunctionDef, scope: _Scope) -> None:
        """Write the types of a function, and those in its signature."""
        results = [self._of(scope, function.ret[result.name]) for result in function.signature.output_arg]
        self._write(scope)
        places = [*zip(function.signature.input_arg, scope.arguments.values(), strict=True)]
        places += zip(function.signature.output_arg, results, strict=True)
        for place, made in places:
            if made is not None:
                place.type = made.dtype
            place.ClearField("experimental_full_type")
        function.arg_attr.clear()

    def _called(self, scope: _Scope, node: NodeDef) -> list[tuple[FunctionDef, list[_List | None]]]:
        """The functions that a node calls, with what it gives them."""
        if node.op not in (*graphs.LOOPS, *_BRANCHES):
            return []
        names = ("cond", "body") if node.op in graphs.LOOPS else ("then_branch", "else_branch")
        sources = [source for source in node.input if not source.startswith("^")][node.op in _BRANCHES :]
        given = [self._of(scope, source) for source in sources]
        return [(self.functions[node.attr[name].func.name], given) for name in names]

    def _results(self, scope: _Scope, node: NodeDef) -> list[_List | None]:
        """Which results of a branch are lists."""
        function, given = self._called(scope, node)[0]
        within = _inside(function, given)
        return [self._of(within, function.ret[result.name]) for result in function.signature.output_arg]

    def _made(self, scope: _Scope, node: NodeDef) -> _List:
        """The list that an operator works on."""
        if node.op in _MAKERS:
            return _List(node.attr["element_dtype"].type, (scope.function, node.name))
        made = self._of(scope, node.input[0])
        if made is None:
            raise ValueError(f"{node.name} reads a list that nothing makes")
        return made

    def _of(self, scope: _Scope, tensor: str) -> _List | None:
        """The list that a tensor is, if it is one."""
        name, *rest = tensor.removeprefix("^").split(":")
        if name in scope.arguments:
            return scope.arguments[name]
        node, place = scope.nodes[name], int(rest[-1]) if rest else 0
        if node.op in _RESULTS:
            return self._made(scope, node) if _RESULTS[node.op].endswith("handle") else None
        if node.op in _HAND_ON:
            return self._of(scope, node.input[0])
        if node.op in graphs.LOOPS:
            return self._of(scope, node.input[place])
        return self._results(scope, node)[place] if node.op in _BRANCHES else None


def _inside(function: FunctionDef, given: Sequence[_List | None]) -> _Scope:
    names = (argument.name for argument in function.signature.input_arg)
    nodes = {node.name: node for node in function.node_def}
    return _Scope(function.signature.name, nodes, dict(zip(names, given, strict=True)))


def _told(scope: _Scope, node: NodeDef) -> set[tuple[int, ...]]:
    """The shape of the items that an operator is given as a constant; none if it says nothing."""
    import tensorflow as tf

    place = _PLACES_OF_SHAPES.get(node.op)
    constant = None if place is None else scope.nodes.get(node.input[place].partition(":")[0])
    while constant is not None and constant.op == "Identity":
        constant = scope.nodes.get(constant.input[0].partition(":")[0])
    if constant is None or constant.op != "Const":
        return set()
    value = tf.make_ndarray(constant.attr["value"].tensor)
    return {tuple(value.tolist())} if value.ndim else set()  # a scalar -1 says nothing


def _common(shapes: set[tuple[int, ...]]) -> list[int]:
    """One shape for all: an extent is the one that is known, -1 where none is.

    Raises:
        ValueError: they are of several ranks, or none, or two extents differ.
    """
    extents = [{extent for extent in column if extent >= 0} for column in zip(*shapes, strict=False)]
    if len({len(shape) for shape in shapes}) != 1 or any(len(known) > 1 for known in extents):
        raise ValueError("the items of a list have several shapes, or an unknown rank")
    return [next(iter(known), -1) for known in extents]


def _replace(graph: GraphDef, node: NodeDef, element: int, item: Sequence[int]) -> None:
    """Let a node call the function that does for a tensor what its operator does for a list."""
    import tensorflow as tf

    dtype = tf.dtypes.as_dtype(element)
    index = tf.dtypes.as_dtype(node.attr["shape_type"].type or tf.int32)
    grows = node.attr["resize_if_index_out_of_bounds"].b
    extents = "_".join("any" if extent < 0 else str(extent) for extent in item)
    name = f"{node.op}_{dtype.name}_{index.name}_{'grows_' if grows else ''}{extents}"
    if name not in {function.signature.name for function in graph.library.function}:
        graph.library.function.append(_definition(name, node.op, dtype, item, index, grows=grows))
    node.op = name
    node.attr.clear()


def _definition(
    name: str, operator: str, dtype: Any, item: Sequence[int], shape_type: Any, *, grows: bool
) -> FunctionDef:
    import tensorflow as tf
    from tensorflow.python.framework.graph_to_function_def import graph_to_function_def

    known = tf.TensorShape([None if extent < 0 else extent for extent in item])
    number, vector = tf.TensorSpec([], tf.int32), tf.TensorSpec(None, shape_type)
    whole, one = tf.TensorSpec([None, *known], dtype), tf.TensorSpec(known, dtype)
    free = any(extent < 0 for extent in item)

    def reserve(shape: Any, count: Any) -> Any:  # an extent that no item has shown yet is 1, and grows with the first
        return tf.zeros([count, *(max(extent, 1) if extent < 0 else extent for extent in item)], dtype)

    def push(items: Any, value: Any) -> Any:
        return tf.concat([items, value[None]], 0)

    def write(items: Any, index: Any, value: Any) -> Any:
        if free:
            items = tf.broadcast_to(items, tf.concat([tf.shape(items)[:1], tf.shape(value)], 0))
        if grows:
            gap = tf.zeros(tf.concat([[tf.maximum(index - tf.shape(items)[0], 0)], tf.shape(value)], 0), dtype)
            return tf.concat([items[:index], gap, value[None], items[index + 1 :]], 0)
        # No scatter: its index would be a tensor made of a loop's counter. As floats the places stay one constant.
        here = tf.equal(tf.range(tf.cast(tf.shape(items)[0], tf.float32)), tf.cast(index, tf.float32))
        return tf.where(tf.reshape(here, [-1, *[1] * len(item)]), value, items)

    forms: dict[str, tuple[Callable[..., Any], list[Any]]] = {
        "TensorListReserve": (reserve, [vector, number]),
        "EmptyTensorList": (lambda shape, most: reserve(shape, 0), [vector, number]),
        "TensorListFromTensor": (lambda items, shape: items, [whole, vector]),
        "TensorListSetItem": (write, [whole, number, one]),
        "TensorListPushBack": (push, [whole, one]),
        "TensorListGetItem": (lambda items, index, shape: tf.gather(items, index), [whole, number, vector]),
        "TensorListScatterIntoExistingList": (
            lambda items, rows, indices: tf.tensor_scatter_nd_update(items, indices[:, None], rows),
            [whole, whole, tf.TensorSpec([None], tf.int32)],
        ),
        "TensorListStack": (lambda items, shape: items, [whole, vector]),
        "TensorListGather": (
            lambda items, indices, shape: tf.gather(items, indices),
            [whole, tf.TensorSpec([None], tf.int32), vector],
        ),
        "TensorListLength": (lambda items: tf.shape(items)[0], [whole]),
    }
    compute, specs = forms[operator]
    with tf.Graph().as_default() as body:
        given = [tf.compat.v1.placeholder(spec.dtype, spec.shape, f"argument_{i}") for i, spec in enumerate(specs)]
        result = tf.identity(compute(*given), name="result")
    definition = graph_to_function_def(body, body.get_operations(), given, [result], [_RESULTS[operator]])
    definition.signature.name = name
    return definition
