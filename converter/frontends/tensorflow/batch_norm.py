"""Putting batch norms back together."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef


def fuse(graph: GraphDef) -> None:
    """Put batch norms back together in place."""
