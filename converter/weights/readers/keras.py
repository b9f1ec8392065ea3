"""Keras's files: `.keras`, `.weights.h5` and `.h5`. Neither Keras nor TensorFlow is imported, and no code is run.

Tensors are called as Keras calls its variables, `bidirectional/forward_lstm/lstm_cell/kernel`. The two newer formats
number the variables of a layer: their names come from the layer's class and the shapes.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from converter.artifacts import LazyTensor, TensorSpec
from converter.base.files import names_in_zip
from converter.weights.names import natural
from converter.weights.readers.contents import Contents, contents, damaged, missing, safely

HDF5 = b"\x89HDF\r\n\x1a\n"
_WEIGHTS = "model.weights.h5"
_CONFIG = "config.json"


def is_keras(path: Path, head: bytes) -> bool:
    """Whether a file is a `.keras` archive."""
    return zip_has(path, head, _WEIGHTS) and zip_has(path, head, _CONFIG)


def zip_has(path: Path, head: bytes, name: str) -> bool:
    """Whether a file is a zip archive with a member whose path ends in `name`."""
    return head.startswith(b"PK") and any(
        member == name or member.endswith(f"/{name}") for member in names_in_zip(path)
    )


def read_keras(file: Path) -> Contents:
    """The variables of the layers of a `.keras` archive, in the order of its layers."""
    h5py = _h5py(file)
    try:
        archive = zipfile.ZipFile(file)
        layers = _layers_in(json.loads(archive.read(_CONFIG)))
        weights = h5py.File(archive.open(_WEIGHTS), "r")
    except Exception as error:  # any error that a damaged file causes
        raise damaged(file, error) from error
    return _contents("Keras model", file, _numbered(weights, layers))


def read_hdf5(file: Path) -> Contents:
    """The variables of a `.h5` or `.weights.h5`; of another HDF5 file all data sets."""
    h5py = _h5py(file)
    try:
        weights = h5py.File(file, "r")
    except Exception as error:  # any error that a damaged file causes
        raise damaged(file, error) from error
    root = weights.get("model_weights", weights)
    if "layer_names" in root.attrs or "layer_names0" in root.attrs:
        return _contents("Keras model in HDF5", file, _named(root))
    if any(name in weights for name in ("layers", "_layer_checkpoint_dependencies", "vars")):
        return replace(_contents("Keras weights", file, _numbered(weights, {})), ordered=False)
    found = dict(_data_sets(weights))
    if any("/vars/" in path for path in found):  # a subclassed model
        return replace(_contents("Keras weights", file, _numbered(weights, {})), ordered=False)
    return contents("HDF5 file", *(_tensor(file, path, item) for path, item in found.items()), ordered=False)


def _contents(kind: str, file: Path, variables: Iterator[tuple[str, Any]]) -> Contents:
    return contents(kind, *(_tensor(file, name, item) for name, item in variables), framework="tensorflow")


def _tensor(file: Path, name: str, item: Any) -> LazyTensor:
    dtype = item.attrs.get("dtype", item.dtype.name)  # bfloat16 is stored as 16-bit integers
    return LazyTensor(TensorSpec(name, tuple(item.shape), str(dtype)), safely(file, partial(_load, item, str(dtype))))


def _load(item: Any, dtype: str) -> np.ndarray:
    array = np.asarray(item[()])
    if dtype == "bfloat16":
        import ml_dtypes

        return array.view(ml_dtypes.bfloat16)
    return array


def _named(root: Any) -> Iterator[tuple[str, Any]]:
    """The older format: a group for each layer, whose attribute lists the names of its weights."""
    for layer in (*_texts(root, "layer_names"), "top_level_model_weights"):
        if layer in root:
            for name in _texts(root[layer], "weight_names"):
                yield _below(layer, name.removesuffix(":0")), root[layer][name]


def _below(layer: str, name: str) -> str:
    """The name of a weight, from its layer on: Keras 3 may put the model's name before it, or leave the layer's out."""
    if layer == "top_level_model_weights" or name.startswith(f"{layer}/"):
        return name
    return f"{layer}/{name.partition(f'/{layer}/')[2] or name}"


def _texts(group: Any, name: str) -> list[str]:
    """A list of texts in an attribute, which Keras cuts in several when it is long."""
    parts = [group.attrs[name]] if name in group.attrs else []
    while not parts or f"{name}{len(parts)}" in group.attrs:
        if f"{name}{len(parts)}" not in group.attrs:
            break
        parts.append(group.attrs[f"{name}{len(parts)}"])
    return [text.decode() if isinstance(text, bytes) else str(text) for part in parts for text in part]


def _numbered(weights: Any, layers: Mapping[str, tuple[int, str, Mapping[str, Any]]]) -> Iterator[tuple[str, Any]]:
    """The newer formats: data sets `layers/conv2d/vars/0`; the group `vars` has the layer's name as an attribute."""
    groups: dict[str, list[Any]] = {}
    for path, item in _data_sets(weights):
        owner, _, number = path.rpartition("/")
        if owner.endswith("vars") and number.isdecimal() and not path.startswith("optimizer/"):
            groups.setdefault(owner.removesuffix("vars").rstrip("/"), []).append(item)
    names = {path: _name_of(weights, path) for path in groups}
    order = {path: place for place, path in enumerate(natural(groups))}
    for path in sorted(groups, key=lambda path: (_place(names[path], layers), order[path])):
        name = names[path]
        _, kind, config = layers.get(name.rpartition("/")[2], (0, path.rpartition("/")[2], {}))
        shapes = [tuple(item.shape) for item in groups[path]]
        for leaf, item in zip(_leaves(kind, shapes, config), groups[path], strict=True):
            yield f"{name}/{leaf}" if name else leaf, item


