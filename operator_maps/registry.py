"""The registry of tables: every module below the folders of tables is one, every one below `fusions` has operators."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from converter.graph.fusions.rewrite import FusedOperator
from converter.lowering.tables import Tables, tables_of
from operator_maps import fusions, onnx, onnx_ml


def load(operator_map: Path | None = None) -> Tables:
    """Load the project's tables, and the user's on top.

    Raises:
        OperatorMapError: a table is malformed, or two of ours have a row for one operator.
    """
    tables = {name: module for folder in (onnx, onnx_ml) for name, module in _modules(folder).items()}
    return tables_of(tables, fused_operators(), operator_map)


def fused_operators() -> tuple[FusedOperator, ...]:
    """The operators that ONNX does not have."""
    modules = _modules(fusions).values()
    return tuple(item for module in modules for item in vars(module).values() if isinstance(item, FusedOperator))


def _modules(folder: ModuleType) -> dict[str, ModuleType]:
    return {
        info.name: importlib.import_module(f"{folder.__name__}.{info.name}")
        for info in pkgutil.iter_modules(folder.__path__)
    }
