"""Training scripts: the training that was in a source, or a guess at one, as a script beside the network's."""

from __future__ import annotations

from converter.training.guess import guess
from converter.training.script import TrainingScript, training_script

__all__ = ["TrainingScript", "guess", "training_script"]
