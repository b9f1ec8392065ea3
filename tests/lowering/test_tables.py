"""Tables of operators: what is malformed is an error that names the table."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from converter.errors import OperatorMapError
from converter.lowering.tables import call, tables_of
from operator_maps import fusions, registry


def table(**content: Any) -> ModuleType:
    module = ModuleType("table")
    vars(module).update(content)
    return module


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "mine has no ROWS"),
        ({"ROWS": ["Relu"]}, "ROWS in mine is a list"),
        ({"ROWS": {}}, "ROWS in mine is empty"),
        ({"ROWS": {"Relu": "ops.relu"}}, "the row of Relu in mine is a str"),
    ],
)
def test_a_malformed_table_is_an_error(content: dict[str, Any], message: str) -> None:
    with pytest.raises(OperatorMapError, match=message):
        tables_of({"mine": table(**content)})


def test_two_rows_for_one_operator_are_an_error() -> None:
    rows = table(ROWS={"Relu": call("ops.relu({0})")})
    with pytest.raises(OperatorMapError, match="Relu has a row in one and in two"):
        tables_of({"one": rows, "two": rows})


def test_a_module_of_fusions_without_an_operator_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    modules = registry._modules(fusions) | {"empty": table()}
    monkeypatch.setattr(registry, "_modules", lambda folder: modules)
    with pytest.raises(OperatorMapError, match="fusions/empty has no FusedOperator"):
        registry.fused_operators()
