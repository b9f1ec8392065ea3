"""Tables of the operators of ai.onnx."""
