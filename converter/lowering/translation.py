"""Translation: a model that was lowered to a program and written as a script."""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from converter.graph import SourceGraph
from converter.script import Program
from converter.script.emit import Script


@dataclass(frozen=True)
class Translation:
    """A model as a program and as a script, nothing written yet.

    `graph` is the normalised graph, `source_graph` the same as plain data, before patterns were recognised in it.
    `checkpoint` is the checkpoint's file name; None when the network has no parameters. `notes` name what failed on the
    way and was left out. `cast` is the element type in which the script computes, if that is another than the source's.
    """

    source_graph: SourceGraph
    graph: ir.Model
    program: Program
    script: Script
    checkpoint: str | None
    notes: tuple[str, ...] = ()
    cast: str | None = None
