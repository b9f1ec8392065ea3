"""Operator tables: from an ONNX operator's name to the row that translates it.

A table is a module with a dictionary `ROWS`: the operator's name (`"Relu"`; with its domain, `"com.microsoft.Gelu"`)
to a row. A row is a function

    def leaky_relu(node, x, *, alpha=0.01):
        return expr("ops.leaky_relu({0}, {1})", x, alpha)

whose positional parameters are the operator's inputs and whose keyword parameters are its attributes with their
defaults; or, where a template is enough, `call("ops.leaky_relu({0}, {alpha})", alpha=0.01)`. When tables load,
the attributes are checked against the operator's schema, so that an attribute that a row forgot is an error and is not
silently ignored.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import onnx

from converter.errors import OperatorMapError
from converter.graph import OPSET
from converter.graph.fusions import DOMAIN, FusedOperator
from converter.lowering.node import Node
from converter.script import Arg, filled, holes_of, parsed

RowFunction: TypeAlias = Callable[..., Arg]


@dataclass(frozen=True)
class TemplateRow:
    """A row that is one expression: `{0}` is an input, `{alpha}` an attribute."""

    template: str
    attributes: Mapping[str, Any]
    ignored: frozenset[str]
    only: Mapping[str, Any]

    def __call__(self, node: Node, *inputs: Arg, **attributes: Any) -> Arg:
        """Fill the template."""
        for name, wanted in self.only.items():
            if attributes.get(name, wanted) != wanted:
                raise node.decline(f"attribute {name} = {attributes[name]!r} has no counterpart (only {wanted!r})")
        return filled(parsed(self.template), {**dict(enumerate(inputs)), **attributes})


def call(
    template: str, *, ignored: tuple[str, ...] = (), only: Mapping[str, Any] | None = None, **attributes: Any
) -> TemplateRow:
    """Make a row from a template.

    Args:
        template: the expression; `{0}` is the first input, `{alpha}` an attribute.
        ignored: attributes that do not matter to the result.
        only: attributes that must have this one value; the row declines every other.
        attributes: the attributes of the template with their defaults.
    """
    return TemplateRow(template, attributes, frozenset(ignored), dict(only or {}))


@dataclass(frozen=True)
class Row:
    """A row, ready for use.

    Attributes:
        operator: its name, with the domain when it is not ai.onnx.
        function: what translates a node.
        defaults: every attribute that it knows with its default.
        inputs: the maximum number of inputs; None for any number.
        family: the name of its table.
        required: position → name of the inputs that every node must have.
        named: how many inputs have a parameter of their own.
    """

    operator: str
    function: RowFunction
    defaults: Mapping[str, Any]
    inputs: int | None
    family: str
    required: Mapping[int, str] = field(default_factory=dict)
    named: int = 0

    def __call__(self, node: Node, inputs: list[Arg], attributes: Mapping[str, Any]) -> Arg:
        """Translate a node.

        Raises:
            Unsupported: this case has no translation.
        """
        unknown = set(attributes) - set(self.defaults)
        if unknown:
            raise node.decline(f"unknown attribute {', '.join(sorted(unknown))}")
        if self.inputs is not None and len(inputs) > self.inputs:
            raise node.decline(f"{len(inputs)} inputs, {self.inputs} expected at the most")
        inputs = inputs + [None] * (self.named - len(inputs))
        for position, name in self.required.items():
            if position >= len(inputs) or inputs[position] is None:
                raise node.decline(f"its input {name} is missing")
        known = {name: value for name, value in {**self.defaults, **attributes}.items() if name not in self._ignored}
        if inspect.Parameter.empty in known.values():
            lacking = [name for name, value in known.items() if value is inspect.Parameter.empty]
            raise node.decline(f"its attribute {', '.join(lacking)} is missing")
        return self.function(node, *inputs, **known)

    @property
    def _ignored(self) -> frozenset[str]:
        return self.function.ignored if isinstance(self.function, TemplateRow) else frozenset()


class Tables(Mapping[str, Row]):
    """All rows, by operator.

    Attributes:
        own: the operators with a row in the user's file.
        fused: the operators that fusions produce and that ONNX does not have.
    """

    def __init__(self, rows: Mapping[str, Row], own: Collection[str] = (), fused: Sequence[FusedOperator] = ()) -> None:
        self._rows = dict(rows)
        self.own = frozenset(own)
        self.fused = tuple(fused)

    def __getitem__(self, operator: str) -> Row:
        return self._rows[operator]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def find(self, domain: str, op_type: str) -> Row | None:
        """The row of an operator, if there is one."""
        return self._rows.get(key(domain, op_type))


def key(domain: str, op_type: str) -> str:
    """The name of an operator in a table."""
    return op_type if domain in ("", "ai.onnx") else f"{domain}.{op_type}"


def tables_of(
    modules: Mapping[str, ModuleType], fused: Sequence[FusedOperator] = (), operator_map: Path | None = None
) -> Tables:
    """Collect the rows of tables and of fused operators; rows of the user's file replace those of the same operator.

    Raises:
        OperatorMapError: a table is malformed, or two of ours have a row for one operator.
    """
    rows: dict[str, Row] = {}
    tables = [_rows_of(module, family) for family, module in modules.items()]
    tables.append(_row(key(DOMAIN, operator.name), operator.row, DOMAIN) for operator in fused)
    if empty := [family for family, module in modules.items() if getattr(module, "ROWS", None) == {}]:
        raise OperatorMapError(f"ROWS in {empty[0]} is empty: a table is a dictionary of operator to row")
    for row in chain.from_iterable(tables):
        if row.operator in rows:
            raise OperatorMapError(f"{row.operator} has a row in {rows[row.operator].family} and in {row.family}")
        rows[row.operator] = row
    if operator_map is not None:
        own = {row.operator: row for row in _rows_of(_import_file(operator_map), operator_map.name)}
        return Tables(rows | own, own, fused)
    return Tables(rows, (), fused)


def _rows_of(module: ModuleType, family: str) -> Iterator[Row]:
    table = getattr(module, "ROWS", None)
    if table is None:
        raise OperatorMapError(f"{family} has no ROWS: a table is a dictionary of operator to row")
    if not isinstance(table, Mapping):
        raise OperatorMapError(f"ROWS in {family} is a {type(table).__name__}, not a dictionary of operator to row")
    for operator, function in table.items():
        if not callable(function):
            raise OperatorMapError(f"the row of {operator} in {family} is a {type(function).__name__}, not a function")
        yield _row(operator, function, family)


def _row(operator: str, function: RowFunction, family: str) -> Row:
    if isinstance(function, TemplateRow):
        defaults = {**function.attributes, **function.only, **dict.fromkeys(function.ignored)}
        numbers = [key for key in holes_of(function.template) if isinstance(key, int)]
        named = 1 + max(numbers, default=-1)
        inputs: int | None = named
    else:
        parameters = list(inspect.signature(function).parameters.values())
        defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        named = sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in parameters) - 1
        inputs = None if variadic else named
    schema = _schema(operator)
    if schema is None:
        return Row(operator, function, defaults, inputs, family, named=named)
    _check_schema(schema, operator, defaults, family)
    single = onnx.defs.OpSchema.FormalParameterOption.Single
    required = {i: formal.name for i, formal in enumerate(schema.inputs) if formal.option == single}
    return Row(operator, function, defaults, inputs, family, required, named)


def _schema(operator: str) -> onnx.defs.OpSchema | None:
    """The operator's schema; None if `onnx` has none, as for com.microsoft."""
    domain, _, op_type = operator.rpartition(".")
    try:
        return onnx.defs.get_schema(op_type, OPSET, domain) if not domain else onnx.defs.get_schema(op_type, domain)
    except onnx.defs.SchemaError:
        return None


@functools.cache
def attribute_types(operator: str) -> Mapping[str, int]:
    """The types of an operator's attributes, as `onnx.AttributeProto` numbers them; none where it has no schema."""
    schema = _schema(operator)
    known = {} if schema is None else schema.attributes
    return {name: each.type.value for name, each in known.items()}  # type: ignore[attr-defined]


def _check_schema(schema: onnx.defs.OpSchema, operator: str, defaults: Mapping[str, Any], family: str) -> None:
    """Check that a row has exactly the attributes of the operator's schema."""
    wanted, known = set(schema.attributes), set(defaults)
    if wanted != known:
        lacking, surplus = sorted(wanted - known), sorted(known - wanted)
        raise OperatorMapError(
            f"the row of {operator} in {family} does not fit the operator's schema:"
            + (f" it lacks the attribute {', '.join(lacking)};" if lacking else "")
            + (f" the schema has no attribute {', '.join(surplus)};" if surplus else "")
        )


def _import_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"_operator_map_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise OperatorMapError(f"'{path}' is not a Python file; --operator_map takes a file that defines ROWS")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # required by inspect.getsource of its helper functions
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise OperatorMapError(f"'{path}' cannot be imported: {type(error).__name__}: {error}") from error
    return module
