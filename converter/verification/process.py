"""The process that runs source and script on the same inputs: `python -m converter.verification.process FOLDER`.

It is a process of its own so that a kernel that kills it does not take the conversion with it, and so that oneDNN reads
its environment afresh. The folder holds `job.json`, `inputs.npz` and the source's model; every result is appended to
`results.jsonl` at once, so that what was measured before a crash is kept.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from converter.errors import ConverterError
from converter.source import Original
from converter.verification.compare import Difference, OutputComparison, difference

MODES = ("PyNative", "graph")


def main(folder: Path) -> None:
    """Run a job; see the module."""
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    with np.load(folder / "inputs.npz", allow_pickle=True) as archive:
        feeds = {name: archive[f"input_{i}"] for i, name in enumerate(job["inputs"])}
    with (folder / "results.jsonl").open("a", encoding="utf-8") as results:

        def note(**fact: Any) -> None:
            results.write(json.dumps(fact) + "\n")
            results.flush()

        wanted = _run_source(job, folder, feeds, note)
        if wanted is not None:
            for mode in MODES:
                note(started=mode)
                for comparison in _run_script(job, mode, feeds, wanted):
                    note(compared=comparison.as_dict())


def _run_source(
    job: Mapping[str, Any], folder: Path, feeds: Mapping[str, np.ndarray], note: Callable[..., None]
) -> list[Any] | None:
    """What the source gives; None, and a note, when it refuses the inputs."""
    note(started="source")
    model = None if job["kind"] == "tensorflow" else onnx.load(folder / "source.onnx", load_external_data=False)
    original = Original(job["kind"], Path(job["file"]), model, job["inputs"], job["outputs"])
    try:
        if original.kind == "tensorflow":
            from converter.frontends import tensorflow

            return tensorflow.run(original, feeds)
        from converter.frontends import onnx_file

        return onnx_file.run(original, feeds)
    except ConverterError as error:
        note(refused=error.message)
    except Exception as error:
        note(refused=f"{type(error).__name__}: {_first_line(error)}")
    return None


def _run_script(
    job: Mapping[str, Any], mode: str, feeds: Mapping[str, np.ndarray], wanted: list[Any]
) -> list[OutputComparison]:
    import mindspore as ms

    from converter import network
    from converter.backend import to_mindspore, to_numpy

    ms.set_context(mode=ms.PYNATIVE_MODE if mode == "PyNative" else ms.GRAPH_MODE)
    names = list(job["outputs"])

    def results(seed: int) -> list[Any]:
        ms.set_seed(seed)
        result = net(*[to_mindspore(value) for value in feeds.values()])
        return [to_numpy(item) for item in (result if isinstance(result, tuple) else (result,))]

    try:
        net = network.load(Path(job["script"]), job["checkpoint"] and Path(job["checkpoint"]))
        got = results(seed=1)
        again = results(seed=2) if job["random"] else got
    except Exception as error:
        why = f"the script raises {type(error).__name__}: {_first_line(error)}"
        return [OutputComparison("differs", output=name, mode=mode, note=why) for name in names]
    random = Difference("not comparable", note="a random operator feeds it")
    found = [
        random if name in job["random"] and difference(two, one).max_abs != 0.0 else difference(one, other)
        for name, one, two, other in zip(names, got, again, wanted, strict=True)
    ]
    return [OutputComparison(output=name, mode=mode, **each.as_dict()) for name, each in zip(names, found, strict=True)]


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if line and not line.startswith("-")), "")[:300]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
