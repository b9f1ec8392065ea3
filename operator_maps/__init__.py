"""The operator tables: from an ONNX operator to the MindSpore code that it becomes. `lib/` holds what tables share."""
