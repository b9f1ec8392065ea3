"""Rename: the form of the file, and what it does to names."""

from __future__ import annotations

import numpy as np
import pytest

from converter.artifacts.tensors import LazyTensor, TensorSpec
from converter.commands.weights.rename import read_rules, renamed
from converter.errors import BadParamError


def stored(*names: str) -> dict[str, LazyTensor]:
    return {name: LazyTensor(TensorSpec(name, (), "float32"), lambda: np.zeros(())) for name in names}


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("a -> b", "a", "b"),
        ("a -> b", "aa", "aa"),  # a whole name, not a part
        (r"(.*)/kernel/EMA -> \1/kernel", "dense/kernel/EMA", "dense/kernel"),
        (r"model\.(.*)\.(\d+) -> \2/\1", "model.conv.12", "12/conv"),
        (r"(?P<head>\w+)/w -> \g<head>:w", "fc/w", "fc:w"),
        ("# a -> x\n\n  # a -> y\na->b", "a", "b"),
        ("a -> b\na -> c\n.* -> d", "a", "b"),  # the first that matches
        ("a -> b\na -> c\n.* -> d", "z", "d"),
        ("", "a", "a"),
    ],
)
def test_rules(tmp_path, text, before, after):
    (tmp_path / "names.txt").write_text(text)
    tensors = renamed(stored(before), read_rules(tmp_path / "names.txt"))
    assert list(tensors) == [after]
    assert tensors[after].array.name == after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"a -> b\nabc", "line 2: 'abc' is not of the form: pattern -> replacement"),
        (b"a( -> b", "line 1: .*unterminated"),
        (rb"a -> \1", "line 1: .*invalid group reference"),
        (rb"(a) -> \g<name>", "line 1: .*name"),
        (b"\xff\xfe", "is not text"),
        (None, "No such file"),
    ],
)
def test_malformed_files(tmp_path, text, message):
    file = tmp_path / "names.txt"
    if text is not None:
        file.write_bytes(text)
    with pytest.raises(BadParamError, match=message):
        read_rules(file)


def test_two_tensors_do_not_get_one_name(tmp_path):
    (tmp_path / "names.txt").write_text(r"(.).* -> \1")
    with pytest.raises(BadParamError, match="gives 'ab' and 'ac' one name, 'a'"):
        renamed(stored("ab", "ac"), read_rules(tmp_path / "names.txt"))
