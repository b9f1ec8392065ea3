"""Stages: what a conversion is doing, for whoever watches it, and how long each stage took."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, TypeAlias, TypeVar

from converter.errors import REPORT_IT, ConverterError, describe_unexpected, package_error

Item = TypeVar("Item")

Failures: TypeAlias = Mapping[str, type[ConverterError]]
"""The stages of a mode in their order, each with what it fails with when nobody foresaw why."""

_STATUS = Path("/proc/self/status")


class Observer(Protocol):
    """Whoever wants to know how far a conversion is, such as a progress bar."""

    def begin(self, stage: str) -> None:
        """A stage begins; the one before it, if any, is over."""

    def count(self, done: int, total: int) -> None:
        """The stage has done so many of its steps."""


class Each(Protocol):
    """Goes through pieces of work and may tell somebody how far it is; `iter` tells nobody."""

    def __call__(self, items: Collection[Item], /) -> Iterable[Item]:
        """Return the items."""


class Stages:
    """The record of one conversion: it is handed from stage to stage, and each says what it is doing.

    Args:
        failures: the stages that there are.
        observer: is told which stage the conversion is in, and how far.
    """

    def __init__(self, failures: Failures, observer: Observer | None = None) -> None:
        self._failures = failures
        self._observer = observer
        self._timings: dict[str, float] = {}

    @property
    def timings(self) -> Mapping[str, float]:
        """Seconds that each finished stage took, in the order in which they began."""
        return MappingProxyType(self._timings)

    @property
    def peak_memory(self) -> int:
        """Bytes that this process has had in memory at most until now; verification's own process is not counted."""
        return peak_memory()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """The block inside is this stage, or a part of it.

        Raises:
            RuntimeIntegrityError: a package cannot be imported.
            ConverterError: what the block raises; what nobody foresaw gets the class that belongs to the stage.
        """
        if self._observer is not None:
            self._observer.begin(name)
        began = time.perf_counter()
        try:
            yield
        except ConverterError:
            raise
        except ImportError as error:
            raise package_error(error) from error
        except Exception as error:
            place = ", ".join((*getattr(error, "__notes__", ()), f"at the stage '{name}'"))  # a note names the pass
            message = f"{describe_unexpected(error)}, {place}. {REPORT_IT}"
            raise self._failures[name](message, expected=False) from error
        finally:
            self._timings[name] = self._timings.get(name, 0.0) + time.perf_counter() - began

    def count(self, done: int, total: int) -> None:
        """The stage has done so many of its steps."""
        if self._observer is not None:
            self._observer.count(done, total)

    def each(self, items: Collection[Item], /) -> Iterator[Item]:
        """Go through the steps of the stage, counting those that are done."""
        for done, item in enumerate(items):
            self.count(done, len(items))
            yield item
        self.count(len(items), len(items))


def peak_memory() -> int:
    """Bytes that this process has had in memory at most; 0 where the system does not say (Windows).

    Linux's `ru_maxrss` begins at the peak of the process that started this one, so its own status is read instead.
    """
    with suppress(OSError):
        for line in _STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
