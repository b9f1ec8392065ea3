"""Import TensorFlow and tf2onnx only when needed, silence them, and restore their settings."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from types import ModuleType

from converter.errors import SourceRunError, TfRuntimeError

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "0"}
"""Environment while TensorFlow is imported: it suppresses the messages of its C++ part and of oneDNN."""

_LOGGERS = ("tensorflow", "tf2onnx", "absl")


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[ModuleType]:
    """Import TensorFlow; silence it and tf2onnx inside the block, unless they log at the level INFO.

    Raises:
        TfRuntimeError: TensorFlow or tf2onnx is not installed.
    """
    added = {name: value for name, value in _QUIET.items() if name not in os.environ}
    os.environ.update(added)
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    try:
        tensorflow = _import()
        levels = [logger.level for logger in loggers]
        for logger in loggers:
            if not logger.isEnabledFor(logging.INFO):
                logger.setLevel(logging.CRITICAL + 1)
        try:
            yield tensorflow
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Run the source inside the block.

    Raises:
        SourceRunError: TensorFlow rejects the inputs.
    """
    import tensorflow

    try:
        yield
    except (tensorflow.errors.OpError, ValueError, TypeError) as error:
        raise SourceRunError(f"TensorFlow refuses these inputs: {' '.join(str(error).split())[:300]}") from error


def import_tensorflow() -> ModuleType:
    """Import TensorFlow, after Triton if that is installed (it comes with PyTorch for CUDA).

    MindSpore imports Triton, which kills a process that has already loaded TensorFlow's libraries.
    """
    with contextlib.suppress(ImportError):
        import triton  # noqa: F401
    import tensorflow

    return tensorflow


def _import() -> ModuleType:
    try:
        tensorflow = import_tensorflow()
        import tf2onnx  # noqa: F401
    except ImportError as error:
        raise TfRuntimeError(
            f'this needs TensorFlow and tf2onnx ({error}). Install them: pip install "onnx2mindspore[tensorflow]"'
        ) from error
    return tensorflow
