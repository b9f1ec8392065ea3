"""What a case of a rewrite is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from graph.normalize.harness import parse

from converter.graph.annotations import OPSET


@dataclass(frozen=True)
class Case:
    """An operator of an old opset.

    Attributes:
        name: the operator's version, and what is special.
        opset: the model's.
        text: the graph in ONNX's text form; operators beside the one that the case is about are allowed.
        becomes: the operators afterwards, where nothing else may come along.
        expected: what the operator's document says of the inputs, where neither runtime can run it.
    """

    name: str
    opset: int
    text: str
    becomes: str | None = None
    expected: Callable[..., np.ndarray | tuple[np.ndarray, ...]] | None = None

    def model(self) -> onnx.ModelProto:
        return parse(f"g {self.text}", self.opset)

    def steps(self) -> set[tuple[str, int]]:
        """The versions that the operators pass on their way to `OPSET`."""
        names = {node.op_type for node in self.model().graph.node}
        names |= {"Resize"} if "Upsample" in names else set()
        return {(name, step) for name in names for step in range(self.opset + 1, OPSET + 1)}
