"""Tables of the operators that fusion makes and ONNX does not have."""
