"""State names: the tensors of a checkpoint matched to the names of a network, where a wrapper changed their beginnings.

`DataParallel` puts `module.` before every name, `torch.compile` `_orig_mod.`, Lightning `model.`; a checkpoint of a
whole network names the part that is wanted `backbone.…`; that of a part lacks the name of the part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Shapes: TypeAlias = Mapping[str, Sequence[int]]

_COMPILED = "_orig_mod."
_TRIED = 3


def matched(found: Shapes, wanted: Shapes) -> dict[str, str]:
    """Each wanted name → the name in the checkpoint, for those that have a counterpart of the same shape.

    One beginning is removed from all names of the checkpoint, or added to them: that with the most matches.
    """
    plain = {name.replace(_COMPILED, ""): name for name in found}
    best: dict[str, str] = {}
    for strip in _beginnings(list(plain), list(wanted)):
        for add in _beginnings(list(wanted), [name.removeprefix(strip) for name in plain if name.startswith(strip)]):
            names = {name: plain.get(strip + name.removeprefix(add)) for name in wanted if name.startswith(add)}
            pairs = {
                name: other for name, other in names.items() if other and tuple(found[other]) == tuple(wanted[name])
            }
            if len(pairs) > len(best):
                best = pairs
            if len(best) == len(wanted):
                return best
    return best


def _beginnings(names: Sequence[str], endings: Sequence[str]) -> list[str]:
    """What stands before some of the `endings` in the names; none at all is the first."""
    some = {*endings[:_TRIED], *endings[-_TRIED:]}
    found = (name.removesuffix(ending) for ending in some for name in names if name.endswith(f".{ending}"))
    return ["", *sorted(set(found), key=len)]
