"""Artifacts: the files that hold tensors: the checkpoint and the weight map."""
