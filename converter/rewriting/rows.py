"""Rows: what a name of PyTorch becomes in MindSpore. Tables of rows are data, checked when they load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from converter.rewriting.signature import Signature
from converter.rewriting.template import slots_in, takes_all, template

Use = Literal["call", "method", "attribute", "value", "layer", "class", "none"]
Returns = Literal[
    "tensor",
    "complex",
    "tensors",
    "packed",
    "pair",
    "number",
    "size",
    "string",
    "dtype",
    "array",
    "device",
    "module",
    "batches",
    "other",
    "unknown",
]

IGNORED = frozenset(
    {"device", "layout", "pin_memory", "memory_format", "inplace", "non_blocking", "requires_grad", "dtype_of_layer"}
)
"""Parameters that have no meaning in MindSpore; a call that gives them loses nothing but the place of its memory."""


class Chosen(Protocol):
    """A call as a row sees it that must decide between forms."""

    statement: bool
    subscript: str
    compiled: bool
    """Whether graph mode may compile it: it stands in a method of a module that does more than set it up."""

    trains_itself: bool
    """Whether a module of the project has a `train` of its own."""

    def has(self, name: str) -> bool:
        """Whether the source gives the parameter."""

    def value(self, name: str) -> object:
        """The parameter's literal value, or PyTorch's default; NotStatic if it is computed."""

    def is_static(self, name: str) -> bool:
        """Whether `value` can be had."""

    def text(self, name: str) -> str:
        """The parameter's text in the result."""

    def kind(self, name: str) -> str:
        """What the argument is: `tensor`, `number`, `size`, `string`, …, `unknown`."""

    def is_list(self, name: str) -> bool:
        """Whether the argument is written as a list that is not empty."""

    def mixes_types(self, name: str) -> bool:
        """Whether the argument is a list with tensors of integers, as far as the text tells, beside other ones."""

    def is_range(self, name: str) -> bool:
        """Whether the argument is written as `range(...)`."""

    def rest(self) -> int:
        """How many arguments `*parameter` takes."""


Becomes: TypeAlias = "str | Callable[[Chosen], str]"


@dataclass(frozen=True, kw_only=True)
class Row:
    """What a name becomes.

    Attributes:
        use: whether it is a function, a method or attribute of a tensor or module, a value, or a layer.
        signature: PyTorch's, without `self`; None for attributes and values.
        becomes: the template of the MindSpore text, or a function of the call that returns one. None: no counterpart.
        mint: the same for `--api mint`, where the name has a counterpart there.
        value: what the name becomes where it is not called; empty: a helper with PyTorch's signature.
        instance_of: for what makes objects their class, which `isinstance` asks for and annotations name.
        parameters: PyTorch's attributes whose names differ (`weight` of a norm is `gamma`).
        returns: what a call returns.
        ignored: parameters that the result does not need.
        refused: parameters that must have PyTorch's default.
        remedy: what to do where there is no counterpart.
        note: a remark for a reviewer.
        in_place: for a method that changes its receiver: a call that stands alone becomes an assignment.
    """

    use: Use
    signature: Signature | None = None
    becomes: Becomes | None = None
    mint: Becomes | None = None
    value: str = ""
    instance_of: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    returns: Returns = "tensor"
    ignored: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()
    remedy: str = ""
    note: str = ""
    in_place: bool = False

    def problems(self) -> list[str]:
        """What is wrong with the row: parameters that it does not know, or does not mention."""
        if self.signature is None or not isinstance(self.becomes, str):
            return []
        known = set(self.signature.parameters)
        places = slots_in(self.becomes)
        slots = {slot.name for slot in places} - {"self"}
        found = [f"PyTorch has no parameter '{name}'" for name in sorted((slots | self.refused) - known)]
        if not takes_all(self.becomes):
            left = known - slots - self.ignored - self.refused - IGNORED
            found += [f"the parameter '{name}' is not mentioned" for name in sorted(left)]
        without = [slot.name for slot in places if slot.required and self._default(slot.name) is None]
        return found + [f"the parameter '{name}' has no default to write" for name in without]

    def malformed(self) -> list[str]:
        """What is wrong with the text of the template, which `problems` does not parse."""
        try:
            template(self.becomes if isinstance(self.becomes, str) else "")
        except ValueError as error:
            return [str(error)] if isinstance(self.becomes, str) else []
        return []

    def _default(self, name: str) -> str | None:
        assert self.signature is not None
        parameter = self.signature.parameters.get(name)
        return None if parameter is None else parameter.default


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


def call(
    signature: str,
    becomes: Becomes | None,
    *,
    mint: Becomes | None = None,
    value: str = "",
    returns: Returns = "tensor",
    instance_of: str = "",
    ignored: str = "",
    refused: str = "",
    remedy: str = "",
    note: str = "",
) -> Row:
    """A function: `call("(input, dim)", "ops.softmax({input}, axis={dim})")`."""
    return Row(
        use="call",
        signature=Signature(signature),
        becomes=becomes,
        mint=mint,
        value=value,
        instance_of=instance_of,
        returns=returns,
        ignored=_names(ignored),
        refused=_names(refused),
        remedy=remedy,
        note=note,
    )


def method(
    signature: str,
    becomes: Becomes | None,
    *,
    mint: Becomes | None = None,
    returns: Returns = "tensor",
    ignored: str = "",
    refused: str = "",
    remedy: str = "",
    note: str = "",
    in_place: bool = False,
) -> Row:
    """A method of a tensor or a module: `method("(dim0, dim1)", "{self}.swapaxes({dim0}, {dim1})")`."""
    return Row(
        use="method",
        signature=Signature(signature),
        becomes=becomes,
        mint=mint,
        returns=returns,
        ignored=_names(ignored),
        refused=_names(refused),
        remedy=remedy,
        note=note,
        in_place=in_place,
    )


def attribute(becomes: str | None, *, returns: Returns = "other", remedy: str = "") -> Row:
    """An attribute of a tensor: `attribute("{self}.shape", returns="size")`."""
    return Row(use="attribute", becomes=becomes, returns=returns, remedy=remedy)


def layer(
    signature: str,
    becomes: Becomes | None,
    *,
    mint: Becomes | None = None,
    instance_of: str = "",
    parameters: Mapping[str, str] | None = None,
    ignored: str = "",
    refused: str = "",
    remedy: str = "",
    note: str = "",
) -> Row:
    """A layer. Where it is not called on the spot, a class with PyTorch's signature stands for it."""
    return Row(
        use="layer",
        signature=Signature(signature),
        becomes=becomes,
        mint=mint,
        instance_of=instance_of,
        parameters=parameters or {},
        ignored=_names(ignored) | {"dtype"},
        refused=_names(refused),
        returns="module",
        remedy=remedy,
        note=note,
    )


def value(becomes: str | None, *, remedy: str = "", returns: Returns = "other", note: str = "") -> Row:
    """A constant, a type, a class: `value("ms.float32")`."""
    return Row(use="value", becomes=becomes, value=becomes or "", remedy=remedy, returns=returns, note=note)


def missing(remedy: str) -> Row:
    """A name without a counterpart, and what to do instead."""
    return Row(use="none", remedy=remedy)
