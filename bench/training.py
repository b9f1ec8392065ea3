"""Compare gradients of converted networks with PyTorch's, and train for twenty steps, in PyNative and in graph mode.

python bench/training.py --folder training              # --only swin t5 --modes graph
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

NAMES = ("convnext", "swin", "t5", "llama", "clip", "detr", "wavlm", "diffusion", "efficientnet", "gru_tagger")
MODES = ("PyNative", "graph")
STEPS = 20
NOTHING = 1e-3
"""Gradients below this fraction of the largest of all are what rounding leaves of zero."""
LIMIT = 1200
"""Seconds for one network."""


def main() -> None:
    """Each network runs in a process of its own; prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True, help="for models, scripts and checkpoints")
    parser.add_argument("--only", nargs="+", default=NAMES, choices=NAMES, metavar="NAME")
    parser.add_argument("--modes", nargs="+", default=MODES, choices=MODES)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        measure(arguments.only[0], arguments.folder, arguments.modes)
        return
    print("| network | mode | parameters | largest error of a gradient | of | loss before | after 20 steps |")
    print("|---|---|---|---|---|---|---|")
    for name in arguments.only:
        command = [sys.executable, __file__, "--one", "--folder", str(arguments.folder), "--only", name]
        try:
            done = subprocess.run(
                [*command, "--modes", *arguments.modes], capture_output=True, text=True, check=False, timeout=LIMIT
            )
        except subprocess.TimeoutExpired:
            print(f"| {name} | not within {LIMIT} s |", flush=True)
            continue
        rows = [line for line in done.stdout.splitlines() if line.startswith("| ")]
        last = (done.stderr.strip().splitlines() or [""])[-1]
        print(*rows, *([f"| {name} | ends with {done.returncode}: {last} |"] * bool(done.returncode)), sep="\n")
        sys.stdout.flush()


def measure(name: str, folder: Path, modes: list[str]) -> None:
    """Export a network, convert it, and print a row for each mode."""
    import torch
    import training_networks

    import converter

    folder.mkdir(parents=True, exist_ok=True)
    module, inputs = training_networks.made(name)
    file = folder / f"{name}.onnx"
    module.eval()
    torch.onnx.export(module, inputs, file, dynamo=True, optimize=False, verbose=False)
    result = converter.convert(file, output=folder, verify=False)
    if result.unconverted:
        print(f"| {name} | not converted: {', '.join(sorted({each.operator for each in result.unconverted}))} |")
    buffers = {key: tensor.clone() for key, tensor in module.named_buffers()}
    outputs = module.train()(*inputs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    sum(output.square().mean() for output in outputs).backward()
    module.load_state_dict(buffers, strict=False)
    found = {key: p.grad for key, p in module.named_parameters(remove_duplicate=False)}
    wanted = {key: gradient.numpy() for key, gradient in found.items() if gradient is not None}
    entries = json.loads((folder / f"weight_map_of_{name}.json").read_text(encoding="utf-8"))[name]
    for mode in modes:
        try:
            print(row(name, mode, result, [value.numpy() for value in inputs], wanted, entries), flush=True)
        except Exception as error:
            print(f"| {name} | {mode} | {type(error).__name__}: {' '.join(str(error).split())[:200]} |", flush=True)


def row(name: str, mode: str, result: Any, inputs: list[Any], wanted: dict[str, Any], entries: list[Any]) -> str:
    """Gradients and training of one network in one mode."""
    import mindspore as ms
    import numpy as np
    from mindspore import nn, ops

    from converter.base.weight_steps import apply
    from converter.verification import network

    ms.set_context(mode=ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE)
    script, checkpoint = (path for path in result.files if path.suffix in (".py", ".ckpt"))
    net = network.load(script, checkpoint)
    net.set_train()

    def loss(*values: Any) -> Any:
        outputs = net(*values)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum([ops.square(output).mean() for output in outputs])

    trained = net.trainable_params()
    step = ms.value_and_grad(loss, None, trained)
    step = ms.jit(step) if mode == "graph" else step
    values = [ms.Tensor(value) for value in inputs]
    first, gradients = step(*values)
    got = {p.name: gradient.asnumpy() for p, gradient in zip(trained, gradients, strict=True)}
    scale = max(np.abs(gradient).max() for gradient in wanted.values())
    errors = {}
    for entry in entries:
        own, source = entry["converted_weight"]["name"], entry["source_weight"]["name"]
        if own in got and source in wanted:
            want = apply(entry.get("transform", []), wanted[source])
            errors[own] = float(np.abs(got[own] - want).max() / max(np.abs(want).max(), NOTHING * scale))
    others = set(wanted) - {entry["source_weight"]["name"] for entry in entries}
    extra = sorted(got.keys() - errors.keys())
    worst = max(errors, key=lambda key: errors[key])
    slope = sum(float(np.square(gradient).sum()) for gradient in got.values())
    optimizer = nn.SGD(trained, 0.02 * float(first.asnumpy()) / slope)
    optimizer(gradients)
    for _ in range(STEPS - 1):
        _, gradients = step(*values)
        optimizer(gradients)
    last, _ = step(*values)
    notes = "".join(f"; trained only here: {', '.join(extra[:3])}" for _ in extra[:1])
    notes += "".join(f"; only in the source: {', '.join(sorted(others)[:3])}" for _ in sorted(others)[:1])
    return (
        f"| {name} | {mode} | {len(errors)} | {errors[worst]:.1e} | {worst}{notes} "
        f"| {float(first.asnumpy()):.4g} | {float(last.asnumpy()):.4g} |"
    )


if __name__ == "__main__":
    main()
