"""Operator tables for operators of PyTorch that ONNX does not have: the domains `aten` and `prims`."""
