"""Versions of the ONNX format that the runtime of the source reads."""

ORT_IR_VERSION = 13
"""The newest IR version that onnxruntime 1.31 reads. A higher one alone changes no meaning."""
