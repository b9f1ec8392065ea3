"""Weight decay: which parameters decay, as an engineer would say it, as groups of an optimizer or by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Decay:
    """How parameters decay.

    Attributes:
        values: the factors that are not zero, each with the condition of its parameters, in terms of `p`; an empty
            condition holds for all.
        constants: lines of the module.
    """

    values: Mapping[float, str] = field(default_factory=dict)
    constants: tuple[str, ...] = ()

    def groups(self, everything: str) -> tuple[list[str], str, list[str]]:
        """Lines before the optimizer, its parameters, and its further arguments."""
        first, condition = next(iter(self.values.items()))
        if len(self.values) == 1 and not condition:
            return [], everything, [f"weight_decay={first!r}"]
        lines, groups = [], []
        for k, (factor, holds) in enumerate(self.values.items()):
            name = "decayed" if len(self.values) == 1 else f"decayed_{k}"
            lines.append(f"{name} = [p for p in {everything} if {holds}]")
            groups.append(f'{{"params": {name}, "weight_decay": {factor!r}}}')
        others = " and ".join(map(_not, self.values.values()))
        lines.append(f"others = [p for p in {everything} if {others}]")
        lines.append(f'groups = [{", ".join(groups)}, {{"params": others}}]')
        return lines, "groups", []

    @property
    def members(self) -> list[str]:
        """Lines of a Cell that has an `optimizer`: the factor of each of its parameters."""
        if not self.values:
            return []
        text = "0.0"
        for factor, holds in self.values.items():
            text = f"{factor!r} if {holds} else {text}" if holds else repr(factor)
        return [f"self.decays = tuple({text} for p in optimizer.parameters)"]

    @property
    def lines(self) -> list[str]:
        """Lines that add the gradients of the penalties."""
        if not self.values:
            return []
        terms = "gradient + decay * p for gradient, decay, p in zip(gradients, self.decays, self.optimizer.parameters)"
        return [f"gradients = tuple([{terms}])"]


def _not(condition: str) -> str:
    """The opposite of a condition that `decay_of` wrote."""
    return condition.replace(" in ", " not in ") if " in " in condition else f"not {condition}"


def decay_of(factors: Mapping[str, float]) -> Decay:
    """The decay of parameters, given the factor of each; 0 for none."""
    values: dict[float, str] = {}
    constants: list[str] = []
    for factor in dict.fromkeys(round_to_written(f) for f in factors.values() if f):
        names = [name for name, own in factors.items() if round_to_written(own) == factor]
        if len(names) == len(factors):
            values[factor] = ""
        elif names == [name for name in factors if name.endswith("weight")]:
            values[factor] = 'p.name.endswith("weight")'
        else:
            constant = "DECAYED" if not constants else f"DECAYED_{len(constants)}"
            constants.append(f"{constant} = {tuple(names)!r}")
            values[factor] = f"p.name in {constant}"
    return Decay(values, tuple(constants))


def round_to_written(value: float) -> float:
    """A float32 as the decimal number that was written."""
    return float(f"{value:.6g}")
