"""The endpoints of the network as the user gives them: names of nodes, shapes, and the name of the result.

It works on names and extents only, and so for TensorFlow tensors and ONNX values alike.
"""

from __future__ import annotations

import difflib
import keyword
import re
import sys
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from converter.errors import BadParamError
from converter.frontends.source import Dim

IMAGE_EXTENT = 224
OTHER_EXTENT = 16

_IMPORTED = frozenset(sys.stdlib_module_names) | {"mindspore", "numpy"}
_NAMELESS = re.compile(r"none|unknown|dynamic|unk(__\d+)?", re.IGNORECASE)
_SHOWN = 8


@dataclass(frozen=True)
class TensorNames:
    """The names by which an endpoint can be given.

    Attributes:
        inputs: the graph's own inputs, as tensors (`x`, `input_1:0`).
        outputs: the graph's own outputs, likewise.
        nodes: node name → its output tensors in order; "" for an omitted optional output.
        values: every tensor by its name.
        shared: a name that several nodes have → the first output of each. `nodes` lacks such names.
        scopes: the name of a scope → the last tensor that is computed in it.
    """

    inputs: Sequence[str]
    outputs: Sequence[str]
    nodes: Mapping[str, Sequence[str]]
    values: Collection[str]
    shared: Mapping[str, Sequence[str]] = field(default_factory=dict)
    scopes: Mapping[str, str] = field(default_factory=dict)

    def inputs_named(self, names: Sequence[str]) -> tuple[str, ...]:
        """The tensors that `--input_nodes` names, in that order.

        Raises:
            BadParamError: a name that the graph does not have, or one tensor given twice.
        """
        return self._named(names, "input", self.inputs)

    def outputs_named(self, names: Sequence[str]) -> tuple[str, ...]:
        """The tensors that `--output_nodes` names, in that order. Raises as `inputs_named` does."""
        return self._named(names, "output", self.outputs)

    def _named(self, names: Sequence[str], kind: str, own: Sequence[str]) -> tuple[str, ...]:
        found: dict[str, str] = {}
        for name in names:
            value = self._resolve(name, kind, own)
            if value in found:
                same = "" if found[value] == name else f" (as '{found[value]}' and as '{name}')"
                raise BadParamError(f"{kind} node '{value}' is given twice{same}. Name each tensor once.")
            found[value] = name
        return tuple(found)

    def _resolve(self, name: str, kind: str, own: Sequence[str]) -> str:
        """The tensor that `name` denotes: a tensor of this name, else a node's first output, else `node:k`."""
        if name in self.values:
            return name
        outputs, index = self.nodes.get(name), 0
        if outputs is None:
            node, _, suffix = name.rpartition(":")
            if suffix.isdecimal():
                outputs, index = self.nodes.get(node), int(suffix)
                if outputs is None and index == 0 and node in self.values:
                    return node  # `input:0`, where the source calls the tensor `input`
        if outputs is None:
            raise BadParamError(self._unknown(name, kind, own))
        if index >= len(outputs) or not outputs[index]:
            has = listed(value for value in outputs if value) or "none"
            raise BadParamError(f"{kind} node '{name}': the node has no output {index}. Its outputs: {has}.")
        return outputs[index]

    def _unknown(self, name: str, kind: str, own: Sequence[str]) -> str:
        if name in self.shared:
            return f"{kind} node '{name}' stands for several nodes. Name a tensor: {listed(self.shared[name])}."
        message = f"{kind} node '{name}' is not in the graph."
        if "," in name or ";" in name:
            message += " Separate several nodes by spaces."
        near = difflib.get_close_matches(name, self._candidates(name), n=3, cutoff=0.6)
        near = list(dict.fromkeys(self.scopes.get(other, other) for other in near))
        if near:
            message += f" Nearest names: {listed(near)}."
        return message + f" The graph's own {kind}s: {listed(own) or 'none'}."

    def _candidates(self, name: str) -> Collection[str]:
        """Names to compare with `name`: all of a small graph; in a large one, those of similar length and start."""
        names = dict.fromkeys((*self.inputs, *self.outputs, *self.values, *self.nodes, *self.scopes))
        if len(names) <= 5000:
            return names
        lower = name.lower()
        return [n for n in names if abs(len(n) - len(name)) <= 4 and n[:1].lower() == lower[:1]][:5000]


def listed(names: Iterable[str]) -> str:
    """`'a', 'b', 'c'`, cut short when there are many."""
    names = list(names)
    text = ", ".join(f"'{name}'" for name in names[:_SHOWN])
    return f"{text} and {len(names) - _SHOWN} more" if len(names) > _SHOWN else text


