"""The process that runs source and script on the same inputs: `python -m converter.verification.process FOLDER PART`.

It is a process of its own so that a kernel that kills it does not take the conversion with it, and so that oneDNN reads
its environment afresh. The folder holds `job.json`, `inputs.npz` and the source's model; every result is appended to
`results.jsonl` at once, so that what was measured before a crash is kept.
"""

from __future__ import annotations

import gc
import json
import pickle
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx

from converter.errors import ConverterError
from converter.frontends.source import Original
from converter.verification.locate import lines_of
from converter.verification.metrics import Difference, OutputComparison, difference
from converter.verification.nodes import compare_node_outputs
from converter.verification.prober import Note, first_line
from converter.verification.supervise import be_ended_first

MODES = ("PyNative", "graph")


def main(folder: Path, part: str) -> None:
    """Run a part of a job: the `outputs`, and with them the nodes where these are planned; or the `nodes` alone.

    `graph` compares the nodes in graph mode.
    """
    be_ended_first()
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    with np.load(folder / "inputs.npz", allow_pickle=True) as archive:
        feeds = {name: _read(archive[f"input_{i}"], job["wide"]) for i, name in enumerate(job["inputs"])}
    with (folder / "results.jsonl").open("a", encoding="utf-8") as results:

        def note(**fact: Any) -> None:
            results.write(json.dumps(fact) + "\n")
            results.flush()

        if part == "outputs":
            wanted = _run_source(job, folder, feeds, note)
            if wanted is None:
                return
            (folder / "wanted.pickle").write_bytes(pickle.dumps(wanted))
            for mode in MODES if not job["stubs"] else ():
                _compare_mode(job, mode, feeds, wanted, note)
        if isinstance(job["nodes"], dict):
            _compare_node_outputs(job, folder, feeds, part == "graph", note)


def _read(array: np.ndarray, wide: bool) -> np.ndarray:
    """An input; NumPy's files do not know bfloat16."""
    array = array.view(ml_dtypes.bfloat16) if array.dtype.str == "|V2" else array
    return array.astype(np.float32) if wide and array.dtype.name == "bfloat16" else array


def _load_mindspore() -> None:
    """Import MindSpore, which looks for garbage at each compilation, and exempt what will never be any."""
    if "mindspore" not in sys.modules:
        import mindspore  # noqa: F401

        gc.freeze()
    gc.collect()  # a network that ran before


def _compare_mode(
    job: Mapping[str, Any], mode: str, feeds: Mapping[str, np.ndarray], wanted: list[Any], note: Note
) -> None:
    note(started=mode)
    _load_mindspore()
    found, lines = _run_script(job, mode, feeds, wanted)
    for name, each in zip(job["outputs"], found, strict=True):
        note(compared=OutputComparison(output=name, mode=mode, **each.as_dict()).as_dict(), lines=lines)


def _compare_node_outputs(
    job: Mapping[str, Any], folder: Path, feeds: Mapping[str, np.ndarray], graph_mode: bool, note: Note
) -> None:
    """Compare the nodes; and with the source, what all of them together give when each is right."""
    note(started="graph nodes" if graph_mode else "nodes")
    try:
        _load_mindspore()
        made = compare_node_outputs(folder, job["nodes"], list(feeds.values()), note, graph_mode)
    except Exception as error:
        note(failed=f"the nodes cannot be compared: {first_line(error)}")
    else:
        wanted = pickle.loads((folder / "wanted.pickle").read_bytes())
        if made is not None and not graph_mode:
            note(graph=[difference(one, other).verdict == "same" for one, other in zip(made, wanted, strict=True)])
    note(started="done")


def _run_source(job: Mapping[str, Any], folder: Path, feeds: Mapping[str, np.ndarray], note: Note) -> list[Any] | None:
    """What the source gives; None, and a note, when it refuses the inputs."""
    note(started="source")
    model = None if job["kind"] == "tensorflow" else onnx.load(folder / "source.onnx", load_external_data=False)
    original = Original(job["kind"], Path(job["file"]), model, job["inputs"], job["outputs"])
    try:
        if original.kind == "tensorflow":
            from converter.frontends import tensorflow

            return tensorflow.run(original, feeds)
        from converter.frontends.onnx import model_file

        return model_file.run(original, feeds)
    except ConverterError as error:
        note(refused=error.message)
    except Exception as error:
        note(refused=f"{first_line(error)}")
    return None


def _run_script(
    job: Mapping[str, Any], mode: str, feeds: Mapping[str, np.ndarray], wanted: list[Any]
) -> tuple[list[Difference], list[int] | None]:
    """Every output's difference; and the lines of the script that an error passed through, None when there is none."""
    import mindspore as ms

    from converter.verification import network
    from converter.verification.arrays import to_mindspore, to_numpy

    ms.set_context(mode=ms.PYNATIVE_MODE if mode == "PyNative" else ms.GRAPH_MODE)
    script = Path(job["script"])

    def results(seed: int) -> list[Any]:
        ms.set_seed(seed)
        result = net(*[to_mindspore(value) for value in feeds.values()])
        return [to_numpy(item) for item in (result if isinstance(result, tuple) else (result,))]

    try:
        net = network.load(script, job["checkpoint"] and Path(job["checkpoint"]), job["wide"])
        got, again = results(seed=1), results(seed=2)
    except MemoryError as error:
        return [Difference("not comparable", note=f"memory ran out: {error}")] * len(wanted), None
    except Exception as error:
        raised = Difference("differs", note=f"the script raises {first_line(error)}")
        return [raised] * len(wanted), lines_of(error, script)
    return [
        _of_two_runs(one, two, other, name in job["random"], job["precision"])
        for name, one, two, other in zip(job["outputs"], got, again, wanted, strict=True)
    ], None


def _of_two_runs(one: Any, two: Any, wanted: Any, random: bool, precision: str) -> Difference:
    """How far an output is from the source's: some kernels of MindSpore are right in a first run only."""
    if random and difference(two, one).max_abs != 0.0:
        return Difference("not comparable", note="a random operator feeds it")
    first, second = difference(one, wanted, precision), difference(two, wanted, precision)
    if first.verdict == "same" and second.verdict == "differs":
        return replace(second, note="; ".join(filter(None, ["a second run differs from the first", second.note])))
    return first


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), sys.argv[2])
