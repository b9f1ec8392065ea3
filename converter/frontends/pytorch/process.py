"""The process that loads and exports a module: `python -m converter.frontends.pytorch.process FOLDER`.

It is one of its own for what the user's code may do, for the memory that torch takes, and since an export depends on
those before it in a process. Its working folder is the user's, which is therefore searched for modules. An error of
ours goes to the conversion as `error.json`.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from converter.base.child import end_with_parent
from converter.errors import ConverterError
from converter.frontends.pytorch.spec import STATE, Spec, read_spec

if TYPE_CHECKING:
    from converter.frontends.pytorch.loading import Loaded

ERROR = "error.json"
_WHOLE = "The module cannot be exported without the values of its weights: all of them were loaded into memory."
_LOG = logging.getLogger(__name__)


def export_to(folder: Path, spec: Spec, load: Callable[[], Loaded]) -> int:
    """Export a module to the folder of the conversion; returns the process's exit status."""
    import torch

    from converter.frontends.pytorch.experts import experts_on_every_token
    from converter.frontends.pytorch.exporting import export
    from converter.frontends.pytorch.inputs import inputs_of
    from converter.frontends.pytorch.settings import as_network, one_text_a_row

    try:
        loaded = load()
        if spec.call and not spec.weights:
            torch.save(loaded.module.state_dict(), folder / STATE)
        with as_network(loaded.module):
            inputs = inputs_of(loaded, spec)
            with one_text_a_row([each.name for each in inputs]), experts_on_every_token(loaded.module):
                export(loaded, inputs, folder, spec.label).write(folder)
    except ConverterError as error:
        told = {"class": type(error).__name__, "message": error.message, "details": error.details}
        (folder / ERROR).write_text(json.dumps(told), encoding="utf-8")
        return 1
    return 0


def main(folder: Path) -> int:
    """Load and export the module that the folder specifies."""
    end_with_parent()
    from converter.frontends.pytorch.loading import load

    logging.basicConfig(level=logging.INFO)
    spec = read_spec(folder)
    status = export_to(folder, spec, lambda: load(spec, stored=spec.stored))
    if status and spec.stored and _needs_values(folder):
        _LOG.info("the module cannot be exported without the values of its weights, which are loaded therefore")
        (folder / ERROR).unlink()
        spec = replace(spec, stored=False)
        spec.write(folder)
        status = export_to(folder, spec, lambda: _with_values(load(spec)))
    return status


def _with_values(loaded: Loaded) -> Loaded:
    """The module with a note that it was loaded whole."""
    loaded.notes.append(_WHOLE)
    return loaded


def _needs_values(folder: Path) -> bool:
    """Whether the export failed for an error that values of weights may avoid."""
    kind = json.loads((folder / ERROR).read_text(encoding="utf-8"))["class"]
    return kind in ("TorchExportError", "ModelLoadingError", "ParamMissingError")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
