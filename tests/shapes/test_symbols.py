from __future__ import annotations

import pytest

from converter.shapes.symbols import canonical


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("s", "s"),
        ("(past + s)", "past + s"),
        ("s + past", "past + s"),
        ("((c + b)) + a", "a + b + c"),
        ("(a + b) * (c + d)", "(a + b) * (c + d)"),
        ("(s * 4)", "s * 4"),
    ],
)
def test_equal_sums_have_one_name(name, wanted):
    assert canonical(name) == wanted
