"""Kill whole conversions at random moments: `python tests/fuzz/killed.py 100`.

Behind each kill the folder must hold the result of one model or of the other, complete: graph mode converts two models
of one name in turn, without verification, with it, and with checkpoints of two and three shards, script mode two
packages. A file that belongs to neither, or is missing, ends the script.
"""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]
HIDDEN = ".onnx2mindspore"
VERIFIED = "verified"


def model(factor: float) -> onnx.ModelProto:
    """Two or three dense layers, whose number, weights and last operator depend on a number."""
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 4]) for name in "xy")
    count = int(factor) + 1
    weights = [numpy_helper.from_array(np.full((4, 4), factor + i, np.float32), f"w{i}") for i in range(count)]
    nodes = [helper.make_node("MatMul", [f"h{i}" if i else "x", f"w{i}"], [f"h{i + 1}"]) for i in range(count)]
    nodes.append(helper.make_node("Relu" if factor > 1 else "Tanh", [f"h{count}"], ["y"]))
    graph = helper.make_graph(nodes, "net", [x], [y], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def command(arguments: list[str], out: Path) -> list[str]:
    """A conversion."""
    return [sys.executable, "-m", "converter", *arguments, "--output", str(out), "--quiet"]


def contents(folder: Path) -> dict[str, str]:
    """The digests of a result; of reports that hold times, or perhaps no verdict yet, only the names count."""
    found = {}
    for at, _, files in os.walk(folder):
        for file in files if HIDDEN not in at else ():
            path = Path(at) / file
            timed = file.startswith("report_of_") and (VERIFIED in folder.parts or not file.endswith(".txt"))
            found[str(path.relative_to(folder))] = "" if timed else hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def settle(folder: Path) -> None:
    """Wait for the process that places files, if it is at work."""
    end = time.monotonic() + 10
    while any(folder.glob(f".*{HIDDEN}/plan.json")) and time.monotonic() < end:
        time.sleep(0.01)


def main() -> None:
    """Kill as many conversions as the command line says, as many in each mode."""
    count, moments = int(sys.argv[1]), random.Random(0)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, factor in (("a", 1.0), ("b", 2.0)):
            (folder / name / "package").mkdir(parents=True)
            onnx.save(model(factor), folder / name / "net.onnx")
            for file in ("one", "two", "three"):
                text = f"import torch\n\n\ndef {file}(x):\n    return torch.relu(x) * {factor}\n"
                (folder / name / "package" / f"{file}.py").write_text(text)
        modes = {
            "graph": ["--model_file", "{}/net.onnx", "--no_verify"],
            "sharded": ["--model_file", "{}/net.onnx", "--no_verify", "--shard_size", "1e-7"],
            VERIFIED: ["--model_file", "{}/net.onnx", "--edges", "none"],
            "script": ["--in_file", "{}/package"],
        }
        for mode, arguments in modes.items():
            runs, whole = {}, {}
            for name in "ab":
                runs[name] = [each.format(folder / name) for each in arguments]
                start = time.monotonic()
                subprocess.run(command(runs[name], folder / name / mode), env=environment, check=True)
                took = time.monotonic() - start
                whole[name] = contents(folder / name / mode)
            out, seen = folder / mode, {"a": 0, "b": 0}
            subprocess.run(command(runs["a"], out), env=environment, check=True)
            for number in range(count // len(modes)):
                process = subprocess.Popen(
                    command(runs["ba"[number % 2]], out), env=environment, start_new_session=True
                )
                time.sleep(moments.uniform(0.5, 1.1) * took)
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                settle(out)
                found = contents(out)
                names = [name for name in "ab" if whole[name] == found]
                if not names:
                    sys.exit(f"{mode} mode, kill {number}: neither result is whole: {found}\n{whole}")
                seen[names[0]] += 1
            print(f"{mode} mode: {count // len(modes)} kills, the folder held {seen}", flush=True)


if __name__ == "__main__":
    main()
