"""Speed and memory of conversions, each figure beside its floor in the same run: `python bench/run.py`, or some parts.

    python bench/run.py conversion frozen verification growth many start
    python bench/run.py conversion verification --models resnet50.onnx --peers /path/to/python
    python bench/run.py growth --sizes 1000 10000 100000 --kinds blocks flat nested

Seconds are CPU time of whole processes, the least of several runs of processes that take turns; memory is the peak. The
tables are printed, and with the figures as JSON written to `--folder`; the curves of `growth` go to `docs/images/`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import curves
import many_parts
import onnx
from growth import MODELS
from measuring import HERE, Cost, in_turn, run

ROOT = HERE.parent
TEST_MODELS = ROOT / "tests" / "models"
SMALL = ("mnist.onnx", "candy.onnx", "fastest_det.onnx", "magika.onnx", "tiny_time_mixer.onnx")
FROZEN = ("gru.pb", "custom_vision.pb")
PEERS = ("onnx2torch", "onnx2pytorch", "pnnx")
NOTICEABLE = 0.5
"""Seconds of a stage at the largest size under which no exponent is shown: it would be that of its start."""

Table = tuple[str, list[str], list[list[Any]]]
"""A table: its heading, the names of its columns, its rows."""


def main() -> None:
    """Measure the parts that are asked for, or all but those that take minutes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], default=list(PARTS))
    parser.add_argument("--models", nargs="+", type=Path, help="models instead of those of the tests")
    parser.add_argument("--repetitions", type=int, default=3, help="runs of each, 0 for one without a first round")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000], help="nodes, for growth")
    parser.add_argument("--kinds", nargs="+", choices=MODELS, default=["blocks", "flat", "nested"], help="for growth")
    parser.add_argument("--peers", type=Path, help="a Python that has torch and the peers, to convert the same files")
    parser.add_argument("--peers_path", type=Path, help="a folder of packages for that Python")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="the checkout that is measured")
    parser.add_argument("--folder", type=Path, default=HERE / "results")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        for heading, columns, rows in PARTS[part](options):
            text = _markdown(heading, columns, rows)
            print(text, flush=True)
            (options.folder / f"{part}.md").write_text(text, encoding="utf-8")
            plain = [dict(zip(columns, row, strict=True)) for row in rows]
            (options.folder / f"{part}.json").write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")


def conversion(options: Any) -> Iterator[Table]:
    """Conversion without verification beside a program that reads a model and writes its weights, and beside peers."""
    rows = []
    names = PEERS if options.peers else ()
    for model in _models(options, SMALL, ".onnx"):
        commands = {"floor": _floor("read_and_write", model), "converter": _convert(model, "--no_verify")}
        paths = {}
        for peer in names:
            commands[peer] = [str(options.peers), *_floor(peer, model)[1:]]
            paths[peer] = [options.peers_path] if options.peers_path else []
        cost = in_turn(commands, options.repetitions, [options.checkout], paths)
        floor, own = cost["floor"], cost["converter"]
        size = model.stat().st_size / 1e6
        others = [None if cost[peer].failed else _ratio(own.seconds, cost[peer].seconds) for peer in names]
        times = [floor.seconds, own.seconds, _ratio(own.seconds, floor.seconds), _ratio(own.memory, floor.memory)]
        rows.append([model.name, size, *times, own.memory, *others])
    columns = ["model", "MB", "floor, s", "conversion, s", "time / floor", "memory / floor", "memory, MB"]
    yield "Conversion", [*columns, *(f"time / {peer}" for peer in names)], rows


