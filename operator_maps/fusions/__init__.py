"""The operators that fusion makes and ONNX does not have, each with its pattern, shape, NumPy reference and row."""
