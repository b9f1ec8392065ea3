"""onnx2mindspore: translate frozen TensorFlow and ONNX models into MindSpore source code."""

from converter.base.version import __version__

__all__ = ["Result", "__version__", "convert", "export_onnx"]


def __getattr__(name: str) -> object:
    """Give `convert`, `export_onnx`, `Result` and `Finding` when they are asked for: importing them takes a second."""
    if name in ("convert", "export_onnx", "Result", "Finding"):
        from converter import api

        return getattr(api, name)
    raise AttributeError(f"module 'converter' has no attribute '{name}'")
