"""Remedies: what to do about a name that has no row.

`counterparts.csv` holds what MindSpore's own tables name for PyTorch's names without a row, with what differs by these
tables and the platforms (none where the tables do not say). https://www.mindspore.cn/docs/en/master/note/api_mapping
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from converter.rewriting import Row

ROWS: dict[str, Row] = {}

_FILE = Path(__file__).parent / "counterparts.csv"
_HAND = "Write it by hand, or add a row with --operator_map."
_FAMILIES = {
    "torch.distributed": "Maybe could convert to mindspore.mint.distributed or mindspore.communication.",
    "torch.distributions": "Maybe could convert to mindspore.nn.probability.distribution.",
    "torch.cuda": "Maybe could convert to mindspore.runtime or mindspore.set_device; on one device remove it.",
    "torch.jit": "Remove it; mindspore.jit compiles a function, mindspore.export writes a model.",
    "torch.compiler": "Remove it; mindspore.jit compiles a function.",
    "torch._dynamo": "Remove it; mindspore.jit compiles a function.",
    "torch.fx": "MindSpore has no tracer like this: remove it, or name the layers whose outputs are needed.",
    "torch.onnx": "Maybe could convert to mindspore.export(network, inputs, file_format='ONNX').",
    "torch.profiler": "Maybe could convert to mindspore.profiler.",
    "torch.autograd": "Maybe could convert to mindspore.value_and_grad, or a Cell with its own bprop.",
    "torch.utils.checkpoint": "Maybe could convert to recompute() of the Cell.",
    "torch.utils.data": "Maybe could convert to mindspore.dataset.",
    "torch.utils.tensorboard": "Maybe could convert to mindspore.SummaryRecord.",
    "torch.hub": "Maybe could convert to mindspore.load_checkpoint of a file that is there; convert its weights first.",
    "torch.sparse": "Maybe could convert to mindspore.COOTensor or CSRTensor.",
    "torch.quantization": "Quantise with MindSpore's golden-stick; the network without it converts.",
    "torch.ao": "Quantise with MindSpore's golden-stick; the network without it converts.",
    "torch.nn.quantized": "Quantise with MindSpore's golden-stick; the network without it converts.",
    "torch.backends": "A setting of PyTorch's kernels: remove it.",
    "torch.overrides": "It serves subclasses of PyTorch's tensor: remove it.",
    "torch.ops": "An operator that another library adds to PyTorch: compose it, or see mindspore.ops.Custom.",
    "torch.library": "Maybe could convert to mindspore.ops.Custom.",
    "torch.utils.cpp_extension": "Maybe could convert to mindspore.ops.Custom.",
    "torch.multiprocessing": "Maybe could convert to Python's multiprocessing; msrun starts several processes.",
    "torch.fft": "Maybe could convert to the function of this name in mindspore.ops or mindspore.mint.fft.",
    "torch.linalg": "Maybe could convert to the function of this name in mindspore.ops or mindspore.mint.linalg.",
    "torch.special": "Maybe could convert to the function of this name in mindspore.ops or mindspore.mint.special.",
    "torch.optim.lr_scheduler": "Maybe could convert to mindspore.experimental.optim.lr_scheduler.LambdaLR.",
    "torch.optim": "Maybe could convert to an optimizer of mindspore.nn or mindspore.experimental.optim.",
    "torch.nn.utils": "Maybe could convert to a function on the parameters of the Cell.",
}
"""What to do about the names of a module; of several modules the longest counts."""


_PLACES = frozenset({"torch", "torch.Tensor", "torch.nn", "torch.nn.functional", "torch.special"})
"""Where PyTorch has the same function twice, or as a method and a function."""


class Remedies:
    """The remedy for each name without a row, given the rows."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self._rows = rows
        with _FILE.open(encoding="utf-8", newline="") as file:
            self._official = {each["pytorch"]: each for each in csv.DictReader(file)}

    def __call__(self, name: str) -> str:
        """What to do about a name."""
        found = self._of_table(name) or self._of_other_use(name) or self._of_family(name)
        library = name.partition(".")[0]
        if not found and library != "torch":
            return f"It needs PyTorch: convert the files of {library} that it comes from, or replace it."
        return found or f"No row for it. {_HAND}"

    def _of_table(self, name: str) -> str:
        found = self._official.get(name)
        if found is None:
            return ""
        meaning = f"It differs in {found['differs']}." if found["differs"] else "It has the same meaning."
        platforms = ", ".join(found["platforms"].split())
        parts = [f"Maybe could convert to {found['mindspore']}.", meaning]
        return " ".join([*parts, *([f"It is there on {platforms}."] if platforms else []), _HAND])

    def _of_other_use(self, name: str) -> str:
        """`x.erfinv()` where the function has a row, or the function where the method has one."""
        scope, _, last = name.rpartition(".")
        for other in (f"torch.{last}", f"torch.nn.functional.{last}", f"torch.Tensor.{last}", f"torch.nn.{last}"):
            row = self._rows.get(other)
            if other != name and row is not None and row.becomes is not None and scope in _PLACES:
                return f"{other} converts: write it in its place."
        return ""

    @staticmethod
    def _of_family(name: str) -> str:
        parts = name.split(".")
        for length in range(len(parts) - 1, 0, -1):
            found = _FAMILIES.get(".".join(parts[:length]))
            if found:
                return found
        return ""
