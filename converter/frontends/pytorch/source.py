"""The source of a PyTorch module: exported to ONNX in the conversion's folder, then read like any ONNX model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from converter.base import shards
from converter.base.calls import Call
from converter.base.files import check_readable
from converter.base.memory import total
from converter.errors import BadParamError
from converter.frontends import onnx
from converter.frontends.pytorch import isolated, kinds
from converter.frontends.pytorch.spec import INPUTS, MODEL, PAST, Exported, Spec
from converter.frontends.source import Live, Original, Request, Source

LARGE = 2 * 1000**3
"""Bytes of weights above which they stay in their files while the module is exported."""
_MASK = "attention_mask"
_FRONTEND = __name__.rpartition(".")[0]


def load(request: Request) -> Source:
    """Export the module, and read what was exported.

    Torch itself is the source of verification, unless the network is cut in the middle of the module, or computes in
    bfloat16; then it is the exported model.

    Raises:
        RuntimeIntegrityError: PyTorch is missing.
        TorchExportError: torch cannot export the module.
        ConverterError: the source, an option, a node or a shape does not fit.
    """
    assert request.folder is not None, "a conversion has a folder"
    spec = _spec(request)
    isolated.check_torch(f"'{spec.label}'")
    if isinstance(request.made, Live):
        from converter.frontends.pytorch import live

        exported = live.export(request.made.module, request.made.inputs, spec, request.folder)
    else:
        exported = isolated.export(spec, request.folder)
    names = [name.removesuffix(":0") for name in request.input_nodes]
    own = all(any(f"{each}.".startswith(f"{name}.") for each in exported.inputs) for name in names)
    model = replace(
        request,
        model_file=request.folder / MODEL,
        made=None,
        options={},
        input_nodes=exported.inputs if own else request.input_nodes,
        shapes=_shapes(request, exported) if own else request.shapes,
        data_dir=Path(exported.data_dir) if exported.data_dir else None,
    )
    source = onnx.FRONTEND.load(model)
    original, notes = _original(request, source, exported)
    opset = next(each.version for each in source.model.opset_import if not each.domain)
    return replace(
        source,
        original=original,
        description=f"{spec.label} ({exported.producer}, opset {opset})",
        files=tuple(map(Path, exported.files)),
        notes=(*source.notes, *exported.notes, *notes),
        real_inputs=_inputs(source, request.folder) if own else None,
    )


def _shapes(request: Request, exported: Exported) -> tuple[str, ...]:
    """The shapes of the exported model's inputs: those of an exported program may exclude the extents that we guess."""
    if not exported.fixed:
        return ()
    return request.shapes or exported.examples


def _inputs(source: Source, folder: Path) -> Path | None:
    """The file of the inputs that came with the module; else of masks, where it has some, that end texts early.

    In a row in which a random mask leaves nothing over, kernels of torch itself differ from each other.
    """
    file, past = folder / INPUTS, _past(source)
    masks = {
        end.name: _mask(end.example, past).astype(end.dtype)
        for end in source.inputs
        if end.name.endswith(_MASK) and end.dtype.kind in "iub" and end.example is not None and len(end.example) == 2
    }
    if masks and not file.exists():
        np.savez(file, **masks)
    return file if file.exists() else None


def _past(source: Source) -> int:
    """The past tokens of a decoder with a cache, if there are new ones beside them; else 0."""
    known = {end.name: end.example or () for end in source.inputs}
    keys = next((shape for name, shape in known.items() if name.startswith(f"{PAST}.")), ())
    return keys[-2] if keys and "input_ids" in known else 0


def _mask(shape: tuple[int, ...], past: int = 0) -> np.ndarray:
    """1 for the first three quarters or half of each row, 0 for the rest; a row has past and new tokens."""
    rows, length = shape[0], shape[1] + past
    ends = [max(1, length * (3 - row % 2) // 4) for row in range(rows)]
    return np.arange(length) < np.array(ends)[:, None]


def _original(request: Request, source: Source, exported: Exported) -> tuple[Original, Sequence[str]]:
    """How verification runs the source, and a note where that is not torch."""
    named = replace(source.original, file=request.model_file)
    ends = [end.name for end in (*source.inputs, *source.outputs)]
    inside = [name for name in ends if name not in (*exported.inputs, *exported.outputs)]
    if inside:
        return named, [f"'{inside[0]}' lies inside the module: the source of the proof is the exported ONNX model."]
    if not exported.exact:
        return named, ["The module computes in bfloat16: the source of the proof is the exported ONNX model."]
    outputs = {end.name: end.name for end in source.outputs}
    inputs = {end.name: end.name for end in source.inputs}
    assert request.folder is not None, "a conversion has a folder"
    return Original(_FRONTEND, request.model_file, request.folder, inputs=inputs, outputs=outputs), []


def _spec(request: Request) -> Spec:
    """The request as data for a process.

    Raises:
        BadParamError: an option does not fit the source.
        ModelLoadingError: a file is missing.
    """
    options = request.options
    weights, config = (_existing(options.get(name)) for name in ("weights", "config"))
    call = request.made if isinstance(request.made, Call) else None
    file = request.model_file if request.made is None else None
    kind = None
    if file is not None:
        if not file.is_dir():
            check_readable(file)
        kind = kinds.kind_of(file)
        if weights and kind != "folder":
            raise BadParamError(
                f"--weights does not apply to '{file.name}', which has its own. Name a call by --model."
            )
    if config and call is None:
        raise BadParamError("--config belongs to --model transformers:CLASS. Omit it.")
    return Spec(
        call=call.text if call else "",
        name=request.model_file.name,
        file=str(file.absolute()) if file else "",
        kind=kind,
        weights=weights,
        config=config,
        project_path=str(Path(options.get("project_path") or ".").absolute()),
        trust=bool(options.get("trust")),
        shapes=request.shapes,
        inputs=request.input_nodes,
        stored=_are_large(Path(weights) if weights else file if kind == "folder" else None),
    )


def _are_large(weights: Path | None) -> bool:
    """Whether the files of weights are together larger than `LARGE`, or than a quarter of memory."""
    if weights is None:
        return False
    folder, pattern = (weights, "*") if weights.is_dir() else (weights.parent, weights.name)
    if weights.name.endswith(shards.SUFFIX):
        pattern = "*"
    files = (file for file in folder.glob(pattern) if file.suffix in kinds.SUFFIXES)
    return sum(file.stat().st_size for file in files) > min(LARGE, (total() or 4 * LARGE) / 4)


def _existing(option: str | Path | None) -> str:
    """The absolute path of a file or folder; empty when none is given."""
    if option is None:
        return ""
    path = Path(option)
    if not path.is_dir():
        check_readable(path)
    return str(path.absolute())
