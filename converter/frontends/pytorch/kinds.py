"""Kinds of PyTorch files, by what a zip archive contains. No file is run, and PyTorch is not imported."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Literal, TypeAlias

from converter.base.files import names_in_zip

Kind: TypeAlias = Literal["script", "program", "pickle", "tensors", "folder"]
"""TorchScript, an exported program, a pickle (a state or a module), tensors without code, a folder of a checkpoint."""

SUFFIXES = (".pt", ".pth", ".pt2", ".bin", ".safetensors")
_ZIP = b"PK\x03\x04"
_CONFIG = "config.json"
_INDEX = ".index.json"


def kind_of(path: Path) -> Kind | None:
    """What a file or folder is, by its content; None when it is nothing of PyTorch's."""
    if path.is_dir():
        return "folder" if _names_architecture(path / _CONFIG) else None
    if path.name.endswith(_INDEX) or path.suffix == ".safetensors":
        return "tensors"
    names = [name.partition("/")[2] for name in names_in_zip(path)]
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "script"
    if "archive_format" in names or any(name.startswith("models/") for name in names):
        return "program"
    return "pickle" if "data.pkl" in names or path.suffix in SUFFIXES else None


def recognises(path: Path, head: bytes) -> bool:
    """Whether a path is of a kind that only PyTorch writes."""
    if path.is_dir() or path.name.endswith(_INDEX):
        return kind_of(path) is not None
    return head.startswith(_ZIP) and kind_of(path) is not None and path.suffix != ".onnx"


def _names_architecture(config: Path) -> bool:
    """Whether a `config.json` names a class of transformers."""
    with suppress(OSError, ValueError):
        found = json.loads(config.read_text(encoding="utf-8"))
        return isinstance(found, dict) and bool(found.get("architectures"))
    return False
