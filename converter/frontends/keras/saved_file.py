"""What stands in a file of Keras besides its weights: the model's configuration, and the version that wrote it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converter.base.files import check_readable
from converter.errors import ModelLoadingError


@dataclass(frozen=True)
class SavedFile:
    """A file of Keras.

    Attributes:
        path: the file.
        config: the model's configuration, as Keras wrote it.
        version: the version of Keras that wrote it, `3.15.1`; empty if it is not recorded.
        compiled: its loss and optimizer, as Keras wrote them; empty if it was not compiled.
    """

    path: Path
    config: Mapping[str, Any]
    version: str
    compiled: Mapping[str, Any] = field(default_factory=dict)

    @property
    def of_keras_2(self) -> bool:
        """Whether Keras 2 wrote it: Keras 3 loads none of its files that have more than the simplest layers."""
        return self.version.startswith("2.")

    @property
    def lambdas(self) -> list[str]:
        """The names of the layers whose Python code is in the file."""
        found = list(_classes(self.config))
        layers = [name for kind, name in found if kind == "Lambda"]
        return layers or [name for kind, name in found if kind == "__lambda__"]

    @property
    def classes(self) -> set[str]:
        """The classes and functions that it is made of, by their names."""
        return {kind for kind, _ in _classes(self.config)}


def read(path: Path) -> SavedFile:
    """Read the configuration of a `.keras` or `.h5` file, without its weights; no code of the file is run.

    Raises:
        ModelLoadingError: the file is missing, damaged, or holds weights only.
    """
    check_readable(path)
    try:
        texts = _archive(path) if zipfile.is_zipfile(path) else _hdf(path)
    except Exception as error:  # a damaged file may cause any error
        raise ModelLoadingError(
            f"'{path}' is no file of Keras, or is damaged: {' '.join(str(error).split())[:200].rstrip('. ')}. "
            "Save or copy it again."
        ) from error
    config, version, compiled = texts
    if not config:
        raise ModelLoadingError(
            f"'{path}' holds weights only, not the layers that they belong to. "
            "Save the whole model: model.save('net.keras'), or model.export('folder')."
        )
    if version.startswith(("0.", "1.")):
        raise ModelLoadingError(
            f"Keras {version} wrote '{path.name}', and no version since 2.4 reads that. Load it in Keras 2.3, which "
            "takes the layers of Keras 1, and save it again."
        )
    model = json.loads(config)
    return SavedFile(path, model, version, json.loads(compiled or "{}") or model.get("compile_config") or {})


def _archive(path: Path) -> tuple[str, str, str]:
    with zipfile.ZipFile(path) as archive:
        metadata = json.loads(archive.read("metadata.json"))
        return archive.read("config.json").decode(), str(metadata.get("keras_version", "")), ""


def _hdf(path: Path) -> tuple[str, str, str]:
    import h5py

    with h5py.File(path) as file:
        holder = file if "keras_version" in file.attrs else file.get("model_weights", file)
        texts = (file.attrs.get("model_config"), holder.attrs.get("keras_version"), file.attrs.get("training_config"))
        config, version, compiled = map(_text, texts)
        return config, version, compiled


def _text(attribute: Any) -> str:
    return attribute.decode() if isinstance(attribute, bytes) else str(attribute or "")


def _classes(config: Any) -> Iterator[tuple[str, str]]:
    """Every class and function in a configuration, with the name of the layer."""
    if isinstance(config, Mapping):
        inner = config.get("config")
        if isinstance(kind := config.get("class_name"), str):
            if kind == "function" and isinstance(inner, str):
                yield inner, inner
            yield kind, str(inner.get("name", kind)) if isinstance(inner, Mapping) else kind
        if isinstance(registered := config.get("registered_name"), str):
            yield registered.rpartition(">")[2], registered
        for part in config.values():
            yield from _classes(part)
    elif isinstance(config, list):
        for part in config:
            yield from _classes(part)
