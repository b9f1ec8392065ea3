"""Memory: a bound on what a library may take, so that a small file cannot fill the machine."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_STATM = Path("/proc/self/statm")
_GROUP = Path("/sys/fs/cgroup/memory.max")


def total() -> int | None:
    """Bytes of memory of the machine, or of this process's control group; None if the system does not tell."""
    known = []
    with suppress(AttributeError, ValueError, OSError):
        known.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):  # no file, or `max`
        known.append(int(_GROUP.read_text(encoding="ascii")))
    return min(known, default=None)


@contextmanager
def at_most(more: int) -> Iterator[None]:
    """Within the block, the process may take `more` bytes of address space besides what it has; Linux only.

    A library that asks for more gets none, which Python shows as a MemoryError.
    """
    try:
        import resource

        now = int(_STATM.read_text(encoding="ascii").split()[0]) * resource.getpagesize()
        before, hard = resource.getrlimit(resource.RLIMIT_AS)
    except (ImportError, OSError, ValueError):
        yield
        return
    limits = [now + more, *(limit for limit in (before, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (before, hard))