def _data_sets(weights: Any) -> Iterator[tuple[str, Any]]:
    found: dict[str, Any] = {}
    weights.visititems(lambda path, item: found.update({path: item}) if hasattr(item, "shape") else None)
    for path in natural(found):
        yield path, found[path]


def _name_of(weights: Any, path: str) -> str:
    """The name of a layer by those of all layers around it: `layers/dense` may be called `head`."""
    parts = path.split("/")
    names = []
    for end, part in enumerate(parts, start=1):
        if part in ("layers", "_layer_checkpoint_dependencies"):
            continue
        group = weights["/".join(parts[:end])]
        attributes = group["vars"].attrs if "vars" in group else {}
        names.append(str(attributes.get("name", part)))
    return "/".join(filter(None, names))


def _place(name: str, layers: Mapping[str, tuple[int, str, Mapping[str, Any]]]) -> tuple[int, ...]:
    """Where a layer stands in the model, outermost first."""
    return tuple(layers[part][0] if part in layers else len(layers) for part in name.split("/"))


def _layers_in(config: Any) -> dict[str, tuple[int, str, Mapping[str, Any]]]:
    """Place, class and configuration of each layer that a configuration holds, by the layers' names."""
    found: dict[str, tuple[int, str, Mapping[str, Any]]] = {}

    def look(item: Any) -> None:
        if isinstance(item, Mapping):
            own = item.get("config")
            if (
                isinstance(item.get("class_name"), str)
                and isinstance(own, Mapping)
                and isinstance(own.get("name"), str)
            ):
                found.setdefault(own["name"], (len(found), item["class_name"], own))
            for inner in item.values():
                look(inner)
        elif isinstance(item, list):
            for inner in item:
                look(inner)

    look(config)
    return found


def _leaves(kind: str, shapes: Sequence[tuple[int, ...]], config: Mapping[str, Any]) -> list[str]:
    """The names of a layer's variables, from its class (or what its group is called) and their shapes."""
    kind = re.sub(r"_\d+$", "", kind).replace("_", "").lower()
    ranks = [len(shape) for shape in shapes]
    numbers = [str(index) for index in range(len(shapes))]
    if "normalization" in kind and config:
        names = [name for name, flag in (("gamma", "scale"), ("beta", "center")) if config.get(flag, True)]
        names += ["moving_mean", "moving_variance"] if kind.startswith("batch") else []
        return names if len(names) == len(shapes) else numbers
    if kind == "embedding":
        return ["embeddings", *numbers[1:]]
    if kind == "prelu":
        return ["alpha"]
    if ranks == [1, 1, 1, 1]:
        return ["gamma", "beta", "moving_mean", "moving_variance"]
    if ranks == [1, 1]:
        return ["gamma", "beta"]
    if len(ranks) >= 2 and ranks[0] == ranks[1] == 2:
        return ["kernel", "recurrent_kernel", "bias"][: len(ranks)] if len(ranks) <= 3 else numbers
    if len(ranks) >= 2 and ranks[0] == ranks[1] > 2:
        return ["depthwise_kernel", "pointwise_kernel", "bias"][: len(ranks)] if len(ranks) <= 3 else numbers
    if ranks and ranks[0] >= 2 and ranks[1:] in ([], [1]):
        return ["kernel", "bias"][: len(ranks)]
    return numbers


def _h5py(file: Path) -> ModuleType:
    try:
        import h5py
    except ImportError as error:
        raise missing(f"'{file}'", "h5py", "tensorflow", error) from error
    return h5py
