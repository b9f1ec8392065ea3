"""Compare the gradients of a converted network with those of its source."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from converter.api import Result
from converter.base.weight_steps import apply
from converter.verification import network


def check(result: Result, x: np.ndarray, wanted: Mapping[str, np.ndarray]) -> None:
    """Both modes give the gradient of the sum of squares of the output with respect to these weights of the source."""
    import mindspore as ms

    script, *weights = [file for file in result.files if file.suffix in (".py", ".ckpt")]
    entries = next(iter(json.loads(next(file for file in result.files if "map" in file.name).read_text()).values()))
    sources = {each["converted_weight"]["name"]: each for each in entries}
    for mode in (ms.PYNATIVE_MODE, ms.GRAPH_MODE):
        ms.set_context(mode=mode)
        net = network.load(script, weights[0])
        trained = net.trainable_params()
        step = _step_of(net, trained)
        gradients = (ms.jit(step) if mode == ms.GRAPH_MODE else step)(ms.Tensor(x))[1]
        got = {parameter.name: gradient.asnumpy() for parameter, gradient in zip(trained, gradients, strict=True)}
        assert {sources[name]["source_weight"]["name"] for name in got} == set(wanted)
        for name, gradient in got.items():
            expected = apply(sources[name].get("transform", []), wanted[sources[name]["source_weight"]["name"]])
            np.testing.assert_allclose(gradient, expected, 1e-3, 1e-3 * np.abs(expected).max(), err_msg=name)


def _step_of(net: Any, trained: list[Any]) -> Any:
    import mindspore as ms

    def loss(x: Any) -> Any:
        return ms.ops.square(net(x)).sum()

    return ms.value_and_grad(loss, None, trained)
