"""What a frontend hands on: an ONNX model, the ends of the graph as the user knows them, how to run the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import onnx

Dim = int | str
"""An extent: a number, or the name of a dimension that is free (`N`)."""


@dataclass(frozen=True)
class Request:
    """What the user asked for. Nodes and shapes are as typed on the command line (`name:k`, `1,3,224,224`, `-`)."""

    model_file: Path
    input_nodes: tuple[str, ...] = ()
    output_nodes: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()


@dataclass(frozen=True)
class End:
    """An input or an output of the network.

    Attributes:
        name: as the user and the source know it (`Mfcc:0`); the key of `--verify_inputs` and of the report.
        value: the name of the value in `Source.model`.
        dtype: element type of the tensor, or of the tensors of a sequence.
        shape: extents as the source leaves them: a name where free, None when the rank is unknown.
        example: the extents that inference, verification and the docstring use; None when unknown.
        container: what holds the tensors, outermost first: `("optional", "sequence")`; empty for a tensor.
        guessed: the names of the free extents for which nobody has given a number.
    """

    name: str
    value: str
    dtype: np.dtype
    shape: tuple[Dim, ...] | None
    example: tuple[int, ...] | None = None
    container: tuple[str, ...] = ()
    guessed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Original:
    """How verification runs the source.

    Attributes:
        kind: which runtime: onnxruntime on `model` (cut at the ends, never upgraded), or TensorFlow on `file`.
        file: the file that the user named; external data is found beside it.
        model: the ONNX model to run when `kind` is "onnx".
        inputs: `End.name` → the name to feed in that runtime (`x`, `Mfcc:0`).
        outputs: likewise, the names to fetch.
    """

    kind: Literal["onnx", "tensorflow"]
    file: Path
    model: onnx.ModelProto | None
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Source:
    """A model as a frontend understood it.

    `model` is at the opset of its file, its graph inputs and outputs are `inputs` and `outputs` in this order, and its
    external data, if any, stays on disk (in the folder of `original.file`).
    """

    model: onnx.ModelProto
    inputs: tuple[End, ...]
    outputs: tuple[End, ...]
    original: Original
    description: str
    """One phrase for the docstring: `resnet50.onnx (torch 2.13, opset 20)`."""
