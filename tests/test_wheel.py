"""The wheel: built from the checkout, installed somewhere else, used from there."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest
from onnx import parser
from paths import ROOT

MODEL = """
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[N,2] x) => (float[N,3] y)
    <float[2,3] w = {1, 2, 3, 4, 5, 6}, float[3] b = {1, 2, 3}>
    { h = Gemm (x, w, b)   y = Relu (h) }
"""


def run(*command: str | Path, cwd: Path, **environment: str) -> str:
    """Run a command without the checkout on its path; its output."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | environment
    done = subprocess.run([*map(str, command)], cwd=cwd, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder, cwd=ROOT)
    return next(folder.glob("onnx2mindspore-*.whl"))


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """A folder that the wheel is installed in, without its dependencies."""
    folder = tmp_path_factory.mktemp("site")
    run(sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", folder, wheel, cwd=folder)
    return folder


def test_nothing_but_the_packages_reaches_site_packages(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        *("converter", "operator_maps", "templates", "onnx2mindspore"),
    }
    assert not [name for name in names if name.endswith(".pyc")]
    for folder, source in (
        ("operator_maps", ROOT / "operator_maps"),
        ("templates", ROOT / "templates"),
        ("converter/report/vendor", ROOT / "converter" / "report" / "vendor"),
    ):
        packed = {name.removeprefix(f"{folder}/") for name in names if name.startswith(f"{folder}/")}
        here = {path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()}
        assert packed == {name for name in here if not name.endswith(".pyc")}


def test_the_installed_command_converts(site, tmp_path):
    onnx.save(parser.parse_model(MODEL), tmp_path / "net.onnx")
    where = run(sys.executable, "-c", "import converter; print(converter.__file__)", cwd=tmp_path, PYTHONPATH=str(site))
    assert Path(where.strip()).is_relative_to(site)
    command = site / "bin" / "mindconverter"
    out = run(
        sys.executable, command, "--model_file", "net.onnx", "--output", "out", cwd=tmp_path, PYTHONPATH=str(site)
    )
    assert "2 of 2 nodes" in out
    assert {path.name for path in (tmp_path / "out").iterdir()} >= {
        *("net.py", "net.ckpt", "report_of_net.txt", "report_of_net.json", "report_of_net.html"),
    }


def test_the_version_is_that_of_the_package(wheel):
    from converter import __version__

    assert wheel.name == f"onnx2mindspore-{__version__}-py3-none-any.whl"


def test_the_installed_command_lists_weights(site, tmp_path):
    onnx.save(parser.parse_model(MODEL), tmp_path / "net.onnx")
    command = site / "bin" / "mindconverter-weights"
    out = run(sys.executable, command, "list", "net.onnx", cwd=tmp_path, PYTHONPATH=str(site))
    assert "net.onnx, ONNX model: 2 tensors, 9 elements" in out
