"""Running: torch's module is the source of the proof. It runs in verification's process."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from converter.frontends.pytorch import live
from converter.frontends.pytorch.spec import read_spec
from converter.frontends.source import Original


def run(original: Original, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Run the module on arrays by the names of the inputs; the outputs in the order of `original.outputs`.

    Raises:
        SourceRunError: the module does not take these inputs.
    """
    values = {original.inputs[name]: array for name, array in feeds.items()}
    if live.is_served(original.base_dir):
        found = live.ask(original.base_dir, values)
    else:
        from converter.frontends.pytorch.loading import reload
        from converter.frontends.pytorch.outputs import outputs_of

        found = outputs_of(reload(read_spec(original.base_dir), original.base_dir), values)
    return [found[name] for name in original.outputs.values()]
