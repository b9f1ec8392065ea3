"""The tables of script mode: what PyTorch's names become in MindSpore, by family."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import pkgutil
from dataclasses import replace
from pathlib import Path

from converter.errors import OperatorMapError
from converter.rewriting import Row
from operator_maps.pytorch.remedies import Remedies

__all__ = ["MINT", "Remedies", "load"]

MINT = Path(__file__).parent / "mint.csv"
"""Functions of PyTorch and those of mindspore.mint that take the same arguments, and give the same in both modes.

They are consistent by https://www.mindspore.cn/docs/en/master/note/api_mapping/pytorch_api_mapping.html.
"""


def load(operator_map: Path | None = None, api: str = "nn") -> dict[str, Row]:
    """Load the tables; rows of the user's file `operator_map` replace the project's.

    With `mint` as `api`, rows of functions that mindspore.mint has too say what to write for it.

    Raises:
        OperatorMapError: a row is malformed, or two tables have a row for the same name.
    """
    rows: dict[str, Row] = {}
    for info in pkgutil.iter_modules(__path__):
        table = importlib.import_module(f"{__name__}.{info.name}").ROWS
        both = rows.keys() & table.keys()
        if both:
            raise OperatorMapError(f"pytorch/{info.name} has a second row for {', '.join(sorted(both))}")
        rows |= table
    if api == "mint":
        with MINT.open(encoding="utf-8", newline="") as file:
            for each in csv.DictReader(file):
                rows[each["pytorch"]] = replace(rows[each["pytorch"]], mint=f"{each['mindspore']}(...)")
    problems: list[str] = []
    if operator_map is not None:
        own = _own(operator_map)
        problems += [f"{name}: {problem}" for name, row in own.items() for problem in row.malformed()]
        rows |= own
    problems += [f"{name}: {problem}" for name, row in rows.items() for problem in row.problems()]
    if problems:
        raise OperatorMapError(f"the row of {problems[0]}", problems[1:])
    return rows


def _own(path: Path) -> dict[str, Row]:
    spec = importlib.util.spec_from_file_location("operator_map", path)
    if spec is None or spec.loader is None:
        raise OperatorMapError(f"'{path}' is not a Python file; --operator_map takes a file that defines ROWS")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise OperatorMapError(f"'{path}' cannot be run: {type(error).__name__}: {error}") from error
    rows = getattr(module, "ROWS", None)
    if not isinstance(rows, dict):
        raise OperatorMapError(f"'{path}' defines no dict ROWS")
    return {name: row for name, row in rows.items() if isinstance(row, Row)}
