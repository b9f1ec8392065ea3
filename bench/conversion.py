"""Time the conversion of ten models by two checkouts in turn: `python bench/conversion.py OTHER_CHECKOUT`.

Every conversion is a process of its own (`python -m converter --no_verify`). CPU seconds are user and system time of
the process, the least of the repetitions; memory is its peak.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent.parent
MODELS = HERE / "tests" / "models"
NAMES = (
    *("mnist.onnx", "go1_policy.onnx", "silero_vad_16k.onnx", "candy.onnx", "fastest_det.onnx"),
    *("tiny_time_mixer.onnx", "magika.onnx", "gru.pb", "custom_vision.pb"),
)
CHAIN = 20_000
"""Nodes of a tenth model, a chain of elementwise operators."""


class Cost(NamedTuple):
    """CPU seconds and peak memory in MB of one conversion."""

    seconds: float
    memory: float


def chain(folder: Path) -> Path:
    """Write the chain, with a weight at every tenth node."""
    operators = ("Relu", "Tanh", "Neg", "Abs", "Sigmoid", "Softplus", "Sin", "Cos", "Erf", "Add")
    weight = numpy_helper.from_array(np.ones(8, np.float32), "w")
    nodes = [
        helper.make_node(operator, [f"v{i}", *["w"] * (operator == "Add")], [f"v{i + 1}"], f"n{i}")
        for i in range(CHAIN)
        for operator in [operators[i % len(operators)]]
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 8]) for name in ("v0", f"v{CHAIN}"))
    graph = helper.make_graph(nodes, "chain", [x], [y], [weight])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "chain.onnx"
    )
    return folder / "chain.onnx"


def options_of(model: Path) -> list[str]:
    """The endpoints of a frozen graph, which stand in a file beside it."""
    beside = model.with_name(f"{model.name}.json")
    if model.suffix != ".pb" or not beside.exists():
        return []
    known = json.loads(beside.read_text(encoding="utf-8"))
    shapes = [",".join(map(str, shape)) or "-" for shape in known["shapes"]]
    return ["--input_nodes", *known["inputs"], "--output_nodes", *known["outputs"], "--shape", *shapes]


def convert(checkout: Path, model: Path) -> Cost:
    """Convert a model once."""
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "converter", "--model_file", str(model), *options_of(model)]
        child = subprocess.Popen([*command, "--no_verify", "--quiet", "--output", folder], cwd=folder, env=environment)
        _, status, usage = os.wait4(child.pid, 0)
    if status:
        raise RuntimeError(f"{model.name} does not convert with {checkout}")
    return Cost(usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def main() -> None:
    """Print a row for each model."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, help="the checkout to compare this one with")
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    checkouts = (options.other.resolve(), HERE)
    print("| model | before, s | now, s | ratio | before, MB | now, MB |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for model in (*(MODELS / name for name in NAMES), chain(Path(folder))):
            costs: dict[Path, list[Cost]] = {checkout: [] for checkout in checkouts}
            for repetition in range(options.repetitions + 1):  # the first run may compile bytecode: it does not count
                for checkout in checkouts[:: 1 if repetition % 2 else -1]:
                    costs[checkout].append(convert(checkout, model))
            (before, old), (now, new) = (
                (min(cost.seconds for cost in costs[each][1:]), max(cost.memory for cost in costs[each][1:]))
                for each in checkouts
            )
            print(
                f"| {model.name} | {before:.2f} | {now:.2f} | {now / before:.2f} | {old:.0f} | {new:.0f} |", flush=True
            )


if __name__ == "__main__":
    main()
