"""Weight steps as text that people read and write: `transpose(3, 2, 0, 1)`, `gates(1, 0, 2)`.

| text | meaning |
|---|---|
| `transpose(3, 2, 0, 1)` | permute the axes |
| `reshape(120, 400)` | give the array another shape |
| `slice(0, 16, 32)` | along axis 0 the elements from 16 to 32, 32 excluded |
| `gates(1, 0, 2)` | cut axis 0 in as many blocks as there are numbers, and put them in this order |
| `forget_bias(1.0)` | add a number to the second of four blocks along axis 0: the forget gate of an LSTM |
| `zeros(12)` | zeros of this shape |
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Sequence
from typing import Any

from converter.base.weight_steps import Step, add, concatenate, reshape, shape_after, slice_axis, transpose, zeros

_CALL = re.compile(r"(\w+)\((.*)\)")


def parse_steps(texts: Iterable[str], shape: Sequence[int]) -> tuple[Step, ...]:
    """The steps that texts mean on an array of `shape`.

    Raises:
        ValueError: a text is no step, or does not fit the shape; the message says which and why.
    """
    steps: tuple[Step, ...] = ()
    for text in texts:
        before = shape_after(steps, shape)
        try:
            steps = (*steps, _parse(text.strip(), before))
            shape_after(steps[-1:], before)
        except (ValueError, TypeError, IndexError, SyntaxError) as error:
            raise ValueError(f"'{text.strip()}' does not fit {tuple(before)}: {error}") from error
    return steps


def text_of_steps(steps: Iterable[Step]) -> list[str]:
    """The text of each step.

    Raises:
        ValueError: a concatenation has no text.
    """
    return [_text(step) for step in steps]


def gates(order: Sequence[int], hidden: int) -> Step:
    """Put blocks of `hidden` along axis 0 in another order; `order` has for each block of the result its place."""
    return concatenate(0, *([_block(place, hidden)] for place in order))


def forget_bias(value: float, hidden: int) -> Step:
    """Add a number to the second of four blocks of `hidden` along axis 0."""
    return concatenate(0, [_block(0, hidden)], [_block(1, hidden), add(value)], [slice_axis(0, 2 * hidden, 4 * hidden)])


def _block(place: int, hidden: int) -> Step:
    return slice_axis(0, place * hidden, (place + 1) * hidden)


def _parse(text: str, shape: Sequence[int]) -> Step:
    match = _CALL.fullmatch(text)
    if match is None:
        raise ValueError("no step of the form transpose(3, 2, 0, 1)")
    name, written = match.groups()
    values: tuple[Any, ...] = ast.literal_eval(f"({written},)") if written.strip() else ()
    if name != "forget_bias" and not all(isinstance(value, int) for value in values):
        raise ValueError("its numbers must be integers")
    match name:
        case "transpose":
            return transpose(*(values or tuple(range(len(shape)))[::-1]))
        case "reshape":
            return reshape(*values)
        case "slice":
            return _slice(shape, *values)
        case "gates":
            return gates(values, _hidden(shape, len(values)))
        case "forget_bias":
            (value,) = values
            return forget_bias(float(value), _hidden(shape, 4))
        case "zeros":
            return zeros(*values)
    raise ValueError("the steps are transpose, reshape, slice, gates, forget_bias and zeros")


def _slice(shape: Sequence[int], axis: int, start: int, stop: int) -> Step:
    if not 0 <= axis < len(shape) or not 0 <= start < stop <= shape[axis]:
        raise ValueError("slice(axis, start, stop) must lie within the shape")
    return slice_axis(axis, start, stop)


def _hidden(shape: Sequence[int], blocks: int) -> int:
    if not blocks or not shape or shape[0] % blocks:
        raise ValueError(f"the first axis is not divisible by {blocks}")
    return shape[0] // blocks


def _text(step: Step) -> str:
    match step["op"]:
        case "transpose":
            return _call("transpose", step["perm"])
        case "reshape" | "zeros" as name:
            return _call(name, step["shape"])
        case "slice":
            return _call("slice", (step["axis"], step["start"], step["stop"]))
        case "concatenate":
            return _text_of_blocks(step)
    raise ValueError(f"the step '{step['op']}' has no text")


def _text_of_blocks(step: Step) -> str:
    slices = [part[0] for part in step["parts"]]
    hidden = slices[0]["stop"] - slices[0]["start"]
    order = [each["start"] // hidden for each in slices]
    if step == gates(order, hidden):
        return _call("gates", order)
    values = [part[1]["value"] for part in step["parts"] if len(part) > 1]
    if len(values) == 1 and step == forget_bias(values[0], hidden):
        return _call("forget_bias", values)
    raise ValueError("this concatenation has no text")


def _call(name: str, values: Iterable[Any]) -> str:
    return f"{name}({', '.join(map(str, values))})"
