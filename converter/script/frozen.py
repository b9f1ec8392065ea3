"""Frozen parameters, which the source does not train although MindSpore's layers would, by the ends of names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from converter.script.program import Program


@dataclass(frozen=True)
class Frozen:
    """The frozen parameters of a network.

    Attributes:
        starts: a parameter whose name starts with one of these is frozen.
        ends: a parameter whose name ends with one of these is frozen.
        names: a parameter with one of these names is frozen: those with which the name of a trained one starts.
    """

    starts: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions on a `name`, as Python expressions, of which one has to hold."""
        each = (("startswith", self.starts), ("endswith", self.ends))
        found = [f"name.{method}({_written(names)})" for method, names in each if names]
        if self.names:
            found.append(f"name in {list(self.names)!r}")
        return tuple(found)


def frozen_parameters(program: Program) -> Frozen:
    """Describe the frozen parameters of a program in few words.

    An end such as `.gamma` stands for all of its kind, if none of them is trained; a beginning such as `encoder.` for a
    part of the network in which nothing is trained.
    """
    weights = dict(program.parameters())
    frozen = [name for name, weight in weights.items() if weight.frozen]
    if not frozen:
        return Frozen()
    trained = [name for name, weight in weights.items() if weight.trained]
    alone = tuple(name for name in frozen if any(other.startswith(name) for other in trained))
    frozen = [name for name in frozen if name not in alone]
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in frozen:
        kinds["." + name.rpartition(".")[2]].append(name)
    starts = tuple(_starts(frozen, trained))
    ends = [kind for kind, of in kinds.items() if len(of) > 1 and not any(name.endswith(kind) for name in trained)]
    covered = {name for kind in ends for name in kinds[kind] if "." in name}
    rest = tuple(_starts([name for name in frozen if name not in covered], trained))
    shorter = covered and len(rest) + len(ends) < len(starts)
    return Frozen(rest, tuple(ends), alone) if shorter else Frozen(starts, (), alone)


def _starts(frozen: Sequence[str], trained: Sequence[str]) -> Iterator[str]:
    """The shortest beginnings, parts of names or names, that all frozen names have and no trained one."""
    taken = {start for name in trained for start in _beginnings(name)}
    found: dict[str, None] = {}
    for name in frozen:
        found[next(start for start in _beginnings(name) if start not in taken)] = None
    return (start for start in found if not any(start.startswith(other) and start != other for other in found))


def _beginnings(name: str) -> Iterator[str]:
    """`a.`, `a.b.` and at last `a.b.c` itself."""
    parts = name.split(".")
    yield from (".".join(parts[:count]) + "." for count in range(1, len(parts)))
    yield name


def _written(names: Sequence[str]) -> str:
    return repr(names[0]) if len(names) == 1 else repr(tuple(names))
