"""The journal of edge inputs, read as findings: which kinds differ, and at which node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from converter.verification.comparisons import Difference, NodeComparison
from converter.verification.processes import Ending

EdgeVerdict = Literal["same", "differs", "not comparable"]


@dataclass(frozen=True, kw_only=True)
class EdgeFinding:
    """The comparison on edge inputs of one kind.

    Attributes:
        kind: `NaN`, `extent 0 of N`.
        verdict: `differs` if the outputs differ and a node, the graph or an error explains it.
        modes: the modes in which outputs differ.
        note: what differs, and why it counts or not.
        node: the first node that differs by itself.
        kernel: what MindSpore's CPU kernel does, if it alone is at fault; else empty.
    """

    kind: str
    verdict: EdgeVerdict
    modes: Sequence[str] = ()
    note: str = ""
    node: NodeComparison | None = None
    kernel: str = ""

    @property
    def warns(self) -> bool:
        """Whether the script is at fault, as far as is known."""
        return self.verdict == "differs" and not self.kernel

    def line(self) -> str:
        """The finding for a reader."""
        parts = [f"{self.verdict} in {' and '.join(self.modes)} mode" if self.modes else self.verdict]
        if self.kernel:
            parts.append(f"MindSpore's CPU kernel alone: {self.kernel}")
        parts += [self.note] if self.note else []
        if self.node is not None:
            node = replace(self.node, note="") if self.node.note == self.note else self.node
            parts.append(f"the first node that differs by itself: {node.line()}")
        return f"edge {self.kind}: {'; '.join(parts)}"


def as_sensitive(finding: EdgeFinding) -> EdgeFinding:
    """The finding where the source is so sensitive that outputs differ on ordinary inputs, too: only a node tells."""
    if finding.verdict != "differs" or finding.node is not None or "the script " in finding.note:
        return finding
    note = f"{finding.note}; so do outputs on ordinary inputs, within the source's own sensitivity"
    return replace(finding, verdict="not comparable", modes=(), note=note)


Place = Callable[[str, Sequence[int]], str]
"""A function of a mode and the script's lines in a traceback: where the script raised."""


def read_edges(
    facts: Sequence[Mapping[str, Any]], endings: Sequence[Ending], place: Place, probes: Sequence[Any], suspect: str
) -> tuple[EdgeFinding, ...]:
    """The findings in a journal of edges; kinds that the source refuses are not among them.

    Args:
        facts: the lines of the journal.
        endings: the endings of the processes that wrote it, in order.
        place: where the script raised.
        probes: the nodes that were compared, by their numbers.
        suspect: what made the graph out of the source: torch's export, which writes attention's masked rows otherwise.
    """
    groups: list[list[Mapping[str, Any]]] = []
    for fact in facts:
        if "edge" in fact:
            groups.append([])
        if groups:
            groups[-1].append(fact)
    died = iter(endings)
    found = [_finding(group, died, place, probes, suspect) for group in groups]
    return tuple(finding for finding in found if finding is not None)


def _finding(
    facts: Sequence[Mapping[str, Any]], died: Any, place: Place, probes: Sequence[Any], suspect: str
) -> EdgeFinding | None:
    def every(key: str) -> list[Any]:
        return [fact[key] for fact in facts if key in fact]

    kind = every("edge")[0]
    ending = None if every("took") else next(died, None)
    running = next(iter(every("running")[::-1]), "source")
    if every("refused") or (ending is not None and running == "source"):
        return None  # the source refuses it, or ends its process
    runs = {fact["mode"]: (Difference(**fact["found"]), fact["lines"]) for fact in facts if "mode" in fact}
    modes = [mode for mode, (each, _) in runs.items() if each.verdict == "differs"]
    nodes = [(NodeComparison(**fact["node"]), fact["kernel"]) for fact in facts if "node" in fact]
    wrong = [(node, kernel) for node, kernel in nodes if node.verdict == "differs"]
    first = wrong[0][0] if wrong else None
    if ending is not None:
        if not ending.by_itself:
            return EdgeFinding(kind=kind, verdict="not comparable", note=ending.reason)
        probe = probes[every("reached")[-1]] if running == "nodes" and every("reached") else None
        at = f" at '{probe.operator}' ({probe.node})" if probe else ""
        ended = [*modes, *([running] if running != "nodes" and running not in modes else [])]
        note = f"the script ends the process{at}: {ending.reason}"
        return EdgeFinding(kind=kind, verdict="differs", modes=ended, note=note, node=first)
    if not modes:
        return EdgeFinding(kind=kind, verdict="same")
    worst, lines = runs[modes[0]]
    where = "" if first or lines is None else place(modes[0], lines)
    note = "; at ".join(filter(None, [_said(worst), where]))
    if wrong:
        kernel = wrong[0][1] if all(kernel for _, kernel in wrong) else ""
        return EdgeFinding(kind=kind, verdict="differs", modes=modes, note=note, node=first, kernel=kernel)
    if lines is not None:  # it raises
        return EdgeFinding(kind=kind, verdict="differs", modes=modes, note=note)
    return _without_a_node(kind, modes, note, every, suspect)


def _without_a_node(
    kind: str, modes: Sequence[str], note: str, every: Callable[[str], list[Any]], suspect: str
) -> EdgeFinding:
    """The finding where outputs differ and no node does."""
    compared = bool(every("nodes"))
    graph: list[str] = next(iter(every("graph")), [])
    if "PyNative" not in modes:
        return EdgeFinding(kind=kind, verdict="differs", modes=modes, note=f"{note}; only graph mode differs")
    if compared and graph:
        graph_is_off = f"the normalised graph itself is off the source at {', '.join(graph)}: suspect {suspect}"
        off = f"{note}; no node differs by itself; {graph_is_off}"
        return EdgeFinding(kind=kind, verdict="differs", modes=modes, note=off)
    why = "no node differs by itself" if compared else "; ".join(every("failed")) or "no node was compared"
    return EdgeFinding(kind=kind, verdict="not comparable", note=f"{note}; {why}")


def _said(found: Difference) -> str:
    return found.note or (f"maximum absolute error {found.max_abs:.2e}" if found.max_abs is not None else "")
