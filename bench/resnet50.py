"""Time the converted ResNet50 beside mindcv's hand-written one: forward pass and training step, on the CPU.

    pip install --no-deps mindcv          # or name an unpacked copy: --mindcv FOLDER
    python bench/resnet50.py

The networks take turns in one process, so that other load of the machine affects all of them equally. mindcv's is timed
twice: unchanged, and with the max pooling of the source, which is padded on all sides; mindcv's is padded on two.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX2")  # before MindSpore is imported: README.md says why

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


def converted(folder: Path) -> Any:
    """ResNet50 with batch norms, exported by torch and translated by the converter."""
    import models_torch

    import converter
    from converter.verification import network

    models_torch.export("resnet50", folder / "resnet50.onnx", dynamo=True, free=(0, 2, 3), optimize=False)
    result = converter.convert(folder / "resnet50.onnx", output=folder, verify=False)
    return network.load(*result.files[:2])


def by_hand(padded_pool: bool) -> Any:
    """Mindcv's ResNet50; with the source's max pooling (`padded_pool`) it computes the same function."""
    from mindcv.models.resnet import resnet50
    from mindspore import nn

    net = resnet50(num_classes=10)
    if padded_pool:
        net.max_pool = nn.MaxPool2d(3, 2, pad_mode="pad", padding=1)
    return net


def forward(net: Any, images: Any) -> Callable[[], None]:
    """The forward pass, in inference mode."""

    def run() -> None:
        net.set_train(False)
        net(images).asnumpy()

    return run


def training_step(net: Any, images: Any, graph: bool) -> Callable[[], None]:
    """Loss, gradients and an update of every parameter, in training mode."""
    import mindspore as ms
    from mindspore import nn, ops

    labels = ms.Tensor(np.arange(len(images)), ms.int32)
    optimizer = nn.SGD(net.trainable_params(), 1e-6)

    def loss_of(x: Any) -> Any:
        return ops.cross_entropy(net(x), labels)

    step = ms.value_and_grad(loss_of, None, optimizer.parameters)
    step = ms.jit(step) if graph else step

    def run() -> None:
        net.set_train(True)
        _, gradients = step(images)
        optimizer(gradients)
        optimizer.parameters[0].asnumpy()  # its gradient is computed last

    return run


def seconds(runs: list[Callable[[], None]], repetitions: int) -> list[list[float]]:
    """The seconds of every run of each function; they take turns, in reverse order every second time."""
    times: list[list[float]] = [[] for _ in runs]
    for repetition in range(-1, repetitions):  # the first one compiles and is not counted
        order = range(len(runs)) if repetition % 2 else reversed(range(len(runs)))
        for i in order:
            start = time.perf_counter()
            runs[i]()
            if repetition >= 0:
                times[i].append(time.perf_counter() - start)
    return times


def main() -> None:
    """Print a table of medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--mindcv", type=Path, help="a folder that holds the package, when it is not installed")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=11)
    options = parser.parse_args()
    if options.mindcv:
        sys.path.insert(0, str(options.mindcv))

    import mindspore as ms

    networks = ("converted", "mindcv", "mindcv, pool padded")
    print("median (fastest)".ljust(26) + "".join(name.rjust(22) for name in networks) + "   ratios of the medians")
    with tempfile.TemporaryDirectory() as folder:
        nets = [converted(Path(folder)), by_hand(padded_pool=False), by_hand(padded_pool=True)]
        images = ms.Tensor(np.random.default_rng(0).standard_normal((options.batch, 3, 224, 224)), ms.float32)
        for graph in (False, True):
            ms.set_context(mode=ms.GRAPH_MODE if graph else ms.PYNATIVE_MODE)
            mode = "graph" if graph else "PyNative"
            for what, runs in (
                ("forward", [forward(net, images) for net in nets]),
                ("training step", [training_step(net, images, graph) for net in nets]),
            ):
                times = seconds(runs, options.repetitions)
                ours, *theirs = map(statistics.median, times)
                row = "".join(f"{statistics.median(each):>10.3f} s ({min(each):.3f} s)" for each in times)
                ratios = ", ".join(f"{ours / other:.2f}" for other in theirs)
                print(f"{what + ', ' + mode:<26}{row}   {ratios}", flush=True)


if __name__ == "__main__":
    main()
