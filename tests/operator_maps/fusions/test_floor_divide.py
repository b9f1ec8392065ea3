from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

X = np.array([-7, -6, -1, 0, 1, 6, 7], np.int32)
FLOOR = """(int32[7] x) => (int32[7] y) {
    quotient = Div(x, divisor) rest = Mod(x, divisor) exact = Equal(rest, zero) inexact = Not(exact)
    negative = Less(x, zero) signs = Xor(negative, sign) wrong = And(signs, inexact)
    less = Sub(quotient, one) y = Where(wrong, less, quotient)
}"""


def weights(divisor: int, sign: bool) -> dict[str, np.ndarray]:
    numbers = {"divisor": divisor, "zero": 0, "one": 1}
    return {**{name: np.array(number, np.int32) for name, number in numbers.items()}, "sign": np.array(sign)}


@pytest.mark.parametrize(("divisor", "sign"), [(3, False), (-3, True)])
def test_floor_division_of_the_older_exporter(divisor: int, sign: bool) -> None:
    assert fused(FLOOR, X, **weights(divisor, sign)) == ["FloorDivide"]
    rep = check_model(model_of(FLOOR, **weights(divisor, sign)), [X])
    assert f"ops.floor_divide(x, {divisor})" in rep.script, rep.script


def test_a_sign_that_is_not_the_divisors() -> None:
    assert "FloorDivide" not in fused(FLOOR, X, **weights(3, True))


@pytest.mark.parametrize(("divisor", "sign"), [(3, True), (-3, False), (None, None)])
def test_floor_division_of_the_current_exporter(divisor: int | None, sign: bool | None) -> None:
    given = "" if divisor else ", int32[7] divisor"
    positive = "" if divisor else "sign = Greater(divisor, zero)"
    text = f"""(int32[7] x{given}) => (int32[7] y) {{
        quotient = Div(x, divisor) negative = Less(x, zero) {positive} signs = Equal(negative, sign)
        rest = Mod(x, divisor) inexact = Cast<to = 9>(rest) wrong = And(signs, inexact)
        less = Cast<to = 6>(wrong) y = Sub(quotient, less)
    }}"""
    constants = {"zero": np.array(0, np.int32)}
    if divisor:
        constants |= {"divisor": np.array(divisor, np.int32), "sign": np.array(sign)}
    inputs = [X] if divisor else [X, X[::-1] * 2 + 3]
    assert fused(text, *inputs, **constants) == ["FloorDivide"]
    rep = check_model(model_of(text, **constants), inputs)
    assert "ops.floor_divide(x, " in rep.script, rep.script
