"""One node at a time, systematically: old versions, attributes at their ends, optional inputs and outputs.

    python tests/fuzz/sweep.py [OPERATOR …]

Each case is tried with fixed extents, with all axes free, and with its parameters as inputs of the graph, in both
modes (`--fast`: in PyNative mode only), on ordinary inputs, zeros, edges and NaN. What differs unexplained is listed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
import onnx
from onnx import helper, numpy_helper

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from fuzz.building import Builder, data_type, run  # noqa: E402
from fuzz.comparing import MODES, findings  # noqa: E402
from fuzz.random_graphs import _variations  # noqa: E402
from fuzz.sweep_cases import CASES, Case  # noqa: E402

REFUSED, DECLINED = "the source refuses it", "is not converted"


class Trial(NamedTuple):
    """A model of one case, its inputs, and which of them are fixed."""

    form: str
    model: onnx.ModelProto
    feeds: dict[str, np.ndarray]
    fixed: set[str]


def trials(case: Case) -> Iterator[Trial]:
    """The forms of a case: of fixed extents, with free axes, with parameters that are fed."""
    yield _trial(case, "fixed", False, False)
    yield _trial(case, "free", True, False)
    if any(array is not None for array in case.inputs[1:]):
        yield _trial(case, "fed", False, True)


def _trial(case: Case, form: str, free: bool, fed: bool) -> Trial:
    names = ["" if array is None else f"x{i}" for i, array in enumerate(case.inputs)]
    known = {name: np.asarray(array) for name, array in zip(names, case.inputs, strict=True) if name}
    inner = {name for i, name in enumerate(names) if name and i >= case.tensors and not fed}
    feeds = {name: array for name, array in known.items() if name not in inner}
    inputs = [
        helper.make_tensor_value_info(
            name, data_type(array), [f"{name}_{i}" for i in range(array.ndim)] if free else array.shape
        )
        for name, array in feeds.items()
    ]
    outputs = [f"y{i}" if used else "" for i, used in enumerate(case.outputs)]
    node = helper.make_node(case.operator, names, outputs, "node", domain=case.domain, **case.attributes)
    ends = [helper.make_empty_tensor_value_info(name) for name in outputs if name]
    graph = helper.make_graph(
        [node], "one", inputs, ends, [numpy_helper.from_array(known[name], name) for name in names if name in inner]
    )
    opsets = [helper.make_opsetid("", case.opset)]
    opsets += [helper.make_opsetid(case.domain, 1)] if case.domain else []
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    inferred = {value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.output}
    for end in model.graph.output:
        end.CopyFrom(inferred[end.name])
    fixed = {name for i, name in enumerate(names) if name and (i >= case.tensors or i in case.fixed)}
    return Trial(form, model, feeds, fixed)


def differences(case: Case, modes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """What is unexplained of a case: its form, and what differs."""
    for trial in trials(case):
        try:
            wanted = run(trial.model, [trial.feeds], evaluator=True)
        except Exception:  # neither onnxruntime nor the evaluator runs it
            yield trial.form, REFUSED
            return
        feeds = [trial.feeds, *_variations(trial.feeds, trial.fixed, Builder(Random(0)))]
        wanted = run(trial.model, feeds, evaluator=True)
        try:
            for found in findings(trial.model, feeds, wanted, modes, evaluator=True):
                if found.what.startswith(DECLINED):
                    yield trial.form, found.what.partition(". Attributes")[0]
                elif not found.explained:
                    yield trial.form, f"{found.mode} {found.feeds} {found.what}"
        except Exception as error:
            yield trial.form, f"error {type(error).__name__}: {' '.join(str(error).split())[:300]}"


def main(names: list[str], modes: tuple[str, ...]) -> None:
    """Run all cases, or those of some operators."""
    counts: Counter[str] = Counter()
    for case in CASES:
        if names and case.operator not in names:
            continue
        print(f"# {case.operator}-{case.opset} {case.attributes}", file=sys.stderr, flush=True)  # where it ends
        found = list(differences(case, modes))
        counts[", ".join(sorted({kind_of(what) for _, what in found})) or "same"] += 1
        for form, what in found:
            print(f"{case.operator}-{case.opset} {form}: {what} {_shown(case)}", flush=True)
    print(dict(counts))


def kind_of(what: str) -> str:
    """Whether a difference is that the source refuses a case, that it is a stub, or another."""
    return "refused" if what == REFUSED else "declined" if what.startswith(DECLINED) else "differs"


def _shown(case: Case) -> str:
    shapes = [None if array is None else f"{array.dtype}{list(array.shape)}" for array in case.inputs]
    small: Any = {i: a.tolist() for i, a in enumerate(case.inputs[1:], 1) if a is not None and a.size < 9}
    return f"{shapes} {small} {case.attributes} {case.outputs}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("operators", nargs="*", help="default: all")
    parser.add_argument("--fast", action="store_true", help="in PyNative mode only")
    chosen = parser.parse_args()
    main(chosen.operators, ("PyNative",) if chosen.fast else tuple(MODES))
