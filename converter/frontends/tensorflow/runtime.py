"""TensorFlow and tf2onnx: imported late, kept quiet, and left as they were found."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from types import ModuleType

from converter.errors import TfRuntimeError

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_LOGGERS = ("tensorflow", "tf2onnx", "absl")


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[ModuleType]:
    """Import TensorFlow and silence it, and tf2onnx, for the length of the block, unless logging is enabled for them.

    Raises:
        TfRuntimeError: TensorFlow or tf2onnx is not installed.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    environment = os.environ.get(_LOG_LEVEL)
    os.environ.setdefault(_LOG_LEVEL, "3")
    try:
        tensorflow = _import()
        for logger in loggers:
            if logger.level == logging.NOTSET or logger.level > logging.DEBUG:
                logger.setLevel(logging.CRITICAL + 1)
        yield tensorflow
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if environment is None:
            os.environ.pop(_LOG_LEVEL, None)


def _import() -> ModuleType:
    try:
        import tensorflow
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise TfRuntimeError(
            f'a .pb needs TensorFlow and tf2onnx ({error}). Install them with: pip install "onnx2mindspore[tensorflow]"'
        ) from error
    return tensorflow
