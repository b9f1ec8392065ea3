"""Known faults of MindSpore's CPU kernels, where the call is right by its documentation and on Ascend.

Measured with MindSpore 2.10.0. Where a graph may meet such a value in front of its layers, the rows write another form;
behind layers the plain call stays, and a difference there is the kernel's, not the script's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

FAULTS: dict[str, dict[str, str]] = {
    "NaN": {
        "ops.relu": "ops.relu of NaN is 0",
        "nn.ReLU": "nn.ReLU of NaN is 0",
        "ops.relu6": "ops.relu6 of NaN is 0",
        "ops.clamp": "ops.clamp of NaN is a bound",
        "ops.sign": "ops.sign of NaN is 0",
        "ops.softplus": "ops.softplus of NaN is infinity",
        "ops.mish": "ops.mish of NaN is a number",
        "ops.hardswish": "ops.hardswish of NaN is a number",
        "ops.hardsigmoid": "ops.hardsigmoid of NaN is a number",
        "nn.MaxPool1d": "max pooling drops NaN",
        "nn.MaxPool2d": "max pooling drops NaN",
        "nn.MaxPool3d": "max pooling drops NaN",
        "ops.max_pool2d": "max pooling drops NaN",
        "ops.max_pool3d": "max pooling drops NaN",
        "nn.AdaptiveMaxPool2d": "max pooling drops NaN",
        "ops.amax": "ops.amax keeps a NaN in the first place only",
        "ops.amin": "ops.amin keeps a NaN in the first place only",
        "ops.maximum": "ops.maximum loses a NaN in its first operand",
        "ops.minimum": "ops.minimum loses a NaN in its first operand",
        "ops.softmax": "a softmax stops at a row with NaN",
        "ops.log_softmax": "ops.log_softmax with a NaN spoils other rows",
    },
    "no elements": {
        **dict.fromkeys(("nn.Conv1d", "nn.Conv2d", "nn.Conv3d"), "a convolution refuses a tensor without elements"),
        **dict.fromkeys(
            ("nn.MaxPool1d", "nn.MaxPool2d", "nn.MaxPool3d"), "max pooling refuses a tensor without elements"
        ),
        **dict.fromkeys(
            ("nn.AvgPool1d", "nn.AvgPool2d", "nn.AvgPool3d", "ops.avg_pool1d", "ops.avg_pool2d", "ops.avg_pool3d"),
            "average pooling refuses a tensor without elements",
        ),
        "ops.adaptive_avg_pool2d": "average pooling refuses a tensor without elements",
        "ops.pad": "ops.pad refuses a tensor without elements",
        "nn.LayerNorm": "nn.LayerNorm refuses a tensor without elements",
        "nn.PReLU": "nn.PReLU refuses a tensor without elements",
        **dict.fromkeys(("nn.LSTM", "nn.GRU", "nn.RNN"), "a recurrent layer refuses a batch of nothing"),
    },
    "infinity": dict.fromkeys(
        ("nn.MaxPool1d", "nn.MaxPool2d", "nn.MaxPool3d", "ops.max_pool2d"),
        "max pooling of nothing but minus infinity is the lowest number",
    ),
    "numbers from 44": {"ops.mish": "ops.mish of 44.4 and more is NaN"},
    "numbers whose double is infinite": {"ops.gelu": "ops.gelu of more than half of the largest number is infinity"},
    "numbers near 5": {"ops.tanh": "ops.tanh is off by up to 1.01e-4 near 5 and -5, more than the tolerance"},
    "numbers below 1e-7": {"ops.nonzero": "ops.nonzero takes numbers below 1e-7 for 0"},
}
"""What is special about a node's inputs → the call that the node became → what its kernel does."""


def fault_of(became: str, symptoms: Iterable[str]) -> str:
    """What a known fault of a kernel does with such inputs; empty if none is known.

    `became` is a call, or a formula of several (`ops.nonzero(x).T`).
    """
    calls = re.findall(r"\b(?:nn|ops)\.\w+", became)
    known = (FAULTS.get(symptom, {}).get(call, "") for symptom in symptoms for call in calls)
    return next(filter(None, known), "")
