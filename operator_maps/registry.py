"""The registry of tables: every module below the folders of tables is one."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path

from converter.lowering.tables import Tables, tables_of
from operator_maps import fusions, onnx, onnx_ml

_FOLDERS = (onnx, onnx_ml, fusions)


def load(operator_map: Path | None = None) -> Tables:
    """Load the project's tables, and the user's on top.

    Raises:
        OperatorMapError: a table is malformed, or two of ours have a row for one operator.
    """
    modules = {
        info.name: importlib.import_module(f"{folder.__name__}.{info.name}")
        for folder in _FOLDERS
        for info in pkgutil.iter_modules(folder.__path__)
    }
    return tables_of(modules, operator_map)
