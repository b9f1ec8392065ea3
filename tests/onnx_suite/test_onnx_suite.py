"""The ONNX project's own backend cases, through `onnx_backend`, in PyNative and in graph mode.

A case that is expected to fail stands in `expected_failures.py` with its reason; when it starts to pass, its test fails
until it is taken off the list.
"""

from __future__ import annotations

from typing import Any

import pytest
from harness import compare

from onnx_suite.cases import cases, data_of, model_of
from onnx_suite.expected_failures import FAILURES

RTOL, ATOL = 1e-3, 1e-5
REASONS = {name: reason for reason, names in FAILURES.items() for name in names}


def _parameter(name: str) -> Any:
    if name in REASONS:
        return pytest.param(name, marks=pytest.mark.xfail(reason=REASONS[name], strict=True))
    return name


@pytest.mark.parametrize("name", [_parameter(name) for name in cases()])
def test_case(name: str) -> None:
    import mindspore as ms
    from onnx_backend import MindSporeBackend

    case = cases()[name]
    model = model_of(case)
    rep = MindSporeBackend.prepare(model)
    for mode in (ms.PYNATIVE_MODE, ms.GRAPH_MODE):
        ms.set_context(mode=mode)
        for inputs, outputs in data_of(case, model):
            got = rep.run(inputs)
            assert ms.get_context("mode") == mode
            assert len(got) == len(outputs)
            for one, other in zip(got, outputs, strict=True):
                compare(one, other, RTOL, ATOL, f"mode {mode}\n{rep.script}")


def test_listed_cases_exist_once() -> None:
    listed = [name for names in FAILURES.values() for name in names]
    assert len(listed) == len(set(listed))
    assert not set(listed) - set(cases())
