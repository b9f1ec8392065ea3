"""Fuzzing by a script: many cases of one kind. What is unexplained is listed by its cause, and kept in a folder.

python tests/fuzz/run.py wrong 10000            # well-formed models that are wrong
python tests/fuzz/run.py onnx 2000              # damaged files; also pb, safetensors, ckpt
python tests/fuzz/run.py graphs 5000            # right models at random, against onnxruntime; goes on where it ended
"""

from __future__ import annotations

import argparse
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings
from hypothesis.strategies import SearchStrategy

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from fuzz import campaign  # noqa: E402
from fuzz.damaged_files import damaged_files  # noqa: E402
from fuzz.outcome import UnexplainedError, outcome, outcome_of_weights, peak  # noqa: E402
from fuzz.random_graphs import FAMILIES  # noqa: E402
from fuzz.wrong_models import wrong_models  # noqa: E402

FILES: dict[str, tuple[str, SearchStrategy[bytes], Callable[[str, bytes], str]]] = {
    "wrong": ("net.onnx", wrong_models(), outcome),
    "onnx": ("net.onnx", damaged_files("onnx"), outcome),
    "pb": ("net.pb", damaged_files("pb"), outcome),
    "safetensors": ("net.safetensors", damaged_files("safetensors"), outcome_of_weights),
    "ckpt": ("net.ckpt", damaged_files("ckpt"), outcome_of_weights),
}
_SLOW = 5.0  # seconds


def cause(error: BaseException) -> str:
    """Where in the project an exception arose, and its class."""
    while error.__cause__ is not None:
        error = error.__cause__
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if re.search("/converter/|/operator_maps/", frame.filename)]
    frame = (own or frames)[-1]
    return f"{type(error).__name__} {Path(frame.filename).name}:{frame.lineno} {frame.name}: {str(error)[:150]!r}"


def run_files(kind: str, count: int, number: int, keep: Path) -> None:
    """Convert or read `count` files of a kind."""
    name, strategy, convert = FILES[kind]
    found: Counter[str] = Counter()
    ends: Counter[str] = Counter()
    slowest = 0.0
    began = time.perf_counter()

    def keep_as(stem: str, data: bytes, why: str) -> None:
        (keep / f"{stem}_{name}").write_bytes(data)
        print(f"{stem}_{name}: {why}", flush=True)

    @seed(number)
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def run(data: bytes) -> None:
        nonlocal slowest
        (keep / f"current_{name}").write_bytes(data)  # a case that ends the process is found there
        start = time.perf_counter()
        try:
            ends[convert(name, data)] += 1
        except UnexplainedError as error:
            why = cause(error)
            if not found[why]:
                keep_as(str(len(found)), data, why)
            found[why] += 1
            ends["unexplained"] += 1
        took = time.perf_counter() - start
        if took > max(slowest, _SLOW):
            keep_as("slowest", data, f"{took:.1f} s")
        slowest = max(slowest, took)
        if sum(ends.values()) % 500 == 0:
            print(sum(ends.values()), dict(ends.most_common()), flush=True)

    run()
    took = time.perf_counter() - began
    print(
        f"{sum(ends.values())} cases in {took:.0f} s, slowest {slowest:.1f} s, {peak()} MB: {dict(ends.most_common())}"
    )
    for why, times in found.most_common():
        print(times, why)


def main() -> None:
    """Run what the command line asks for."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("kind", choices=[*FILES, "graphs"])
    options.add_argument("count", type=int)
    options.add_argument("--seed", type=int, default=0, help="another number makes other cases")
    options.add_argument(
        "--keep", type=Path, default=Path("fuzz_failures"), help="a folder for cases that are unexplained"
    )
    options.add_argument("--families", default=",".join(FAMILIES), help="of random graphs (default: all)")
    options.add_argument("--graph_mode", type=int, default=10, help="every which case runs in graph mode, too")
    chosen = options.parse_args()
    chosen.keep.mkdir(parents=True, exist_ok=True)
    if chosen.kind == "graphs":
        journal, families = chosen.keep / "graphs.jsonl", chosen.families.split(",")
        first = chosen.seed * 10**6
        campaign.supervise(
            journal, families, range(first, first + -(-chosen.count // len(families))), chosen.graph_mode
        )
        print(campaign.summary(journal))
    else:
        run_files(chosen.kind, chosen.count, chosen.seed, chosen.keep)


if __name__ == "__main__":
    main()
