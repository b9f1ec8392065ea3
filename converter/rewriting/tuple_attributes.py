"""Attributes that a method gives a tuple and reads again: graph mode loses it, so a variable holds it meanwhile.

self.hidden = self.init_hidden()                hidden = self.init_hidden()
out, self.hidden = self.lstm(x, self.hidden)    out, hidden = self.lstm(x, hidden)
self.hidden = hidden
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from converter.rewriting.names import Function
from converter.rewriting.trees import nodes


def tuple_attributes(
    method: Function, is_tuple: Callable[[ast.Attribute], bool]
) -> dict[str, tuple[list[ast.Attribute], ast.stmt]]:
    """The attributes by name: every place in the method, and the statement that assigns it last.

    All assignments are statements of the method itself, and nothing reads the attribute before the first of them.
    """
    uses: dict[str, list[ast.Attribute]] = {}
    for each in nodes(method):
        if isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name) and each.value.id == "self":
            uses.setdefault(each.attr, []).append(each)
    found: dict[str, tuple[list[ast.Attribute], ast.stmt]] = {}
    for name, places in uses.items():
        stored = {each for each in places if isinstance(each.ctx, ast.Store)}
        reads = [each for each in places if isinstance(each.ctx, ast.Load)]
        if not stored or not reads or len(stored) + len(reads) < len(places) or not any(map(is_tuple, stored)):
            continue
        assigning = [each for each in method.body if isinstance(each, ast.Assign) and stored & set(nodes(each))]
        targets = {part for each in assigning for target in each.targets for part in nodes(target)}
        first = assigning[0] if assigning else method
        early = any(each in set(nodes(first)) or each.lineno < first.lineno for each in reads)
        if stored <= targets and not early:
            found[name] = (places, assigning[-1])
    return found