def frozen(options: Any) -> Iterator[Table]:
    """A frozen graph beside plain tf2onnx; memory above TensorFlow's own import, in sizes of the file."""
    rows = []
    for model in _models(options, FROZEN, ".pb"):
        ends = _ends(model)
        plain = ["-m", "tf2onnx.convert", "--graphdef", str(model), "--output", "{folder}/plain.onnx"]
        plain += [part.replace("--input_nodes", "--inputs").replace("--output_nodes", "--outputs") for part in ends[:4]]
        commands = {
            "import": _floor("import_tensorflow", model),
            "tf2onnx": [sys.executable, *plain],
            "converter": _convert(model, "--no_verify"),
        }
        cost = in_turn(commands, options.repetitions, [options.checkout])
        size = model.stat().st_size / 2**20
        others = [cost[name] for name in ("tf2onnx", "converter")]
        above = [(each.memory - cost["import"].memory) / size for each in others]
        seconds = [each.seconds for each in others]
        rows.append([model.name, size, *seconds, _ratio(seconds[1], seconds[0]), others[1].memory, above[1], above[0]])
    columns = ["model", "MB", "tf2onnx, s", "conversion, s", "time / tf2onnx", "memory, MB"]
    above_import = ["memory above the import / file", "the same of tf2onnx"]
    yield "Frozen graphs of TensorFlow", [*columns, *above_import], rows


def verification(options: Any) -> Iterator[Table]:
    """Conversion and verification beside a program that runs source and script once in each mode."""
    rows = []
    for model in _models(options, SMALL, ".onnx"):
        with tempfile.TemporaryDirectory() as folder:
            made = run(_convert(model, "--edges", "none", folder=folder), Path(folder), [options.checkout])
            if made.failed:
                continue
            commands = {
                "floor": _floor("run_both", model, folder=folder),
                "verified": _convert(model, "--edges", "none"),
                "with edge inputs": _convert(model),
            }
            cost = in_turn(commands, options.repetitions, [options.checkout])
        floor, verified, edges = cost.values()
        if floor.failed:
            continue
        seconds = [floor.seconds, verified.seconds, edges.seconds]
        ratios = [_ratio(each, floor.seconds) for each in seconds[1:]]
        rows.append([model.name, *seconds, *ratios, _ratio(edges.memory, floor.memory), edges.memory])
    columns = [
        "model",
        "floor, s",
        "verified, s",
        "with edge inputs, s",
        "verified / floor",
        "with edge inputs / floor",
    ]
    yield "Conversion and verification", [*columns, "memory / floor", "memory, MB"], rows


def growth(options: Any) -> Iterator[Table]:
    """Time and memory as the number of nodes grows, stage by stage, beside onnx's load, checker and shape inference."""
    seconds: dict[str, list[tuple[float, float]]] = {}
    rows: list[list[Any]] = []
    for kind in options.kinds:
        found: list[tuple[int, Cost, Cost, dict[str, float]]] = []
        for size in options.sizes:
            with tempfile.TemporaryDirectory() as folder:
                file = MODELS[kind](size).save(Path(folder))
                commands = {"floor": _floor("check", file), "converter": _floor("convert", file)}
                cost = in_turn(commands, 0, [options.checkout])
            made = json.loads(cost["converter"].output.splitlines()[-1])
            found.append((made["nodes"], cost["floor"], cost["converter"], made["stages"]))
        for nodes, floor, own, stages in found:
            last = nodes == found[-1][0] and len(found) > 1
            grown = 1024 * (own.memory - found[0][2].memory) / (nodes - found[0][0]) if last else None
            times = [floor.seconds, own.seconds, _ratio(own.seconds, floor.seconds)]
            steepest = _steepest(found[0][0], found[0][3], nodes, stages) if last else None
            shares = ", ".join(f"{name} {each / sum(stages.values()):.0%}" for name, each in stages.items())
            rows.append([kind, nodes, *times, own.memory, grown, steepest, shares])
        seconds[kind] = [(nodes, own.seconds) for nodes, _, own, _ in found]
        seconds[f"{kind}: onnx alone"] = [(nodes, floor.seconds) for nodes, floor, _, _ in found]
    if len(options.sizes) > 1:
        picture = ROOT / "docs" / "images" / "growth.svg"
        curves.draw(picture, "CPU seconds of a conversion", "nodes", "CPU seconds", seconds)
    columns = ["model", "nodes", "onnx alone, s", "conversion, s", "time / onnx alone", "memory, MB"]
    yield "Growth", [*columns, "KB a node", "steepest stage", "shares of the stages"], rows


