"""Isolated: start the process that exports a module, and hand on its error."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

from converter import errors
from converter.errors import BaseConverterError, ConverterError, RuntimeIntegrityError
from converter.frontends.pytorch.process import ERROR
from converter.frontends.pytorch.spec import Exported, Spec, read_exported

_ROOT = Path(__file__).parents[3]


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
    done = subprocess.run(
        [sys.executable, "-m", "converter.frontends.pytorch.process", str(folder.absolute())],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    logging.getLogger(__name__).info("%s%s", done.stdout, done.stderr)  # what --verbose shows
    if done.returncode:
        raise _error(folder, done, spec.label)
    return read_exported(folder)


def _error(folder: Path, done: subprocess.CompletedProcess[str], label: str) -> ConverterError:
    file = folder / ERROR
    if file.exists():
        told = json.loads(file.read_text(encoding="utf-8"))
        kind: type[ConverterError] = getattr(errors, told["class"])
        return kind(told["message"], told["details"])
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        cause = ", most likely since memory ran out" if name == "SIGKILL" else ""
        return BaseConverterError(f"the process that exports '{label}' was ended by {name}{cause}. {errors.REPORT_IT}")
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:300]
    return BaseConverterError(
        f"the export of '{label}' failed: {last}. {errors.REPORT_IT}",
        expected=False,
    )
