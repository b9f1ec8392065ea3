"""Artifacts: the files of a result that hold or describe tensors, which are the checkpoint and the weight map."""
