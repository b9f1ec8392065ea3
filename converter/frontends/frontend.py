"""A frontend: one kind of source, as data for the registry. Packages that it needs are imported only when it runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from converter.base.kinds import Recognises, by_suffix_only

if TYPE_CHECKING:
    import numpy as np

    from converter.frontends.source import Made, Original, Request, Source

Run = Callable[[Mapping[str, "np.ndarray"]], list["np.ndarray"]]
"""A function that runs an original on arrays by the names of its inputs, and returns its outputs in order."""


@dataclass(frozen=True)
class Option:
    """An option that only some frontends have: `--signature NAME`; a flag if there is no `metavar`."""

    name: str
    help: str
    metavar: str | None = None


def _no_fault(file: Path) -> str | None:
    return None


def _no_made(made: Made) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Frontend:
    """How one kind of source is recognised, read and run.

    Attributes:
        module: the module with this value as `FRONTEND`; the verification process imports it by this name.
        name: `runtime` in the JSON report.
        runtime: the program that runs the source, by its common name: `onnxruntime`.
        kind: the kind of source, as a phrase: `an .onnx model`.
        suffixes: the suffixes of the files that it reads.
        load: reads a source. If a package is missing, its error names the command that installs it.
        run: runs the original on arrays by the names of its inputs; returns its outputs in order.
        start: loads an original and returns the function that runs it, as often as one likes; None where each run loads
            it anew, since it may keep something from one run for the next.
        recognises: whether a file or folder is of this kind, whatever its name.
        takes: whether it reads a source that is no file: a call, a live module.
        suspect: the program that translates the source to the normalised graph, and causes differences between them.
        fault_of: returns what is wrong with a file; called after a conversion failed with an unexpected error.
        packages: distributions that it uses besides those of ONNX, for the report.
        options: its additional options of the command line and of `converter.convert`; see `Request.options`.
    """

    module: str
    name: str
    runtime: str
    kind: str
    suffixes: tuple[str, ...]
    load: Callable[[Request], Source]
    run: Callable[[Original, Mapping[str, np.ndarray]], list[np.ndarray]]
    start: Callable[[Original], Run] | None = None
    recognises: Recognises = by_suffix_only
    takes: Callable[[Made], bool] = _no_made
    suspect: str = "its translation to ONNX"
    fault_of: Callable[[Path], str | None] = _no_fault
    packages: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()

    def runner(self, original: Original) -> Run:
        """The function that runs an original, which is loaded once if possible."""
        return partial(self.run, original) if self.start is None else self.start(original)
