"""A written script as a live network: import the module, build the Cell, load the checkpoint."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from converter.errors import ScriptGenerationError

if TYPE_CHECKING:
    from mindspore import nn

_numbers = itertools.count()


@contextmanager
def _cached_files_not_counted() -> Iterator[None]:
    """Disable MindSpore's check for free memory, which counts the system's cache of files as used memory."""
    from mindspore.train import serialization

    before = getattr(serialization, "_get_available_memory", None)
    serialization._get_available_memory = lambda: None
    try:
        yield
    finally:
        serialization._get_available_memory = before


def load(script: Path, checkpoint: Path | None, upcast: bool = False) -> nn.Cell:
    """Import a script, build `MindSporeModel` and load its checkpoint strictly, bfloat16 as float32 if `upcast`.

    Graph mode compiles from the file on disk and looks the module up in `sys.modules`, so the module is added there.

    Raises:
        ScriptGenerationError: the checkpoint and the network do not have the same parameters.
    """
    import mindspore as ms

    name = f"{script.stem}_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    net = module.MindSporeModel()
    if checkpoint is not None:
        kind = checkpoint.suffix.removeprefix(".")
        with _cached_files_not_counted():
            parameters = ms.load_checkpoint(str(checkpoint), format=kind)
        if upcast:
            for name, value in parameters.items():
                if value.dtype == ms.bfloat16:
                    parameters[name] = ms.Parameter(value.astype(ms.float32), name=name)
        missing, extra = ms.load_param_into_net(net, parameters, strict_load=True)
        if missing or extra:
            raise ScriptGenerationError(
                f"checkpoint and script differ: the script alone has {missing}, the checkpoint {extra}"
            )
    net.set_train(False)
    return net
