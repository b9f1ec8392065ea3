"""Losses as text: the call that makes one, and the classes of those that MindSpore does not have."""

from __future__ import annotations

from converter.frontends import PROBABILITIES, SUM, Loss

_PROBABILITIES = '''class CrossEntropyOfProbabilities(nn.Cell):
    """The cross entropy of probabilities, which the network's softmax makes, and {labels}."""

    def construct(self, probabilities, label):
        return {value}
'''
_OF_INDICES = _PROBABILITIES.format(
    labels="class indices", value="ops.nll_loss(ops.log(ops.clip(probabilities, 1e-7, 1.0)), label)"
)
_OF_LABELS = _PROBABILITIES.format(
    labels="those of the labels", value="-(label * ops.log(ops.clip(probabilities, 1e-7, 1.0))).sum(-1).mean()"
)

_SUM = '''class SumOfLosses(nn.Cell):
    """The sum of the losses of all outputs{weighted}."""

    def __init__(self):
        super().__init__()
        {members}

    def construct(self, {arguments}):
        return {terms}
'''


def call_of(loss: Loss) -> str:
    """The expression that makes a loss."""
    prefix = "" if loss.name in (PROBABILITIES, SUM) else "nn."
    return f"{prefix}{loss.name}({', '.join(f'{key}={value!r}' for key, value in loss.numbers.items())})"


def classes_of(loss: Loss) -> list[str]:
    """The classes that a loss needs and MindSpore does not have."""
    if loss.name == PROBABILITIES:
        return [_OF_INDICES if loss.classes else _OF_LABELS]
    if loss.name != SUM:
        return []
    count = range(len(loss.parts))
    terms = [f"self.loss_{k}(output_{k}, label_{k})" for k in count]
    terms = [term if factor == 1 else f"{factor!r} * {term}" for term, factor in zip(terms, loss.factors, strict=True)]
    whole = _SUM.format(
        weighted=", each with its weight" if set(loss.factors) != {1} else "",
        members="\n        ".join(f"self.loss_{k} = {call_of(part)}" for k, part in enumerate(loss.parts)),
        arguments=", ".join([*(f"output_{k}" for k in count), *(f"label_{k}" for k in count)]),
        terms=" + ".join(terms),
    )
    return [*dict.fromkeys(text for part in loss.parts for text in classes_of(part)), whole]
