"""The docstring of a script: its ends, and lines that load and run it."""

from __future__ import annotations

import ast
import textwrap
from types import SimpleNamespace
from typing import Any

import onnx_ir as ir
import pytest
from paths import ROOT

from converter.frontends import Endpoint
from converter.report import docstring_of, inferred_outputs


def docstring(*inputs: Endpoint, checkpoint: str | None = "net.ckpt") -> str:
    output = Endpoint("y", "y", "float32", (1, 3))
    source = SimpleNamespace(description="net.onnx", inputs=inputs, outputs=[output], notes=[])
    value = SimpleNamespace(shape=None)
    return docstring_of(source, SimpleNamespace(outputs=[value]), "net", checkpoint)  # type: ignore[arg-type]


def test_the_lines_of_a_sample_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = ROOT / "samples" / "mnist"
    text = ast.get_docstring(ast.parse((folder / "mnist.py").read_text(encoding="utf-8"))) or ""
    lines = [line for line in text.splitlines() if not line or line.startswith("    ")]
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    chosen: list[str] = []
    monkeypatch.setattr("mindspore.set_device", chosen.append)  # other tests of this process have computed before
    names: dict[str, Any] = {}
    exec(textwrap.dedent("\n".join(lines)), names)
    assert chosen == ["CPU"]
    assert names["outputs"].shape == (1, 10)


def test_one_end_stands_beside_its_title_and_several_below() -> None:
    image, mask = Endpoint("image", "x", "float32", (1, 3, 8, 8)), Endpoint("mask", "m", "bool", (1, 8))
    assert "\nInput image  float32 (1, 3, 8, 8)\nOutput y  float32 (1, 3)\n" in docstring(image)
    assert "\nInputs\n    image  float32 (1, 3, 8, 8)\n    mask   bool (1, 8)\nOutput y" in docstring(image, mask)


@pytest.mark.parametrize(
    ("extents", "shown"),
    [
        ((3, "N", "?"), (3, "N", "?")),
        (("unk__29", "unk__29", "u0"), ("M", "M", "K")),
        (("3*L", "H//2 + 1", "N + 4"), ("3*L", "H//2 + 1", "N + 4")),
        (("(H - 1)//4 + 1", "N", "floor(L/2)"), ("M", "N", "K")),
    ],
)
def test_outputs_have_extents_that_can_be_read(extents: tuple[int | str, ...], shown: tuple[int | str, ...]) -> None:
    source = SimpleNamespace(inputs=[Endpoint("x", "x", "float32", ("N", "L", "H"))])
    source.outputs = [Endpoint("y", "y", "float32", None)]
    graph = ir.Graph([], [ir.val("y", ir.DataType.FLOAT, extents)], nodes=[])
    assert inferred_outputs(source, graph)[0].shape == shown  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ends", "call"),
    [
        ([("x", "float32", ("N", 3, "H", "W"))], "net(ms.ops.zeros((1, 3, 224, 224), dtype=ms.float32))"),
        ([("ids", "int64", ("N", "S"))], "net(ms.ops.zeros((1, 16), dtype=ms.int64))"),
        ([("x", "float32", ("N", 8), (5, 8))], "net(ms.ops.zeros((5, 8), dtype=ms.float32))"),
        ([("mask", "bool", (2, 4))], "net(ms.ops.zeros((2, 4), dtype=ms.bool_))"),
        ([("a.1", "float32", None)], "net(a_1)"),
        ([(f"x{i}", "float32", (1, 2)) for i in range(4)], "net(x0, x1, x2, x3)"),
    ],
)
def test_the_network_is_run_on_zeros_or_on_names(ends: list[Any], call: str) -> None:
    assert docstring(*(Endpoint(end[0], *end) for end in ends)).endswith(f"    outputs = {call}")


def test_without_parameters_there_is_nothing_to_load() -> None:
    assert "no checkpoint to load" in docstring(checkpoint=None)


def test_a_cache_of_many_layers_is_one_line() -> None:
    cache = [Endpoint(f"past.{i}.{kind}", "", "float32", ("N", "P")) for i in range(3) for kind in ("key", "value")]
    text = docstring(Endpoint("ids", "ids", "int64", ("N", 1)), *cache)
    assert "\n    ids  int64 (N, 1)\n    past.0.key, past.0.value … past.2.value  float32 (N, P)\n" in text
    assert "net(ids, *past)" in text
    assert "past.1.key" in docstring(*cache[:3], *cache[4:])  # one is missing: all are named
