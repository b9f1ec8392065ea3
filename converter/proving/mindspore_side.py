"""MindSpore's side of a proof: `python -m converter.proving.mindspore_side FOLDER`.

The network of the result is built by the same call, gets PyTorch's weights, and is compared: the output of every module
and the outputs in PyNative mode, the gradients, then the outputs and gradients in graph mode. Every fact is appended to
`results.jsonl` at once, so that the facts before a crash are kept.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.artifacts import checkpoint, weight_map
from converter.base.child import end_with_parent
from converter.errors import ConverterError, describe_unexpected
from converter.proving import gradients
from converter.proving import job as files
from converter.proving.building import built
from converter.proving.job import Job, read_job, read_json
from converter.proving.values import lazy, name_of, sample, tensors_in
from converter.verification import difference
from converter.weights import entries_of, parameters_from, parameters_of, propose

if TYPE_CHECKING:
    pass

_OPEN = ("ambiguous", "missing")


class Side:
    """The network of the result, its weights, and what is compared with it.

    Args:
        job: the proof.
        folder: where PyTorch's side wrote what it found.
        note: writes a fact.
    """

    def __init__(self, job: Job, folder: Path, note: Callable[..., None]) -> None:
        self._job = job
        self._folder = folder
        self._note = note
        self._inputs = _arrays(folder / files.INPUTS)
        self._expected = _arrays(folder / files.OUTPUTS)
        self._running: list[str] = []
        self._same = False

    def run(self) -> None:
        """Compare everything; what raises ends only the part in which it stands."""
        import mindspore as ms

        ms.set_context(mode=ms.PYNATIVE_MODE)
        ms.runtime.launch_blocking()
        self._note(started="build")
        try:
            self._net = built(self._job.call)
            if not isinstance(self._net, ms.nn.Cell):
                self._note(broken=f"the call makes a {type(self._net).__name__}, no mindspore.nn.Cell")
                return
            self._match()
        except ConverterError as error:
            self._note(broken=error.message)
            return
        os.chdir(self._folder)  # MindSpore writes dumps where it runs
        training = read_json(self._folder / files.TRAINING)
        for mode in ("PyNative", "graph"):
            self._note(started=mode)
            ms.set_context(mode=ms.PYNATIVE_MODE if mode == "PyNative" else ms.GRAPH_MODE)
            self._same = False
            self._compare(mode, "outputs", self._outputs)
            if training["mode"] and self._same:  # else its gradients differ, too
                self._note(started=f"{mode} gradients")
                self._compare(mode, "gradients", lambda mode: self._gradients(mode, training))
        self._note(started="done")

    def _compare(self, mode: str, what: str, run: Callable[[str], None]) -> None:
        try:
            self._load()
            run(mode)
        except Exception as error:  # the user's code, or MindSpore's, may raise any
            place = self._place(error)
            text = describe_unexpected(error).partition(" ----")[0][:500]  # what MindSpore says to its developers
            self._note(raised=text, mode=mode, what=what, place=place, module=self._running[-1:])
        finally:
            self._running.clear()

    def _place(self, error: Exception) -> tuple[str, int, str] | None:
        """The innermost line of the result in a traceback: file, line and its text."""
        root = os.path.join(self._job.result, "")
        for frame in reversed(traceback.extract_tb(error.__traceback__)):
            if frame.filename.startswith(root):
                return frame.filename[len(root) :], frame.lineno or 1, frame.line or ""
        return None

    # Weights

    def _match(self) -> None:
        """Find the tensors that the parameters are made of, and write the checkpoint of the user's weights."""
        with np.load(self._folder / files.STATE) as archive:
            state = {name: archive[name] for name in archive.files}
        self._tensors = {name: lazy(name, value) for name, value in state.items()}
        parameters = parameters_of(self._net)
        proposal = propose([each.array for each in self._tensors.values()], parameters, "torch")
        trained = {each.name for each in self._net.get_parameters() if each.requires_grad}
        self._entries = entries_of(each for each in proposal.pairings if each.confidence != "missing")
        missing = [p.parameter.array.name for p in proposal.pairings if p.confidence == "missing"]
        self._note(
            matched=len(proposal.pairings) - len(missing),
            guessed=[p.parameter.array.name for p in proposal.pairings if p.confidence == "ambiguous"],
            missing=[name for name in missing if name in trained],
            unused=[each.name for each in proposal.unused if not each.name.endswith("num_batches_tracked")],
        )
        if self._job.checkpoint and not any(p.confidence in _OPEN for p in proposal.pairings):
            path = self._folder / self._job.checkpoint
            checkpoint.save(parameters_from(self._entries, self._tensors), path)
            text = weight_map.text_of_entries(self._entries, self._job.name)
            (self._folder / files.WEIGHT_MAP).write_text(text, encoding="utf-8", newline="\n")

    def _load(self) -> None:
        import mindspore as ms

        values = {each.array.name: each for each in parameters_from(self._entries, self._tensors)}
        ms.load_param_into_net(
            self._net, {name: ms.Parameter(ms.Tensor(each.load()), name=name) for name, each in values.items()}
        )

    # Outputs

    def _outputs(self, mode: str) -> None:
        import mindspore as ms

        self._net.set_train(False)
        compared = _Modules(self._folder, self._note) if mode == "PyNative" else None
        handles = []
        if compared is not None:
            for path, cell in self._net.cells_and_names():
                handles.append(cell.register_forward_pre_hook(self._begin(path)))
                handles.append(cell.register_forward_hook(self._end(path, compared)))
        try:
            result = self._net(*map(ms.Tensor, self._inputs))
            found = list(tensors_in(result, _is_tensor))
            got = [each.asnumpy() for _, each in found]
        finally:
            for handle in handles:
                handle.remove()
        self._running.clear()
        if len(got) != len(self._expected):
            text = f"the network returns {len(got)} tensors, PyTorch's {len(self._expected)}"
            self._note(output="outputs", mode=mode, difference={"verdict": "differs", "note": text})
            return
        differences = [difference(mine, _like(their, mine)) for mine, their in zip(got, self._expected, strict=True)]
        for (path, _), each in zip(found, differences, strict=True):
            self._note(output=name_of(path), mode=mode, difference=dict(each.as_dict()))
        self._same = all(each.verdict == "same" for each in differences)

    def _begin(self, path: str) -> Callable[..., None]:
        def begin(cell: Any, given: Any) -> None:
            self._running.append(path)

        return begin

    def _end(self, path: str, compared: _Modules) -> Callable[..., None]:
        def end(cell: Any, given: Any, output: Any) -> None:
            if self._running:
                self._running.pop()
            compared.add(path, given, output)

        return end

    # Gradients

    def _gradients(self, mode: str, training: Mapping[str, Any]) -> None:
        expected = gradients.Expected.read(self._folder, training, self._entries)
        for name, found in gradients.compare(self._net, list(self._inputs), expected):
            self._note(output=name, mode=mode, difference=dict(found.as_dict()))


