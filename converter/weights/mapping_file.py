"""The mapping file: a proposal as TOML that people edit, and read again.

A line for each parameter: its name, the tensor that it is made of with the steps from there, and, as a comment, how
sure that is and why:

    "conv1.weight" = "conv1/kernel | transpose(3, 2, 0, 1)"  # certain: HWIO -> OIHW; the names are the same

A tensor that begins with `?` is a guess, which must be confirmed by taking the `?` away. An empty text leaves the
parameter out. A list of texts is joined along axis 0. Comments may be added anywhere.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from converter.artifacts import TensorSpec
from converter.base.weight_steps import shape_after
from converter.errors import BadParamError, WeightMatchError
from converter.weights.fitting import same_kind
from converter.weights.pairing import Pairing, Part, Proposal
from converter.weights.roles import Parameter
from converter.weights.step_text import parse_steps, text_of_steps

GUESS = "?"
_BAR = " | "

_HEAD = """\
# {source} -> {network}
#
# "parameter" = "tensor | step | step"  # confidence: reason
#
# {ambiguous} ambiguous, {missing} missing.
# A tensor that begins with ? is a guess: choose the tensor, and take the ? away.
# "" leaves a parameter out (--partial). A list ["a", "b"] joins tensors along axis 0.
# Steps: transpose(axes), reshape(shape), slice(axis, start, stop), gates(order of the blocks of axis 0),
# forget_bias(value), zeros(shape).
"""


def text_of(proposal: Proposal, source: str, network: str) -> str:
    """The mapping file of a proposal.

    Args:
        proposal: the proposal.
        source: what the source is, for the first line.
        network: what the network is, likewise.
    """
    found = [pairing.confidence for pairing in proposal.pairings]
    counts = {"ambiguous": found.count("ambiguous"), "missing": found.count("missing")}
    lines = [_HEAD.format(source=_plain(source), network=_plain(network), **counts)]
    lines += [_line(pairing) for pairing in proposal.pairings]
    if proposal.unused:
        lines += ["", "# Not used:"]
        lines += [f"#   {_quoted(each.name)}  {_kind_of(each)}" for each in proposal.unused]
    return "\n".join(lines) + "\n"


def read(file: Path, source: Sequence[TensorSpec], network: Sequence[Parameter]) -> Proposal:
    """Read an edited mapping file.

    What it says is `certain`; a guess that nobody confirmed stays `ambiguous`, and what it leaves out is `missing`.

    Args:
        file: the file.
        source: the tensors that there are.
        network: the parameters that there are.

    Raises:
        BadParamError: the file cannot be read or is no TOML.
        WeightMatchError: it names parameters or tensors that do not exist, or what it makes does not fit; the details
            have a line for each.
    """
    table = _table(file)
    tensors = {each.name: each for each in source}
    problems: list[str] = []
    pairings = []
    for parameter in network:
        try:
            pairings.append(_pairing(parameter, table.get(parameter.array.name, ""), tensors))
        except ValueError as error:
            problems.append(f"{parameter.array.name}: {error}")
    known = {each.array.name for each in network}
    problems += [f"{name}: the network has no such parameter" for name in table if name not in known]
    if problems:
        raise WeightMatchError(f"{len(problems)} lines of '{file}' do not fit. Nothing was written.", problems)
    read = {part.source.name for pairing in pairings for part in pairing.parts}
    return Proposal(tuple(pairings), tuple(each for each in source if each.name not in read))


def shape_text(shape: Sequence[int]) -> str:
    """A shape for a reader: `(3, 4)`, `(4)`, `()`."""
    return f"({', '.join(map(str, shape))})"


def part_text(part: Part) -> str:
    """A tensor and the steps from it: `conv1/kernel | transpose(3, 2, 0, 1)`."""
    return _BAR.join((part.source.name, *text_of_steps(part.steps)))


def _line(pairing: Pairing) -> str:
    mark = GUESS if pairing.confidence == "ambiguous" else ""
    texts = [_quoted(mark + part_text(part)) for part in pairing.parts] or ['""']
    value = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    others = f"; or: {', '.join(pairing.others)}" if pairing.others else ""
    comment = f"{pairing.confidence}: {pairing.reason}{others}; {_shapes(pairing)}"
    return f"{_quoted(pairing.parameter.array.name)} = {value}  # {_plain(comment)}"


def _shapes(pairing: Pairing) -> str:
    before = " + ".join(shape_text(part.source.shape) for part in pairing.parts)
    wanted = shape_text(pairing.parameter.array.shape)
    return f"{before} -> {wanted}" if before else wanted


def _table(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadParamError(f"'{file}' cannot be read: {error.strerror}. Check --mapping.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadParamError(
            f'\'{file}\' is no mapping: {error}. Every line is: "parameter" = "tensor | step"  # comment.'
        ) from error


def _pairing(parameter: Parameter, value: Any, tensors: Mapping[str, TensorSpec]) -> Pairing:
    """What one line says.

    Raises:
        ValueError: it does not fit; the message says why.
    """
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("it must be a text or a list of texts")
    texts = [text for text in texts if text.strip()]
    if not texts:
        return Pairing(parameter, (), "missing", "the mapping leaves it out")
    guess = any(text.startswith(GUESS) for text in texts)
    parts = tuple(_part(text.removeprefix(GUESS), tensors) for text in texts)
    _check(parameter.array, parts)
    if guess:
        return Pairing(parameter, parts, "ambiguous", "the mapping marks it as a guess")
    return Pairing(parameter, parts, "certain", "the mapping says so")


def _part(text: str, tensors: Mapping[str, TensorSpec]) -> Part:
    name, *steps = (piece.strip() for piece in text.split(_BAR))
    if name not in tensors:
        raise ValueError(f"the source has no '{name}'")
    return Part(tensors[name], parse_steps(steps, tensors[name].shape))


def _check(wanted: TensorSpec, parts: Sequence[Part]) -> None:
    shapes = [shape_after(part.steps, part.source.shape) for part in parts]
    made = shapes[0]
    if len(shapes) > 1:
        if len({shape[1:] for shape in shapes}) > 1 or not made:
            raise ValueError(f"{' and '.join(map(shape_text, shapes))} cannot be joined along axis 0")
        made = (sum(shape[0] for shape in shapes), *made[1:])
    if made != wanted.shape:
        raise ValueError(f"it makes {shape_text(made)}, the parameter is {shape_text(wanted.shape)}")
    other = next((part.source for part in parts if not same_kind(part.source.dtype, wanted.dtype)), None)
    if other is not None:
        raise ValueError(f"'{other.name}' is {other.dtype}, the parameter is {wanted.dtype}")


def _quoted(text: str) -> str:
    """A basic string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)


def _plain(text: str) -> str:
    """A text that can stand in a comment: on one line."""
    return "".join(char if char.isprintable() else " " for char in text)


def _kind_of(each: TensorSpec) -> str:
    return f"{each.dtype} {shape_text(each.shape)}"
