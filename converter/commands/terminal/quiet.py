"""Quiet: suppress the libraries' messages on the terminal, or show them with `--verbose`.

TensorFlow, tf2onnx, MindSpore, oneDNN, protobuf and NumPy write messages in four ways, and each is suppressed at its
source: messages of C++ code by environment variables, which are read when a library is loaded; Python's warnings by a
filter; loggers by their level; and whatever is still written to the file descriptors 1 and 2 by redirecting these.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import TextIO

_SILENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "GLOG_v": "4", "ONEDNN_VERBOSE": "0"}
_VERBOSE = {"TF_CPP_MIN_LOG_LEVEL": "0", "GLOG_v": "2"}
"""GLOG_v: MindSpore's own default is 2; 1 would write a line for each of its passes."""

_LOGGERS = ("tensorflow", "tf2onnx", "absl")
"""Loggers that set a level of their own."""

_TAIL_BYTES = "8192"
"""Number of last bytes of the suppressed output that are shown when a library kills the process."""


@contextlib.contextmanager
def quiet() -> Iterator[TextIO]:
    """Suppress the libraries' output on stdout and stderr inside the block; yield a stderr for our own messages.

    Environment variables that the user has set are kept. When the process dies inside the block, Python's traceback and
    the last bytes of the suppressed output appear on stderr.
    """
    before = logging.root.manager.disable
    with _environment(_SILENT), warnings.catch_warnings(), _captured() as stderr:
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield stderr
        finally:
            logging.disable(before)


@contextlib.contextmanager
def verbose() -> Iterator[TextIO]:
    """Show the libraries' messages inside the block; yield stderr."""
    handler = logging.StreamHandler()
    loggers = [logging.root, *map(logging.getLogger, _LOGGERS)]
    before = {logger: logger.level for logger in loggers}
    logging.root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.INFO)
    try:
        with _environment(_VERBOSE):
            yield sys.stderr
    finally:
        logging.root.removeHandler(handler)
        for logger, level in before.items():
            logger.setLevel(level)


@contextlib.contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set those of the environment variables that the user has not set, for the length of the block."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _captured() -> Iterator[TextIO]:
    """Redirect the file descriptors 1 and 2 to a `tail` process; yield a stream that writes to the original stderr.

    `tail` prints the last bytes when its input ends, which is when this process dies; otherwise it is killed before.
    """
    with contextlib.ExitStack() as stack:
        try:
            saved = [os.dup(descriptor) for descriptor in (1, 2)]
            tail = subprocess.Popen(
                ["tail", "-c", _TAIL_BYTES], stdin=subprocess.PIPE, stdout=saved[1], start_new_session=True
            )
        except OSError:  # no such descriptor, or no `tail` on this system: only the other three ways suppress output
            yield sys.stderr
            return
        assert tail.stdin is not None
        stack.callback(_kill, tail)
        stack.callback(_restore, saved)
        _flush()
        for descriptor in (1, 2):
            os.dup2(tail.stdin.fileno(), descriptor)
        if not faulthandler.is_enabled():
            faulthandler.enable(2)
            stack.callback(faulthandler.disable)
        yield stack.enter_context(os.fdopen(os.dup(saved[1]), "w", encoding="utf-8"))


def _restore(saved: list[int]) -> None:
    _flush()
    for descriptor, copy in enumerate(saved, start=1):
        os.dup2(copy, descriptor)
        os.close(copy)


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def _flush() -> None:
    """Flush the buffers of Python and of C."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)
