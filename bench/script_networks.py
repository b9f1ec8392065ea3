"""Networks of torchvision, timm and transformers through script mode: `python bench/script_networks.py --only resnet`.

Each file is converted as a user would; nothing is edited by hand. The network is built by the same call in PyTorch and
from the converted script, gets the same random weights by name, and both outputs are compared, in PyNative and in graph
mode. Needs a Python that has torch and the libraries (`--python`); this one runs the result in mindspore.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-4
"""The largest difference that is right, relative to the largest value of the output."""
SECONDS = {"torch": 240, "pynative": 240, "graph": 1800}
"""How long one network may take."""


class Network(NamedTuple):
    """A network: its library, its name, what is converted, the call that builds it, the shapes of its inputs."""

    library: str
    name: str
    source: str
    call: str
    shapes: str


def main() -> None:
    """Convert, run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=[], help="parts of names of networks")
    parser.add_argument("--library", choices=("torchvision", "timm", "transformers"))
    parser.add_argument("--modes", nargs="*", default=["pynative", "graph"], choices=("pynative", "graph"))
    parser.add_argument("--python", default=sys.executable, help="the Python that has torch and the libraries")
    parser.add_argument("--folder", type=Path, default=Path("networks"), help="where results are written")
    parser.add_argument("--gradients", action="store_true", help="compare gradients in training mode, after a run")
    parser.add_argument("--keep", action="store_true", help="use what has been converted before")
    parser.add_argument("-v", "--verbose", action="store_true", help="print where a network raised")
    args = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    os.environ |= {"OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2"}
    chosen = [each for each in networks(args.library) if not args.only or any(part in each.name for part in args.only)]
    folder = args.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    site = Path(
        json.loads(_output(args.python, "import sysconfig, json; print(json.dumps(sysconfig.get_path('purelib')))"))
    )
    for library, source in dict.fromkeys((each.library, each.source) for each in chosen):
        if not (args.keep and place(folder, library, source).is_dir()):
            convert(site / source, place(folder, library, source))
    right = dict.fromkeys(args.modes, 0)
    for side in ("torch", *args.modes):
        print(f"\n{side}", flush=True)
        python = args.python if side == "torch" else sys.executable
        for name, result in run(python, site, folder, chosen, side, args.gradients):
            if side == "torch" and result["state"] == "right":
                continue
            right[side] = right.get(side, 0) + (result["state"] == "right")
            print(f"  {name:28} {result['state']:6} {result['text'][: 4000 if args.verbose else 150]}", flush=True)
    print("\n" + ", ".join(f"{mode}: {right[mode]} of {len(chosen)} right" for mode in args.modes))


def networks(library: str | None = None) -> list[Network]:
    """Those of `script_networks.txt`."""
    found = []
    for line in (HERE / "script_networks.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            source, call, shapes = (part.strip() for part in line.split(" | "))
            name = call.partition(":")[2].partition("(")[0]
            found.append(Network(source.partition("/")[0], name, source, call, shapes))
    return [each for each in found if library in (None, each.library)]


def place(folder: Path, library: str, source: str) -> Path:
    """Where the result of a source is written."""
    return folder / library / source.replace("/", "_").removesuffix(".py")


def convert(source: Path, output: Path) -> None:
    """Convert a source, and print how many uses of PyTorch stay."""
    from converter.script_api import convert_script

    try:
        result = convert_script(source, output=output)
    except Exception as error:  # the others are still to be run
        print(f"{source.name}: {error}", flush=True)
        return
    left = [each for each in result.records if not each.converted]
    print(f"{source.name}: {len(result.records)} uses, {len(left)} not converted", flush=True)


def run(
    python: str, site: Path, folder: Path, chosen: list[Network], side: str, gradients: bool
) -> Iterator[tuple[str, dict]]:
    """Run networks in one process, and in another one when that one ends or takes too long."""
    waiting = list(chosen)
    values = {each: folder / f"{each.library}_{each.name}.npz" for each in chosen}
    waiting = [each for each in chosen if side != "torch" or gradients or not values[each].is_file()]
    while waiting:
        jobs = [
            [each.name, str(place(folder, each.library, each.source)), each.call, each.shapes, str(values[each])]
            for each in waiting
        ]
        log = (folder / f"{side}.log").open("w")
        process = subprocess.Popen(
            [python, str(HERE / "script_networks_worker.py"), side, json.dumps(jobs), str(site),
             "gradients" if gradients else "outputs"],
            stdout=subprocess.PIPE, stderr=log, text=True, cwd=folder,
        )  # fmt: skip
        assert process.stdout is not None
        while waiting:
            line = _line(process, SECONDS[side])
            name = waiting.pop(0).name
            if line is None:
                process.kill()
                yield name, {"state": "stop", "text": f"the process ended, or took more than {SECONDS[side]} s"}
                break
            yield name, json.loads(line)
        process.kill()


def _line(process: subprocess.Popen[str], seconds: float) -> str | None:
    """The next result of a process; None if it ends or takes too long."""
    assert process.stdout is not None
    while True:
        ready, _, _ = select.select([process.stdout], [], [], seconds)
        line = process.stdout.readline() if ready else ""
        if not line:
            return None
        if line.startswith('{"state"'):
            return line


def _output(python: str, program: str) -> str:
    return subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    main()
