"""Einsum, taken apart into transposes, products of matrices and sums: MindSpore's ops.einsum has no CPU kernel."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from converter.rows import Arg, Node, Operand, expr, reshape, transpose
from operator_maps.onnx.linear_algebra import dense

Label = str
"""A letter, or for an axis of the ellipsis its number from the back: `-1`, `-2`."""


@dataclass(frozen=True)
class Term:
    """A tensor and what its axes are called.

    Attributes:
        tensor: what to write for it.
        labels: a label for each axis.
        extents: for each axis a number, or an expression where it is free.
        weight: the operand, as long as it is a weight that nothing has been done to.
    """

    tensor: Arg
    labels: tuple[Label, ...]
    extents: tuple[Arg, ...]
    weight: Operand | None = None

    def extent(self, label: Label) -> Arg:
        """The extent of an axis."""
        return self.extents[self.labels.index(label)]

    def arranged(self, labels: Sequence[Label]) -> Term:
        """Transpose to this order."""
        if tuple(labels) == self.labels:
            return self
        perm = tuple(self.labels.index(label) for label in labels)
        return Term(expr("{0}.transpose({1})", self.tensor, perm), tuple(labels), tuple(map(self.extent, labels)))


def einsum(node: Node, *xs: Operand, equation: str) -> Arg:
    """ONNX Einsum: for the equation given, what an engineer would write with ops.matmul; nn.Dense for a weight."""
    inputs, output = parse(node, equation, [x.rank for x in xs])
    terms = [_term(x, labels) for x, labels in zip(xs, inputs, strict=True)]
    terms = [_alone(node, term, _needed(terms[:i] + terms[i + 1 :], output)) for i, term in enumerate(terms)]
    if len(terms) == 2:
        terms = _in_order(terms[0], terms[1], output)
    result = terms[0]
    for i, term in enumerate(terms[1:], start=1):
        result = _contract(node, result, term, _needed(terms[i + 1 :], output))
    result = _alone(node, result, set(output))
    return result.arranged(output).tensor


def parse(node: Node, equation: str, ranks: Sequence[int | None]) -> tuple[list[tuple[Label, ...]], tuple[Label, ...]]:
    """The labels of every input's axes and of the output's.

    Raises:
        Declined: a rank is unknown, or the equation does not fit the inputs.
    """
    left, arrow, right = equation.replace(" ", "").partition("->")
    texts = left.split(",")
    if None in ranks or len(texts) != len(ranks):
        raise node.decline(f"equation {equation!r} for {len(ranks)} inputs, of which the ranks must be known")
    inputs = [_labels(text, rank or 0) for text, rank in zip(texts, ranks, strict=True)]
    if any(len(labels) != rank for labels, rank in zip(inputs, ranks, strict=True)):
        raise node.decline(f"equation {equation!r} does not fit inputs of {ranks} axes")
    dots = max((sum(not label.isalpha() for label in labels) for labels in inputs), default=0)
    if arrow:
        return inputs, _labels(right, dots + sum(c.isalpha() for c in right))
    counts = Counter(label for labels in inputs for label in labels)
    letters = sorted(label for label, count in counts.items() if label.isalpha() and count == 1)
    return inputs, (*_dots(dots), *letters)


def _labels(text: str, rank: int) -> tuple[Label, ...]:
    before, ellipsis, after = text.partition("...")
    return (*before, *_dots(rank - len(before) - len(after) if ellipsis else 0), *after)


def _dots(count: int) -> tuple[Label, ...]:
    return tuple(str(i) for i in range(-count, 0))


def _term(x: Operand, labels: tuple[Label, ...]) -> Term:
    return Term(x, labels, x.shape_python() or (), x if x.is_weight and x.kind == "f" else None)


def _needed(others: Iterable[Term], output: Sequence[Label]) -> set[Label]:
    """The labels that later terms or the output have."""
    return set(output).union(*(term.labels for term in others))


def _alone(node: Node, term: Term, needed: set[Label]) -> Term:
    """What a term does by itself: the diagonal of a label that it has twice, the sum over one that nothing else has."""
    while len(set(term.labels)) < len(term.labels):
        twice = next(label for label, count in Counter(term.labels).items() if count > 1)
        first = term.labels.index(twice)
        second = term.labels.index(twice, first + 1)
        kept = [i for i in range(len(term.labels)) if i not in (first, second)]
        term = Term(
            expr("ops.diagonal({0}, 0, {1}, {2})", term.tensor, first, second),
            (*(term.labels[i] for i in kept), twice),
            (*(term.extents[i] for i in kept), term.extents[first]),
        )
    return _summed(node, term, [label for label in term.labels if label not in needed])


def _summed(node: Node, term: Term, over: Sequence[Label]) -> Term:
    if not over:
        return term
    axes = tuple(term.labels.index(label) for label in over)
    kept = [label for label in term.labels if label not in over]
    tensor = expr("{0}.sum({1})", term.tensor, axes[0] if len(axes) == 1 else axes)
    if node.outputs[0].kind in "iu":
        tensor = expr("{0}.astype({1})", tensor, node.dtype())
    return Term(tensor, tuple(kept), tuple(map(term.extent, kept)))


def _in_order(a: Term, b: Term, output: Sequence[Label]) -> list[Term]:
    """Two tensors, first the one whose own axes come first in the output, which need not be transposed then."""
    rows, columns = ([output.index(x) for x in set(one.labels) - set(other.labels)] for one, other in ((a, b), (b, a)))
    swapped = a.weight is None and b.weight is None and rows and columns and max(columns) < min(rows)
    return [b, a] if swapped else [a, b]


def _contract(node: Node, a: Term, b: Term, needed: set[Label]) -> Term:
    """Multiply two terms and sum over the labels that they share and nothing else needs."""
    shared = [label for label in a.labels if label in b.labels]
    batch = [label for label in shared if label in needed]
    summed = [label for label in shared if label not in needed]
    rows = [label for label in a.labels if label not in shared]
    columns = [label for label in b.labels if label not in shared]
    if not summed or not (rows or columns):
        return _summed(node, _multiplied(a, b), summed)
    if not rows or (a.weight is not None and b.weight is None and columns):
        a, b, rows, columns = b, a, columns, rows
    if b.weight is not None and columns and not batch:
        return _through_layer(node, a, b, b.weight, rows, summed, columns)
    return _matrices(a, b, batch, rows, summed, columns)


def _multiplied(a: Term, b: Term) -> Term:
    """Multiply element by element, the axes of both side by side."""
    if a.labels == b.labels:
        return Term(expr("{0} * {1}", a.tensor, b.tensor), a.labels, tuple(_extent(a, b, label) for label in a.labels))
    labels = sorted(dict.fromkeys((*a.labels, *b.labels)), key=lambda label: 0 if label.isalpha() else int(label))
    both = [_spread(term, labels) for term in (a, b)]
    extents = tuple(_extent(a, b, label) for label in labels)
    return Term(expr("{0} * {1}", *both), tuple(labels), extents)


def _spread(term: Term, labels: Sequence[Label]) -> Arg:
    """Give a term all axes, with extent 1 where it has none; those in front come by broadcasting."""
    own = [label for label in labels if label in term.labels]
    tensor = term.arranged(own).tensor
    first = labels.index(own[0]) if own else len(labels)
    for axis, label in enumerate(labels[first:]):
        if label not in term.labels:
            tensor = expr("ops.expand_dims({0}, {1})", tensor, axis)
    return tensor


def _extent(a: Term, b: Term, label: Label) -> Arg:
    """The extent of a label after broadcasting."""
    known = [term.extent(label) for term in (a, b) if label in term.labels]
    return known[-1] if known[0] == 1 else known[0]


def _matrices(
    a: Term, b: Term, batch: list[Label], rows: list[Label], summed: list[Label], columns: list[Label]
) -> Term:
    """A product of matrices; several labels of one kind become one axis for it, and come apart again."""
    left, right = a.arranged([*batch, *rows, *summed]), b.arranged([*batch, *summed, *columns])
    apart = len(rows) > 1 and bool(batch)
    alone = [[label] for label in batch]
    x = _merged(left, [*alone, *([rows] if apart else [[row] for row in rows]), summed])
    y = _merged(right, [*alone, summed, columns])
    if columns or not batch:
        product = expr("ops.matmul({0}, {1})", x, y)
    else:
        product = expr("ops.matmul({0}, ops.expand_dims({1}, -1)).squeeze(-1)", x, y)
    labels = (*batch, *rows, *columns)
    extents = tuple(_extent(a, b, label) for label in labels)
    if apart or len(columns) > 1:
        product = expr("{0}.reshape({1})", product, extents)
    return Term(product, labels, extents)


def _merged(term: Term, groups: Sequence[Sequence[Label]]) -> Arg:
    """Make one axis of every group of labels."""
    if all(len(group) == 1 for group in groups if group):
        return term.tensor
    sizes = [_size([term.extent(label) for label in group]) for group in groups if group]
    return expr("{0}.reshape({1})", term.tensor, tuple(sizes))


def _size(extents: Sequence[Arg]) -> Arg:
    known = math.prod(extent for extent in extents if isinstance(extent, int))
    size: Arg = None
    for extent in [*(e for e in extents if not isinstance(e, int)), *[known] * (known != 1)]:
        size = extent if size is None else expr("{0} * {1}", size, extent)
    return 1 if size is None else size


def _through_layer(
    node: Node, a: Term, b: Term, weight: Operand, rows: list[Label], summed: list[Label], columns: list[Label]
) -> Term:
    """A product with a weight: a layer, whose parameter is arranged as nn.Dense has it."""
    shape = (_size([b.extent(label) for label in columns]), _size([b.extent(label) for label in summed]))
    perm = [b.labels.index(label) for label in (*columns, *summed)]
    steps = [transpose(*perm)] if perm != sorted(perm) else []
    steps += [reshape(*shape)] if len(perm) != 2 else []
    x = _merged(a.arranged([*rows, *summed]), [*([label] for label in rows), summed])
    extents = (*map(a.extent, rows), *map(b.extent, columns))
    product = dense(node, x, weight.weight(*steps))
    if len(columns) > 1:
        product = expr("{0}.reshape({1})", product, extents)
    return Term(product, (*rows, *columns), extents)


ROWS = {"Einsum": einsum}
