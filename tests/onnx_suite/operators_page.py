"""Print docs/operators.md: `python tests/onnx_suite/operators_page.py > docs/operators.md`."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from onnx_suite import catalogue
from onnx_suite.cases import cases, model_of
from onnx_suite.expected_failures import FAILURES
from operator_maps import registry


def counts() -> dict[str, tuple[int, int]]:
    """Operator → its cases that pass in both modes, and all of them; cases of several operators do not count."""
    failing = {name for names in FAILURES.values() for name in names}
    passed: Counter[str] = Counter()
    known: Counter[str] = Counter()
    for name, case in cases().items():
        nodes = model_of(case).graph.node
        if len(nodes) == 1:
            operator = ".".join(filter(None, (nodes[0].domain, nodes[0].op_type)))
            known[operator] += 1
            passed[operator] += name not in failing
    return {operator: (passed[operator], count) for operator, count in known.items()}


def total() -> str:
    """What all cases came to, and why some fail."""
    lines = [f"Of the {len(cases())} cases of the onnx package, {len(cases()) - failing()} pass in both modes.", ""]
    lines += [f"- {len(names)}: {reason}" for reason, names in FAILURES.items()]
    return "\n".join(lines) + "\n"


def failing() -> int:
    """How many cases are expected to fail."""
    return sum(map(len, FAILURES.values()))


def page() -> str:
    """The page."""
    return catalogue.page(registry.load(), counts(), total())


if __name__ == "__main__":
    print(page(), end="")
