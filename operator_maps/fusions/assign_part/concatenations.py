"""Concatenations in each other, of parts of a tensor around another one: `x[:, a:b, c:d] = y`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import onnx_ir as ir

from converter.graph import Sliced, attribute, axes_of, is_internal, numbers_of, rank_of, shape_of, sliced
from converter.graph.fusions import DOMAIN, Builder
from operator_maps.fusions.assign_part.places import around, filling

NAME = "AssignPart"
"""The operator that other nodes were replaced by."""
_FAR = 1 << 30
"""An end that is behind every extent."""

Widths: TypeAlias = tuple[tuple[int, int], ...]
"""For each axis how many elements stay before a part, and how many behind it."""


class Cut(NamedTuple):
    """`x[before : -behind]` along an axis."""

    x: ir.Value
    axis: int
    widths: tuple[int, int]


class Assigned(NamedTuple):
    """A tensor with a part of it replaced; the part is seen through these views, the innermost first."""

    base: ir.Value | Cut
    part: ir.Value
    widths: Widths
    views: tuple[tuple[str, tuple[int, ...]], ...] = ()

    def axes(self) -> int:
        """Along how many axes something stays."""
        return sum(pair != (0, 0) for pair in self.widths)

    def made(self, builder: Builder) -> ir.Value:
        """The part."""
        value = self.part
        for operator, numbers in self.views:
            if operator == "Transpose":
                value = builder.Transpose(value, perm=numbers)
            else:
                value = builder.Unsqueeze(value, builder.constant("axes", np.array(numbers)))
        return value


def assigned(value: ir.Value | None) -> Iterator[Assigned]:
    """The ways to see a value as a tensor with a part of it replaced."""
    node = None if value is None else value.producer()
    if node is not None and node.domain == DOMAIN and node.op_type == NAME:
        base, part = node.inputs
        assert base is not None
        assert part is not None
        yield Assigned(base, part, tuple(zip(attribute(node, "before"), attribute(node, "behind"), strict=True)))
    reads = {"Concat": _concatenated, "Transpose": _transposed, "Unsqueeze": _unsqueezed}
    if node is not None and not node.domain and node.op_type in reads:
        yield from reads[node.op_type](node)


def _concatenated(node: ir.Node) -> Iterator[Assigned]:
    """Parts of a tensor before and behind another one."""
    rank = rank_of(node.outputs[0])
    if rank is None or not 2 <= len(node.inputs) <= 3:
        return
    axis = attribute(node, "axis") % rank
    whole = (shape_of(node.outputs[0]) or (None,) * rank)[axis]
    for at, part in enumerate(node.inputs):
        found = None if part is None else _sides(node.inputs[:at], node.inputs[at + 1 :], axis)
        if part is None or found is None or whole is None or (shape_of(found.x) or (None,) * rank)[axis] != whole:
            continue
        own = tuple(found.widths if i == axis else (0, 0) for i in range(rank))
        for inner in assigned(part) if is_internal(part) else ():
            if _is_middle(inner.base, found):
                yield inner._replace(base=found.x, widths=_joined(own, inner.widths, axis))
        yield Assigned(found.x, part, own)


def _is_middle(base: ir.Value | Cut, found: Cut) -> bool:
    """Whether a tensor is the middle of another one, or both are filled with one number."""
    if isinstance(base, Cut):
        return base == found
    ours, theirs = filling(base), filling(found.x)
    return _cut_of(base) == found or (ours is not None and theirs is not None and bool(ours == theirs))


def _sides(before: Sequence[ir.Value | None], behind: Sequence[ir.Value | None], axis: int) -> Cut | None:
    """The middle of the tensor whose first and last elements along an axis these are; None if they are others."""
    cuts = [sliced(each) for each in (*before, *behind)]
    if max(len(before), len(behind)) > 1 or any(cut is None or cut.axis != axis or cut.step != 1 for cut in cuts):
        return None
    wholes = {cut.whole for cut in cuts if cut is not None}
    if len(wholes) > 1:
        return None
    (x,) = wholes
    extent = (shape_of(x) or (None,) * (axis + 1))[axis]
    first = _length_before(cuts[0], extent) if before else 0
    last = _length_behind(cuts[-1], extent) if behind else 0
    return None if first is None or last is None else Cut(x, axis, (first, last))


def _joined(own: Widths, inner: Widths, axis: int) -> Widths:
    """What stays around a part of a part."""
    pairs = zip(own, inner, strict=True)
    return tuple((a[0] + b[0], a[1] + b[1]) if i == axis else b for i, (a, b) in enumerate(pairs))


def _length_before(cut: Sliced | None, extent: object) -> int | None:
    """The length of a Slice from the beginning."""
    if cut is None or cut.start or cut.stop < 0:
        return None
    return min(cut.stop, extent) if isinstance(extent, int) else cut.stop


def _length_behind(cut: Sliced | None, extent: object) -> int | None:
    """The length of a Slice to the end."""
    if cut is None or cut.stop < (extent if isinstance(extent, int) else _FAR):
        return None
    if cut.start < 0:
        return -cut.start
    return extent - cut.start if isinstance(extent, int) and cut.start <= extent else None


def _cut_of(value: ir.Value) -> Cut | None:
    """What a Slice takes of a tensor."""
    cut = sliced(value)
    if cut is None or cut.step != 1:
        return None
    extent = (shape_of(cut.whole) or ())[cut.axis]
    before, behind = cut.start, 0 if cut.stop >= _FAR else -cut.stop
    if isinstance(extent, int):
        first, last, _ = slice(cut.start, cut.stop).indices(extent)
        before, behind = first, extent - last
    return Cut(cut.whole, cut.axis, (before, behind)) if before >= 0 and behind >= 0 else None


def _transposed(node: ir.Node) -> Iterator[Assigned]:
    """The same with other orders of axes inside."""
    value, perm = _before_transposes(node.outputs[0], inside=True)
    for inner in assigned(value):
        if not isinstance(inner.base, ir.Value):
            continue
        base, back = _before_transposes(inner.base)
        if tuple(back[axis] for axis in perm) == tuple(range(len(perm))) or filling(base) is not None:
            widths = tuple(inner.widths[axis] for axis in perm)
            yield Assigned(base, inner.part, widths, (*inner.views, ("Transpose", perm)))


def _before_transposes(value: ir.Value, *, inside: bool = False) -> tuple[ir.Value, tuple[int, ...]]:
    """What Transposes make a value of, and their order of its axes; `inside` goes as far as nothing else reads it."""
    perm = tuple(range(rank_of(value) or 0))
    while (node := value.producer()) is not None and node.op_type == "Transpose" and node.inputs[0] is not None:
        own = attribute(node, "perm")
        if own is None or (inside and not is_internal(node.inputs[0])):
            break
        value, perm = node.inputs[0], tuple(own[axis] for axis in perm)
    return value, perm


def _unsqueezed(node: ir.Node) -> Iterator[Assigned]:
    """The same for one place along an axis, `x[:, i]`, which has it as an axis again."""
    axes = axes_of(node.inputs[1], node.outputs[0])
    if axes is None or len(axes) != 1 or not is_internal(node.inputs[0]):  # type: ignore[arg-type]
        return
    (axis,) = axes
    for inner in assigned(node.inputs[0]):
        if isinstance(inner.base, ir.Value) and (base := _place_of(inner.base, axis)) is not None:
            widths = (*inner.widths[:axis], (0, 0), *inner.widths[axis:])
            yield Assigned(base, inner.part, widths, (*inner.views, ("Unsqueeze", (axis,))))


def _place_of(value: ir.Value, axis: int) -> Cut | None:
    """The place along an axis that a Gather takes of a tensor."""
    taken = value.producer()
    if taken is None or taken.op_type != "Gather" or taken.domain:
        return None
    x, index = taken.inputs
    extents, place = None if x is None else shape_of(x), numbers_of(index)
    if x is None or extents is None or index is None or place is None or shape_of(index) != ():
        return None
    widths = around(place[0], 1, extents[axis])
    return None if widths is None or attribute(taken, "axis") % len(extents) != axis else Cut(x, axis, widths)
