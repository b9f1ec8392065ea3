"""What became of a file that may be anything: a result, or an error with a code, in bounded time and memory."""

from __future__ import annotations

import ast
import contextlib
import resource
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.base import placing
from converter.base.memory import at_most
from converter.errors import ConverterError, ScriptGenerationError
from converter.weights import readers

LIMIT = 120
"""Seconds that a conversion may take."""
MEMORY = 1_500_000_000
"""Bytes that it may take beside what the process has."""


class UnexplainedError(AssertionError):
    """A case that ended in no result and in no error that was foreseen."""


def outcome(name: str, data: bytes | dict[str, bytes], **options: Any) -> str:
    """Convert a file; returns `converted`, or the class of the error.

    Args:
        name: the name of the file, which is converted.
        data: its bytes, or those of several files by their names.
        options: of `converter.convert`.

    Raises:
        UnexplainedError: the error is none that the program raised itself, or a script cannot be parsed.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        for file, content in data.items() if isinstance(data, dict) else [(name, data)]:
            (Path(folder) / file).write_bytes(content)
        return explained(
            lambda: _scripts(
                converter.convert(Path(folder) / name, output=Path(folder) / "out", verify=False, **options)
            )
        )


def _scripts(result: converter.Result) -> None:
    for file in result.files:
        if file.suffix == ".py":
            ast.parse(file.read_text(encoding="utf-8"))


def explained(run: Callable[[], object]) -> str:
    """Run something; returns `converted`, or the class of its error.

    Raises:
        UnexplainedError: the error is none that the program raised itself.
    """
    try:
        with bounded(), placing_here(), at_most(MEMORY):
            run()
    except ConverterError as error:
        if not error.expected or isinstance(error, ScriptGenerationError):  # no model makes a script that is not Python
            raise UnexplainedError(str(error)) from error
        if "\n" in str(error) or len(str(error)) > 3000:
            raise UnexplainedError(f"a message of {len(str(error))} characters: {str(error)[:300]!r}") from error
        return type(error).__name__
    except Exception as error:
        raise UnexplainedError(f"{type(error).__name__}: {error}") from error
    return "converted"


@contextlib.contextmanager
def placing_here() -> Iterator[None]:
    """Place files without a process of its own, which takes longer than a small conversion."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placing, "carry_out", lambda plan, _: placing.place(plan))
        yield


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Raise an error where the block takes longer than `LIMIT`."""

    def late(*_: object) -> None:
        raise TimeoutError(f"it takes longer than {LIMIT} seconds")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(LIMIT)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def peak() -> int:
    """Megabytes that the process has had in memory at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def outcome_of_weights(name: str, data: bytes) -> str:
    """Read a file of weights, and all their values; returns `converted`, or the class of the error.

    Raises:
        UnexplainedError: the error is none that the program raised itself.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        file = Path(folder) / name
        file.write_bytes(data)
        return explained(lambda: [array.load() for array in readers.read(file).tensors.values()])
