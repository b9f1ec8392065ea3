"""The columns of the dataset that stands for the user's own: shapes, types, and random numbers of them."""

from __future__ import annotations

from collections.abc import Sequence

from converter.frontends import PROBABILITIES, Endpoint, Loss

_BATCH = 32


def have_batches(ends: Sequence[Endpoint]) -> bool:
    """Whether the first axis of all inputs and labels is the batch: free, or of one extent."""
    first = {end.shape[0] if end.shape else None for end in ends}
    numbers = {dim for dim in first if not isinstance(dim, str)}
    return None not in first and (not numbers or (len(numbers) == 1 and len(first) == 1))


def batch_size(ends: Sequence[Endpoint]) -> int:
    """The extent of the first axis, where that is fixed."""
    sizes = [end.shape[0] for end in ends if end.shape and isinstance(end.shape[0], int)]
    return sizes[0] if sizes else _BATCH


def value(end: Endpoint, batched: bool, loss: Loss | None) -> str:
    """The expression of one sample of an input, or with `loss`, of a label."""
    shape = end.example or tuple(dim if isinstance(dim, int) else 1 for dim in end.shape or ())
    shape = shape[1:] if batched else shape
    size = f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"
    if loss is not None and loss.classes:
        drawn = f"random.integers(0, {loss.classes}{f', {size}' if shape else ''})"
        return f"{drawn}.astype(np.int32)" if shape else f"np.int32({drawn})"
    if loss is not None and loss.name in ("CrossEntropyLoss", PROBABILITIES) and len(shape) == 1:
        return f"np.eye({shape[0]}, dtype=np.{end.dtype})[random.integers(0, {shape[0]})]"
    if (loss is not None and loss.name.startswith("BCE")) or end.dtype.kind in "iu" or end.dtype.kind == "b":
        drawn = f"random.integers(0, 2{f', {size}' if shape else ''})"
    else:
        drawn = f"random.standard_normal({size if shape else ''})"
    kind = "bool_" if end.dtype.kind == "b" else end.dtype.name
    return f"{drawn}.astype(np.{kind})" if shape else f"np.{kind}({drawn})"