def one_line(text: str) -> str:
    """A text of a model, which anybody may have written, as one line of printable characters."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


@dataclass(frozen=True)
class Declared:
    """An input as the source declares it: a dynamic extent is None or a name; a shape of unknown rank is None."""

    name: str
    shape: Sequence[int | str | None] | None


@dataclass(frozen=True)
class Extents:
    """The shape of an input (`Endpoint.shape`), the extents that inference and verification use (`Endpoint.example`),
    the names of dynamic extents without a given number (`Endpoint.guessed`), and of those that the source fixes
    (`Endpoint.freed`).
    """

    shape: tuple[Dim, ...] | None
    example: tuple[int, ...] | None
    guessed: frozenset[str] = frozenset()
    freed: frozenset[str] = frozenset()


def parse_shape(text: str) -> tuple[Dim, ...] | None:
    """`1,3,224,224` or `N,3,224,224` as a tuple; `-` as None, the source's own shape.

    Raises:
        BadParamError: an extent that is neither a positive number nor a letter (any identifier will do).
    """
    if text.strip() == "-":
        return None
    return tuple(_parse_extent(extent.strip(), text) for extent in text.split(","))


def _parse_extent(extent: str, text: str) -> Dim:
    if re.fullmatch(r"[0-9]+", extent) and int(extent) > 0:
        return int(extent)
    if extent.isidentifier():
        return extent
    raise BadParamError(
        f"shape '{text}': '{extent}' is neither a positive number nor a letter. "
        "Write 1,3,224,224, a letter for a free dimension (N,3,224,224), or - for the model's own shape."
    )


def merge_shapes(given: Sequence[str], declared: Sequence[Declared]) -> list[Extents]:
    """The shapes of `--shape`, one for each input in order, merged with those that the source declares.

    A number is an example: a dimension that is free in the source stays free, under the source's name or one of ours
    (`N` for axis 0). A letter frees a dimension, also one that the model fixes. Where a free dimension has no number of
    its own, the example is the number of a dimension of the same name, else the extent that the letter freed, else 1
    for axis 0, 224 for several other axes of a tensor of rank 4 (an image), 16 for the rest.

    Args:
        given: none at all, or as many as there are inputs.
        declared: the inputs in the order of `--input_nodes`.

    Raises:
        BadParamError: a count or a rank that differs from the source's, a number that contradicts a fixed dimension.
    """
    if given and len(given) != len(declared):
        raise BadParamError(
            f"--shape has {len(given)} shape(s) for {len(declared)} input(s). Give one for each, separated by spaces, "
            f"in the order {listed(end.name for end in declared)}; - takes the model's own."
        )
    wanted = [parse_shape(text) for text in given] or [None] * len(declared)
    names = _FreeNames(dim for shape in (*wanted, *(end.shape for end in declared)) for dim in shape or ())
    shapes = [_merged(end, shape, names) for end, shape in zip(declared, wanted, strict=True)]
    known = _known_extents(shapes, (wanted, [end.shape for end in declared]))
    guesses = _guesses(shapes, known)
    freed = _freed(shapes, declared)
    return [
        Extents(
            shape,
            _example(shape, want, known | guesses),
            frozenset(guesses).intersection(shape or ()),
            freed.intersection(shape or ()),
        )
        for shape, want in zip(shapes, wanted, strict=True)
    ]


def _freed(shapes: Sequence[tuple[Dim, ...] | None], declared: Sequence[Declared]) -> frozenset[str]:
    """The letters that stand for extents which the source fixes.

    Raises:
        BadParamError: one letter stands for several of them.
    """
    freed: dict[str, int] = {}
    for shape, end in zip(shapes, declared, strict=True):
        for dim, own in zip(shape or (), end.shape or (), strict=False):
            if isinstance(dim, str) and isinstance(own, int) and freed.setdefault(dim, own) != own:
                raise BadParamError(
                    f"input node '{end.name}': the letter {dim} stands for the extents {freed[dim]} and {own}, which "
                    "the model fixes. Give each of them a letter of its own."
                )
    return frozenset(freed)


_Shapes = Sequence[Sequence[int | str | None] | None]


def _known_extents(shapes: _Shapes, numbers: Iterable[_Shapes]) -> dict[str, int]:
    """Name of a dynamic dimension → its example extent, equal in all inputs."""
    known: dict[str, int] = {}
    for extents in numbers:
        for shape, given in zip(shapes, extents, strict=True):
            for dim, number in zip(shape or (), given or (), strict=False):
                if isinstance(dim, str) and isinstance(number, int):
                    known.setdefault(dim, number)
    for shape in shapes:
        if shape and isinstance(shape[0], str):
            known.setdefault(shape[0], 1)
    return known


def _guesses(shapes: _Shapes, known: Collection[str]) -> dict[str, int]:
    """Name of every other dynamic dimension → an extent that many models accept."""
    guesses: dict[str, int] = {}
    for shape in shapes:
        for dim in shape or ():
            if isinstance(dim, str) and dim not in known:
                free = [other for other in (shape or ())[1:] if not isinstance(other, int)]
                is_image = len(shape or ()) == 4 and len(free) > 1  # else a length, of keys or of audio
                guesses.setdefault(dim, IMAGE_EXTENT if is_image else OTHER_EXTENT)
    return guesses


def _merged(end: Declared, wanted: tuple[Dim, ...] | None, names: _FreeNames) -> tuple[Dim, ...] | None:
    if wanted is None:
        return None if end.shape is None else tuple(names.keep(dim, axis) for axis, dim in enumerate(end.shape))
    if end.shape is None:
        return tuple(dim if isinstance(dim, str) else names.keep(None, axis) for axis, dim in enumerate(wanted))
    if len(wanted) != len(end.shape):
        hint = "Use - for a scalar." if not end.shape else "Give as many extents as it has dimensions, or -."
        raise BadParamError(
            f"input node '{end.name}': shape {shape_text(wanted)} has {len(wanted)} dimension(s), but the model "
            f"declares {shape_text(end.shape)}. {hint}"
        )
    for want, own in zip(wanted, end.shape, strict=True):
        if isinstance(want, int) and isinstance(own, int) and want != own:
            raise BadParamError(
                f"input node '{end.name}': shape {shape_text(wanted)} contradicts {shape_text(end.shape)}, which the "
                f"model fixes. Give {own} instead of {want}, or a letter to free the dimension."
            )
    return tuple(
        want if isinstance(want, str) else names.keep(own, axis)
        for axis, (want, own) in enumerate(zip(wanted, end.shape, strict=True))
    )


def _example(
    shape: tuple[Dim, ...] | None, wanted: tuple[Dim, ...] | None, known: Mapping[str, int]
) -> tuple[int, ...] | None:
    if shape is None:
        return None
    numbers = zip(shape, wanted or shape, strict=True)
    return tuple(
        want if isinstance(want, int) else known[dim] if isinstance(dim, str) else dim for dim, want in numbers
    )


def is_named(dim: str) -> bool:
    """Whether a dynamic dimension's name has a meaning: not `?`, `None` or `unk__12`, as some exporters write."""
    return dim.isidentifier() and not _NAMELESS.fullmatch(dim)


