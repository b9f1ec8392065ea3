"""onnx2mindspore: translate frozen TensorFlow and ONNX models into MindSpore source code."""

from pathlib import Path as _Path

__version__ = "0.1.0"

# In a checkout the tables and templates stand beside this package, in a wheel inside it.
_here = _Path(__file__).parent
if not (_here / "operator_maps").is_dir():
    __path__.append(str(_here.parent))


def __getattr__(name: str) -> object:
    """Give `converter.convert` and `converter.Result` when they are asked for: importing them takes a second."""
    if name in ("convert", "Result"):
        from converter import pipeline

        return getattr(pipeline, name)
    raise AttributeError(f"module 'converter' has no attribute '{name}'")
