"""Prove: run both sides of a proof, each in a process of its own with a limit of time, and read what they found."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from converter import errors
from converter.errors import BaseConverterError, ConverterError, ParamMissingError, RuntimeIntegrityError
from converter.proving import job as files
from converter.proving.building import check_call
from converter.proving.job import Job, read_json
from converter.proving.result import NetworkResult, read_result
from converter.verification import Ending, run_module

LIMIT = 600.0
"""Seconds that each of the two processes may take."""


@dataclass(frozen=True)
class Network:
    """What is to be proved.

    Attributes:
        call: what makes the network, in the source and in the result: `package.module:factory(arguments)`.
        shapes: of the inputs, in their order.
        inputs: an `.npz` with the inputs, instead of shapes.
        weights: a file with the weights of PyTorch's network; None for random ones.
        checkpoint: the name of the checkpoint that the weights become.
        limit: seconds that each process may take.

    Raises:
        BadParamError: the call is none.
        ParamMissingError: there are neither shapes nor inputs.
        RuntimeIntegrityError: PyTorch is not installed.
    """

    call: str
    shapes: tuple[str, ...] = ()
    inputs: Path | None = None
    weights: Path | None = None
    checkpoint: str = ""
    limit: float = LIMIT

    def __post_init__(self) -> None:
        check_call(self.call)
        if not self.shapes and self.inputs is None:
            raise ParamMissingError(
                "to run the network, its inputs are needed. Add --shape 2,3,224,224 (one for each input), or "
                "--verify_inputs FILE.npz."
            )
        if importlib.util.find_spec("torch") is None:
            raise RuntimeIntegrityError(
                "--verify_network runs the source, which needs PyTorch (No module named 'torch'). "
                'Install it: pip install "onnx2mindspore[pytorch]"'
            )


@dataclass(frozen=True)
class Proof:
    """What a proof found.

    Attributes:
        result: outputs, gradients and modules.
        checkpoint: the checkpoint, where one was written; the folder of the proof goes with its context.
        weight_map: the text of the weight map of this checkpoint.
    """

    result: NetworkResult
    checkpoint: Path | None
    weight_map: str


@contextmanager
def prove(network: Network, name: str, source: Path, result: Path) -> Iterator[Proof]:
    """Run the network of a source and that of its result; the files of the proof are there inside the block.

    Args:
        network: what is to be proved.
        name: NAME, the key of the weight map.
        source: the folder that the modules of the source are imported from.
        result: the folder that those of the result are imported from.

    Raises:
        ConverterError: PyTorch's network cannot be built or run; what MindSpore's raises is in the result.
    """
    folder = Path(tempfile.mkdtemp(prefix="proof."))
    try:
        weights = "" if network.weights is None else str(network.weights.absolute())
        Job(
            call=network.call,
            source=str(source.absolute()),
            result=str(result.absolute()),
            working=str(Path.cwd()),
            shapes=network.shapes,
            inputs="" if network.inputs is None else str(network.inputs.absolute()),
            weights=weights,
            checkpoint=network.checkpoint if weights else "",
            name=name,
        ).write(folder)
        ending = run_module("converter.proving.torch_side", ["."], folder, network.limit)
        _check(folder, ending)
        ending = run_module("converter.proving.mindspore_side", ["."], folder, network.limit)
        found = read_result(folder, ending)
        checkpoint, text = folder / network.checkpoint, folder / files.WEIGHT_MAP
        written = bool(weights) and text.exists()
        yield Proof(found, checkpoint if written else None, text.read_text("utf-8") if written else "")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check(folder: Path, ending: Ending) -> None:
    """Raise what PyTorch's side raised."""
    error = folder / files.ERROR
    if error.exists():
        told = read_json(error)
        kind: Callable[..., ConverterError] = getattr(errors, told["class"])
        raise kind(told["message"], told["details"])
    if not (folder / files.TRAINING).exists():
        raise BaseConverterError(f"the process that runs PyTorch's network ended: {ending.reason}.")
