"""The page of script mode: source and result side by side."""

from __future__ import annotations

import pytest

from converter.report.sides import FileSides

SOURCE = "import torch\nfrom torch import nn\n\nclass A(nn.Module):\n    x = '😀'; y = 1\n    z = 2\n"


def sides(*edits: tuple[str, str], source: str = SOURCE) -> dict:
    """The data of a file in which texts were replaced; `^` before a text only inserts at its beginning."""
    spans = []
    for old, new in edits:
        place = source.index(old.removeprefix("^"))
        start = len(source[:place].encode())
        spans.append((start, start + (0 if old.startswith("^") else len(old.encode())), new))
    result, at = b"", 0
    for start, end, new in spans:
        result += source.encode()[at:start] + new.encode()
        at = end
    result += source.encode()[at:]
    return FileSides(path="a.py", source=source.encode(), result=result, edits=tuple(spans), places=((0, 3),)).data()


@pytest.mark.parametrize(
    ("edits", "blocks"),
    [
        ([], []),
        ([("^import torch", "import a\nimport b\n")], [[0, 0, 0, 2]]),
        ([("import torch\n", "")], [[0, 1, 0, 0]]),
        (
            [("import torch\nfrom torch import nn\n", "import a\n"), ("nn.Module", "nn.Cell")],
            [[0, 2, 0, 1], [3, 1, 2, 1]],
        ),
        ([("y = 1\n    z = 2\n", "w = 3\n")], [[4, 2, 4, 1]]),
        ([("z = 2\n", "z = 2")], [[5, 2, 5, 1]]),
    ],
)
def test_lines_that_changed(edits, blocks):
    data = sides(*edits)
    assert data["blocks"] == blocks
    assert data["findings"] == [[0, 3]]


def test_the_other_lines_are_the_same():
    data = sides(("^import torch", "import a\n"), ("nn.Module", "nn.Cell"), ("    z = 2\n", ""))
    old, new = data["source"].split("\n"), data["result"].split("\n")
    a = b = 0
    for start, removed, made, added in [*data["blocks"], [len(old), 0, len(new), 0]]:
        assert old[a:start] == new[b:made]
        a, b = start + removed, made + added


def test_columns_are_those_of_javascript():
    data = sides(("y = 1", "y = 22"))
    assert data["removed"] == [[4, len("    x = 'xx'; "), len("    x = 'xx'; y = 1")]]
    assert data["added"] == [[4, len("    x = 'xx'; "), len("    x = 'xx'; y = 22")]]


def test_line_breaks_of_windows():
    data = sides(("nn.Module", "nn.Cell"), source=SOURCE.replace("\n", "\r\n"))
    assert data["blocks"] == [[3, 1, 3, 1]]
    assert data["added"] == [[3, 8, 15]]