class _Modules:
    """The calls of modules, each compared with PyTorch's call of the same module."""

    def __init__(self, folder: Path, note: Callable[..., None]) -> None:
        self._note = note
        with np.load(folder / files.SAMPLES) as archive:
            self._samples = {name: archive[name] for name in archive.files}
        self._calls: dict[str, list[int]] = {}
        for number, call in enumerate(read_json(folder / files.CALLS)):
            self._calls.setdefault(call["path"], []).append(number)
        self._reached: dict[str, int] = {}
        self._wrong = False

    def add(self, path: str, given: Any, output: Any) -> None:
        """Compare one call, until one differs."""
        name = ".".join(part.removesuffix("_") if part not in self._calls else part for part in path.split("."))
        numbers = self._calls.get(path) or self._calls.get(name) or []
        reached = self._reached[path] = self._reached.get(path, -1) + 1
        if self._wrong or reached >= len(numbers):
            return
        number = numbers[reached]
        note = self._difference(number, "out", output)
        self._note(call=number, path=path, difference=note)
        if note is not None and note["verdict"] == "differs":
            self._wrong = True
            before = self._difference(number, "in", given)
            self._note(inputs_differ=before is not None and before["verdict"] == "differs")

    def _difference(self, number: int, kind: str, value: Any) -> dict[str, Any] | None:
        """The difference of the first tensor that differs, or else of the first; None where there is none."""
        found = None
        for index, (_, tensor) in enumerate(tensors_in(value, _is_tensor)):
            want = self._samples.get(f"{number}:{kind}:{index}")
            if want is None:
                break
            shape = tuple(self._samples[f"{number}:{kind}:{index}:shape"])
            array = tensor.asnumpy()
            if array.shape != shape:
                return {"verdict": "differs", "note": f"its shape is {array.shape}, PyTorch's {shape}"}
            each = difference(sample(array), _like(want, array))
            if found is None or (each.verdict == "differs" and found["verdict"] != "differs"):
                found = dict(each.as_dict())
        return found


def _is_tensor(value: Any) -> bool:
    import mindspore as ms

    return isinstance(value, ms.Tensor)


def _like(their: np.ndarray, mine: np.ndarray) -> np.ndarray:
    """PyTorch's array in MindSpore's type where both are integers: an index is int64 there and may be int32 here."""
    same = their.dtype.kind in "iub" and mine.dtype.kind in "iub"
    return their.astype(mine.dtype) if same else their


def _arrays(file: Path) -> Sequence[np.ndarray]:
    with np.load(file) as archive:
        return [archive[str(number)] for number in range(len(archive.files))]


def main(folder: Path) -> None:
    """Run MindSpore's side."""
    end_with_parent()
    job = read_job(folder)
    sys.dont_write_bytecode = True  # neither in the user's folders nor in those of the result
    os.chdir(job.working)
    sys.path[0] = job.result
    with (folder / files.RESULTS).open("a", encoding="utf-8") as results:

        def note(**fact: Any) -> None:
            results.write(json.dumps(fact) + "\n")
            results.flush()

        Side(job, folder, note).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute())
