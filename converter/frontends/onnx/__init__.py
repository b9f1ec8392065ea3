"""The frontend for ONNX files (`.onnx`): checked, cut at the ends, run by onnxruntime."""

from converter.frontends.onnx.model_file import load, run

__all__ = ["load", "run"]
