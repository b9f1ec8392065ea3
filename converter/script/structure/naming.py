"""Naming: the names of members and variables within their Cell, from their names in the source."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from converter.base.names import Namespace
from converter.script.expressions import Arg, Call, Name
from converter.script.program import Member
from converter.script.statements import Block, Variable, defined_by
from converter.script.structure.operator_names import is_operator_name


def relative(hint: str, path: str) -> str:
    """The name `hint` of the source, relative to the region at `path`."""
    for prefix in (f"{path}.", f"{path}_"):
        if path and hint.startswith(prefix):
            return hint[len(prefix) :]
    return "" if hint == path else hint


def name_members(members: Sequence[Member], hints: Sequence[str], names: Namespace) -> None:
    """Give members their names within a Cell; `hints` are their names in the source, relative to the Cell."""
    for member, hint in zip(members, without_common_number(hints), strict=True):
        layer = _keras_layer(member)
        is_numbered = layer and re.fullmatch(rf"(.*[._])?{re.escape(layer)}(_\d+)+", hint)
        member.name = names.new(layer if is_numbered else hint, "layer")


def _keras_layer(member: Member) -> str:
    """The last name in the path of a Keras layer, `conv2d_1` of `conv2d_1/kernel`; "" for other members.

    TensorFlow adds a number to the layer's scope when a model is called again: `conv2d_1_2`.
    """
    owners = {weight.source_name.rpartition("/")[0] for weight in member.weights.values()}
    variables = {weight.source_name.rpartition("/")[2] for weight in member.weights.values()}
    if len(owners) != 1 or not all(re.fullmatch(r"[a-z_]+", variable) for variable in variables):
        return ""
    return owners.pop().rpartition("/")[2]


def hint_within(member: Member, path: str) -> str:
    """The name that the source suggests for a member of the Cell at `path`."""
    own = relative(member.hint, path)
    if own == member.hint and path:  # it belongs to another scope of the source
        own = own.rpartition(".")[2]
    own = own or member.hint.rpartition(".")[2] or member.name
    return made_from(member.constructor) or own if own.isdigit() else own


def made_from(constructor: Arg) -> str:
    """The kind of layer that a constructor creates: `conv` for `nn.Conv2d(…)`."""
    path = constructor.function.path if isinstance(constructor, Call) and isinstance(constructor.function, Name) else ""
    called = re.fullmatch(r"\w+\.(\w+?)(\dd)?", path)
    return called[1] if called else ""


def shared_hint(hints: Sequence[str]) -> str:
    """The name of a member in a class, from its names in the instances: without the number that varies."""
    return hints[0] if len(set(hints)) == 1 else re.sub(r"(_?\d+)+$", "", hints[0]) or hints[0]


def name_values(body: Block, path: str) -> None:
    """Name the last value of every module call after the module, unless the source names the value.

    A value that a module computes before it calls its inner ones, such as a mask, is not what it returns; nor is one of
    several results of a statement that have names, `hidden, cell`.
    """
    made = [values for statement in body.walk() if (values := defined_by(statement))]
    last = {path: value for values in made for value in values for path in _paths(value.path)}
    unnamed = [value for values in made for value in values if len(values) == 1 or is_operator_name(value.hint)]
    named = [value for value in unnamed if last[value.path] is value and relative(value.path, path)]
    hints = [relative(_whole(value.path, path, value, last), path) for value in named]
    for value, hint in zip(named, without_common_number(hints), strict=True):
        if not value.assigned or len(value.hint) == 1:  # the name in `x = …` has no meaning
            value.hint, value.assigned = hint, False


def _whole(inner: str, path: str, value: Variable, last: Mapping[str, Variable]) -> str:
    """The path of the module that returns a value, where `inner` is a numbered element of it, within `path`."""
    around, _, name = inner.rpartition(".")
    while name.isdigit() and last.get(around) is value and relative(around, path) not in ("", around if path else ""):
        inner = around
        around, _, name = inner.rpartition(".")
    return inner


def _paths(path: str) -> list[str]:
    """A path and those around it: what an inner module returns later is also what the outer one does."""
    parts = path.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts) + 1)]


def without_common_number(hints: Sequence[str]) -> list[str]:
    """Drop the number that most names end in: Keras numbers the layers of a model that was built twice."""
    endings = Counter(match[0] for hint in hints if (match := re.search(r"_\d+$", hint)))
    ending, count = max(endings.items(), key=lambda pair: pair[1], default=("", 0))
    return [hint.removesuffix(ending) for hint in hints] if count > 1 and 2 * count > len(hints) else list(hints)
