"""The docstring of a script that was translated from a graph."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Sequence
from dataclasses import replace

import onnx_ir as ir

from converter.base.names import identifier
from converter.base.shards import INDEX
from converter.errors import visible
from converter.frontends import Endpoint, Source

WIDEST = 110
"""Characters of a line of the example."""
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"[^\W\d]\w*")
_OPERATOR = re.compile(r"//|[-+*/%]")
_LETTERS = "LMKPQRSTUVWXYZABCDEFGHIJ"
"""For extents of outputs that have no name."""
MOST_OPERATORS = 2
"""Operators of an extent that is written as a formula, `H//2 + 1`."""
SHORTEST = 5
"""Ends of one kind that are written in one line."""


def docstring_of(source: Source, graph: ir.Graph, name: str, checkpoint: str | None) -> str:
    """The script's docstring: its source, its inputs and outputs, how to load the checkpoint.

    Args:
        source: the model.
        graph: its normalised graph, for the outputs' shapes.
        name: NAME, the script's stem.
        checkpoint: the checkpoint's file name; None when the network has no parameters.
    """
    load = f'ms.load_param_into_net(net, ms.load_checkpoint("{checkpoint}"), strict_load=True)'
    if checkpoint == INDEX:
        load = 'ms.load_distributed_checkpoint(net, format="safetensors", unified_safetensors_dir=".")'
    elif checkpoint and not checkpoint.endswith(".ckpt"):
        kind = checkpoint.rpartition(".")[2]
        load = f'ms.load_param_into_net(net, ms.load_checkpoint("{checkpoint}", format="{kind}"), strict_load=True)'
    return "\n".join(
        [
            visible(f"{name}, translated from {source.description}."),
            "",
            *_ends("Input", source.inputs),
            *_ends("Output", inferred_outputs(source, graph)),
            *(["Notes", *(f"    {visible(note)}" for note in source.notes)] if source.notes else ()),
            "",
            "    import mindspore as ms",
            f"    from {name} import MindSporeModel",
            "",
            '    ms.set_device("CPU")  # or "Ascend", "GPU"',
            "    net = MindSporeModel()",
            f"    {load}" if checkpoint else "    # The network has no parameters, so there is no checkpoint to load.",
            f"    {_call(source.inputs)}",
        ]
    )


def _ends(title: str, ends: Sequence[Endpoint]) -> list[str]:
    """One end beside its title, several below it."""
    lines = _endpoint_lines(ends)
    return [f"{title} {lines[0].strip()}"] if len(lines) == 1 else [f"{title}s", *lines]


def _call(inputs: Sequence[Endpoint]) -> str:
    """A call of the network on zeros; on the names of its inputs where that is too long, or one is no tensor."""
    if all(end.shape is not None and not end.container for end in inputs):
        call = f"outputs = net({', '.join(map(_zeros, inputs))})"
        if len(call) <= WIDEST:
            return call
    runs = _runs(inputs)
    names = [f"*{_stem(run[0])}" if len(run) > 1 else identifier(run[0].name) for run in runs]
    return f"outputs = net({', '.join(names)})"


def _runs(ends: Sequence[Endpoint]) -> list[list[Endpoint]]:
    """The ends one by one; those of a cache, whose names count layers, together."""
    groups = [list(group) for _, group in itertools.groupby(ends, lambda end: (_stem(end), _type(end)))]
    return [run for group in groups for run in ([group] if _first_of(group) else [[end] for end in group])]


def _stem(end: Endpoint) -> str:
    """What stands before the number in the name of an end; the whole name if there is none."""
    return identifier(re.split(r"[._]\d", end.name)[0])


def _first_of(run: Sequence[Endpoint]) -> list[str]:
    """The names with the first number, which all others repeat with the next ones; [] if that is not so."""
    names = [end.name for end in run]
    numbers = [int(found[0]) for name in names if (found := _NUMBER.search(name))]
    if len(names) < SHORTEST or len(numbers) < len(names):
        return []
    period = numbers.count(numbers[0])
    counted = [_NUMBER.sub(str(numbers[0] + i // period), names[i % period], 1) for i in range(len(names))]
    return names[:period] if names == counted else []


def _zeros(end: Endpoint) -> str:
    """A tensor of zeros for an input; where extents are free, one image of 224 x 224, or a sequence of 16."""
    extents = end.example or end.shape or ()
    free = 224 if len(extents) > 3 else 16
    shape = tuple(each if isinstance(each, int) else free if axis else 1 for axis, each in enumerate(extents))
    return f"ms.ops.zeros({shape}, dtype=ms.{'bool_' if end.dtype == 'bool' else end.dtype})"


def inferred_outputs(source: Source, graph: ir.Graph) -> list[Endpoint]:
    """The outputs of a source with the shapes that were inferred in its normalised graph.

    An extent for which the inputs have no name, and a long formula, is a letter; equal ones are the same.
    """
    ends = [_inferred(end, value) for end, value in zip(source.outputs, graph.outputs, strict=True)]
    own = {dim for end in source.inputs for dim in end.shape or () if isinstance(dim, str)}
    letters: dict[str, str] = {}
    free = iter([letter for letter in _LETTERS if letter not in own])
    for dim in (dim for end in ends for dim in end.shape or ()):
        if isinstance(dim, str) and not _is_readable(dim, own) and dim not in letters:
            letters[dim] = next(free, "?")
    return [
        end if end.shape is None else replace(end, shape=tuple(letters.get(f"{dim}", dim) for dim in end.shape))
        for end in ends
    ]


def _is_readable(dim: str, own: Collection[str]) -> bool:
    """Whether an extent is `?`, a name of the inputs, or a short formula in such names: `3*L`."""
    is_short = len(_OPERATOR.findall(dim)) <= MOST_OPERATORS
    return dim in own or dim == "?" or (is_short and set(_NAME.findall(dim)) <= set(own))


def _inferred(end: Endpoint, value: ir.Value) -> Endpoint:
    if value.shape is None:
        return end
    return replace(end, shape=tuple(dim if isinstance(dim, int) else dim.value or "?" for dim in value.shape))


def _endpoint_lines(endpoints: Sequence[Endpoint]) -> list[str]:
    runs = _runs(endpoints)
    width = max((len(visible(run[0].name)) for run in runs if len(run) == 1), default=0)
    return [visible(f"    {_name(run):<{width}}  {_type(run[0])}") for run in runs]


def _name(run: Sequence[Endpoint]) -> str:
    names = ", ".join(_first_of(run)) or run[0].name
    return visible(names if len(run) == 1 else f"{names} … {run[-1].name}")


def _type(end: Endpoint) -> str:
    return f"{_container(end)}{end.dtype} {_shape(end)}"


def _container(end: Endpoint) -> str:
    return "".join({"sequence": "list of ", "optional": "None or "}[kind] for kind in end.container)


def _shape(end: Endpoint) -> str:
    return "of any rank" if end.shape is None else f"({', '.join(map(str, end.shape))})"
