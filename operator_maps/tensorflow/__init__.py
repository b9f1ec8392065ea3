"""Operator tables for the operators of TensorFlow that ONNX does not have: the domain `tensorflow`."""
