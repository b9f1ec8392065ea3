"""onnx2mindspore: translate PyTorch, TensorFlow and ONNX models, and PyTorch scripts, into MindSpore source code."""

from converter.base.relaxed_gc import paused_gc
from converter.base.version import __version__

__all__ = ["Result", "__version__", "convert", "convert_script", "export_onnx", "inspect"]


def __getattr__(name: str) -> object:
    """Give what `converter.api` defines when it is asked for: importing it takes a second."""
    if name in ("convert", "export_onnx", "inspect", "Result", "Finding"):
        with paused_gc():
            from converter import api
        return getattr(api, name)
    if name == "convert_script":
        from converter.script_api import convert_script

        return convert_script
    raise AttributeError(f"module 'converter' has no attribute '{name}'")
