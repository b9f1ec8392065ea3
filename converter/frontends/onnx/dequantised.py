"""The float network of a quantised source, as a source of its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from converter.errors import BadParamError
from converter.frontends.onnx import model_file, written
from converter.frontends.source import Request, Source
from converter.graph.normalize import WITH_SCALES, dequantise, normalize


def dequantised(source: Source, folder: Path, kept: Collection[str] = ()) -> Source:
    """The float network of a source: weights in float32, and values that are not rounded to integers.

    Args:
        source: at least one of its nodes quantises or dequantises.
        folder: a temporary folder, for the model.
        kept: as `normalize` takes it.

    Raises:
        BadParamError: nothing in the source is quantised, or it cannot be undone.
        GraphInitError: the model is not a valid graph.
    """
    graph = normalize(source.model, source.base_dir, kept={*kept, *WITH_SCALES})
    if not dequantise(graph):
        raise BadParamError("--dequantise finds nothing that is quantised and can be undone. Omit it.")
    file = folder / "dequantised.onnx"
    written.write_model(graph, source, file)
    made = model_file.load(Request(file))
    return replace(made, files=source.files, real_inputs=source.real_inputs)
