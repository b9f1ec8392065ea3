"""Operator tables for the domain ai.onnx.ml."""
