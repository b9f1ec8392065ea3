"""Registry of operator tables: every module in `aten`, `onnx`, `onnx_ml` and `tensorflow` is one.

The modules in `fusions` have the fused operators.
"""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from types import ModuleType

from converter.errors import OperatorMapError
from converter.graph.fusions import FusedOperator
from converter.lowering import Tables, tables_of
from operator_maps import aten, fusions, onnx, onnx_ml, tensorflow


def load(operator_map: Path | None = None) -> Tables:
    """Load the project's tables; rows of the user's file `operator_map` replace the project's.

    Raises:
        OperatorMapError: a table is malformed, or two of the project's tables have a row for the same operator.
    """
    tables = {name: module for folder in (aten, onnx, onnx_ml, tensorflow) for name, module in _modules(folder).items()}
    return tables_of(tables, fused_operators(), operator_map)


def fused_operators() -> tuple[FusedOperator, ...]:
    """The operators that fusions create and that ONNX does not have.

    Raises:
        OperatorMapError: a module of `fusions` has none.
    """
    found: list[FusedOperator] = []
    for name, module in _modules(fusions).items():
        operators = [item for item in vars(module).values() if isinstance(item, FusedOperator)]
        if not operators:
            raise OperatorMapError(f"fusions/{name} has no FusedOperator")
        found += operators
    return tuple(found)


def _modules(folder: ModuleType) -> dict[str, ModuleType]:
    return {
        info.name: importlib.import_module(f"{folder.__name__}.{info.name}")
        for info in pkgutil.iter_modules(folder.__path__)
    }
