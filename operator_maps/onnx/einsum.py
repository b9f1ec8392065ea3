"""Einsum, decomposed into transposes, matrix products and sums: MindSpore's ops.einsum has no CPU kernel."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from converter.graph import may_be_empty
from converter.rows import Arg, Node, Operand, expr, reshape, transpose
from operator_maps.onnx.linear_algebra import dense, over_something

Label = str
"""The label of an axis: a letter of the equation, or the number of an axis of the ellipsis, from the end: -1, -2."""


@dataclass(frozen=True)
class Term:
    """A tensor with labelled axes.

    Attributes:
        tensor: its expression.
        labels: the label of each axis.
        extents: the extent of each axis: a number, or an expression if it is dynamic.
        weight: the operand, if the tensor is an unchanged weight; else None.
    """

    tensor: Arg
    labels: tuple[Label, ...]
    extents: tuple[Arg, ...]
    weight: Operand | None = None

    def extent(self, label: Label) -> Arg:
        """The extent of the axis with this label."""
        return self.extents[self.labels.index(label)]

    def transposed(self, labels: Sequence[Label]) -> Term:
        """The term with its axes transposed to this order."""
        if tuple(labels) == self.labels:
            return self
        perm = tuple(self.labels.index(label) for label in labels)
        return Term(expr("{0}.transpose({1})", self.tensor, perm), tuple(labels), tuple(map(self.extent, labels)))


def einsum(node: Node, *xs: Operand, equation: str) -> Arg:
    """ONNX Einsum: transposes, reshapes, ops.matmul and sums that compute the equation; nn.Linear for a weight."""
    inputs, output = parse(node, equation, [x.rank for x in xs])
    terms = [_term(x, labels) for x, labels in zip(xs, inputs, strict=True)]
    terms = [
        _reduce_single(node, term, _labels_used(terms[:i] + terms[i + 1 :], output)) for i, term in enumerate(terms)
    ]
    if len(terms) == 2:
        terms = _order_factors(terms[0], terms[1], output)
    result = terms[0]
    for i, term in enumerate(terms[1:], start=1):
        result = _contract(node, result, term, _labels_used(terms[i + 1 :], output))
    result = _reduce_single(node, result, set(output))
    return result.transposed(output).tensor


def parse(node: Node, equation: str, ranks: Sequence[int | None]) -> tuple[list[tuple[Label, ...]], tuple[Label, ...]]:
    """Parse an equation: the labels of the axes of every input, and those of the output.

    Raises:
        Unsupported: a rank is unknown, or the equation does not fit the inputs.
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
    return inputs, (*_ellipsis_labels(dots), *letters)


def _labels(text: str, rank: int) -> tuple[Label, ...]:
    before, ellipsis, after = text.partition("...")
    return (*before, *_ellipsis_labels(rank - len(before) - len(after) if ellipsis else 0), *after)


def _ellipsis_labels(count: int) -> tuple[Label, ...]:
    return tuple(str(i) for i in range(-count, 0))


def _term(x: Operand, labels: tuple[Label, ...]) -> Term:
    return Term(x, labels, x.shape_python() or (), x if x.is_weight and x.kind == "f" else None)


def _labels_used(others: Iterable[Term], output: Sequence[Label]) -> set[Label]:
    """The labels that other terms or the output have."""
    return set(output).union(*(term.labels for term in others))


def _reduce_single(node: Node, term: Term, needed: set[Label]) -> Term:
    """Reduce one term: take the diagonal of a label that occurs twice in it, sum over labels that are not needed."""
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
    return _sum_over(node, term, [label for label in term.labels if label not in needed])


def _sum_over(node: Node, term: Term, over: Sequence[Label]) -> Term:
    if not over:
        return term
    axes = tuple(term.labels.index(label) for label in over)
    kept = [label for label in term.labels if label not in over]
    tensor = expr("{0}.sum({1})", term.tensor, axes[0] if len(axes) == 1 else axes)
    if node.outputs[0].kind in "iu":
        tensor = expr("{0}.astype({1})", tensor, node.dtype())
    return Term(tensor, tuple(kept), tuple(map(term.extent, kept)))


def _order_factors(a: Term, b: Term, output: Sequence[Label]) -> list[Term]:
    """The two factors, ordered so that the axes of the first come first in the output, which saves a transpose."""
    rows, columns = ([output.index(x) for x in set(one.labels) - set(other.labels)] for one, other in ((a, b), (b, a)))
    swapped = a.weight is None and b.weight is None and rows and columns and max(columns) < min(rows)
    return [b, a] if swapped else [a, b]


