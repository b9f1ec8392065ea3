"""Frontends: one module per kind of file, each makes a `Source` out of a `Request`."""

from __future__ import annotations

from converter.errors import UnknownModelError
from converter.frontends.onnx.diagnose import diagnose_invalid_model
from converter.frontends.source import Request, Source

__all__ = ["diagnose_invalid_model", "load"]


def load(request: Request) -> Source:
    """Read the model that the user named.

    Raises:
        UnknownModelError: the suffix is neither `.onnx` nor `.pb`.
        ModelLoadingError: the file is missing, unreadable or not what its suffix says.
        GraphInitError, NodeInputMissingError: what it holds is no graph.
        BadParamError, ParamMissingError: nodes or shapes that do not fit the graph.
    """
    suffix = request.model_file.suffix.lower()
    if suffix == ".onnx":
        from converter.frontends.onnx import model_file

        return model_file.load(request)
    if suffix == ".pb":
        from converter.frontends import tensorflow

        return tensorflow.load(request)
    raise UnknownModelError(
        f"'{request.model_file.name}' is neither an .onnx model nor a frozen TensorFlow .pb. "
        "Export the model to one of the two and name that file."
    )
