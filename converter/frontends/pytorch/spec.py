"""The source as the user named it, as data: a process that has torch loads the module from it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from converter.frontends.pytorch.kinds import Kind

SPEC, EXPORTED, MODEL, STATE = "spec.json", "exported.json", "model.onnx", "state.pt"
"""The files in the folder of a conversion: this specification; what the export tells about the network, the network,
the weights that the call made."""
ADDRESS, INPUTS = "address.json", "inputs.npz"
"""Of a live module: where it answers, and the inputs that came with it."""
PAST = "past_key_values"
"""The parameter of a decoder of transformers that takes the keys and values of earlier tokens."""


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What to load, and what the user says about its inputs.

    Attributes:
        call: `--model`; empty for a file.
        name: what messages call a source that is no call.
        file: the file or folder; empty for a call.
        kind: of the file.
        weights, config: files of these options; empty when not given.
        project_path: the folder that is searched first for modules.
        trust: whether the files may run code.
        shapes: `--shape`.
        inputs: `--input_nodes`.
        stored: whether the weights stay in their files while the module is exported (`weightless.py`).
    """

    call: str = ""
    name: str = ""
    file: str = ""
    kind: Kind | None = None
    weights: str = ""
    config: str = ""
    project_path: str = ""
    trust: bool = False
    shapes: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    stored: bool = False

    @property
    def label(self) -> str:
        """What messages call the source."""
        return self.call or self.name

    def write(self, folder: Path) -> None:
        """Write it for another process."""
        (folder / SPEC).write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_spec(folder: Path) -> Spec:
    """Read what `Spec.write` wrote."""
    plain = json.loads((folder / SPEC).read_text(encoding="utf-8"))
    return Spec(**{**plain, "shapes": tuple(plain["shapes"]), "inputs": tuple(plain["inputs"])})


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What the process that exported a module tells about it.

    Attributes:
        inputs: the names of the parameters of `forward` that are the network's inputs.
        outputs: the names of its outputs, in order.
        fixed: whether the extents are those of an exported program.
        examples: the shapes of its examples, `4,3,224,224`, in the order of `inputs`; none of another module.
        producer: `torch 2.13`, or that and the older exporter.
        exact: whether a processor can run torch's module itself: not in bfloat16, in which MindSpore multiplies
            no matrices on a CPU.
        notes: sentences for the user.
        files: further files of the source, such as the shards of its weights.
        data_dir: the folder that external data of the network is relative to, if it is not that of the network.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    fixed: bool
    producer: str
    exact: bool
    examples: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    data_dir: str = ""

    def write(self, folder: Path) -> None:
        """Write it for the conversion."""
        (folder / EXPORTED).write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_exported(folder: Path) -> Exported:
    """Read what `Exported.write` wrote."""
    plain = json.loads((folder / EXPORTED).read_text(encoding="utf-8"))
    lists: dict[str, Any] = {name: tuple(value) for name, value in plain.items() if isinstance(value, list)}
    return Exported(**{**plain, **lists})
