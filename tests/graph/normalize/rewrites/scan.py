"""Cases of Scan."""

from __future__ import annotations

from graph.normalize.rewrites.case import Case

BODY = """<num_scan_inputs = 1, DIRECTIONS body = b (float[2] s, float[2] e) => (float[2] t, float[2] p) {
    t = Add(s, e)
    p = Mul(t, t)
}>"""


def text(batch: str, directions: str = "") -> str:
    body = BODY.replace("DIRECTIONS", directions)
    signature = f"(float[{batch},2] x, float[{batch},3,2] q) => (float[{batch},2] y, float[{batch},3,2] z)"
    return f'{signature} {{ y, z = Scan {body} ("", x, q) }}'


CASES = [
    Case("Scan-8 of one sequence", 8, text("1"), "Scan Scan Add Mul"),
    Case("Scan-8 of a batch", 8, text("4"), "Scan Scan Add Mul"),
    Case("Scan-8 backwards", 8, text("4", "directions = [1],"), "Scan Scan Add Mul"),
]
