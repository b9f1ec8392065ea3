"""Place the files of a result: all of them or none, also when the conversion is killed meanwhile.

The module runs as a script, `python placing.py PLAN`, in a session of its own, so that no signal to the conversion
reaches it. It imports the standard library only, and nothing of the project. What it had begun when the machine
stopped, the next conversion of the same name finishes: the plan is a file, and carrying it out twice does no harm.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

PLAN = "plan.json"
"""The name of a plan in the folder where the files wait."""


@dataclass(frozen=True)
class Move:
    """What happens to one file.

    Attributes:
        target: its place.
        new: where the new file waits; None for a file of the earlier result that has no successor.
        earlier: where the earlier file goes.
        replaces: the mark of the only file that may stand in its place (`mark_of`); empty where any may.
    """

    target: str
    new: str | None
    earlier: str
    replaces: str = ""

    @property
    def is_open(self) -> bool:
        """Whether its new file still waits, or it has none."""
        return self.new is None or os.path.lexists(self.new)

    @property
    def is_late(self) -> bool:
        """Whether another file has come to its place."""
        return bool(self.replaces) and self.is_open and mark_of(self.target) not in ("", self.replaces)


@dataclass(frozen=True)
class Plan:
    """What is placed.

    Attributes:
        moves: the files, each once.
        folders: where they go; one conversion at a time places files there.
        waiting: the folders where they wait.
        gone: the folders that go at the end.
    """

    moves: tuple[Move, ...]
    folders: tuple[str, ...]
    waiting: tuple[str, ...]
    gone: tuple[str, ...]

    def write(self) -> Path:
        """Write the plan into each folder where files wait; returns the path of the last."""
        text = json.dumps(asdict(self))
        for folder in self.waiting:
            path = Path(folder) / PLAN
            path.with_suffix(".part").write_text(text, encoding="utf-8")
            path.with_suffix(".part").replace(path)
        return path

    @classmethod
    def read(cls, path: Path) -> Plan:
        """Read a plan."""
        stored = json.loads(path.read_text(encoding="utf-8"))
        moves = tuple(Move(**move) for move in stored["moves"])
        return cls(moves, tuple(stored["folders"]), tuple(stored["waiting"]), tuple(stored["gone"]))


def mark_of(file: str) -> str:
    """What tells a file from any other that comes to its place; empty where there is none."""
    try:
        found = os.lstat(file)
    except OSError:
        return ""
    return f"{found.st_ino}-{found.st_mtime_ns}-{found.st_size}"


class PlacingError(Exception):
    """A file that cannot be placed; nothing has changed. Attributes: `path`, and `cause`, the system's error."""

    def __init__(self, path: str, cause: OSError) -> None:
        super().__init__(path)
        self.path = Path(path)
        self.cause = cause


def carry_out(plan: Plan, kept_open: Sequence[int] = ()) -> None:
    """Carry out a plan in a process that outlives this one; wait for it.

    Args:
        plan: the plan.
        kept_open: file descriptors whose locks that process keeps.

    Raises:
        PlacingError: a file cannot be placed; nothing has changed.
        OSError: the plan cannot be written.
    """
    path = plan.write()
    if "python" not in Path(sys.executable or "").name:  # a program that has Python inside
        return place(plan)
    try:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=kept_open if os.name == "posix" else (),
        )
    except OSError:
        return place(plan)
    assert process.stdout is not None
    with process.stdout:
        try:
            said = process.stdout.read()
        finally:
            process.wait()
    if process.returncode:
        problem = json.loads(said or b"{}")
        cause = OSError(problem.get("errno", 0), problem.get("text", "the process that places files ended"))
        raise PlacingError(problem.get("path", plan.folders[0]), cause)
    return None


def place(plan: Plan) -> None:
    """Carry out a plan, or undo everything. Nothing changes where another result has come to the place of a file.

    Raises:
        PlacingError: a file cannot be placed; nothing has changed.
    """
    undo: list[tuple[str, str]] = []  # (where it is now, where it was)
    made: list[Path] = []
    target = ""
    with contextlib.ExitStack() as locks:
        for folder in sorted(set(map(os.path.realpath, plan.folders))):
            locks.enter_context(locked(folder))
        try:
            moves = () if any(move.is_late for move in plan.moves) else plan.moves
            for move in moves:
                target = move.target
                if os.path.lexists(target) and move.is_open:
                    os.makedirs(os.path.dirname(move.earlier), exist_ok=True)
                    os.rename(target, move.earlier)
                    undo.append((move.earlier, target))
            for move in moves:
                if move.new is not None and os.path.lexists(move.new):
                    target = move.target
                    _make_folder(Path(target).parent, made)
                    os.rename(move.new, target)
                    undo.append((target, move.new))
        except BaseException as error:
            for now, was in reversed(undo):
                os.rename(now, was)
            for path in reversed(made):
                path.rmdir()
            if isinstance(error, OSError):
                raise PlacingError(target, error) from error
            raise
        for folder in plan.waiting:  # first of all it must be clear that nothing is left to do
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, PLAN))
        for folder in plan.gone:
            shutil.rmtree(folder, ignore_errors=True)


def _make_folder(path: Path, made: list[Path]) -> None:
    for folder in reversed([path, *path.parents]):
        if not folder.exists():
            folder.mkdir(exist_ok=True)
            made.append(folder)


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[None]:
    """Within the block, no other conversion places files in a folder; where the system has such locks."""
    lock = hold(folder, wait=True)
    try:
        yield
    finally:
        if lock is not None:
            os.close(lock)


def hold(folder: str | os.PathLike[str], *, wait: bool = False) -> int | None:
    """Lock a folder until the descriptor that is returned is closed; None where another has it, or nothing locks."""
    try:
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def finish(waiting: Path) -> None:
    """Finish what a conversion left in the folder where its files waited, or clear it away if it had not begun.

    Nothing is done while that conversion runs.
    """
    lock = hold(waiting)
    if lock is None:
        return
    try:
        plan = waiting / PLAN
        if plan.exists():
            with contextlib.suppress(PlacingError):
                place(Plan.read(plan))
        shutil.rmtree(waiting, ignore_errors=True)
    finally:
        os.close(lock)


if __name__ == "__main__":
    try:
        place(Plan.read(Path(sys.argv[1])))
    except PlacingError as error:
        print(json.dumps({"path": str(error.path), "errno": error.cause.errno, "text": error.cause.strerror}))
        raise SystemExit(1) from None
