"""Parameters that are trained otherwise than the rest, as an engineer would say it: by name, in groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_WITHOUT_DECAY = ("beta", "gamma")
"""Optimizers leave parameters with these in their names out of a `weight_decay` that is given for all."""


@dataclass(frozen=True)
class Groups:
    """Groups of parameters.

    Attributes:
        name: what the parameters of a group are called: `decayed`.
        values: what is not usual, each with the condition of its parameters, in terms of `p`; an empty condition holds
            for all.
        constants: lines of the module.
    """

    name: str
    values: Mapping[Any, str] = field(default_factory=dict)
    constants: tuple[str, ...] = ()

    def of_optimizer(self, everything: str) -> tuple[list[str], str]:
        """Lines before the optimizer, and its parameters; the values are options of a group as text."""
        if list(self.values.values()) == [""]:
            return [], f'[{{"params": {everything}, {next(iter(self.values))}}}]'
        lines, groups = [], []
        for k, (options, holds) in enumerate(self.values.items()):
            name = self.name if len(self.values) == 1 else f"{self.name}_{k}"
            lines.append(f"{name} = [p for p in {everything} if {holds}]")
            groups.append(f'{{"params": {name}, {options}}}')
        others = " and ".join(map(_not, self.values.values()))
        lines.append(f"others = [p for p in {everything} if {others}]")
        lines.append(f'groups = [{", ".join(groups)}, {{"params": others}}]')
        return lines, "groups"

    def of_each(self, usual: float) -> str:
        """An expression of the values of all parameters of a Cell that has an `optimizer`, which are numbers."""
        text = repr(usual)
        for value, holds in self.values.items():
            text = f"{value!r} if {holds} else {text}" if holds else repr(value)
        return f"tuple({text} for p in optimizer.parameters)"


def _not(condition: str) -> str:
    """The opposite of a condition that `groups_of` wrote."""
    return condition.replace(" in ", " not in ") if " in " in condition else f"not {condition}"


def groups_of(name: str, own: Mapping[str, Any]) -> Groups:
    """Group parameters.

    Args:
        name: what the parameters of a group are called.
        own: a parameter → what is not usual about it; empty or None if there is nothing.
    """
    values: dict[Any, str] = {}
    constants: list[str] = []
    for value in dict.fromkeys(value for value in own.values() if value not in (None, "")):
        names = [parameter for parameter, its in own.items() if its == value]
        if len(names) == len(own):
            values[value] = ""
        elif names == [parameter for parameter in own if parameter.endswith("weight")]:
            values[value] = 'p.name.endswith("weight")'
        else:
            constant = name.upper() if not constants else f"{name.upper()}_{len(constants)}"
            constants.append(f"{constant} = {tuple(names)!r}")
            values[value] = f"p.name in {constant}"
    return Groups(name, values, tuple(constants))


def decay_of_all(decays: Mapping[str, float]) -> float:
    """The decay that an optimizer can be given for all of its parameters; 0 if there is none."""
    factors = set(decays.values())
    skipped = any(word in name for name in decays for word in _WITHOUT_DECAY)
    return factors.pop() if len(factors) == 1 and not skipped else 0.0


def round_to_written(value: float) -> float:
    """A float32 as the decimal number that was written."""
    return float(f"{value:.6g}")
