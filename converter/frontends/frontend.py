"""A frontend: one kind of source, as the registry knows it. It is light; what it needs is imported when it works."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from converter.base.kinds import Recognises, by_suffix_only

if TYPE_CHECKING:
    import numpy as np

    from converter.frontends.source import Original, Request, Source


@dataclass(frozen=True)
class Option:
    """An option that only some frontends have: `--signature NAME`, or a flag when there is no `metavar`."""

    name: str
    help: str
    metavar: str | None = None


def _no_fault(file: Path) -> str | None:
    return None


@dataclass(frozen=True, kw_only=True)
class Frontend:
    """How one kind of source is recognised, read and run.

    Attributes:
        module: the module that holds this value as `FRONTEND`; the process of verification imports it by this name.
        name: `runtime` in the JSON report.
        runtime: the program that runs the source, as a reader knows it: `onnxruntime`.
        kind: what it reads, as a phrase: `an .onnx model`.
        suffixes: of the files that it reads.
        load: reads a source. Where a package is missing, its error has the line that installs it.
        run: runs the original on arrays by the names of its inputs; returns its outputs in order.
        recognises: whether a file or folder is of this kind, whatever its name.
        suspect: what makes the normalised graph out of the source, and is at fault where the two differ.
        fault_of: what is wrong with a file, asked when a conversion failed for a reason that nobody foresaw.
        packages: distributions beside those of ONNX that take part, for the report.
        options: what it adds to the command line and to `converter.convert`; values are in `Request.options`.
    """

    module: str
    name: str
    runtime: str
    kind: str
    suffixes: tuple[str, ...]
    load: Callable[[Request], Source]
    run: Callable[[Original, Mapping[str, np.ndarray]], list[np.ndarray]]
    recognises: Recognises = by_suffix_only
    suspect: str = "its translation to ONNX"
    fault_of: Callable[[Path], str | None] = _no_fault
    packages: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
