"""A learning rate in MindSpore: a number, one of its schedules, or a schedule of the script's own."""

from __future__ import annotations

from collections.abc import Mapping

from converter.frontends import Schedule, choices

_CLASSES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "exponential": ("nn.ExponentialDecayLR", ("initial", "decay_rate", "decay_steps")),
    "natural_exponential": ("nn.NaturalExpDecayLR", ("initial", "decay_rate", "decay_steps")),
    "inverse_time": ("nn.InverseDecayLR", ("initial", "decay_rate", "decay_steps")),
    "polynomial": ("nn.PolynomialDecayLR", ("initial", "end", "decay_steps", "power")),
    "cosine": ("nn.CosineDecayLR", ("end", "initial", "decay_steps")),
}

_CLASS = '''class {name}(LearningRateSchedule):
    """{doc}"""

    def construct(self, global_step):
        step = global_step.astype(ms.float32)
        return {value}
'''


def written(rate: Schedule, name: str = "LearningRate") -> tuple[str, list[str]]:
    """The expression of a learning rate, and the class of this name that it needs, if any."""
    numbers = rate.numbers
    if rate.kind in ("constant", "unknown"):
        return repr(numbers["value"]), []
    if rate.kind in _CLASSES:
        name, arguments = _CLASSES[rate.kind]
        values = [repr(numbers[argument]) for argument in arguments]
        values += ["is_stair=True"] if numbers.get("staircase") else []
        return f"{name}({', '.join(values)})", []
    value = numbers["text"] if rate.kind == "formula" else choices(numbers["boundaries"], numbers["values"])
    return f"{name}()", [_CLASS.format(name=name, doc=f"{_capital(described(rate))}.", value=value)]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def described(rate: Schedule) -> str:
    """A learning rate in words."""
    numbers = rate.numbers
    match rate.kind:
        case "constant":
            return f"{numbers['value']:g}"
        case "unknown":
            return f"{numbers['value']:g}, a guess"
        case "piecewise":
            pairs = zip(numbers["values"], numbers["boundaries"], strict=False)
            pieces = [f"{value:g} up to step {limit}" for value, limit in pairs]
            return f"{', '.join(pieces)}, then {numbers['values'][-1]:g}"
        case "formula":
            return "a formula of the step"
        case "polynomial" | "cosine":
            shape = "a polynomial" if rate.kind == "polynomial" else "half a cosine"
            return f"from {numbers['initial']:g} to {numbers['end']:g} in {numbers['decay_steps']} steps, by {shape}"
        case _:
            return f"{numbers['initial']:g}, decaying by {numbers['decay_rate']:g} every {numbers['decay_steps']} steps"
