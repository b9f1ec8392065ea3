"""TensorFlow 1 checkpoints: `net.ckpt.meta` holds the graph, `net.ckpt.index` and `.data-…` the variables' values.

All of them, their common prefix and their folder mean the same checkpoint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from converter.base.files import check_readable
from converter.errors import ModelLoadingError
from converter.frontends.checkpoint.prefix import PART, meta_of
from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.flow import Flow

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef


def files_of(prefix: Path) -> tuple[Path, ...]:
    """The files of a checkpoint."""
    beside = (path for path in prefix.parent.iterdir() if path.is_file())
    return tuple(sorted(path for path in beside if path == prefix or PART.sub("", path.name) == prefix.name))


def read_graph(prefix: Path) -> GraphDef:
    """The graph of a checkpoint, without devices.

    Raises:
        ModelLoadingError: the `.meta` is missing, unreadable or damaged.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

    file = meta_of(prefix)
    check_readable(file)
    try:
        graph = MetaGraphDef.FromString(file.read_bytes()).graph_def
    except DecodeError as error:
        raise ModelLoadingError(f"'{file}' is truncated or damaged. Copy it again.") from error
    if not graph.node:
        raise ModelLoadingError(f"'{file}' holds no graph. Name a checkpoint that tf.train.Saver wrote with its graph.")
    for node in graph.node:
        node.device = ""
    return graph


class Values:
    """The values of a graph's variables in a checkpoint.

    Attributes:
        keys: variable → its name in the checkpoint, as the graph's own saver maps them.
    """

    def __init__(self, graph: GraphDef, prefix: Path) -> None:
        import tensorflow as tf

        if not _has_values(prefix):
            raise ModelLoadingError(
                f"'{prefix.name}.meta' is there, but not the values of its variables ({prefix.name}.index and "
                f"{prefix.name}.data-…). Copy them beside it."
            )
        try:
            self._reader = tf.train.load_checkpoint(str(prefix))
            self._names = frozenset(self._reader.get_variable_to_shape_map())
        except Exception as error:  # OpError, and any other error that a damaged file causes
            raise ModelLoadingError(
                f"'{prefix}' is damaged, or no checkpoint: {' '.join(str(error).split())[:200]}. Copy it again."
            ) from error
        self.keys = _keys(graph)

    def get(self, variable: str) -> np.ndarray | None:
        """The value of a variable; None if the checkpoint does not have it."""
        key, part = self.keys.get(variable, (variable, ()))
        if key not in self._names:
            return None
        return np.asarray(self._reader.get_tensor(key)[part] if part else self._reader.get_tensor(key))

    def has(self, variable: str) -> bool:
        """Whether the checkpoint has a value for a variable."""
        return self.keys.get(variable, (variable, ()))[0] in self._names

    def name(self, variable: str) -> str:
        """The name of a variable in the checkpoint; of a part of one, that of its node."""
        key, part = self.keys.get(variable, (variable, ()))
        return variable if part else key


def _has_values(prefix: Path) -> bool:
    return prefix.is_file() or prefix.with_name(f"{prefix.name}.index").exists()


def _keys(graph: GraphDef) -> dict[str, tuple[str, tuple[slice, ...]]]:
    """Variable → its name in the checkpoint, and which part of that tensor it is, from the graph's savers."""
    import tensorflow as tf

    flow = Flow(graph)
    found: dict[str, tuple[str, tuple[slice, ...]]] = {}
    for node in graph.node:
        if node.op != "RestoreV2":
            continue
        names, parts = (flow.nodes.get(graphs.split(name)[0]) for name in node.input[1:3])
        if names is None or parts is None or names.op != "Const" or parts.op != "Const":
            continue
        keys = [key.decode() for key in np.ravel(tf.make_ndarray(names.attr["value"].tensor))]
        slices = [text.decode() for text in np.ravel(tf.make_ndarray(parts.attr["value"].tensor))]
        for variable, index in _restored(flow, node.name):
            found.setdefault(variable, (keys[index], _slices(slices[index])))
    return found


def _restored(flow: Flow, restore: str) -> Iterator[tuple[str, int]]:
    """The variables to which the outputs of a RestoreV2 are assigned."""
    for reader, index in flow.readers.get(restore, ()):
        waiting = [reader]
        while waiting:
            node = flow.nodes[waiting.pop()]
            if node.op in ("Assign", "AssignVariableOp"):
                variable = flow.origin(node.input[0])
                if variable.op in graphs.VARIABLES:
                    yield variable.name, index
            elif node.op in ("Identity", "Reshape"):
                waiting += [name for name, _ in flow.readers.get(node.name, ())]


def _slices(text: str) -> tuple[slice, ...]:
    """The part of a tensor that `10 4 0,5:-` names: the first five rows."""
    *_, parts = text.split(" ") if text else [""]
    ranges = (part.split(",") for part in parts.split(":")) if parts else ()
    return tuple(
        slice(None) if first == "-" else slice(int(first), int(first) + int(rest[0])) for first, *rest in ranges
    )


def run(
    graph: GraphDef,
    values: Values,
    feeds: Mapping[str, np.ndarray],
    outputs: Sequence[str],
) -> list[np.ndarray]:
    """Run a graph of TensorFlow 1 with the variables of a checkpoint.

    Args:
        graph: it is changed.
        values: the values of its variables.
        feeds: tensor → array.
        outputs: the tensors to return.
    """
    import tensorflow as tf

    part = graphs.part(graph, graphs.needed(graph, [*outputs, *feeds], control=True))
    with tf.Graph().as_default():
        given = _initializers(part, values)
        tf.import_graph_def(part, name="")
        with tf.compat.v1.Session() as session:
            for assign, (placeholder, value) in given.items():
                session.run(assign, {placeholder: value})
            return [np.asarray(array) for array in session.run(list(outputs), dict(feeds))]


def _initializers(graph: GraphDef, values: Values) -> dict[str, tuple[str, np.ndarray]]:
    """Add the nodes that set the variables: the name of each Assign → its Placeholder, and the value."""
    made = {}
    for variable in [node for node in graph.node if node.op in graphs.VARIABLES]:
        value = values.get(variable.name)
        if value is None:
            continue
        dtype = variable.attr["dtype"].type
        name = f"given_values/{variable.name}"
        placeholder = graph.node.add(op="Placeholder", name=name)
        placeholder.attr["dtype"].type = dtype
        handle = variable.op == "VarHandleOp"
        assign = graph.node.add(
            op="AssignVariableOp" if handle else "Assign", name=f"{name}/assign", input=[variable.name, name]
        )
        assign.attr["dtype" if handle else "T"].type = dtype
        made[assign.name] = (f"{name}:0", value)
    return made