class _FreeNames:
    """Gives a unique name to every dynamic dimension that has none in the source."""

    def __init__(self, dims: Iterable[int | str | None]) -> None:
        self._taken = {dim for dim in dims if isinstance(dim, str)}

    def keep(self, dim: int | str | None, axis: int) -> Dim:
        """`dim` itself, or a new name if `dim` has no meaning (None, `?`, `None`)."""
        if isinstance(dim, int):
            return dim
        if dim is not None and is_named(dim):
            return dim
        stem = "N" if axis == 0 else f"d{axis}"
        name, count = stem, 1
        while name in self._taken:
            count += 1
            name = f"{stem}_{count}"
        self._taken.add(name)
        return name


def shape_text(shape: Iterable[int | str | None]) -> str:
    """`(1, 3, ?)`."""
    return "(" + ", ".join("?" if dim is None else str(dim) for dim in shape) + ")"


def module_name(stem: str) -> str:
    """NAME: the stem of a file as the name of a Python module.

    Every character that is not allowed there becomes `_`. A leading digit, a keyword, and the name of a module that
    the script imports (mindspore, numpy and, as both import most of it, the standard library) get a leading `_`.
    """
    composed = unicodedata.normalize("NFC", stem)
    name = "".join(char if _stands_in_a_name(char) else "_" for char in composed)
    if not name.isidentifier() or keyword.iskeyword(name) or name in _IMPORTED:
        name = f"_{name}"
    return name


def _stands_in_a_name(char: str) -> bool:
    """Whether Python takes this character in an identifier, and `import` does not replace it (`²` by `2`)."""
    return f"_{char}".isidentifier() and unicodedata.normalize("NFKC", char) == char
