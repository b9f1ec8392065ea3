"""Layouts: the weight steps that take a tensor from the layout of a framework to the layout of a MindSpore parameter.

Axes: O output channels, I input channels, D H W the window, C channels and M multiplier of a depthwise convolution.

| layer | MindSpore, PyTorch | TensorFlow, Keras |
|---|---|---|
| convolution | O I (D) (H) W; MindSpore's Conv1d: O I 1 W | (D) (H) W I O |
| depthwise convolution | C*M 1 H W | H W C M |
| transposed convolution | I O (D) (H) W; MindSpore's Conv1dTranspose: I O 1 W | (D) (H) W O I |
| dense | O I | I O |

`recurrent.py` has those of recurrent layers. Sources: the documentation of `mindspore.nn`, `torch.nn` and
`keras.layers`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, TypeAlias

from converter.base.weight_steps import Step, reshape, shape_after, transpose

Framework: TypeAlias = Literal["torch", "tensorflow", "mindspore", "onnx", ""]
"""Whose layouts and names a source has; empty where that is not known."""

Shape: TypeAlias = tuple[int, ...]

AS_IT_IS = "as it is"
TRANSPOSED = "(in, out) -> (out, in)"


@dataclass(frozen=True)
class Layout:
    """A way to turn one tensor into a parameter.

    Attributes:
        name: what it does, for a reader: `HWIO -> OIHW`.
        steps: the weight steps, none where the tensor has the parameter's layout.
        channels_last: whether TensorFlow and Keras have this layout, and PyTorch and MindSpore do not.
    """

    name: str
    steps: tuple[Step, ...] = ()
    channels_last: bool = False


@lru_cache(maxsize=4096)
def layouts_of(role: str, source: Shape, parameter: Shape) -> tuple[Layout, ...]:
    """All layouts in which a tensor of shape `source` fits a parameter, most plausible first.

    Args:
        role: of the parameter, as `roles.role_of_parameter` names it.
        source: shape of the tensor.
        parameter: shape of the parameter.
    """
    if math.prod(source) != math.prod(parameter):
        return ()
    found: dict[str, Layout] = {}
    for layout in (Layout(AS_IT_IS), *_BY_ROLE.get(role, _general)(source, parameter)):
        steps = layout.steps
        made = shape_after(steps, source)
        if made != parameter and _without_ones(made) == _without_ones(parameter):
            steps = (*steps, reshape(*parameter))
        elif made != parameter:
            continue
        same = any(_same_elements(steps, other.steps, source) for other in found.values())
        if not same:
            found[layout.name] = Layout(layout.name, steps, layout.channels_last)
    return tuple(found.values())


def _same_elements(one: Sequence[Step], other: Sequence[Step], shape: Shape) -> bool:
    """Whether steps move every element of an array of `shape` to the same place: a (1, n) transposed is a reshape."""
    if tuple(one) == tuple(other):
        return True
    significant = [extent for extent in shape if extent > 1]
    return len(significant) <= 1


def _convolution(source: Shape, parameter: Shape) -> list[Layout]:
    rank = len(source)
    window = tuple(range(rank - 2))
    if rank < 2:
        return []
    if rank == 2:  # a matrix as a convolution with a window of one element
        return [Layout(TRANSPOSED, (transpose(1, 0),), True)]
    axes = "DHW"[-len(window) :] if len(window) <= 3 else "*"
    found = [Layout(f"{axes}IO -> OI{axes}", (transpose(rank - 1, rank - 2, *window),), True)]
    if parameter[1:2] == (1,) and source[-2] > 1 and source[-2] * source[-1] == parameter[0]:
        steps = (transpose(rank - 2, rank - 1, *window), reshape(parameter[0], 1, *source[:-2]))
        found.append(Layout(f"depthwise {axes}CM -> (C*M)1{axes}", steps, True))
    return found


def _transposed_convolution(source: Shape, parameter: Shape) -> list[Layout]:
    rank = len(source)
    if rank < 3:
        return []
    axes = "DHW"[-(rank - 2) :] if rank <= 5 else "*"
    return [Layout(f"{axes}OI -> IO{axes}", (transpose(rank - 1, rank - 2, *range(rank - 2)),), True)]


def _dense(source: Shape, parameter: Shape) -> list[Layout]:
    significant = tuple(axis for axis, extent in enumerate(source) if extent > 1)
    if len(source) == 2:
        return [Layout(TRANSPOSED, (transpose(1, 0),), True)]
    if len(source) == 3 and source[0] == parameter[1]:  # Keras's attention: (in, heads, size)
        return [
            Layout(f"heads joined, {TRANSPOSED}", (reshape(source[0], source[1] * source[2]), transpose(1, 0)), True)
        ]
    if len(source) == 3 and source[2] == parameter[0]:  # its output: (heads, size, out)
        return [
            Layout(f"heads joined, {TRANSPOSED}", (reshape(source[0] * source[1], source[2]), transpose(1, 0)), True)
        ]
    if len(source) > 2 and len(significant) <= 2 and source[:-2] == (1,) * (len(source) - 2):
        steps = (reshape(*source[-2:]), transpose(1, 0))  # a convolution with a window of one element
        return [Layout(f"1x1 convolution, {TRANSPOSED}", steps, True)]
    return []


def _general(source: Shape, parameter: Shape) -> list[Layout]:
    """For a parameter whose layer is not known."""
    if len(source) == 2 and len(parameter) == 2:
        return [Layout("transposed", (transpose(1, 0),), True)]
    if len(source) == len(parameter) >= 3:
        return _convolution(source, parameter)
    return []


def _vector(source: Shape, parameter: Shape) -> list[Layout]:
    """A bias of Keras's attention has an axis of heads."""
    return [Layout("heads joined", (reshape(*parameter),))] if len(source) == 2 and len(parameter) == 1 else []


def _nothing(source: Shape, parameter: Shape) -> list[Layout]:
    return []


_BY_ROLE: dict[str, Callable[[Shape, Shape], list[Layout]]] = {
    "convolution": _convolution,
    "transposed convolution": _transposed_convolution,
    "dense": _dense,
    "bias": _vector,
    **dict.fromkeys(("embedding", "scale", "shift", "mean", "variance", "slope"), _nothing),
}


def flattened(source: Shape, height: int, width: int, channels: int) -> Layout:
    """The layout of a dense layer that reads a flattened image: TensorFlow flattens (H, W, C), MindSpore (C, H, W).

    Args:
        source: (H * W * C, out).
        height: H of the image.
        width: W of the image.
        channels: C of the image.
    """
    out = source[1]
    steps = (
        reshape(height, width, channels, out),
        transpose(3, 2, 0, 1),
        reshape(out, channels * height * width),
    )
    return Layout(f"dense behind a flatten of (H, W, C) = ({height}, {width}, {channels})", steps, True)


def _without_ones(shape: Shape) -> Shape:
    return tuple(extent for extent in shape if extent != 1)
