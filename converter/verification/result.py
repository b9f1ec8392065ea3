"""Verification result: the errors of the script's outputs, and the sentences that report them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from converter.verification.comparisons import SENSITIVE, NodeComparison, OutputComparison, Verdict
from converter.verification.edge_journal import EdgeFinding

if TYPE_CHECKING:
    import numpy as np

Edges = Literal["none", "report", "fail"]
"""Whether edge inputs are tried, and whether a difference on them fails."""


@dataclass(frozen=True)
class VerificationResult:
    """The verdict on a script, and the comparisons of its outputs and nodes.

    Attributes:
        outputs: every output in every mode that ran.
        feeds: the inputs of the runs, by name.
        note: why nothing was compared, or a remark.
        nodes: the nodes that were compared, in the order in which they ran; those of a loop's body before the loop.
        stopped: whether verification stopped for lack of memory or time.
        sensitive: whether outputs differ, but no more than the source's own do when its inputs move a little.
        edges: the findings on edge inputs that the source accepts.
        edges_note: why edge inputs were not tried, or not all.
        recorded: the outputs of source and script beside those that came with the model, made by whoever published it.
    """

    outputs: tuple[OutputComparison, ...]
    feeds: Mapping[str, np.ndarray]
    note: str = ""
    nodes: tuple[NodeComparison, ...] = ()
    stopped: bool = False
    sensitive: bool = False
    edges: tuple[EdgeFinding, ...] = ()
    edges_note: str = ""
    recorded: tuple[OutputComparison, ...] = ()

    @property
    def verdict(self) -> str:
        """`differs` if any output differs, else `same` if any is the same; else `not verified` or `not comparable`.

        Where it is the source's own sensitivity that makes them the same, the verdict says so (`SENSITIVE`).
        """
        verdicts = {output.verdict for output in self.outputs}
        if "differs" in verdicts:
            return "differs"
        if "same" in verdicts:
            return SENSITIVE if self.sensitive else "same"
        return "not verified" if self.stopped else "not comparable"

    @property
    def first_difference(self) -> NodeComparison | None:
        """The first node that differs by itself, on the source's inputs."""
        return next((node for node in self.nodes if node.verdict == "differs"), None)

    @property
    def edge_warnings(self) -> tuple[EdgeFinding, ...]:
        """The edge inputs on which the script is wrong."""
        return tuple(finding for finding in self.edges if finding.warns)

    def lines(self) -> list[str]:
        """The result as lines of text: the note, the inputs, every output, also beside recorded ones, the nodes."""
        lines = [self.note] if self.note else []
        lines += [f"input {name}, {array.dtype} {array.shape}" for name, array in self.feeds.items()]
        lines += [output.line() for output in self.outputs]
        lines += [f"beside what came with the model: {output.line()}" for output in self.recorded]
        return lines + self._node_lines()

    def _node_lines(self) -> list[str]:
        if not self.nodes:
            return []
        verdicts = {node.node: "same" for node in self.nodes}
        verdicts |= {node.node: node.verdict for node in self.nodes if node.verdict != "same"}
        verdicts |= {node.node: node.verdict for node in self.nodes if node.verdict == "differs"}
        found = list(verdicts.values())
        counts = [f"{found.count(verdict)} {word}" for verdict, word in _WORDS.items() if verdict in found]
        lines = [f"{len(verdicts)} nodes on identical inputs: {', '.join(counts)}"]
        first = self.first_difference
        return [*lines, f"the first node that differs by itself: {first.line()}"] if first else lines


_WORDS: dict[Verdict, str] = {"same": "same", "differs": "differ", "not comparable": "not comparable"}
