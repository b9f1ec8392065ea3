"""Prove converted scripts with several versions of MindSpore, by their proof kits: a Markdown table.

    python bench/versions.py --work FOLDER [--versions 2.7.0 2.8.0 2.9.0 2.10.0] [--only NAME …]

Scripts, checkpoints and references are written once, by this converter and the MindSpore that is installed with it.
Each version has an environment of its own below FOLDER, with MindSpore and NumPy and nothing else; it is made when
missing. What is there already is not converted again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(ROOT / "samples")]

VERSIONS = ("2.7.0", "2.8.0", "2.9.0", "2.10.0")
MODES = ("pynative", "graph")
LIMIT = 600
"""Seconds for one proof."""


def conversions() -> Iterator[tuple[str, Callable[[Path], None]]]:
    """A name and a conversion with a proof kit for every sample and every model of `tests/models`."""
    import regenerate
    from test_models import REAL, convert_real

    kit = {"proof_kit": True, "edges": "none"}
    for sample in regenerate.SAMPLES:
        name = f"sample_{Path(sample).stem}"
        yield name, lambda folder, sample=sample: regenerate.convert(sample, output=folder / "out", **kit)
    for path in REAL:
        yield path.name, lambda folder, path=path: convert_real(path, folder, **kit)


def python_of(version: str, work: Path) -> Path:
    """The interpreter of an environment with this MindSpore, which is made when missing."""
    folder = work / f"mindspore-{version}"
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        packages = [f"mindspore=={version}", "numpy<2", "ml_dtypes<0.6"]
        subprocess.run([str(python), "-m", "pip", "install", "-q", *packages], check=True)
    return python


def proved(python: Path, kit: Path, mode: str) -> str:
    """The verdict of a kit, with the first difference or the error."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": "AVX2", "GLOG_v": "4"}
    environment.pop("PYTHONPATH", None)
    command = [str(python), kit.name, "--mode", mode, "--runs", "1", "--warm_up", "0"]
    proof = kit.parent / f"proof_of_{kit.stem.removeprefix('prove_')}_CPU_{mode}.json"
    proof.unlink(missing_ok=True)
    try:
        done = subprocess.run(
            command, cwd=kit.parent, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return f"more than {LIMIT} s"
    if not proof.exists():
        lines = [line for line in done.stderr.splitlines() if line.strip() and not line.startswith(("-", " "))]
        return f"raises: {lines[-1] if lines else done.returncode}"[:120]
    found = json.loads(proof.read_text(encoding="utf-8"))
    first = found["first_difference"]
    if found["verdict"] == "same" or first is None:
        return str(found["verdict"])
    return f"{found['verdict']}: {first['path'] or 'the network'} {first['kind']}, {first['error']}"


def main() -> None:
    """Convert, prove and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for environments and results")
    parser.add_argument("--versions", nargs="+", default=VERSIONS)
    parser.add_argument("--only", nargs="+", help="names of samples and models")
    options = parser.parse_args()
    os.nice(2)
    work = options.work.absolute()
    wanted = [(name, make) for name, make in conversions() if not options.only or name in options.only]
    pythons = {version: python_of(version, work) for version in options.versions}
    columns = [(version, mode) for version in options.versions for mode in MODES]
    print("| script | " + " | ".join(f"{version}, {mode}" for version, mode in columns) + " |")
    print("|---" * (1 + len(columns)) + "|", flush=True)
    for name, make in wanted:
        folder = work / "scripts" / name
        folder.mkdir(parents=True, exist_ok=True)
        if not list(folder.glob("out/prove_*.py")):
            make(folder)
        kits = list(folder.glob("out/prove_*.py"))
        cells = [proved(pythons[version], kits[0], mode) if kits else "no kit" for version, mode in columns]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
