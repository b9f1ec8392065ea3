"""Scripts stand as ruff and black would write them, and name every class's place in the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import onnx
import paths
import pytest
from onnx import TensorProto, helper
from paths import MODELS

from converter import frontends
from converter.api import translate_source
from converter.frontends.source import Request
from operator_maps import registry

# what `--in_file` converts keeps the style of its author
SAMPLES = sorted(path for path in paths.SAMPLES.glob("*/*.py") if path.parent.name != "script")
REAL = ("candy", "fastest_det", "magika", "silero_vad_16k", "silero_vad_ifless", "tiny_time_mixer", "ultraface_rfb_320")
"""Of `tests/models`: with control flow, helper functions, tables, long scopes."""
TORCH = ("resnet18", "encoder", "decoder", "pyramid")

RULES = "E,F,W,I,UP,N,D101"
"""pycodestyle, unused and undefined names, sorted imports, today's Python, names, a docstring for every class."""


def script_of(model: Path) -> str:
    """The script of a model, at the model's own ends."""
    return translate_source(frontends.load(Request(model)), registry.load(), "model").script.text


def check(*paths: Path) -> None:
    """Run ruff and black as a user would, at 120 columns; nothing is configured but what is named here."""
    line_length = ["--line-length", "120"]
    folders = ", ".join(sorted({f"'{path.parent}'" for path in paths}))  # a training script imports the network's
    for command in (
        ["ruff", "check", "--isolated", "--select", RULES, "--config", f"src = [{folders}]", *line_length],
        ["ruff", "format", "--isolated", "--check", *line_length],
        ["black", "--check", "--quiet", "--diff", "--config", "/dev/null", *line_length],
    ):
        done = subprocess.run([sys.executable, "-m", *command, *paths], capture_output=True, text=True)
        assert not done.returncode, done.stdout + done.stderr
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert all(len(line) <= 120 for line in text.splitlines())
        classes = [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]
        assert all(ast.get_docstring(node) for node in classes)


def test_samples() -> None:
    for folder in sorted({path.parent for path in SAMPLES}):
        check(*folder.glob("*.py"))


def test_real_models(tmp_path: Path) -> None:
    for name in REAL:
        (tmp_path / f"{name}.py").write_text(script_of(MODELS / f"{name}.onnx"), encoding="utf-8")
    check(*tmp_path.glob("*.py"))


@pytest.mark.parametrize("name", TORCH)
def test_torch(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import models_torch

    models_torch.export(name, tmp_path / "model.onnx", dynamo=True)
    (tmp_path / "model.py").write_text(script_of(tmp_path / "model.onnx"), encoding="utf-8")
    check(tmp_path / "model.py")


def test_keras(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow", reason="the extra 'tensorflow' is not installed")
    import models_keras

    for name, build in models_keras.TRAINED.items():
        models_keras.freeze(build()[0], tmp_path / f"{name}.pb")
        (tmp_path / f"{name}.py").write_text(script_of(tmp_path / f"{name}.pb"), encoding="utf-8")
    check(*tmp_path.glob("*.py"))


def test_long_names_and_a_stub(tmp_path: Path) -> None:
    """A node that has no translation, with names and attributes that fill more than a line."""
    name = "network/" + "stage_of_the_network/" * 4
    node = helper.make_node(
        "Mystery", [f"{name}x"], [f"{name}y"], f"{name}node", domain="made.up", text="word " * 40, other="w" * 150
    )
    ends = [helper.make_tensor_value_info(name + end, TensorProto.FLOAT, ["N", 4]) for end in "xy"]
    graph = helper.make_graph([node], "one", ends[:1], ends[1:])
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("made.up", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), tmp_path / "model.onnx")
    (tmp_path / "model.py").write_text(script_of(tmp_path / "model.onnx"), encoding="utf-8")
    check(tmp_path / "model.py")
