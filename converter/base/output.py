"""The files of a result: they appear whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from converter.base import placing, shards
from converter.base.placing import Move, Plan
from converter.errors import FileSaveError, ReportGenerationError, ScriptGenerationError, WeightMapGenerationError

REPORTS = {"txt": "report_of_{}.txt", "json": "report_of_{}.json", "html": "report_of_{}.html"}
"""The reports of every mode by their kinds, `{}` for NAME."""

_STAGING = ".onnx2mindspore"  # the end of the name of a hidden folder where files wait
_NEW, _EARLIER, _PLACED = "new", "earlier", "placed"  # the folders in it


@dataclass(frozen=True)
class FileSet:
    """The files that a mode makes beside the reports, `{}` for NAME.

    Attributes:
        output: those in the folder of the script.
        report: those in the folder of the reports.
        reports: whether the mode writes reports.
    """

    output: tuple[str, ...]
    report: tuple[str, ...] = ()
    reports: bool = True


class InterruptedWhenPlacedError(KeyboardInterrupt):
    """The user interrupts a conversion whose result is in its place."""


class Output:
    """A context manager: what is written inside it comes to its place when it ends well, and is gone otherwise.

    The files are written to a hidden folder inside their destination, so that moving them is a rename on one file
    system. All files of an earlier result of the same NAME go. Folders are made when missing, and go again when the
    conversion fails. A conversion that is killed leaves the earlier result, or the new one (`placing.py`), and perhaps
    its hidden folder, which the next of the same NAME clears away. `place` places a result before the block ends.

    Args:
        files: what the mode makes, and an earlier result may have left.
        name: NAME, the stem of every file.
        output: the folder of script and checkpoint.
        report: the folder of the reports, where it is another.

    Raises:
        FileSaveError: on entry when a folder cannot be made or written, on exit when a file cannot be placed.
    """

    def __init__(self, files: FileSet, name: str, output: Path, report: Path | None = None) -> None:
        self._name = name
        self._reports = {kind: pattern.format(name) for kind, pattern in REPORTS.items()}
        self._others = [pattern.format(name) for pattern in files.report]
        of_reports = [*(self._reports.values() if files.reports else ()), *self._others]
        earlier = [pattern.format(name) for pattern in files.output]
        self._output = _Folder(output, earlier, shards_of=name if "{}.safetensors" in files.output else None)
        self._report = _Folder(report if report is not None else output, of_reports)
        self._files: list[Path] = []
        self._sources: tuple[Path, ...] = ()
        self._is_placed = False

    @property
    def files(self) -> tuple[Path, ...]:
        """The files, in the order in which they were written, at their destination and as the user spelled it."""
        return tuple(self._files)

    @property
    def reports(self) -> tuple[Path, ...]:
        """The reports at their destination, written or not."""
        return tuple(self._report.path / file for file in self._reports.values())

    @property
    def others(self) -> tuple[Path, ...]:
        """The files beside the reports in their folder, at their destination, written or not."""
        return tuple(self._report.path / file for file in self._others)

    @property
    def waiting(self) -> Path:
        """The folder where what goes to that of the script lies for now, in the same layout."""
        return self._output.waiting("")

    def __enter__(self) -> Output:
        try:
            self._output.open(self._name)
            self._report.open(self._name)
        except BaseException:
            self._close(placed=False)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        placed = self._is_placed
        try:
            if kind is None:
                _place(self._output, self._report)
                placed = True
            elif placed and issubclass(kind, KeyboardInterrupt):
                raise InterruptedWhenPlacedError from error
        finally:
            self._close(placed=placed)

    def place(self) -> None:
        """Place the files that are written: a result, which no later error takes back.

        They can still be read where they were written. A report that is written later replaces the one placed here when
        the block ends, unless the result of another conversion has come to its place meanwhile.

        Raises:
            FileSaveError: a file cannot be placed; nothing has changed.
        """
        for folder in (self._output, self._report):
            folder.keep()
        _place(self._output, self._report, more=True)
        self._is_placed = True
        for folder in (self._output, self._report):
            folder.begin_again()

    def _close(self, *, placed: bool) -> None:
        self._report.close(placed=placed)
        self._output.close(placed=placed)

    def protect(self, sources: Iterable[Path]) -> None:
        """Keep the files of the source, which may stand where an earlier result would: `net.onnx`, `net.safetensors`.

        Raises:
            FileSaveError: here, or when a file is written later, if it would replace one of them.
        """
        self._sources = tuple(sources)
        for folder in (self._output, self._report):
            folder.earlier = [file for file in folder.earlier if not self._is_source(folder.path / file)]
            for file in folder.files:
                self._check(folder.path / file)

    def script(self, file: str, text: str) -> Path:
        """Write the script; returns where it lies for now."""
        return self._write(self._output, file, text, ScriptGenerationError)

    def checkpoint(self, file: str) -> Path:
        """Where to write the checkpoint."""
        return self._reserve(self._output, file)

    def sharded_checkpoint(self, name: str, count: int) -> list[Path]:
        """Where to write the shards of a checkpoint, then `param_name_map.json` and `model.safetensors.index.json`.

        Raises:
            FileSaveError: the folder has the shards of another network, which these two files are about.
        """
        for file in (shards.NAME_MAP, shards.INDEX):
            path = self._output.path / file
            if path.exists() and file not in self._output.earlier and not self._is_source(path):
                raise FileSaveError(f"'{path}' belongs to the shards of another network. Choose another --output.")
        names = [shards.file_name(name, number + 1, count) for number in range(count)]
        return [self._reserve(self._output, file) for file in (*names, shards.NAME_MAP, shards.INDEX)]

    def weight_map(self, file: str, text: str) -> Path:
        """Write the weight map; returns where it lies for now."""
        return self._write(self._report, file, text, WeightMapGenerationError)

    def model(self, file: str, write: Callable[[Path], Iterable[Path]]) -> None:
        """Let `write` write an ONNX model to the path that it is given; it returns that and the files beside it."""
        self._check(self._output.path / file)
        for path in write(self._output.waiting(file)):
            self._reserve(self._output, path.name)

    def report(self, kind: str, text: str | Iterable[str]) -> Path:
        """Write the report of a kind (a key of `REPORTS`), a text or its pieces; returns where it lies for now."""
        return self._write(self._report, self._reports[kind], text, ReportGenerationError)

    def inspection(self, kind: str, text: str | Iterable[str]) -> Path:
        """Write the inspection of a kind, `html` or `json`; returns where it lies for now."""
        return self._write(self._report, f"inspection_of_{self._name}.{kind}", text, ReportGenerationError)

    def _is_source(self, path: Path) -> bool:
        return path.exists() and any(source.exists() and path.samefile(source) for source in self._sources)

    def _check(self, path: Path) -> None:
        if self._is_source(path):
            raise FileSaveError(
                f"'{path}' is the source itself, which the result would replace. Choose another --output."
            )

    def table(self, file: str, text: str) -> Path:
        """Write a table beside the reports; returns where it lies for now."""
        return self._write(self._report, file, text, ReportGenerationError)

    def data(self, file: str, data: bytes) -> Path:
        """Write bytes to a file, perhaps in folders below that of the script; returns where it lies for now."""
        path = self._reserve(self._output, file)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except OSError as error:
            raise ScriptGenerationError(_problem(self._output.path / file, error)) from error
        return path

    def _reserve(self, folder: _Folder, file: str) -> Path:
        self._check(folder.path / file)
        if folder.path / file not in self._files:
            self._files.append(folder.path / file)
        folder.files.append(file)
        return folder.waiting(file)

    def _write(self, folder: _Folder, file: str, text: str | Iterable[str], error_class: type[FileSaveError]) -> Path:
        path = self._reserve(folder, file)
        try:
            path.unlink(missing_ok=True)  # rather than write into a file that was placed
            with path.open("w", encoding="utf-8", newline="\n") as stream:
                stream.writelines([text] if isinstance(text, str) else text)
        except OSError as error:
            raise error_class(_problem(folder.path / file, error)) from error
        return path


class _Folder:
    """A destination, and the hidden folder inside it where its files wait."""

    def __init__(self, path: Path, earlier: list[str], shards_of: str | None = None) -> None:
        self.path = path
        self.earlier = earlier
        self._shards_of = shards_of
        self.files: list[str] = []
        self.staging: Path | None = None
        self.lock: int | None = None
        self._made: list[Path] = []
        self._kept: dict[str, str] = {}  # file → its mark (placing.mark_of), until it is placed
        self._placed: dict[str, str] = {}  # the same, when it is

    def open(self, name: str) -> None:
        """Make the folder, and look whether files can be written there before the long work begins."""
        try:
            for path in reversed((self.path, *self.path.parents)):
                if not path.exists():
                    path.mkdir(exist_ok=True)  # another conversion may be making it, too
                    self._made.append(path)
            with placing.locked(self.path):
                self.staging = Path(tempfile.mkdtemp(_STAGING, f".{name}.", self.path))
                self.lock = placing.hold(self.staging)
                (self.staging / _NEW).mkdir()
        except OSError as error:
            raise FileSaveError(_problem(self.path, error)) from error
        for left in self.path.glob(f".{glob.escape(name)}.*{_STAGING}"):
            placing.finish(left)
        if self._shards_of is not None:
            self.earlier += shards.left_by(self.path, self._shards_of)
        for file in self.earlier:
            if (self.path / file).is_dir():
                raise FileSaveError(f"a folder has the name of a result, '{self.path / file}'. Rename it.")

    def waiting(self, file: str) -> Path:
        """Where a file lies until it is placed."""
        assert self.staging is not None, "the folder is not open"
        return self.staging / _NEW / file

    def moves(self) -> Iterator[Move]:
        """What becomes of the files of the earlier result and of this one."""
        assert self.staging is not None, "the folder is not open"
        staging, path = self.staging.absolute(), self.path.absolute()
        new = set(self.files)
        for file in dict.fromkeys((*self.earlier, *self.files)):
            waits = str(staging / _NEW / file) if file in new else None
            yield Move(str(path / file), waits, str(staging / _EARLIER / file), self._placed.get(file, ""))

    def keep(self) -> None:
        """Keep the files that are placed readable where they lie: hard links, or copies where there are none.

        Raises:
            FileSaveError: there is no room for a copy.
        """
        assert self.staging is not None, "the folder is not open"
        try:
            (self.staging / _PLACED).mkdir()
            for file in dict.fromkeys(self.files):
                kept = self.staging / _PLACED / file
                kept.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(self.waiting(file), kept)
                except OSError:
                    shutil.copy2(self.waiting(file), kept)
                self._kept[file] = placing.mark_of(str(self.waiting(file)))
        except OSError as error:
            raise FileSaveError(_problem(self.path / file, error)) from error

    def begin_again(self) -> None:
        """The files are in their places; others may follow, and take the places of these only."""
        assert self.staging is not None, "the folder is not open"
        shutil.rmtree(self.staging / _NEW, ignore_errors=True)
        (self.staging / _PLACED).rename(self.staging / _NEW)
        self._placed = self._kept
        self.earlier, self.files = [], []

    def close(self, *, placed: bool) -> None:
        if self.staging is not None:
            shutil.rmtree(self.staging, ignore_errors=True)
            self.staging = None
        if self.lock is not None:
            os.close(self.lock)
            self.lock = None
        if not placed:
            with contextlib.suppress(OSError):  # somebody else uses it by now
                for path in reversed(self._made):
                    path.rmdir()
        self._made.clear()


def _place(*folders: _Folder, more: bool = False) -> None:
    """Move every file into its place and the earlier result away, or leave everything as it was; `more` may follow."""
    waiting = [folder.staging.absolute() for folder in reversed(folders) if folder.staging is not None]
    plan = Plan(
        moves=tuple(move for folder in folders for move in folder.moves()),
        folders=tuple(str(folder.path.absolute()) for folder in folders),
        waiting=tuple(map(str, waiting)),
        gone=tuple(str(path / _EARLIER if more else path) for path in waiting),
    )
    try:
        placing.carry_out(plan, [folder.lock for folder in folders if folder.lock is not None])
    except placing.PlacingError as error:
        raise FileSaveError(_problem(error.path, error.cause)) from error
    except OSError as error:
        raise FileSaveError(_problem(folders[0].path, error)) from error


def _problem(path: Path, error: OSError) -> str:
    reason = (error.strerror or str(error)).lower()
    remedy = "Free some space, or choose" if error.errno == errno.ENOSPC else "Choose"
    return f"'{path}' cannot be written: {reason}. {remedy} another --output or --report."
