"""The input of a frontend, and its result: an ONNX model, its endpoints, and how to run the original."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from converter.base.calls import Call

if TYPE_CHECKING:
    import numpy as np
    import onnx

    from converter.frontends.training import Training

Dim = int | str
"""An extent: a number, or the name of a dynamic dimension (`N`)."""


@dataclass(frozen=True)
class Live:
    """A module that a Python program holds.

    Attributes:
        module: the object.
        inputs: example inputs in the form in which the module takes them; None without any.
    """

    module: Any
    inputs: Any = None


Made: TypeAlias = Call | Live
"""A source that is no file: a call that makes it, or a live module."""


@dataclass(frozen=True)
class Request:
    """The request of the user.

    Nodes and shapes are as typed on the command line (`name:k`, `1,3,224,224`, `-`), `options` are those that only
    some frontends have, by name. `folder` is a temporary folder for what a frontend exports; it exists until the
    conversion ends. Where the source is no file, `made` is the source, and `model_file` only its name. `data_dir` is
    the folder that external data is relative to, if it is not that of `model_file`.
    """

    model_file: Path
    input_nodes: tuple[str, ...] = ()
    output_nodes: tuple[str, ...] = ()
    shapes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    folder: Path | None = None
    made: Made | None = None
    data_dir: Path | None = None


@dataclass(frozen=True)
class Endpoint:
    """An input or an output of the network.

    Attributes:
        name: as the user and the source know it (`Mfcc:0`); the key of `--verify_inputs` and of the report.
        value: the name of the value in `Source.model`.
        dtype: element type of the tensor, or of the tensors of a sequence.
        shape: the extents in the source: a name if dynamic; None if the rank is unknown.
        example: the extents that inference, verification and the docstring use; None when unknown.
        container: the types that contain the tensors, outermost first: `("optional", "sequence")`; empty for a tensor.
        guessed: the names of the dynamic extents for which no number was given.
        freed: the names of those that the user frees and the source fixes, at the number in `example`.
    """

    name: str
    value: str
    dtype: np.dtype
    shape: tuple[Dim, ...] | None
    example: tuple[int, ...] | None = None
    container: tuple[str, ...] = ()
    guessed: frozenset[str] = frozenset()
    freed: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Original:
    """How verification runs the source, in a process of its own.

    Attributes:
        frontend: the module of the frontend that runs it; `converter.frontends.frontend_in` finds that.
        file: the file or folder that the user named.
        base_dir: the folder that the external data of `model` is relative to.
        model: the ONNX model to run, cut at the endpoints, never upgraded; None if the frontend runs another model.
        model_file: a file that holds just `model`, for the runtime to read; None without any.
        inputs: `Endpoint.name` → the name to feed in that runtime (`x`, `Mfcc:0`).
        outputs: likewise, the names to fetch.
        options: `Request.options`: plain data, as the process needs them.
        precision: the element type in which the runtime computes where the model has float32, `int8`; else empty.
    """

    frontend: str
    file: Path
    base_dir: Path
    model: onnx.ModelProto | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    precision: str = ""
    model_file: Path | None = None


@dataclass(frozen=True)
class Source:
    """A model as read by a frontend.

    Attributes:
        model: at the opset of its file; its graph inputs and outputs are `inputs` and `outputs` in this order. External
            data, if any, stays on disk.
        inputs, outputs: its endpoints.
        original: how to run the user's model.
        description: one phrase for the docstring: `resnet50.onnx (torch 2.13, opset 20)`.
        base_dir: the folder that the external data of `model` is relative to.
        files: all files of the source.
        notes: what the frontend chose, cut off or guessed, one sentence each, for the user.
        real_inputs: an .npz file with inputs that came with the model, by the names of its endpoints; None without any.
        real_outputs: an .npz file with the outputs that were recorded for these, of some endpoints; None without any.
        training: how it was trained, if the source says it.
    """

    model: onnx.ModelProto
    inputs: tuple[Endpoint, ...]
    outputs: tuple[Endpoint, ...]
    original: Original
    description: str
    base_dir: Path
    files: tuple[Path, ...]
    notes: tuple[str, ...] = ()
    real_inputs: Path | None = None
    real_outputs: Path | None = None
    training: Training | None = None
