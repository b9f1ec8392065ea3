"""Placing: files of a result come to their place when all are written, and are gone otherwise."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from converter.errors import BadParamError, FileSaveError


def check_suffix(output: Path) -> None:
    """Check that a path names a format of checkpoints of MindSpore's.

    Raises:
        BadParamError: it does not.
    """
    if output.suffix not in (".ckpt", ".safetensors"):
        raise BadParamError(f"'{output}' names no format. End it in .ckpt or .safetensors.")


@contextmanager
def placed(output: Path) -> Iterator[Path]:
    """Where to write a file, and others beside it: at the end all of them come to the folder of `output`.

    They are written to a temporary folder beside `output`. On failure nothing is left, nor the folders that were made.

    Raises:
        FileSaveError: a folder or a file cannot be written.
    """
    made = [folder for folder in (output.parent, *output.parent.parents) if not folder.exists()]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{output.stem}.", dir=output.parent) as staging:
            yield Path(staging) / output.name
            for file in sorted(Path(staging).iterdir()):
                file.replace(output.parent / file.name)
    except BaseException as error:
        with contextlib.suppress(OSError):  # another process uses a folder
            for folder in made:
                folder.rmdir()
        if isinstance(error, OSError):
            reason = (error.strerror or str(error)).lower()
            raise FileSaveError(f"'{output}' cannot be written: {reason}. Choose another --output.") from error
        raise