def _contract(node: Node, a: Term, b: Term, needed: set[Label]) -> Term:
    """Multiply two terms and sum over the labels that both have and that are not needed later."""
    shared = [label for label in a.labels if label in b.labels]
    batch = [label for label in shared if label in needed]
    summed = [label for label in shared if label not in needed]
    rows = [label for label in a.labels if label not in shared]
    columns = [label for label in b.labels if label not in shared]
    if not summed or not (rows or columns):
        return _sum_over(node, _multiply(a, b), summed)
    if not rows or (a.weight is not None and b.weight is None and columns):
        a, b, rows, columns = b, a, columns, rows
    if b.weight is not None and columns and not batch:
        return _dense_layer(node, a, b, b.weight, rows, summed, columns)
    return _matmul(node, a, b, batch, rows, summed, columns)


def _multiply(a: Term, b: Term) -> Term:
    """Multiply elementwise, by broadcasting over the union of both terms' labels."""
    if a.labels == b.labels:
        return Term(expr("{0} * {1}", a.tensor, b.tensor), a.labels, tuple(_extent(a, b, label) for label in a.labels))
    labels = sorted(dict.fromkeys((*a.labels, *b.labels)), key=lambda label: 0 if label.isalpha() else int(label))
    both = [_expand_axes(term, labels) for term in (a, b)]
    extents = tuple(_extent(a, b, label) for label in labels)
    return Term(expr("{0} * {1}", *both), tuple(labels), extents)


def _expand_axes(term: Term, labels: Sequence[Label]) -> Arg:
    """Insert an axis of extent 1 for each label that the term lacks, except leading ones, which broadcasting adds."""
    own = [label for label in labels if label in term.labels]
    tensor = term.transposed(own).tensor
    first = labels.index(own[0]) if own else len(labels)
    for axis, label in enumerate(labels[first:]):
        if label not in term.labels:
            tensor = expr("ops.unsqueeze({0}, {1})", tensor, axis)
    return tensor


def _extent(a: Term, b: Term, label: Label) -> Arg:
    """The extent of a label after broadcasting."""
    known = [term.extent(label) for term in (a, b) if label in term.labels]
    return known[-1] if known[0] == 1 else known[0]


def _matmul(
    node: Node,
    a: Term,
    b: Term,
    batch: list[Label],
    rows: list[Label],
    summed: list[Label],
    columns: list[Label],
) -> Term:
    """A matrix product: labels of one kind (rows, summed, columns) are merged into one axis before, and split after."""
    left, right = a.transposed([*batch, *rows, *summed]), b.transposed([*batch, *summed, *columns])
    apart = len(rows) > 1 and bool(batch)
    alone = [[label] for label in batch]
    x = _merge_axes(left, [*alone, *([rows] if apart else [[row] for row in rows]), summed])
    y = _merge_axes(right, [*alone, summed, columns])
    if columns or not batch:
        product = expr("ops.matmul({0}, {1})", x, y)
    else:
        product = expr("ops.matmul({0}, ops.unsqueeze({1}, -1)).squeeze(-1)", x, y)
    if any(_may_be_empty(a, b, label) for label in summed):
        product = over_something(product, _size([a.extent(label) for label in summed]), node.outputs[0].kind)
    labels = (*batch, *rows, *columns)
    extents = tuple(_extent(a, b, label) for label in labels)
    if apart or len(columns) > 1:
        product = expr("{0}.reshape({1})", product, extents)
    return Term(product, labels, extents)


def _may_be_empty(a: Term, b: Term, label: Label) -> bool:
    """Whether two terms may have nothing along an axis: neither fixes it, and one of them may be empty."""
    return not any(isinstance(term.extent(label), int) for term in (a, b)) and any(
        isinstance(term.tensor, Operand) and may_be_empty(term.tensor.value, term.labels.index(label))
        for term in (a, b)
    )


def _merge_axes(term: Term, groups: Sequence[Sequence[Label]]) -> Arg:
    """Reshape so that every group of labels is one axis."""
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


def _dense_layer(
    node: Node, a: Term, b: Term, weight: Operand, rows: list[Label], summed: list[Label], columns: list[Label]
) -> Term:
    """A product with a weight as nn.Linear, whose parameter (units, channels) is the weight transposed and reshaped."""
    shape = (_size([b.extent(label) for label in columns]), _size([b.extent(label) for label in summed]))
    perm = [b.labels.index(label) for label in (*columns, *summed)]
    steps = [transpose(*perm)] if perm != sorted(perm) else []
    steps += [reshape(*shape)] if len(perm) != 2 else []
    x = _merge_axes(a.transposed([*rows, *summed]), [*([label] for label in rows), summed])
    extents = (*map(a.extent, rows), *map(b.extent, columns))
    product = dense(node, x, weight.weight(*steps))
    if len(columns) > 1:
        product = expr("{0}.reshape({1})", product, extents)
    return Term(product, (*rows, *columns), extents)


ROWS = {"Einsum": einsum}
