"""Write the cut, normalised model of a source as an ONNX file, from which a second conversion makes the same script."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from converter.errors import OnnxModelSaveError
from converter.frontends.onnx.record import KEY, text_of
from converter.frontends.source import Source
from converter.graph import save_model
from converter.graph.normalize import oldest_opset


def write_model(graph: ir.Model, source: Source, file: Path) -> list[Path]:
    """Write the normalised graph of a source; weights above 2 GB go to `FILE.data`. The graph is not changed.

    The file declares the oldest opset, from that of the source on, in which it says the same: most tools read it.

    Returns:
        The files that were written.

    Raises:
        OnnxModelSaveError: they cannot be written.
    """
    own = max((each.version for each in source.model.opset_import if each.domain in ("", "ai.onnx")), default=1)
    try:
        return save_model(graph, file, oldest_opset(graph, own), {KEY: text_of(source)})
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise OnnxModelSaveError(f"'{file.name}' cannot be written: {reason}. Choose another --output.") from error
