"""Functions inside methods that graph mode reads otherwise than Python."""

from __future__ import annotations

import textwrap

import pytest

from tests.rewriting.conversion import converted

LISTED = {
    "a lambda in a loop": """
        for i in range(2):
            x = (lambda t: t + 1)(x)
    """,
    "a function of a loop that is kept": """
        fs = []
        for i in range(3):
            def f(t):
                return t + i
            fs.append(f)
        for f in fs:
            x = f(x)
    """,
    "a lambda of a comprehension": """
        for f in [lambda t: t + i for i in range(3)]:
            x = f(x)
    """,
    "a variable that changes before the call": """
        k = 1
        def f(t):
            return t + k
        k = 5
        x = f(x)
    """,
    "a variable that is defined later": """
        f = lambda t: t + y
        y = x * 3
        x = f(x)
    """,
    "a default from a comprehension": """
        for f in [lambda t, i=i: t + i for i in range(3)]:
            x = f(x)
    """,
    "a default from a loop": """
        for i in range(3):
            def f(t, k=i):
                return t + k
            x = f(x)
    """,
    "a list that grows": """
        out = []
        def f(t):
            out.append(t)
            return t
        x = f(x) + len(out)
    """,
    "a tensor that changes": """
        y = x * 0
        def f(t):
            y[0] = 5
            return t
        x = f(x) + y
    """,
    "a comprehension of two loops": """
        x = sum([x * i for i in range(2) for j in range(i)])
    """,
    "a nonlocal variable": """
        k = 1
        def f(t):
            nonlocal k
            k = k + 1
            return t
        x = f(x) + k
    """,
}
FINE = {
    "a lambda in a while": """
        while x.sum() < 2:
            x = (lambda t: t + 1)(x)
    """,
    "a function that its own iteration calls": """
        for i in range(3):
            def f(t):
                return t + i
            x = f(x)
    """,
    "a variable that changes after the call": """
        k = 1
        def f(t):
            return t + k
        x = f(x)
        k = 5
    """,
    "a default": """
        i = 2
        f = lambda t, k=i: t + k
        i = 7
        x = f(x)
    """,
    "a list of its own": """
        def f(t):
            out = []
            out.append(t)
            return out[0]
        x = f(x)
    """,
    "a key of a sort": """
        k = 1
        x = x[sorted([1, 2], key=lambda i: -i * k)[0]]
        k = 2
    """,
}


CASES = {**dict.fromkeys(LISTED, 1), **dict.fromkeys(FINE, 0)}


@pytest.mark.parametrize("case", CASES)
def test_inner_functions_that_graph_mode_reads_otherwise(tmp_path, case):
    body = textwrap.indent(textwrap.dedent((LISTED | FINE)[case]), " " * 8)
    head = "from torch import nn\nclass Net(nn.Module):\n    def forward(self, x):\n"
    left = [record for record in converted(tmp_path, f"{head}{body}        return x\n").records if not record.converted]
    assert [record.remedy.startswith("Graph mode ") for record in left] == [True] * CASES[case]
