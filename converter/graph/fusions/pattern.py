"""Patterns: the nodes that exporters write for an operator, as the expression that they compute.

    def silu(x):
        return x * op.Sigmoid(x)

A pattern's parameters are variables; one that occurs twice is one value. `*` and `/` match a product in any
arrangement: `x * 0.5 * y`, `(x / 2) * y` and `0.5 * (x * y)` are one pattern. `+` matches its operands in either order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any, TypeAlias

import onnx_ir as ir

from converter.graph.queries import attribute, is_close, is_float, is_internal, is_same, is_weight, number_of
from converter.graph.traits import Trait, has_trait

PatternLike: TypeAlias = "Pattern | float | None"

LONGEST_PRODUCT = 32
"""Maximum number of nodes that are read of one product; no pattern needs more."""


def pattern_of(function: Callable[..., Pattern]) -> Pattern:
    """The pattern that a function writes over its parameters."""
    return function(*map(_Variable, variables_of(function)))


def variables_of(function: Callable[..., object]) -> tuple[str, ...]:
    """The names of a pattern's variables."""
    return tuple(inspect.signature(function).parameters)


def constant(variable: Pattern) -> Pattern:
    """Match a constant only, a weight."""
    return _Constant(variable)


def scalar(variable: Pattern) -> Pattern:
    """Match a constant of one element; the variable is bound to the number."""
    assert isinstance(variable, _Variable)
    return _Scalar(variable.name)


def named(variable: Pattern, pattern: Pattern) -> Pattern:
    """Match the pattern; the variable is bound to its value."""
    return _Named(variable, pattern)


def either(*patterns: Pattern) -> Pattern:
    """Match one of several expressions."""
    return _Either(patterns)


class _Operators:
    """`op.Relu(x)`: the first output of an operator; attributes that are not given may have any value."""

    def __getattr__(self, op_type: str) -> Callable[..., Pattern]:
        def make(*inputs: PatternLike, domain: str = "", **attributes: Any) -> Pattern:
            return _Operator(op_type, tuple(map(_pattern, inputs)), attributes, domain)

        return make


op = _Operators()


@dataclass
class PartialMatch:
    """The longest match that failed: its number of nodes, the reason, and the node that did not match."""

    length: int = 0
    reason: str = ""
    node: ir.Node | None = None


@dataclass(frozen=True)
class Match:
    """A match so far: the values of variables and the nodes that it covers; `partial` records failures."""

    bound: Mapping[str, Any] = field(default_factory=dict)
    nodes: tuple[ir.Node, ...] = ()
    partial: PartialMatch | None = None

    def bind(self, name: str, item: Any) -> Match:
        """Bind a variable to `item`."""
        return Match({**self.bound, name: item}, self.nodes, self.partial)

    def cover(self, *nodes: ir.Node) -> Match:
        """Add nodes."""
        return Match(self.bound, self.nodes + nodes, self.partial)

    def fail(self, wanted: str | float, value: ir.Value | None) -> None:
        """Record that `value` does not match, if this is the longest failed match so far."""
        if self.partial is not None and value is not None and len(self.nodes) > self.partial.length:
            node = value.producer()
            given = node.op_type if node is not None else f"a tensor of shape {value.shape}"
            self.partial.length, self.partial.node = len(self.nodes), node
            self.partial.reason = f"{wanted} is expected, not {given}"


class Pattern:
    """An expression over values of a graph."""

    roots: frozenset[str] = frozenset()
    """The operators that can produce its value."""
    needs: frozenset[str] = frozenset()
    """Operators that a graph must have for the pattern to match."""

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        """Every way to match `value` with this expression, given the match so far."""
        raise NotImplementedError

    def __add__(self, other: PatternLike) -> Pattern:
        return op.Add(self, other)

    def __radd__(self, other: PatternLike) -> Pattern:
        return op.Add(other, self)

    def __sub__(self, other: PatternLike) -> Pattern:
        return op.Sub(self, other)

    def __rsub__(self, other: PatternLike) -> Pattern:
        return op.Sub(other, self)

    def __mul__(self, other: PatternLike) -> Pattern:
        return _Product.of(self).times(_Product.of(_pattern(other)))

    def __rmul__(self, other: PatternLike) -> Pattern:
        return self * other

    def __truediv__(self, other: PatternLike) -> Pattern:
        return _Product.of(self).times(_Product.of(_pattern(other)).inverse)

    def __rtruediv__(self, other: PatternLike) -> Pattern:
        return _Product.of(_pattern(other)).times(_Product.of(self).inverse)


def _pattern(item: PatternLike) -> Pattern:
    if item is None:
        return _Absent()
    return item if isinstance(item, Pattern) else _Number(item)


@dataclass(frozen=True)
class _Variable(Pattern):
    """Any value; the same one wherever the variable occurs."""

    name: str

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        if value is not None and self.name not in match.bound:
            yield match.bind(self.name, value)
        elif value is not None and is_same(match.bound[self.name], value):
            yield match


@dataclass(frozen=True)
class _Constant(Pattern):
    inner: Pattern

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        if value is not None and is_weight(value):
            yield from self.inner.match(value, match)
        else:
            match.fail("a constant", value)


@dataclass(frozen=True)
class _Scalar(Pattern):
    name: str

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        number = number_of(value)
        if number is not None and match.bound.get(self.name, number) == number:
            yield match.bind(self.name, number)
        else:
            match.fail("a constant of one element", value)


