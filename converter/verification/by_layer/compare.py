"""Compare: run source and script of a job layer by layer, in the process of the job."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from converter.verification.by_layer.paging import Paged
from converter.verification.by_layer.parts import run_by_parts
from converter.verification.by_layer.runs import LayerRuns, Values
from converter.verification.comparisons import Difference, OutputComparison
from converter.verification.job import EXPECTED, Job, with_model
from converter.verification.locate import lines_of
from converter.verification.metrics import difference
from converter.verification.network import MODES
from converter.verification.prober import Note, first_line


def compare_layers(job: Job, folder: Path, feeds: Mapping[str, np.ndarray], note: Note) -> None:
    """Run the source part by part, and every layer of the script on its values; note each comparison at once."""
    layers = job.layers or ()
    values = Values(folder)
    note(started="source")
    try:
        expected = _run_source(job, folder, feeds, values)
    except (MemoryError, OSError):  # no matter of the inputs: the process ends with it
        raise
    except Exception as error:  # whatever a runtime raises on inputs that it refuses
        note(refused=first_line(error))
        return
    (folder / EXPECTED).write_bytes(pickle.dumps(expected))
    network = Paged(job.script, job.checkpoint, job.upcast)
    runs = LayerRuns(network, job.script, layers, values, note, job.precision)
    for mode in MODES:
        note(started=mode)
        lines = None
        try:
            made = runs.run(mode, list(feeds.values()))
            found = [difference(got, want, job.precision) for got, want in zip(made, expected, strict=True)]
        except MemoryError as error:
            found = [Difference("not comparable", note=f"memory ran out: {error}")] * len(expected)
        except Exception as error:
            lines = lines_of(error, job.script)
            found = [Difference("differs", note=f"the script raises {first_line(error)}")] * len(expected)
        for name, each in zip(job.outputs, found, strict=True):
            note(compared=OutputComparison(output=name, mode=mode, **each.as_dict()).as_dict(), lines=lines)


def _run_source(job: Job, folder: Path, feeds: Mapping[str, np.ndarray], values: Values) -> list[Any]:
    """The outputs of the source; its values that a layer takes or returns are kept."""
    original = with_model(job.original, folder)
    assert original.model is not None
    wanted = {name for layer in job.layers or () for name in (*layer.inputs, *layer.outputs)}
    given = {original.inputs[name]: array for name, array in feeds.items()}
    made = run_by_parts(original.model, original.base_dir, given, wanted, values.store, job.upcast)
    outputs = dict(zip((value.name for value in original.model.graph.output), made, strict=True))
    return [outputs[name] for name in original.outputs.values()]
