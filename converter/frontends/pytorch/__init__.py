"""The frontend for PyTorch: a call, a live module, or a file; exported by torch, run by torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from converter.base.calls import Call
from converter.frontends.frontend import Frontend, Option
from converter.frontends.options import PROJECT_PATH, TRUST
from converter.frontends.pytorch import kinds

if TYPE_CHECKING:
    import numpy as np

    from converter.frontends.source import Made, Original, Request, Source

__all__ = ["FRONTEND"]


def _load(request: Request) -> Source:
    from converter.frontends.pytorch import source

    return source.load(request)


def _run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    from converter.frontends.pytorch import running

    return running.run(original, feeds)


def _takes(made: Made) -> bool:
    """A call, and an object of one of torch's classes."""
    return isinstance(made, Call) or any(_is_torchs(kind) for kind in type(made.module).__mro__)


def _is_torchs(kind: type[Any]) -> bool:
    return (kind.__module__.partition(".")[0], kind.__name__) in (("torch", "Module"), ("torch", "ExportedProgram"))


FRONTEND = Frontend(
    module=__name__,
    name="pytorch",
    runtime="PyTorch",
    kind="a PyTorch module",
    suffixes=kinds.SUFFIXES,
    load=_load,
    run=_run,
    recognises=kinds.recognises,
    takes=_takes,
    suspect="torch's export",
    packages=("torch", "transformers", "timm", "torchvision"),
    options=(
        Option("weights", "state of the module that --model makes: .pth, .safetensors, an index or a folder", "FILE"),
        Option("config", "configuration of --model transformers:CLASS", "FILE.json"),
        PROJECT_PATH,
        TRUST,
    ),
)
