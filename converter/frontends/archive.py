"""Archives, as model zoos ship them: a `.zip` or `.tar.gz` with one model, and often real inputs for it.

An archive is untrusted: it is unpacked into a temporary folder, file by file and counted while that is done. Links and
devices in it are left out, names that lead out of the folder refused.
"""

from __future__ import annotations

import bz2
import gzip
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, cast

from converter.base.files import DAMAGED_ZIP, check_readable
from converter.errors import ModelLoadingError

MOST_FILES = 10_000
MOST_FOLDERS = 16
"""Folders inside folders of an archive."""
LEAST = 256 << 20
"""Bytes that any archive may unpack to."""
MOST_TIMES = 200
"""How many times its own size a larger archive may unpack to: weights that are all zero shrink to a thousandth."""

SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2")

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Member:
    """A file in an archive: its name, and how to open it."""

    name: str
    open: Callable[[], IO[bytes] | None]


def is_archive(path: Path) -> bool:
    """Whether a file is an archive, by its suffix and its content: other kinds of models are zip files, too."""
    if not path.name.lower().endswith(SUFFIXES) or not path.is_file():
        return False
    return zipfile.is_zipfile(path) or _is_tar(path)


def stem_of(path: Path) -> str:
    """The name of a file without its suffix, which has two parts in `resnet50.tar.gz`."""
    suffix = next((suffix for suffix in SUFFIXES if path.name.lower().endswith(suffix)), "")
    return path.name[: -len(suffix)] if suffix else path.stem


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the files of an archive into an empty folder.

    Raises:
        ModelLoadingError: it is damaged, encrypted, too large, or has a name that leads out of the folder.
    """
    check_readable(archive)
    left = max(LEAST, MOST_TIMES * archive.stat().st_size)
    try:
        for count, member in enumerate(_members(archive), start=1):
            if count > MOST_FILES:
                raise ModelLoadingError(f"'{archive}' holds more than {MOST_FILES:,} files. {_BY_HAND}")
            target = folder / _checked(archive, member.name)
            target.parent.mkdir(parents=True, exist_ok=True)
            left -= _copy(archive, member, target, left)
    except OSError as error:
        raise ModelLoadingError(
            f"'{archive}' cannot be unpacked: {(error.strerror or str(error)).lower()}. {_BY_HAND}"
        ) from error
    except (tarfile.TarError, *DAMAGED_ZIP) as error:
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ModelLoadingError(f"'{archive}' cannot be unpacked: {reason}. {_BY_HAND}") from error


_BY_HAND = "Unpack it yourself, and name the model in it."


def _is_tar(path: Path) -> bool:
    with suppress(OSError, EOFError, zlib.error), _opened(path) as stream:
        stream.seek(257)
        return stream.read(5) == b"ustar"
    return False


def _members(archive: Path) -> Iterator[Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for entry in opened.infolist():
                is_link = (entry.external_attr >> 28) == 0o12  # the file type of Unix
                if not entry.is_dir() and not is_link:
                    yield Member(entry.filename, lambda entry=entry: opened.open(entry))  # type: ignore[misc]
        return
    with _opened(archive) as plain, tarfile.open(fileobj=cast("IO[bytes]", _Headers(plain)), mode="r:") as stream:
        for info in stream:
            if info.isreg():
                yield Member(info.name, lambda info=info: stream.extractfile(info))  # type: ignore[misc]


def _opened(archive: Path) -> IO[bytes]:
    """The bytes of a tar archive, decompressed while they are read."""
    with archive.open("rb") as stream:
        head = stream.read(3)
    if head.startswith(b"\x1f\x8b"):
        return cast("IO[bytes]", gzip.open(archive))
    return cast("IO[bytes]", bz2.open(archive)) if head == b"BZh" else archive.open("rb")


class _Headers:
    """A stream that gives at most `_CHUNK` bytes at once: a header of a tar archive may announce any size."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.seek, self.tell = stream.seek, stream.tell

    def read(self, size: int = -1) -> bytes:
        """Read bytes.

        Raises:
            tarfile.ReadError: they are too many for a header.
        """
        if not 0 <= size <= _CHUNK:
            raise tarfile.ReadError("a header is too large")
        return self._stream.read(size)


def _checked(archive: Path, name: str) -> PurePosixPath:
    """The path of a file inside the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or ":" in path.parts[0]:
        raise ModelLoadingError(f"'{archive}' has a file with the name '{name}', which leads out of it. {_BY_HAND}")
    if len(path.parts) > MOST_FOLDERS:
        raise ModelLoadingError(f"'{archive}' has more than {MOST_FOLDERS} folders inside each other. {_BY_HAND}")
    return path


def _copy(archive: Path, member: Member, target: Path, left: int) -> int:
    """Unpack a file of at most `left` bytes; returns how many there were."""
    done = 0
    opened = member.open()
    if opened is None:
        return 0
    with opened as source, target.open("wb") as sink:
        while chunk := source.read(_CHUNK):
            done += len(chunk)
            if done > left:
                raise ModelLoadingError(
                    f"'{archive}' unpacks to more than {max(LEAST, MOST_TIMES * archive.stat().st_size):,} bytes. "
                    f"{_BY_HAND}"
                )
            sink.write(chunk)
    return done
