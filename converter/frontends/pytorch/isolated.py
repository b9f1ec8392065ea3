"""Isolated: the process that exports a module, a new one or a copy of this one, and its error."""

from __future__ import annotations

import importlib.util
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from converter import errors
from converter.errors import BaseConverterError, ConverterError, RuntimeIntegrityError
from converter.frontends.pytorch.process import ERROR, export_to
from converter.frontends.pytorch.spec import Exported, Spec, read_exported

if TYPE_CHECKING:
    from converter.frontends.pytorch.loading import Loaded

_ROOT = Path(__file__).parents[3]
_OUTPUT = "output.txt"


def check_torch(what: str) -> None:
    """Check that PyTorch is there before anything takes time.

    Raises:
        RuntimeIntegrityError: it is not installed.
    """
    if importlib.util.find_spec("torch") is None:
        raise RuntimeIntegrityError(
            f"to read {what}, PyTorch is needed (No module named 'torch'). "
            'Install it: pip install "onnx2mindspore[pytorch]"'
        )


def export(spec: Spec, folder: Path) -> Exported:
    """Load and export the module in a process of its own, which writes to the folder.

    Raises:
        ConverterError: what the process raised.
    """
    spec.write(folder)
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (folder / _OUTPUT).open("wb") as output:
        done = subprocess.run(
            [sys.executable, "-m", "converter.frontends.pytorch.process", str(folder.absolute())],
            env={**os.environ, "PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        )
    return _result(folder, done.returncode, spec.label)


def export_copy(spec: Spec, folder: Path, load: Callable[[], Loaded]) -> Exported:
    """Export a module of this process in a copy of it on Linux, else here: no other system copies a process safely.

    Raises:
        ConverterError: what the export raised.
    """
    if sys.platform != "linux":
        return _result(folder, export_to(folder, spec, load), spec.label)
    copy = multiprocessing.get_context("fork").Process(target=_in_copy, args=(spec, folder, load))
    copy.start()
    copy.join()
    return _result(folder, copy.exitcode or 0, spec.label)


def _in_copy(spec: Spec, folder: Path, load: Callable[[], Loaded]) -> None:
    import torch

    torch.set_num_threads(1)  # a copy lacks the threads of the original
    with (folder / _OUTPUT).open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    try:
        status = export_to(folder, spec, load)
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # what the user's program does at its end is not for the copy


def _result(folder: Path, status: int, label: str) -> Exported:
    file = folder / _OUTPUT
    text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    logging.getLogger(__name__).info("%s", text)  # what --verbose shows
    if status:
        raise _error(folder, status, text, label)
    return read_exported(folder)


def _error(folder: Path, status: int, output: str, label: str) -> ConverterError:
    file = folder / ERROR
    if file.exists():
        told = json.loads(file.read_text(encoding="utf-8"))
        kind: type[ConverterError] = getattr(errors, told["class"])
        return kind(told["message"], told["details"])
    if status < 0:
        name = signal.Signals(-status).name
        cause = ", most likely since memory ran out" if name == "SIGKILL" else ""
        return BaseConverterError(f"the process that exports '{label}' was ended by {name}{cause}. {errors.REPORT_IT}")
    last = (output.strip().splitlines() or [f"exit status {status}"])[-1][:300].rstrip(". ")
    return BaseConverterError(f"the export of '{label}' failed: {last}. {errors.REPORT_IT}", expected=False)
