"""Kinds: what an expression is: a tensor, a number, a shape, an instance of a class, …"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """What is known of a value before it runs.

    Attributes:
        name: `tensor`, `number` (also a bool), `size` (a shape), `string`, `dtype`, `none`, `pair` (what `x.max(dim)`
            returns), `items` (a tuple whose members are known), `list` (any number of the same), `dict` (values of
            one kind), `instance`, `class`, `function`, `method`, `super`, `options` (a dict of device and dtype),
            `deque`,
            `other` (no tensor), `unknown`.
        of: the full names of classes, of one function, or of a method; `complex` of a tensor, `state` of what holds the
            parameters of a network themselves, not copies.
        items: the members; of a list and a dict the one kind of all.
    """

    name: str
    of: tuple[str, ...] = ()
    items: tuple[Kind, ...] = ()

    @property
    def is_tensor(self) -> bool:
        """Whether it is a tensor."""
        return self.name == "tensor"

    @property
    def holds_parameters(self) -> bool:
        """Whether its members are the parameters of a network themselves."""
        return self.of == _STATE

    @property
    def element(self) -> Kind:
        """What iterating over it gives."""
        if self.name == "tensor":
            return self
        if self.name in ("pair",):
            return TENSOR
        if self == ARRAY:
            return ARRAY
        if self.name == "size":
            return NUMBER
        if self.name in ("items", "list"):
            return join(self.items) if self.items else UNKNOWN
        if self.name == "dict":
            return STRING
        return UNKNOWN


TENSOR = Kind("tensor")
COMPLEX = Kind("tensor", ("complex",))
"""A tensor that may be complex."""
NUMBER = Kind("number")
SIZE = Kind("size")
STRING = Kind("string")
DTYPE = Kind("dtype")
NONE = Kind("none")
PAIR = Kind("pair")
OTHER = Kind("other")
ARRAY = Kind("other", ("numpy",))
"""What NumPy makes."""
DEVICE = Kind("other", ("torch.device",))
OPTIONS = Kind("options")
DEQUE = Kind("deque")
"""A queue, of which MindSpore makes no tensor."""
GROUP = Kind("group")
"""A group of parameters of an optimizer."""
_STATE = ("state",)
STATE = Kind("dict", _STATE, (TENSOR,))
"""What `state_dict` returns: its members are the parameters themselves."""
PARAMETERS = Kind("list", _STATE, (TENSOR,))
NAMED_PARAMETERS = Kind("list", _STATE, (Kind("items", (), (STRING, TENSOR)),))
PACKED = Kind("instance", ("torch.nn.utils.rnn.PackedSequence",))
UNKNOWN = Kind("unknown")


def instance(*of: str) -> Kind:
    """An instance of one of some classes."""
    return Kind("instance", of)


def items(kinds: Iterable[Kind]) -> Kind:
    """A tuple whose members are known."""
    return Kind("items", (), tuple(kinds))


def sequence(kind: Kind) -> Kind:
    """Any number of one kind."""
    return Kind("list", (), (kind,))


def join(kinds: Iterable[Kind]) -> Kind:
    """What a value is that is one of several; None and what is unknown do not count beside others."""
    found: list[Kind] = []
    for kind in kinds:
        if kind.name not in ("none", "unknown") and kind not in found:
            found.append(kind)
    if not found:
        return UNKNOWN
    if len(found) == 1:
        return found[0]
    if all(each.is_tensor for each in found):
        return COMPLEX
    if all(each.name == "instance" for each in found):
        return Kind("instance", tuple(dict.fromkeys(name for each in found for name in each.of)))
    if all(each.name in ("list", "items") for each in found):
        return sequence(join(each.element for each in found))
    if all(each.name in ("number", "string", "dtype", "other", "size", "options") for each in found):
        return OTHER
    return UNKNOWN
