"""The converter as an ONNX backend: `prepare(model).run(inputs)`, through the product's own road.

`prepare` normalises, translates, emits, writes the script and the checkpoint, imports the one and loads the other;
`run` executes the network in whichever mode MindSpore is set to. Source: `onnx.backend.base`.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx.backend.base import Backend, BackendRep

from converter.api import translate_source
from converter.artifacts import checkpoint
from converter.frontends.onnx import model_file
from converter.frontends.source import Request
from converter.lowering.translation import Translation
from converter.verification import network
from converter.verification.arrays import to_mindspore, to_numpy
from operator_maps import registry


class Unconverted(Exception):  # noqa: N818 - the answer to `prepare`, with what is not converted
    """A model with nodes that have no translation; the message names them."""


_tables = functools.cache(registry.load)


class MindSporeRep(BackendRep):
    """A network that was written to disk and read back."""

    def __init__(self, net: Any, translation: Translation, folder: tempfile.TemporaryDirectory[str]) -> None:
        self.net = net
        self.translation = translation
        self._folder = folder  # graph mode reads the script's source again when it compiles

    @property
    def script(self) -> str:
        """The script's text."""
        return self.translation.script.text

    def run(self, inputs: Sequence[Any], **kwargs: Any) -> tuple[Any, ...]:
        """Run the network on NumPy arrays (a sequence is a list, an absent optional None), in the inputs' order."""
        result = self.net(*[to_mindspore(item) for item in inputs])
        return tuple(to_numpy(item) for item in (result if isinstance(result, tuple) else (result,)))


class MindSporeBackend(Backend):
    """`onnx.backend.base.Backend` on the converter."""

    parts_may_fail = False
    """Whether a part of the conversion that raises may be left out, as a conversion does. Tests should not miss it."""

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> MindSporeRep:
        """Convert a model.

        Raises:
            Unconverted: a node has no translation.
            ConverterError: the model cannot be read.
        """
        folder = tempfile.TemporaryDirectory(prefix="onnx2mindspore-")
        path = Path(folder.name) / "model.onnx"
        onnx.save(model, path)
        made = translate_source(model_file.load(Request(path)), _tables(), "model")
        missing = [f"{record.operator}: {record.became}" for record in made.program.records if not record.converted]
        if missing:
            raise Unconverted("; ".join(missing))
        failed = [note for note in made.notes if note.endswith("Please report it.")]
        assert cls.parts_may_fail or not failed, failed
        script = path.with_suffix(".py")
        script.write_text(made.script.text, encoding="utf-8")
        weights = None if made.checkpoint is None else Path(folder.name) / made.checkpoint
        if weights is not None:
            checkpoint.write(made.program, weights)
        return MindSporeRep(network.load(script, weights), made, folder)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """MindSpore decides where it runs; the suite runs on the CPU."""
        return device == "CPU"
