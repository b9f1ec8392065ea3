"""The command: options, what it prints, exit statuses."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys

import numpy as np
import pytest
from harness import save
from paths import ROOT

from converter.commands.weights.command import main
from converter.errors import WeightMatchError

ARRAYS = {
    "conv.weight": np.arange(24, dtype=np.float32).reshape(4, 3, 2),
    "conv.bias": np.ones(4, np.float32),
    "norm.running_mean": np.ones(4, np.float32),
    "count": np.array(7),
}
MAP = {
    "net": [
        {
            "converted_weight": {"name": "block.weight", "shape": [3, 4, 2], "data_type": "Float32"},
            "source_weight": {"name": "conv.weight", "shape": [4, 3, 2], "data_type": "float32"},
            "transform": [{"op": "transpose", "perm": [1, 0, 2]}],
        },
        {
            "converted_weight": {"name": "block.bias", "shape": [4], "data_type": "Float32"},
            "source_weight": {"name": "conv.bias", "shape": [4], "data_type": "float32"},
        },
        {
            "converted_weight": {"name": "mask", "shape": [4], "data_type": "Float32"},
            "source_weight": {"name": "mask", "shape": [4], "data_type": "float32"},
        },
    ]
}
REMAP = ["remap", "--weight_map", "weight_map_of_net.json", "--source", "newer.ckpt", "--output", "out/net.ckpt"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`newer.ckpt`, which lacks a mask, `other.ckpt` and `old.ckpt`, which have one, and a weight map."""
    monkeypatch.chdir(tmp_path)
    save(ARRAYS, tmp_path / "newer.ckpt")
    save(ARRAYS | {"conv.bias": np.float32([1, 1, 1, 3])}, tmp_path / "other.safetensors")
    save({"mask": np.zeros(4, np.float32)}, tmp_path / "old.ckpt")
    (tmp_path / "weight_map_of_net.json").write_text(json.dumps(MAP))
    return tmp_path


