"""Results: the facts of both sides as a verification result."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.proving import job as files
from converter.proving.job import read_json
from converter.verification import Ending, NodeComparison, OutputComparison, Verdict, VerificationResult

if TYPE_CHECKING:
    import numpy as np

_MODES = ("PyNative", "graph")
_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class ModuleComparison(NodeComparison):
    """One call of one module, with the inputs that it got in each network.

    Attributes:
        file, line: where the source makes the module; an empty file if that is not known.
        called: file and line of the source where it is called; None if that is not known.
        inputs_differ: whether its inputs differ already.
    """

    file: str = ""
    line_number: int = 0
    called: tuple[str, int] | None = None
    inputs_differ: bool = False

    @property
    def place(self) -> tuple[str, int] | None:
        """The line of the source to look at: that of the call if what comes into it is wrong, else where it is made."""
        made = (self.file, self.line_number) if self.file else None
        return (self.called or made) if self.inputs_differ else (made or self.called)

    @property
    def position(self) -> str:
        """The line of the source to look at, as a phrase."""
        return "" if self.place is None else f"{self.place[0]}, line {self.place[1]}"

    def line(self) -> str:
        """The comparison for a reader."""
        where = f"made in {self.file}, line {self.line_number}" if self.file else ""
        called = f"called in {self.called[0]}, line {self.called[1]}" if self.called else ""
        places = "; ".join(filter(None, (where, called)))
        before = "; its inputs differ already: look at what stands before the call" if self.inputs_differ else ""
        name = self.node or "the network itself"
        return (
            f"{name} ({self.operator}){f', {places}' if places else ''}: {super(NodeComparison, self).line()}{before}"
        )


@dataclass(frozen=True)
class NetworkResult(VerificationResult):
    """A verification result whose nodes are calls of modules."""

    @property
    def first_difference(self) -> NodeComparison | None:
        """The first call of a module that differs, where the outputs differ; modules may compute the same otherwise."""
        return super().first_difference if self.verdict == "differs" else None

    def _node_lines(self) -> list[str]:
        if not self.nodes:
            return []
        first = self.first_difference
        if first is None:
            return (
                [f"{len(self.nodes)} calls of modules compared in PyNative mode: all same"]
                if all(node.verdict == "same" for node in self.nodes)
                else []
            )
        return [f"the first of {len(self.nodes)} calls of modules that differs: {first.line()}"]


def read_result(folder: Path, ending: Ending) -> NetworkResult:
    """The result of a proof from the files of its folder."""
    file = folder / files.RESULTS
    facts = [json.loads(line) for line in file.read_text("utf-8").splitlines()] if file.exists() else []
    calls = read_json(folder / files.CALLS)
    feeds = _feeds(folder)
    started = [fact["started"] for fact in facts if "started" in fact]
    broken = next((fact["broken"] for fact in facts if "broken" in fact), None)
    if broken is not None or started in ([], ["build"]):
        note = broken or f"MindSpore's process ended: {ending.reason}"
        if broken is None and not ending.by_itself:
            return NetworkResult((), feeds, note, stopped=True)
        nothing = [OutputComparison("differs", note=note, output="outputs", mode=mode) for mode in _MODES]
        return NetworkResult(tuple(nothing), feeds, "the network of the result could not be built")
    outputs = [_output(fact) for fact in facts if "output" in fact]
    outputs += [_raised(fact, calls) for fact in facts if "raised" in fact]
    outputs += _not_reached(started, ending)
    matched = next((fact for fact in facts if "matched" in fact), None)
    notes = list(_notes(matched)) if matched else []
    if matched and matched["missing"]:
        text = f"no tensor of PyTorch's fits {_listed(matched['missing'])}"
        outputs.append(OutputComparison("differs", note=text, output="parameters", mode="PyNative"))
    training = read_json(folder / files.TRAINING)
    if not training["mode"]:
        notes.append(training["note"])
    stopped = started[-1] != "done" and not ending.by_itself
    if stopped:
        notes.append(ending.reason)
    return NetworkResult(tuple(outputs), feeds, "; ".join(notes), nodes=_modules(facts, calls), stopped=stopped)


def _notes(matched: Mapping[str, Any]) -> list[str]:
    found = []
    if matched["guessed"]:
        found.append(f"the tensors of {_listed(matched['guessed'])} are a guess: several fit")
    if matched["unused"]:
        found.append(f"the result has no parameter for PyTorch's {_listed(matched['unused'])}")
    return found


def _listed(names: list[str]) -> str:
    rest = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {rest} more" if rest > 0 else "")


def _feeds(folder: Path) -> dict[str, np.ndarray]:
    import numpy as np

    with np.load(folder / files.INPUTS) as archive:
        return {name: archive[name] for name in archive.files}


def _output(fact: Mapping[str, Any]) -> OutputComparison:
    return OutputComparison(output=fact["output"], mode=fact["mode"], **fact["difference"])


def _raised(fact: Mapping[str, Any], calls: list[Mapping[str, Any]]) -> OutputComparison:
    """What raised, where in the result, and in which module of the source."""
    note = f"the result raises {fact['raised']}"
    if fact["place"]:
        name, line, text = fact["place"]
        note += f" ({name} of the result, line {line}: `{text}`)"
    if fact["module"]:
        made = next((call["made"] for call in calls if call["path"] == fact["module"][0]), None)
        where = f", made in {made[0]}, line {made[1]} of the source" if made else ""
        note += f"; in {fact['module'][0] or 'the network itself'}{where}"
    return OutputComparison("differs", note=note, output=fact["what"], mode=fact["mode"])


def _not_reached(started: list[str], ending: Ending) -> list[OutputComparison]:
    """The parts that the process did not come to, with the reason."""
    if started[-1] == "done":
        return []
    verdict: Verdict = "differs" if ending.by_itself else "not comparable"
    mode, _, rest = started[-1].partition(" ")
    if mode == "build":
        mode = "PyNative"
    found = [OutputComparison(verdict, note=f"the process ended: {ending.reason}", output=rest or "outputs", mode=mode)]
    if "graph" not in started:
        why = f"{mode} mode ended the process"
        found.append(OutputComparison("not comparable", note=why, output="outputs", mode="graph"))
    return found


def _modules(facts: list[Mapping[str, Any]], calls: list[Mapping[str, Any]]) -> tuple[ModuleComparison, ...]:
    inputs_differ = any(fact.get("inputs_differ") for fact in facts)
    found = []
    for fact in facts:
        if "call" not in fact or fact["difference"] is None:
            continue
        call = calls[fact["call"]]
        made, called = call["made"], call["called"]
        found.append(
            ModuleComparison(
                node=fact["path"],
                operator=call["class"],
                value="output",
                file=made[0] if made else "",
                line_number=made[1] if made else 0,
                called=tuple(called) if called else None,
                inputs_differ=inputs_differ and fact["difference"]["verdict"] == "differs",
                **fact["difference"],
            )
        )
    return tuple(found)
