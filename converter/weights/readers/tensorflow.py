"""TensorFlow's files: checkpoints, the variables of a SavedModel, frozen graphs."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from converter.artifacts import LazyTensor, TensorSpec
from converter.base.files import check_readable
from converter.frontends import checkpoint
from converter.frontends.tensorflow import import_tensorflow
from converter.frontends.tensorflow import read as read_graph
from converter.weights.names import natural
from converter.weights.readers.contents import Contents, contents, damaged, missing, safely

_SAVED_MODEL = "variables/variables"
_ALL = "_all_variables/"
_OPTIMIZER = re.compile(r"/\.OPTIMIZER_SLOT/|^(optimizer|save_counter)(/|$)")
_OBJECTS = "_CHECKPOINTABLE_OBJECT_GRAPH"
"""The tensor in which a checkpoint of TensorFlow 2 describes its objects."""


def prefix_of(file: Path) -> Path | None:
    """The prefix of the variables that the user means: of a checkpoint, or of a SavedModel by its folder or file."""
    saved = (file.parent if file.name == "saved_model.pb" else file) / _SAVED_MODEL
    if saved.with_name(f"{saved.name}.index").exists():
        return saved
    return checkpoint.prefix_of(file, "index")


def read_checkpoint_weights(file: Path) -> Contents:
    """The variables of the network in a checkpoint of TensorFlow 2, without those of the optimizer."""
    return read_checkpoint(file, weights_only=True)


def read_checkpoint(file: Path, *, weights_only: bool = False) -> Contents:
    """The variables of a checkpoint; the path is one for which `prefix_of` has a prefix."""
    prefix = prefix_of(file)
    assert prefix is not None
    check_readable(prefix.with_name(f"{prefix.name}.index"))
    tf = _tensorflow("a TensorFlow checkpoint")
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        shapes, types = reader.get_variable_to_shape_map(), reader.get_variable_to_dtype_map()
        names, copies = _variable_names(reader.get_tensor(_OBJECTS)) if _OBJECTS in shapes else ({}, set())
    except Exception as error:  # OpError, and any other error that a damaged file causes
        raise damaged(prefix, error) from error
    return contents(
        "TensorFlow checkpoint",
        *(
            LazyTensor(
                TensorSpec(names.get(key, key), tuple(shapes[key]), types[key].name),
                safely(prefix, partial(reader.get_tensor, key)),
            )
            for key in natural(shapes)
            if types[key] != tf.string  # TensorFlow's object graph
            and key not in copies
            and not (weights_only and names and _OPTIMIZER.search(key))
        ),
        framework="tensorflow",
        ordered=False,
    )


def _variable_names(objects: bytes) -> tuple[dict[str, str], set[str]]:
    """Keys of a checkpoint that TensorFlow 2 wrote → the names of the variables, each for the first key that has it.

    A key is a path of attributes, `_operations/1/_kernel/.ATTRIBUTES/VARIABLE_VALUE`; the name is `conv1/kernel`. The
    second result are keys of copies: Keras saves every variable once more, in a list of all.
    """
    from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

    found: dict[str, str] = {}
    copies: set[str] = set()
    for node in TrackableObjectGraph.FromString(objects).nodes:
        for attribute in node.attributes:
            key = attribute.checkpoint_key
            if attribute.full_name and found.setdefault(attribute.full_name, key) != key and key.startswith(_ALL):
                copies.add(key)
    return {key: name for name, key in found.items()}, copies


def read_frozen_graph(file: Path) -> Contents:
    """The constants of a frozen graph and of its functions."""
    tf = _tensorflow("a .pb")
    whole = read_graph(file)
    functions = (node for function in whole.library.function for node in function.node_def)
    return contents(
        "frozen TensorFlow graph",
        *(_constant(tf, file, node) for node in (*whole.node, *functions) if node.op == "Const"),
        framework="tensorflow",
    )


def _constant(tf: ModuleType, file: Path, node: Any) -> LazyTensor:
    tensor = node.attr["value"].tensor
    shape = tuple(dim.size for dim in tensor.tensor_shape.dim)
    try:
        dtype = tf.dtypes.as_dtype(tensor.dtype).name
    except TypeError as error:
        raise damaged(file, error) from error
    return LazyTensor(TensorSpec(node.name, shape, dtype), safely(file, partial(tf.make_ndarray, tensor)))


def _tensorflow(what: str) -> ModuleType:
    try:
        return import_tensorflow()
    except ImportError as error:
        raise missing(what, "TensorFlow", "tensorflow", error) from error