def _steepest(few: int, before: dict[str, float], many: int, after: dict[str, float]) -> str:
    """The stage whose time grows most, with the exponent of the number of nodes."""
    exponents = {
        name: math.log(took / max(before.get(name, 0), 0.01)) / math.log(many / few)
        for name, took in after.items()
        if took >= NOTICEABLE
    }
    name = max(exponents, key=lambda each: exponents[each], default="")
    return f"{name} {exponents[name]:.2f}" if name else ""


def many(options: Any) -> Iterator[Table]:
    """Models that have very many of one thing, at half the size and at the whole."""
    rows = []
    for kind, (make, size) in many_parts.KINDS.items():
        costs = []
        for count in (size // 2, size):
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "many.onnx"
                onnx.save(make(count), file)
                command = [part.replace("{folder}", folder) for part in _floor("convert", file)]
                costs.append(run(command, Path(folder), [options.checkout]))
        half, whole = costs
        exponent = math.log2(whole.seconds / half.seconds)
        rows.append([kind, size, half.seconds, whole.seconds, exponent, whole.memory])
    yield "Very many of one thing", ["kind", "size", "half, s", "whole, s", "exponent", "memory, MB"], rows


def start(options: Any) -> Iterator[Table]:
    """The start of the command."""
    command = {"help": [sys.executable, "-m", "converter", "--help"], "python": [sys.executable, "-c", ""]}
    cost = in_turn(command, options.repetitions, [options.checkout])
    yield "Start", ["python, s", "--help, s"], [[cost["python"].seconds, cost["help"].seconds]]


def _models(options: Any, names: Sequence[str], suffix: str) -> list[Path]:
    if options.models:
        return [model.resolve() for model in options.models if model.suffix == suffix]
    return [TEST_MODELS / name for name in names]


def _floor(name: str, model: Path, folder: str = "{folder}") -> list[str]:
    return [sys.executable, str(HERE / "floors.py"), name, str(model), folder]


def _convert(model: Path, *more: str, folder: str = "{folder}") -> list[str]:
    command = [sys.executable, "-m", "converter", "--model_file", str(model), *_ends(model)]
    return [*command, "--quiet", "--output", folder, *more]


def _ends(model: Path) -> list[str]:
    """The endpoints of a frozen graph, which stand in a file beside it; else its own ones, `x:0` and `Identity:0`."""
    beside = model.with_name(f"{model.name}.json")
    if model.suffix != ".pb":
        return []
    if not beside.exists():
        return ["--input_nodes", "x:0", "--output_nodes", "Identity:0"]
    known = json.loads(beside.read_text(encoding="utf-8"))
    shapes = [",".join(map(str, shape)) or "-" for shape in known["shapes"]]
    return ["--input_nodes", *known["inputs"], "--output_nodes", *known["outputs"], "--shape", *shapes]


def _ratio(one: float, other: float) -> float:
    return round(one / other, 2)


def _markdown(heading: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
    lines += [f"| {' | '.join(map(_shown, row))} |" for row in rows]
    return "\n".join([f"## {heading}", "", *lines, ""])


def _shown(item: Any) -> str:
    if item is None:
        return ""
    if isinstance(item, float):
        return f"{item:,.0f}" if abs(item) >= 100 else f"{item:.2f}"
    return f"{item:,}" if isinstance(item, int) else str(item)


PARTS: dict[str, Callable[[Any], Iterator[Table]]] = {
    function.__name__: function for function in (start, conversion, frozen, verification, growth, many)
}

if __name__ == "__main__":
    main()