@dataclass(frozen=True)
class _Named(Pattern):
    variable: Pattern
    pattern: Pattern

    def __post_init__(self) -> None:
        object.__setattr__(self, "roots", self.pattern.roots)
        object.__setattr__(self, "needs", self.pattern.needs)

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        for inner in self.pattern.match(value, match):
            yield from self.variable.match(value, inner)


@dataclass(frozen=True)
class _Number(Pattern):
    """A constant of one element that has this value."""

    number: float

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        number = number_of(value)
        if number is not None and value is not None and is_close(number, self.number, value.dtype):
            yield match
        else:
            match.fail(self.number, value)


@dataclass(frozen=True)
class _Absent(Pattern):
    """An omitted input."""

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        if value is None:
            yield match


class _Either(Pattern):
    def __init__(self, patterns: Sequence[Pattern]) -> None:
        self._patterns = patterns
        self.roots = frozenset().union(*(item.roots for item in patterns))
        self.needs = frozenset.intersection(*(item.needs for item in patterns))

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        for item in self._patterns:
            yield from item.match(value, match)


class _Operator(Pattern):
    def __init__(self, op_type: str, inputs: Sequence[Pattern], attributes: Mapping[str, Any], domain: str) -> None:
        self._op_type, self._inputs, self._attributes, self._domain = op_type, inputs, attributes, domain
        self.roots = frozenset({op_type})
        self.needs = self.roots.union(*(item.needs for item in inputs))

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        node = value.producer() if value is not None else None
        if node is None or node.op_type != self._op_type or node.domain != self._domain or node.outputs[0] is not value:
            match.fail(self._op_type, value)
            return
        count = len(self._inputs)
        given = [*node.inputs, *[None] * (count - len(node.inputs))]
        inner = self._match_attributes(node, match.cover(node))
        if inner is None or any(item is not None for item in given[count:]):
            return
        yield from _match_all(self._inputs, given, inner)
        if len(given) == 2 and has_trait(node, Trait.COMMUTATIVE):
            yield from _match_all(self._inputs, given[::-1], inner)

    def _match_attributes(self, node: ir.Node, match: Match) -> Match | None:
        for name, wanted in self._attributes.items():
            actual = attribute(node, name)
            if isinstance(wanted, _Variable):
                if match.bound.get(wanted.name, actual) != actual:
                    return None
                match = match.bind(wanted.name, actual)
            elif not (is_close(actual, wanted, None) if isinstance(wanted, float) else actual == wanted):
                return None
        return match


class _Product(Pattern):
    """Factors over divisors, times a number, in any arrangement of Mul, Div and Reciprocal."""

    roots = frozenset({"Mul", "Div", "Reciprocal"})

    def __init__(self, factors: Sequence[Pattern], divisors: Sequence[Pattern] = (), number: float = 1.0) -> None:
        self._factors, self._divisors, self._number = tuple(factors), tuple(divisors), number
        self.needs = frozenset().union(*(item.needs for item in (*factors, *divisors)))

    @staticmethod
    def of(item: Pattern) -> _Product:
        """Read any pattern as a product."""
        if isinstance(item, _Product):
            return item
        return _Product((), number=item.number) if isinstance(item, _Number) else _Product((item,))

    def times(self, other: _Product) -> _Product:
        """The product of this product and another one."""
        factors, divisors = self._factors + other._factors, self._divisors + other._divisors
        return _Product(factors, divisors, self._number * other._number)

    @property
    def inverse(self) -> _Product:
        """One divided by this."""
        return _Product(self._divisors, self._factors, 1 / self._number)

    def match(self, value: ir.Value | None, match: Match) -> Iterator[Match]:
        if value is None or not _is_product(value):
            return
        terms = _Terms()
        terms.collect(value, root=True)
        if len(terms.factors) != len(self._factors) or len(terms.divisors) != len(self._divisors):
            return
        if not is_close(terms.number, self._number, value.dtype):
            return
        inner = match.cover(*terms.nodes)
        for factors in permutations(terms.factors):
            for divisors in permutations(terms.divisors):
                yield from _match_all(self._factors + self._divisors, factors + divisors, inner)


@dataclass
class _Terms:
    """The factors and divisors of a product in the graph."""

    factors: list[ir.Value] = field(default_factory=list)
    divisors: list[ir.Value] = field(default_factory=list)
    number: float = 1.0
    nodes: list[ir.Node] = field(default_factory=list)

    def collect(self, value: ir.Value, divide: bool = False, root: bool = False) -> None:
        """Add a term; if it is a product with a single use, add the terms of that product."""
        number = number_of(value)
        if number:
            self.number *= 1 / number if divide else number
        elif root or (len(self.nodes) < LONGEST_PRODUCT and _is_product(value) and is_internal(value)):
            node = value.producer()
            assert node is not None
            self.nodes.append(node)
            below = {"Mul": (divide, divide), "Div": (divide, not divide), "Reciprocal": (not divide,)}[node.op_type]
            for item, divided in zip(node.inputs, below, strict=True):
                assert item is not None
                self.collect(item, divided)
        else:
            (self.divisors if divide else self.factors).append(value)


def _is_product(value: ir.Value) -> bool:
    """Whether a value is a product of floats (a quotient of integers is rounded)."""
    node = value.producer()
    return node is not None and node.op_type in _Product.roots and not node.domain and is_float(value)


def _match_all(patterns: Sequence[Pattern], values: Sequence[ir.Value | None], match: Match) -> Iterator[Match]:
    """Every way to match each pattern with its value."""
    if not patterns:
        yield match
        return
    for inner in patterns[0].match(values[0], match):
        yield from _match_all(patterns[1:], values[1:], inner)
