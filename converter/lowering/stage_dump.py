"""Stage dumps: the graph and the program between the stages, as files for debugging.

A file is the result of its stage and the input of the next stage:

    1_load.onnx  2_normalize.onnx  3_fuse_operators.onnx  4_translate.txt  5_structure.txt
"""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from converter.errors import FileSaveError
from converter.graph import without_large_tensors
from converter.script import Program


class StageDump:
    """Writes the result of each stage into a folder when the stage ends, so that it exists if a later stage fails.

    Args:
        folder: is created if missing; None writes nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._count = 0

    @property
    def wanted(self) -> bool:
        """Whether anything is written."""
        return self._folder is not None

    def graph(self, stage: str, model: ir.Model) -> None:
        """Write a graph as an ONNX model, without the elements of large tensors.

        Raises:
            FileSaveError: the file cannot be written.
        """
        if self._folder is not None:
            with without_large_tensors(model):
                data = ir.to_proto(model).SerializeToString()
            self._write(self._folder, f"{stage}.onnx", data)

    def program(self, stage: str, program: Program) -> None:
        """Write a program as its listing.

        Raises:
            FileSaveError: the file cannot be written.
        """
        if self._folder is not None:
            self._write(self._folder, f"{stage}.txt", f"{program!r}\n".encode())

    def _write(self, folder: Path, name: str, data: bytes) -> None:
        self._count += 1
        path = folder / f"{self._count}_{name.replace(' ', '_')}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise FileSaveError(f"'{path}' cannot be written: {reason}. Choose another --dump_stages.") from error
