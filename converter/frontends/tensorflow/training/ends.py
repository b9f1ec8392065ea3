"""The ends of the network in a training graph: its inputs, labels, outputs and loss, found by what meets what.

- The loss is the tensor whose gradients are computed.
- An input is data from which something is computed that meets a weight; a label is data that the loss needs and that
  meets no weight.
- The loss begins where something behind the last weights meets a label, or other data. What flows into it from before
  is an output; a Reshape, Slice, Softmax or ArgMax behind the last weights belongs to the loss.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import reduce

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.training.flow import SAME, Flow, Tensor

_VIEWS = (
    *("Reshape", "Slice", "StridedSlice", "Squeeze", "ExpandDims", "Softmax", "LogSoftmax", "ArgMax", "Cast", "Log"),
    *("Identity", "StopGradient", "Split", "SplitV", "Unpack"),
)
"""Operators between the last weights and the loss that belong to the loss."""

_CLIPPED = ("Maximum", "Minimum", "Add", "AddV2", "ClipByValue")
"""Operators that keep a logarithm finite, with a constant as their other input."""

_TERMS = ("Add", "AddV2", "AddN", *SAME)


@dataclass(frozen=True)
class Found:
    """The ends of a training graph, as tensors `name:k`.

    Attributes:
        inputs, outputs: of the network; empty where they were not found.
        labels: the data that only the loss reads.
        candidates: tensors that may be outputs, if none was found.
    """

    inputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    candidates: tuple[str, ...] = ()


def find(flow: Flow, losses: Collection[str], fixed: Collection[str] = ()) -> Found:
    """Find the ends of a graph with these losses; `fixed` are nodes that are no data, as their values are known."""
    sources = [source for source in flow.sources if source[0] not in fixed]
    path = flow.ancestors(losses) & flow.forward if losses else flow.forward
    reached = {source: flow.reached([source], path) for source in sources}
    data = set().union(*reached.values()) if reached else set()
    touched = {name for name in data if name not in flow.weights and _reads_any(flow, name, flow.weights)}
    before = flow.ancestors(touched) & path
    inputs = [source for source in sources if reached[source] & touched]
    labels = [source for source in sources if source not in inputs and reached[source]]
    weighted = touched | (flow.descendants(touched, lambda name: name in path) & data)
    tail = weighted - before
    only_data = data - weighted | {name for name, _ in sources}
    met = {name for name in tail if _reads_any(flow, name, only_data - _no_values(flow, only_data))}
    behind = (met | flow.descendants(met, lambda name: name in tail)) & tail
    if not behind and losses:
        behind = tail
    outputs = _boundary(flow, behind, weighted - behind, touched)
    candidates = () if outputs else _sinks(flow, weighted)
    if not outputs and len(candidates) == 1:
        outputs, candidates = candidates, ()
    return Found(_named(inputs), _named(labels), outputs, candidates)


def _named(tensors: Iterable[Tensor]) -> tuple[str, ...]:
    return tuple(f"{name}:{index}" for name, index in tensors)


def _no_values(flow: Flow, names: Collection[str]) -> set[str]:
    return {name for name in names if flow.nodes[name].op in ("Shape", "Size", "Rank")}


def _reads_any(flow: Flow, name: str, sources: Collection[str]) -> bool:
    return any(source in sources for source, _ in graphs.data_inputs(flow.nodes[name]))


def _boundary(flow: Flow, behind: set[str], before: set[str], touched: set[str]) -> tuple[str, ...]:
    """The tensors that flow from `before` into `behind`, walked up to the last node that a weight touches."""
    found: dict[Tensor, None] = {}
    for name in flow.ordered(behind):
        for source, index in graphs.data_inputs(flow.nodes[name]):
            if source in before:
                found[_walked_up(flow, (source, index), before, touched)] = None
    ends = [end for end in found if not _follows(flow, end, found.keys() - {end}, before, touched)]
    return _named(ends)


def _follows(flow: Flow, end: Tensor, others: Collection[Tensor], before: set[str], touched: set[str]) -> bool:
    """Whether a tensor is computed from other ends alone, so that it belongs to the loss: `relu(x)` beside `x`."""
    waiting, seen = [end], set()
    while waiting:
        name, index = waiting.pop()
        if (name, index) in others or name in seen:
            continue
        if name in touched:
            return False
        seen.add(name)
        waiting += [source for source in graphs.data_inputs(flow.nodes[name]) if source[0] in before]
    return True


def _walked_up(flow: Flow, tensor: Tensor, before: set[str], touched: set[str]) -> Tensor:
    name, index = tensor
    while name not in touched:
        node = flow.nodes[name]
        sources = [source for source in graphs.data_inputs(node) if source[0] in before]
        if node.op not in (*_VIEWS, *_CLIPPED) or len(sources) != 1:
            break
        name, index = sources[0]
    return name, index


def _sinks(flow: Flow, weighted: set[str]) -> tuple[str, ...]:
    """The tensors that weights touched and nothing reads; results of loops only where there are no others."""
    unread = [
        name
        for name in flow.ordered(weighted)
        if not any(reader in flow.forward for reader, _ in flow.readers.get(name, ()))
    ]
    chosen = [name for name in unread if not _is_result_of_loop(flow, name)]
    return tuple(f"{name}:0" for name in chosen or unread)


def _is_result_of_loop(flow: Flow, name: str) -> bool:
    """Whether a node is an Exit, or the Identity that TensorFlow 2 adds to each value of a While: `while/Identity`."""
    node = flow.nodes[name]
    if node.op == "Exit":
        return True
    loop = graphs.split(node.input[0])[0] if node.op == "Identity" else ""
    return loop in flow.nodes and flow.nodes[loop].op in graphs.LOOPS and name.startswith(f"{loop}/Identity")


def losses_of(flow: Flow) -> tuple[str, ...]:
    """The nodes whose gradients are computed, one for each call of `tf.gradients`."""
    found: dict[str, None] = {}
    scopes: dict[str, set[str]] = {}
    for name in flow.backward:
        match = re.match(r"((?:.*?/)?gradients(?:_\d+)?|.*(?=/grad_ys_\d+$))(?:/|$)", name)
        if match:
            scopes.setdefault(match[1], set()).add(name)
    for scope in sorted(scopes):
        if any(scope != other and scope.startswith(f"{other}/") for other in scopes):
            continue
        targets = _targets(flow, scope)
        if targets:
            found[_common(flow, targets)] = None
    return tuple(found)


def _targets(flow: Flow, scope: str) -> set[str]:
    """The nodes of whose gradients those of a scope begin: `loss` in `gradients/loss_grad/…` that reads the seed."""
    seeds = {name for name in flow.nodes if re.fullmatch(rf"{re.escape(scope)}/(grad_ys_\d+|Fill(_\d+)?)", name)}
    targets = set()
    for seed in seeds:
        for reader, _ in flow.readers.get(seed, ()):
            match = re.match(rf"{re.escape(scope)}/(.+)_grad/", reader)
            if match and match[1] in flow.nodes:
                targets.add(match[1])
    return targets


def _common(flow: Flow, targets: set[str]) -> str:
    """The node whose gradient flows to all targets unchanged: a sum of terms, of which each is a target."""
    shared = reduce(
        set.__and__,
        (
            {name} | flow.descendants([name], lambda other: other in flow.forward and flow.nodes[other].op in _TERMS)
            for name in targets
        ),
    )
    return flow.ordered(shared or targets)[0]
