"""The result of a verification layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converter.verification.comparisons import LayerComparison, NodeComparison, OutputComparison, Verdict, badness
from converter.verification.facts import read_facts
from converter.verification.job import RESULTS, Job
from converter.verification.network import MODES
from converter.verification.processes import Ending
from converter.verification.result import VerificationResult

HOW = (
    "each layer was compared by itself, on the values that it takes in the source, with weights that were read for it; "
    "the whole network did not run, and what stands between layers ran in PyNative mode only; "
    "edge inputs were not tried"
)


@dataclass(frozen=True)
class LayerResult(VerificationResult):
    """A verification result whose nodes are layers."""

    @property
    def verdict(self) -> str:
        """As of any result, and `differs` if a layer differs."""
        return "differs" if any(node.verdict == "differs" for node in self.nodes) else super().verdict

    @property
    def first_difference(self) -> NodeComparison | None:
        """The first layer that differs though its arguments are right; if there is none, the first that differs."""
        wrong = [node for node in self.nodes if node.verdict == "differs"]
        alone = (node for node in wrong if not (isinstance(node, LayerComparison) and node.inputs_differ))
        return next(alone, next(iter(wrong), None))

    def _node_lines(self) -> list[str]:
        lines = []
        for mode in MODES:
            verdicts: dict[str, Verdict] = {}
            for node in self.nodes:
                if isinstance(node, LayerComparison) and node.mode == mode and verdicts.get(node.node) != "differs":
                    verdicts[node.node] = node.verdict
            found = Counter(verdicts.values())
            if found:
                counts = ", ".join(f"{number} {verdict}" for verdict, number in sorted(found.items(), reverse=True))
                lines.append(f"{found.total()} layers on identical inputs, {mode} mode: {counts}")
        wrong = [node.line() for node in self.nodes if node.verdict == "differs"]
        return [*lines, *(f"differs by itself: {line}" for line in wrong[:20])]


def is_refused(folder: Path) -> bool:
    """Whether the source refused the inputs of the job in a folder."""
    return any("refused" in fact for fact in read_facts(folder / RESULTS))


def read_result(
    folder: Path, job: Job, ending: Ending, feeds: Mapping[str, np.ndarray], lacking: str
) -> VerificationResult:
    """The result of a job's process, which ended so; `lacking` says which memory the whole network would need."""
    facts = read_facts(folder / RESULTS)
    refused = next((fact["refused"] for fact in facts if "refused" in fact), None)
    if refused is not None:
        return VerificationResult((), feeds, f"the source refuses the inputs: {refused}")
    started = [fact["started"] for fact in facts if "started" in fact]
    complete = any("complete" in fact for fact in facts)
    if not complete and set(started) <= {"source"}:
        note = f"{lacking} the source could not be run: {ending.reason}"
        return VerificationResult((), feeds, note, stopped=not ending.by_itself)
    outputs = [OutputComparison(**fact["compared"]) for fact in facts if "compared" in fact]
    verdict: Verdict = "differs" if ending.by_itself else "not comparable"
    for mode in MODES:
        if not any(output.mode == mode for output in outputs):
            reached = mode in started
            note = f"the script's process ended: {ending.reason}" if reached else "an earlier mode ended the process"
            outputs += [OutputComparison(verdict, note=note, output=name, mode=mode) for name in job.outputs]
    worst: dict[tuple[str, str, str], LayerComparison] = {}
    for fact in facts:
        if "layer" in fact:
            found = LayerComparison(**fact["layer"])
            key = (found.mode, found.node, found.value)
            worst[key] = max((worst.get(key, found), found), key=badness)
    stopped = not complete and not ending.by_itself
    note = "; ".join([f"{lacking} {HOW}", *([ending.reason] if stopped else [])])
    return LayerResult(tuple(outputs), feeds, note, tuple(worst.values()), stopped)
