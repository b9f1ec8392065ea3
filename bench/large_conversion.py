"""Measures the memory of one conversion: `python bench/large_conversion.py --model_file decoder.onnx --output out`.

The arguments are those of `mindconverter`; `--no_verify` is added, unless the first one is `verified`. While it runs,
the resident memory of its processes together is read 20 times a second: all of it, and without the mapped pages of
files, which the system takes away when it needs room. Afterwards the first, the last and the largest parameter of the
checkpoint are compared with the source, bit for bit, by the steps of the weight map.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from converter.base.weight_steps import apply
from converter.weights import readers


def family(process: int) -> list[int]:
    """A process and all that it started."""
    found = [process]
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            parent = next(line for line in status.read_text().splitlines() if line.startswith("PPid"))
        except (OSError, StopIteration):
            continue
        if int(parent.split()[1]) == process:
            found += family(int(status.parent.name))
    return found


def resident(process: int) -> tuple[int, int]:
    """Bytes of a process in memory: all, and anonymous ones."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    fields = dict(line.split(":", 1) for line in lines)
    return tuple(int(fields.get(name, "0").split()[0]) * 1024 for name in ("VmRSS", "RssAnon"))  # type: ignore[return-value]


def measured(command: list[str]) -> tuple[int, int, float, int]:
    """The peak of all, of anonymous memory, the seconds, and the exit status of a command."""
    began, peak, anonymous = time.monotonic(), 0, 0
    process = subprocess.Popen(command)
    while process.poll() is None:
        sizes = [resident(each) for each in family(process.pid)]
        peak = max(peak, sum(size for size, _ in sizes))
        anonymous = max(anonymous, sum(size for _, size in sizes))
        time.sleep(0.05)
    return peak, anonymous, time.monotonic() - began, process.returncode


def compare(output: Path, source: Path) -> None:
    """Compare the first, the last and the largest parameter with the source."""
    (map_file,) = output.glob("weight_map_of_*.json")
    (entries,) = json.loads(map_file.read_text()).values()
    stem = map_file.stem.removeprefix("weight_map_of_")
    single = next((file for file in output.glob(f"{stem}.*") if file.suffix in (".ckpt", ".safetensors")), output)
    made, given = readers.read_mindspore(single).tensors, readers.read(source).tensors
    known = [entry for entry in entries if entry["source_weight"]["name"] in given]
    largest = max(known, key=lambda entry: np.prod(entry["converted_weight"]["shape"]))
    for entry in (known[0], known[-1], largest):
        name, origin = entry["converted_weight"]["name"], entry["source_weight"]["name"]
        expected = apply(entry.get("transform", ()), given[origin].load())
        found = made[name].load()
        equal = found.shape == expected.shape and found.tobytes() == np.ascontiguousarray(expected).tobytes()
        print(f"{name} {found.dtype} {found.shape}: {'equal' if equal else 'DIFFERS'}")


def main() -> int:
    """Convert, and print what it took."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["verified"]:
        del arguments[0]
    else:
        arguments.append("--no_verify")
    command = [sys.executable, "-m", "converter", *arguments]
    peak, anonymous, seconds, status = measured(command)
    print(
        f"exit status {status}, {seconds:.0f} s, peak {peak / 1e9:.2f} GB, {anonymous / 1e9:.2f} without mapped files"
    )
    given = dict(itertools.pairwise(arguments))
    if not status:
        compare(Path(given["--output"]), Path(given.get("--weights") or given["--model_file"]))
    return status


if __name__ == "__main__":
    sys.exit(main())