def test_list(folder, capfd):
    assert main(["list", "newer.ckpt"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.splitlines() == [
        "name               shape    type",
        "conv.weight        4, 3, 2  float32",
        "conv.bias          4        float32",
        "norm.running_mean  4        float32",
        "count              scalar   int64",
        "newer.ckpt, MindSpore checkpoint: 4 tensors, 33 elements",
    ]


def test_list_as_json(folder, capfd):
    assert main(["list", "--json", "newer.ckpt"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert (found["file"], found["kind"]) == ("newer.ckpt", "MindSpore checkpoint")
    assert found["tensors"][0] == {"name": "conv.weight", "shape": [4, 3, 2], "data_type": "float32"}
    assert [tensor["name"] for tensor in found["tensors"]] == list(ARRAYS)


def test_remap(folder, capfd):
    (folder / "names.txt").write_text("norm.running_mean -> mask")
    assert main([*REMAP, "--rename", "names.txt"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out == "Made       3 parameters of newer.ckpt\nWritten    out/net.ckpt\n"
    assert main(["list", "out/net.ckpt"]) == 0
    assert "block.weight  3, 4, 2" in capfd.readouterr().out


def test_remap_says_what_it_did_not_do(folder, capfd):
    assert main([*REMAP, "--base", "old.ckpt"]) == 0
    out = capfd.readouterr().out
    assert "Made       2 parameters of newer.ckpt\n" in out
    assert "Kept       1 parameter of old.ckpt: mask\n" in out
    assert "Not used   1 tensor of the source: norm.running_mean\n" in out
    assert re.search("Beware .*batch norms.* the checkpoint is wrong", out)


def test_a_mismatch(folder, capfd):
    before = set(folder.rglob("*"))
    assert main(REMAP) == WeightMatchError.exit_status == 1
    out, err = capfd.readouterr()
    assert out == ""
    first, *rest = err.splitlines()
    assert first == f"[WeightMatchError] code: {WeightMatchError.code}, msg: {WeightMatchError.example}"
    assert rest == ["  mask: 'mask' float32 (4) is missing. Nearest: 'norm.running_mean' float32 (4)"]
    assert set(folder.rglob("*")) == before


def test_checkpoints_that_are_the_same(folder, capfd):
    assert main(["compare", "newer.ckpt", "newer.ckpt"]) == 0
    assert capfd.readouterr() == ("4 of 4 parameters are the same\n", "")


def test_checkpoints_that_differ(folder, capfd):
    assert main(["compare", "newer.ckpt", "other.safetensors"]) == 3
    out, err = capfd.readouterr()
    assert err == ""
    assert re.search(r"^conv\.bias +float32 4 +2\.0e\+00 +6\.7e-01$", out, re.MULTILINE)
    assert out.endswith("3 of 4 parameters are the same\n")
    assert "conv.weight" not in out

    assert main(["compare", "--json", "newer.ckpt", "old.ckpt"]) == 3
    found = {each["name"]: each for each in json.loads(capfd.readouterr().out)}
    assert found["mask"]["first"] is None
    assert found["mask"]["second"]["shape"] == [4]
    assert not any(each["same"] for each in found.values())


@pytest.mark.parametrize(("other", "status"), [("newer.ckpt", 0), ("other.safetensors", 3)])
def test_quiet(folder, capfd, other, status):
    assert main(["compare", "--quiet", "newer.ckpt", other]) == status
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["list", "missing.onnx"], r"\[ModelLoadingError\] code: 1000001, msg: 'missing\.onnx' cannot be read"),
        (["list", "weight_map_of_net.json"], r"\[UnknownModelError\] code: 0000001, msg: "),
        (["compare", "newer.ckpt", "missing.ckpt"], r"\[ModelLoadingError\] code: 1000001, msg: "),
        ([*REMAP, "--output", "net.npz"], r"\[BadParamError\] code: 0000003, msg: "),
    ],
)
def test_errors(folder, capfd, arguments, line):
    assert main(arguments) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert re.match(line, err)
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["lst"],
        ["list"],
        ["list", "a", "b"],
        ["remap", "--source", "a"],
        ["match", "--source", "a"],
        ["compare", "a"],
        ["list", "--js"],
    ],
)
def test_wrong_usage(capfd, arguments):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 2
    assert "usage: mindconverter-weights" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["list", "--help"],
        ["remap", "--help"],
        ["compare", "--help"],
        ["match", "--help"],
        ["export", "--help"],
    ],
)
def test_help(capfd, arguments):
    with pytest.raises(SystemExit) as error:
        main(arguments)
    assert error.value.code == 0
    text = capfd.readouterr().out
    assert "mindconverter-weights" in text
    if len(arguments) > 1:
        assert "\nexamples:\n" in text
        for option in re.findall(r"^ +mindconverter-weights \w+ (.*)", text, re.MULTILINE):
            assert all(flag in text for flag in re.findall(r"--\w+", option))


def test_the_command_starts_without_heavy_imports():
    program = (
        "import sys; from converter.commands.weights import command; command.parser()\n"
        "print([name for name in ('mindspore', 'tensorflow', 'torch', 'onnx', 'numpy', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_terminal_gets_a_table(folder):
    master, slave = pty.openpty()
    done = subprocess.Popen(
        [sys.executable, "-m", "converter.commands.weights", "list", "newer.ckpt"],
        stdout=slave,
        stderr=slave,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "60", "PYTHONPATH": str(ROOT)},
    )
    os.close(slave)
    chunks = []
    try:
        while chunk := os.read(master, 65536):
            chunks.append(chunk)
    except OSError:  # how Linux says that the other side is closed
        pass
    os.close(master)
    assert done.wait() == 0
    assert re.search(r"─{20}.*conv\.weight +4, 3, 2 +float32", b"".join(chunks).decode(), re.DOTALL)
