"""Progress: show the current stage of a conversion on a terminal."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO

from converter.base.messages import tr
from converter.base.stages import Observer

PATIENCE = 1.0
"""Seconds after which a stage that still runs makes the bar appear."""


@contextmanager
def progress_bar(
    stream: TextIO, stages: Sequence[str], remarks: Mapping[str, str] | None = None
) -> Iterator[Observer | None]:
    """Yield an observer that draws a progress bar on `stream` until the block ends; None if it is not a terminal.

    `stages` are the names of all stages, in order; `remarks` are shown beside some of them.
    """
    if not stream.isatty():
        yield None
        return
    bar = _Bar(stream, stages, remarks or {})
    try:
        yield bar
    finally:
        bar.close()


class _Bar:
    """A bar with the current stage and its count; it appears once a stage takes longer than `PATIENCE`."""

    def __init__(self, stream: TextIO, stages: Sequence[str], remarks: Mapping[str, str]) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), "{task.description:<20}", BarColumn(), TextColumn("{task.fields[count]:>11}"))
        self._progress = Progress(
            *columns,
            TimeElapsedColumn(),
            console=Console(file=stream),
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._progress.add_task("", total=None, count="")
        self._timer: threading.Timer | None = None
        self._stages = stages
        self._remarks = remarks

    def begin(self, stage: str) -> None:
        self._cancel_timer()
        place = f"{self._stages.index(stage) + 1}/{len(self._stages)}"
        remark = f" ({self._remarks[stage]})" if stage in self._remarks else ""
        self._progress.reset(self._task, total=None, description=f"{place} {tr(stage)}{remark}", count="")
        self._timer = threading.Timer(PATIENCE, self._progress.start)
        self._timer.daemon = True
        self._timer.start()

    def count(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total, count=f"{done}/{total}")

    def close(self) -> None:
        self._cancel_timer()
        self._progress.stop()

    def _cancel_timer(self) -> None:
        """Cancel the timer that would make the bar appear."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()


class Lines:
    """An observer that writes a line when a stage begins, for `--verbose`."""

    def __init__(self, stream: TextIO, remarks: Mapping[str, str] | None = None) -> None:
        self._stream = stream
        self._remarks = remarks or {}
        self._began = time.perf_counter()

    def begin(self, stage: str) -> None:
        """Write the seconds since the start, and the name of the stage."""
        remark = f" ({self._remarks[stage]})" if stage in self._remarks else ""
        print(f"{time.perf_counter() - self._began:8.2f} s  {stage}{remark}", file=self._stream, flush=True)

    def count(self, done: int, total: int) -> None:
        """Write nothing: there would be too many lines."""
