"""Signatures of PyTorch's functions, as a row gives them, and the arguments of a call bound to one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

_NUMPY = {"axis": "dim", "keepdims": "keepdim"}
"""NumPy's names of parameters that PyTorch takes as well."""


class UnsupportedCall(Exception):  # noqa: N818
    """A row cannot translate a call; the message is the reason, as the report gives it."""


class NotStatic(Exception):  # noqa: N818
    """A row cannot decide without the value of an argument; a helper with PyTorch's signature decides when it runs."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a signature.

    Attributes:
        name: its name.
        default: the text of its default; None if it has none.
        star: `*` when it takes all further positional arguments, `**` for keyword arguments, else empty.
        keyword_only: whether it must be given by its name.
    """

    name: str
    default: str | None = None
    star: str = ""
    keyword_only: bool = False


class Signature:
    """A signature, written as in Python: `(input, dim=None, *, out=None)`.

    Raises:
        ValueError: the text is no signature.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.parameters = {each.name: each for each in _parameters(text)}
        positional = [each for each in self.parameters.values() if not each.star and not each.keyword_only]
        self.positional = [each.name for each in positional]
        self.star = next((each.name for each in self.parameters.values() if each.star == "*"), None)
        self.keywords = next((each.name for each in self.parameters.values() if each.star == "**"), None)

    def bind(self, call: ast.Call) -> Arguments:
        """Bind the arguments of a call.

        Raises:
            UnsupportedCall: PyTorch has no such parameter.
            NotStatic: the call has `*args` where single arguments are expected, or `**kwargs`.
        """
        found = Arguments(self)
        for number, argument in enumerate(call.args):
            if number < len(self.positional):
                if isinstance(argument, ast.Starred):
                    raise NotStatic("an argument is *unpacked")
                found.given[self.positional[number]] = argument
            elif self.star is not None:
                found.rest.append(argument)
            else:
                raise UnsupportedCall(f"it has {len(call.args)} positional arguments, PyTorch takes {number}")
        for keyword in call.keywords:
            if keyword.arg is None:
                found.unpacked.append(keyword.value)
                continue
            name = self._own_name(keyword.arg)
            if name in found.given:
                raise UnsupportedCall(f"its argument '{name}' is given twice")
            parameter = self.parameters.get(name)
            taken = self.keywords is not None or (self.star == name and not found.rest)
            if (parameter is None or parameter.star) and not taken:
                raise UnsupportedCall(f"its argument '{name}' is unknown")
            found.given[name] = keyword.value
            found.by_keyword.add(name)
        if found.unpacked:
            raise NotStatic("it has **keyword arguments")
        return found

    def _own_name(self, keyword: str) -> str:
        """The parameter that a keyword names; `axis` is `dim`."""
        name = _NUMPY.get(keyword, keyword)
        return name if keyword not in self.parameters and name in self.parameters else keyword

    def takes(self, call: ast.Call) -> bool:
        """Whether a call can be one of PyTorch's function."""
        try:
            self.bind(call)
        except UnsupportedCall:
            return False
        except NotStatic:
            pass
        return True


@dataclass
class Arguments:
    """The arguments of a call by PyTorch's names.

    Attributes:
        signature: what they were bound to.
        given: the expressions that the call gives.
        by_keyword: those of them that are given by keyword.
        rest: what `*parameter` takes.
        unpacked: the values behind `**`.
    """

    signature: Signature
    given: dict[str, ast.expr] = field(default_factory=dict)
    by_keyword: set[str] = field(default_factory=set)
    rest: list[ast.expr] = field(default_factory=list)
    unpacked: list[ast.expr] = field(default_factory=list)


def _parameters(text: str) -> Iterator[Parameter]:
    try:
        whole = f"def f{text}: ..."
        function = ast.parse(whole).body[0]
    except SyntaxError as error:
        raise ValueError(f"'{text}' is no signature: {error.msg}") from error
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    missing: list[ast.expr | None] = [None] * (len(positional) - len(arguments.defaults))
    for each, default in zip(positional, [*missing, *arguments.defaults], strict=True):
        yield Parameter(each.arg, _part(whole, default))
    if arguments.vararg:
        yield Parameter(arguments.vararg.arg, star="*")
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield Parameter(each.arg, _part(whole, default), keyword_only=True)
    if arguments.kwarg:
        yield Parameter(arguments.kwarg.arg, star="**")


def _part(text: str, node: ast.expr | None) -> str | None:
    """The text of a node in a text of one line."""
    return None if node is None else text[node.col_offset : node.end_col_offset]
