"""A written script as a live network: import the module, build the Cell, load the checkpoint."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converter.base.shards import files_of
from converter.errors import ScriptGenerationError

if TYPE_CHECKING:
    import numpy as np
    from mindspore import nn

    from converter.verification.job import Job

MODES = ("PyNative", "graph")
"""The modes in which a script runs."""

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
    """Import a script, build `MindSporeModel` and load its checkpoint strictly, 16-bit floats as float32 if `upcast`.

    Graph mode compiles from the file on disk and looks the module up in `sys.modules`, so the module is added there.

    Raises:
        ScriptGenerationError: the checkpoint and the network do not have the same parameters.
    """
    import mindspore as ms
    from mindspore.nn.utils import no_init_parameters

    name = f"{script.stem}_{next(_numbers)}"
    spec = importlib.util.spec_from_file_location(name, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    with no_init_parameters():  # no random numbers, which the checkpoint would replace
        net = module.MindSporeModel()
    if checkpoint is not None:
        parameters: dict[str, Any] = {}
        for file in files_of(checkpoint):
            with _cached_files_not_counted():
                parameters |= ms.load_checkpoint(str(file), format=file.suffix.removeprefix("."))
        if upcast:
            for name, value in parameters.items():
                if value.dtype in (ms.bfloat16, ms.float16):
                    parameters[name] = ms.Parameter(value.astype(ms.float32), name=name)
        missing, extra = ms.load_param_into_net(net, parameters, strict_load=True)
        if missing or extra:
            raise ScriptGenerationError(
                f"checkpoint and script differ: the script alone has {missing}, the checkpoint {extra}"
            )
    net.set_train(False)
    return net


class Network:
    """The script of a job as a network, which is loaded when it runs first.

    Attributes:
        first: the seconds of the processor that its first run in each mode took, with compilation.
    """

    def __init__(self, job: Job) -> None:
        self.first: dict[str, float] = {}
        self._job = job
        self._net: nn.Cell | None = None

    def run(self, mode: str, feeds: Mapping[str, np.ndarray], seed: int = 1) -> list[Any]:
        """The outputs for these inputs, as arrays; what a script may raise is raised."""
        import mindspore as ms

        from converter.verification.arrays import to_mindspore, to_numpy

        ms.set_context(mode=ms.PYNATIVE_MODE if mode == MODES[0] else ms.GRAPH_MODE)
        if self._net is None:
            self._net = load(self._job.script, self._job.checkpoint, self._job.upcast)
        began = time.process_time()
        ms.set_seed(seed)
        result = self._net(*[to_mindspore(value) for value in feeds.values()])
        outputs = [to_numpy(item) for item in (result if isinstance(result, tuple) else (result,))]
        self.first.setdefault(mode, time.process_time() - began)
        return outputs
