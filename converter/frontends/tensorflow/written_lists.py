"""Lists that a loop writes in another order than that of its steps, backwards for instance.

ONNX's Loop, and so tf2onnx, puts what each step writes behind what the one before wrote, whatever index TensorFlow
writes to. So the loop gets a second list, of the indices, and what is stacked from the first is put in their places:
`zeros.scatter(indices, items)`, as TensorFlow defines a list in which not every place was written. An item that was
written before the loop, as tf.scan writes the first one, is put before what is stacked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.tensor_arrays import constant

if TYPE_CHECKING:
    from tensorflow.core.framework.function_pb2 import FunctionDef
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef

_ADD = ("Add", "AddV2")


class _Write(NamedTuple):
    """A list that a loop writes: its place among the loop's values, and the tensor of the index, in the body.

    `first` is the node that wrote the first item before the loop, which writes the others in their order.
    """

    place: int
    position: str
    first: NodeDef | None = None


def order(graph: GraphDef) -> None:
    """Put into their places the items of lists that loops of the graph write out of order."""
    functions = {function.signature.name: function for function in graph.library.function}
    for loop in [node for node in graph.node if node.op in graphs.LOOPS]:
        body, condition = (functions[loop.attr[name].func.name] for name in ("body", "cond"))
        for write in list(_out_of_order(graph, loop, body)):
            if write.first is not None:
                _put_before(graph, loop, write.place, write.first)
            elif not _is_last_item(graph, loop, write.place):
                _put_in_place(graph, loop, body, condition, write)
        _move_written_lists_to_the_front(graph, loop, body, condition)


def _move_written_lists_to_the_front(graph: GraphDef, loop: NodeDef, body: FunctionDef, condition: FunctionDef) -> None:
    """Let the lists that a loop writes follow its two counters: tf2onnx loses its count behind a list that is read."""
    nodes = {node.name: node for node in graph.node}
    made = [nodes[graphs.split(source)[0]].op for source in loop.input]
    order = sorted(range(len(made)), key=lambda i: (i >= 2, made[i] not in ("TensorListReserve", "TensorListResize")))
    if order == list(range(len(made))):
        return
    loop.input[:] = [loop.input[i] for i in order]
    _reorder(loop.attr["T"].list.type, order)
    _reorder(loop.attr["output_shapes"].list.shape, order)
    for function in (body, condition):
        _reorder(function.signature.input_arg, order)
    _reorder(body.signature.output_arg, order)
    places = {f"{loop.name}:{before}": f"{loop.name}:{after}" for after, before in enumerate(order)}
    places |= {loop.name: places[f"{loop.name}:0"]}
    for node in graph.node:
        node.input[:] = [places.get(source, source) for source in node.input]


def _reorder(items: Any, order: list[int]) -> None:
    """Put the elements of a repeated field in another order."""
    moved = [items[i] for i in order] if not items or isinstance(items[0], int) else [_copy(items[i]) for i in order]
    del items[:]
    items.extend(moved)


def _copy(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def arrays_in_order(graph: GraphDef) -> bool:
    """Whether each loop of TensorFlow 1 writes its arrays in the order of its steps, as tf2onnx takes for granted."""
    nodes = {node.name: node for node in graph.node}

    def source(tensor: str) -> NodeDef:
        """The node from which a loop of TensorFlow 1 hands a tensor on within an iteration."""
        node = nodes[graphs.split(tensor)[0]]
        while node.op in ("Identity", "Switch", "Enter", "NextIteration"):
            node = nodes[graphs.split(node.input[0])[0]]
        return node

    for write in [node for node in graph.node if node.op == "TensorArrayWriteV3"]:
        merge = source(write.input[1])
        if merge.op != "Merge":
            return False  # no loop, or an index that is computed
        first, after = (source(name) for name in merge.input)
        steps = [_value(term) for name in after.input if (term := source(name)) is not merge]
        if _value(first) != 0 or after.op not in _ADD or steps != [1]:
            return False
    return True


def _out_of_order(graph: GraphDef, loop: NodeDef, body: FunctionDef) -> Iterator[_Write]:
    outside = {node.name: node for node in graph.node}
    inside = {node.name: node for node in body.node_def}
    arguments = [argument.name for argument in body.signature.input_arg]
    results = [body.ret[argument.name] for argument in body.signature.output_arg]

    def source(tensor: str) -> str:
        """The argument or the node from which Identity nodes of the body hand a tensor on."""
        name = tensor.partition(":")[0]
        while name in inside and inside[name].op == "Identity":
            name = inside[name].input[0].partition(":")[0]
        return name

    def fixed_number(argument: str) -> int | None:
        """The number that an argument has in every step."""
        place = arguments.index(argument)
        return _number(outside, loop.input[place]) if source(results[place]) == argument else None

    def is_fixed(tensor: str) -> bool:
        """Whether a tensor of the body is the same in every step: a list of one place, which keeps the last item."""
        name = source(tensor)
        return source(results[arguments.index(name)]) == name if name in arguments else inside[name].op == "Const"

    def counts_steps(tensor: str, start: int) -> bool:
        """Whether a tensor of the body is `start` in the first step, and larger by 1 in each that follows."""
        name = source(tensor)
        if name not in arguments:
            return False
        place = arguments.index(name)
        after = inside.get(source(results[place]))
        if _number(outside, loop.input[place]) != start or after is None or after.op not in _ADD:
            return False
        terms = [source(term) for term in after.input]
        others = [term for term in terms if term != name]
        if len(others) != 1:
            return False
        step = fixed_number(others[0]) if others[0] in arguments else _value(inside.get(others[0]))
        return step == 1

    for place, result in enumerate(results):
        node = inside.get(source(result))
        reserved = outside.get(graphs.split(loop.input[place])[0])
        first = reserved if reserved is not None and _writes_first_item(outside, reserved) else None
        reserved = reserved if first is None else outside.get(graphs.split(first.input[0])[0])
        if node is None or node.op != "TensorListSetItem" or reserved is None or reserved.op != "TensorListReserve":
            continue
        index = node.input[1]
        if source(node.input[0]) != arguments[place] or is_fixed(index):
            continue
        if first is None and not counts_steps(index, 0):
            yield _Write(place, index)
        elif first is not None and counts_steps(index, 1):
            yield _Write(place, index, first)


def _writes_first_item(nodes: dict[str, NodeDef], node: NodeDef) -> bool:
    return node.op == "TensorListSetItem" and _number(nodes, node.input[1]) == 0


def _put_before(graph: GraphDef, loop: NodeDef, place: int, first: NodeDef) -> None:
    """Let a loop write an empty list, and put the item that was written before it in front of what is stacked."""
    from tensorflow.core.framework.types_pb2 import DT_INT32

    loop.input[place] = first.input[0]
    for stack in _stacks(graph, loop.name, place):
        name, dtype, readers = f"{stack.name}/with_first", stack.attr["element_dtype"].type, list(graph.node)
        axis = constant(graph, f"{name}/axis", 0)
        row = graph.node.add(op="ExpandDims", name=f"{name}/row", input=[first.input[2], axis])
        row.attr["T"].type, row.attr["Tdim"].type = dtype, DT_INT32
        whole = graph.node.add(op="ConcatV2", name=name, input=[row.name, stack.name, axis])
        whole.attr["T"].type, whole.attr["Tidx"].type, whole.attr["N"].i = dtype, DT_INT32, 2
        _read_instead(readers, stack, whole)


def _read_instead(readers: list[NodeDef], before: NodeDef, after: NodeDef) -> None:
    """Let nodes read the first result of another node."""
    for node in readers:
        for i, source in enumerate(node.input):
            if source in (before.name, f"{before.name}:0"):
                node.input[i] = after.name


def _is_last_item(graph: GraphDef, loop: NodeDef, place: int) -> bool:
    """Whether a list has one place, which every step writes, and only its last item is read.

    Keras writes the last state of a recurrent layer so. ONNX keeps the items of all steps, the last one at the end.
    """
    nodes = {node.name: node for node in graph.node}
    if _number(nodes, nodes[graphs.split(loop.input[place])[0]].input[1]) != 1:
        return False

    def readers(source: tuple[str, int]) -> list[NodeDef]:
        return [node for node in graph.node if source in graphs.data_inputs(node)]

    stacks = readers((loop.name, place))
    items = [node for stack in stacks for node in readers((stack.name, 0))]
    return all(stack.op == "TensorListStack" for stack in stacks) and all(
        node.op == "StridedSlice" and node.attr["shrink_axis_mask"].i & 1 and _first(nodes, node.input[1]) == -1
        for node in items
    )


def _first(nodes: dict[str, NodeDef], tensor: str) -> int | None:
    """The first element of a constant."""
    import tensorflow as tf

    node = nodes[graphs.split(tensor)[0]]
    return int(tf.make_ndarray(node.attr["value"].tensor).reshape(-1)[0]) if node.op == "Const" else None


def _number(nodes: dict[str, NodeDef], tensor: str) -> int | None:
    node = nodes.get(graphs.split(tensor)[0])
    while node is not None and node.op == "Identity":
        node = nodes.get(graphs.split(node.input[0])[0])
    return _value(node)


def _value(node: NodeDef | None) -> int | None:
    import tensorflow as tf

    if node is None or node.op != "Const":
        return None
    array = tf.make_ndarray(node.attr["value"].tensor)
    return int(array) if array.size == 1 and array.dtype.kind in "iu" else None


def _put_in_place(graph: GraphDef, loop: NodeDef, body: FunctionDef, condition: FunctionDef, write: _Write) -> None:
    """Give the loop a list of the indices, and scatter by them what is stacked from the written list."""
    from tensorflow.core.framework.types_pb2 import DT_INT32, DT_VARIANT

    name = f"{loop.name}/indices_{write.place}"
    reserved = next(node for node in graph.node if node.name == graphs.split(loop.input[write.place])[0])
    scalar = constant(graph, f"{name}/scalar", [])
    indices = graph.node.add(op="TensorListReserve", name=name, input=[scalar, reserved.input[1]])
    indices.attr["element_dtype"].type = DT_INT32
    indices.attr["shape_type"].type = DT_INT32
    taken = len(loop.input)
    loop.input.append(f"{name}:0")
    loop.attr["T"].list.type.append(DT_VARIANT)
    loop.attr["output_shapes"].list.shape.add()
    for function in (body, condition):
        function.signature.input_arg.add(name=_ARGUMENT.format(taken), type=DT_VARIANT)
    setter = body.node_def.add(
        op="TensorListSetItem",
        name=f"{_ARGUMENT.format(taken)}/write",
        input=[_ARGUMENT.format(taken), write.position, write.position],
    )
    setter.attr["element_dtype"].type = DT_INT32
    body.signature.output_arg.add(name=_RESULT.format(taken), type=DT_VARIANT)
    body.ret[_RESULT.format(taken)] = f"{setter.name}:output_handle:0"

    for stack in _stacks(graph, loop.name, write.place):
        _scatter(graph, stack, f"{loop.name}:{taken}", scalar, reserved.input[1])


_ARGUMENT, _RESULT = "written_index_{}", "written_index_after_{}"


def _stacks(graph: GraphDef, loop: str, place: int) -> list[NodeDef]:
    """The nodes that stack the items of a list, behind Identity nodes too."""
    names = {f"{loop}:{place}" if place else loop, f"{loop}:{place}"}
    found = []
    for node in graph.node:  # Identity nodes stand anywhere: once more for each
        if node.op == "Identity" and node.input[0] in names:
            names |= {node.name, f"{node.name}:0"}
    for node in graph.node:
        if node.op == "TensorListStack" and node.input[0] in names:
            found.append(node)
    return found


def _scatter(graph: GraphDef, stack: NodeDef, indices: str, scalar: str, size: str) -> None:
    """Let what reads the stacked items read them in their places."""
    from tensorflow.core.framework.types_pb2 import DT_INT32

    name, dtype = f"{stack.name}/in_place", stack.attr["element_dtype"].type
    readers = list(graph.node)
    add = graph.node.add
    places = add(op="TensorListStack", name=f"{name}/indices", input=[indices, scalar])
    places.attr["element_dtype"].type = DT_INT32
    places.attr["num_elements"].i = -1
    column = add(op="ExpandDims", name=f"{name}/column", input=[places.name, constant(graph, f"{name}/axis", 1)])
    column.attr["T"].type = column.attr["Tdim"].type = DT_INT32
    shape = add(op="Shape", name=f"{name}/shape", input=[stack.name])
    shape.attr["T"].type, shape.attr["out_type"].type = dtype, DT_INT32
    item = add(
        op="StridedSlice",
        name=f"{name}/item",
        input=[
            shape.name,
            *(constant(graph, f"{name}/{part}", value) for part, value in (("begin", [1]), ("end", [0]), ("by", [1]))),
        ],
    )
    item.attr["T"].type = item.attr["Index"].type = DT_INT32
    for mask, value in (("begin", 0), ("end", 1), ("ellipsis", 0), ("new_axis", 0), ("shrink_axis", 0)):
        item.attr[f"{mask}_mask"].i = value
    count = add(op="ExpandDims", name=f"{name}/count", input=[size, constant(graph, f"{name}/first", 0)])
    count.attr["T"].type = count.attr["Tdim"].type = DT_INT32
    whole = add(op="ConcatV2", name=f"{name}/whole", input=[count.name, item.name, constant(graph, f"{name}/along", 0)])
    whole.attr["T"].type = whole.attr["Tidx"].type = DT_INT32
    whole.attr["N"].i = 2
    placed = add(op="ScatterNd", name=name, input=[column.name, stack.name, whole.name])
    placed.attr["T"].type, placed.attr["Tindices"].type = dtype, DT_INT32
    _read_instead(readers, stack, placed)
