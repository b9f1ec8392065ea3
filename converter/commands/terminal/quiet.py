"""Quiet: what libraries say is kept off the terminal, or shown when it is asked for.

TensorFlow, tf2onnx, MindSpore, oneDNN, protobuf and NumPy talk to a terminal in four ways, and each is met where it
begins: messages of C++ code by the environment that it reads when it is loaded, Python's warnings by a filter, loggers
by their level, and what still goes to the file descriptors 1 and 2 by a pipe in their place.
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
"""MindSpore's own default; 1 would be a line for each of its passes."""

_LOGGERS = ("tensorflow", "tf2onnx", "absl")
"""They set a level of their own."""

_LAST_WORDS = "8192"
"""Bytes of the libraries' talk that are shown when they kill the process."""


@contextlib.contextmanager
def quiet() -> Iterator[TextIO]:
    """Keep libraries off stdout and stderr for the length of the block; gives the stderr for our own messages.

    What the user has set in the environment stays. When the process dies inside the block, Python's trace and the last
    that the libraries said appear on stderr after all.
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
    """Let libraries say what they have to say, for the length of the block; gives stderr."""
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
    """Set the variables that the user has not set."""
    added = {name: value for name, value in variables.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def _captured() -> Iterator[TextIO]:
    """Lead the file descriptors 1 and 2 into a process that repeats the end of it all if this one dies.

    `tail` waits for the end of its input, which comes when this process dies; when all goes well it is ended before.
    """
    with contextlib.ExitStack() as stack:
        try:
            saved = [os.dup(descriptor) for descriptor in (1, 2)]
            tail = subprocess.Popen(
                ["tail", "-c", _LAST_WORDS], stdin=subprocess.PIPE, stdout=saved[1], start_new_session=True
            )
        except OSError:  # no such descriptor, no tail: then the other ways must do
            yield sys.stderr
            return
        assert tail.stdin is not None
        stack.callback(_end, tail)
        stack.callback(_lead_back, saved)
        _flush()
        for descriptor in (1, 2):
            os.dup2(tail.stdin.fileno(), descriptor)
        if not faulthandler.is_enabled():
            faulthandler.enable(2)
            stack.callback(faulthandler.disable)
        yield stack.enter_context(os.fdopen(os.dup(saved[1]), "w", encoding="utf-8"))


def _lead_back(saved: list[int]) -> None:
    _flush()
    for descriptor, copy in enumerate(saved, start=1):
        os.dup2(copy, descriptor)
        os.close(copy)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def _flush() -> None:
    """Empty the buffers of Python and of C."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).fflush(None)
