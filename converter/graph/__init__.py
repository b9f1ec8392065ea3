"""Graph: everything that works on the ONNX graph. It does not know MindSpore."""
