"""Symbolic dimensions: names of dynamic extents, and sums of them, which the source, ONNX and we write differently."""

from __future__ import annotations

from functools import lru_cache

import onnx_ir as ir


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """One name for equal sums: `a + b` for `(b + a)`."""
    return " + ".join(sorted(_terms(name)))


def extents_by_name(shape: ir.Shape) -> tuple[int | str | None, ...]:
    """Extents: numbers, names where free, None where unknown; equal ones have one name."""
    return tuple(dim if isinstance(dim, int) else None if dim.value is None else canonical(dim.value) for dim in shape)


def _terms(name: str) -> list[str]:
    """The terms of a sum, whatever parentheses stand around them."""
    while name.startswith("(") and _depths(name).index(0) == len(name) - 1:
        name = name[1:-1]
    depths = _depths(name)
    cuts = [i for i in range(len(name)) if name[i : i + 3] == " + " and not depths[i]]
    if not cuts:
        return [name]
    ends = zip([-3, *cuts], [*cuts, len(name)], strict=True)
    return [term for start, end in ends for term in _terms(name[start + 3 : end])]


def _depths(name: str) -> list[int]:
    """For every character, how many parentheses are open behind it."""
    depth, depths = 0, []
    for character in name:
        depth += (character == "(") - (character == ")")
        depths.append(depth)
    return depths
