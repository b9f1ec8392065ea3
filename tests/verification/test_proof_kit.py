"""The proof kit: the same on this machine, and the first Cell that differs in a network that was broken on purpose."""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import jsonschema
import mindspore as ms
import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from paths import ROOT
from report.conversions import STUBS, convert

import converter
from converter.commands import report
from converter.errors import BadParamError

OPTIONS = {"device": "CPU", "tolerance": None, "warm_up": 1, "runs": 3}
SCHEMA = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A network of two dense layers, converted with its kit; its name is that of no other module."""
    random = np.random.default_rng(0)
    weights = {"a": (40, 32), "b": (32,), "c": (32, 5), "d": (5,)}
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["x", "a", "b"], ["first"], "first"),
            helper.make_node("Relu", ["first"], ["r"], "relu"),
            helper.make_node("Gemm", ["r", "c", "d"], ["second"], "second"),
            helper.make_node("Softmax", ["second"], ["y"], "softmax", axis=-1),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 40])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])],
        [numpy_helper.from_array(random.standard_normal(shape, np.float32), name) for name, shape in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    convert(tmp_path_factory.mktemp("kit"), model, "kitted", proof_kit=True, edges="none")
    return tmp_path_factory.getbasetemp() / "kit0" / "out"


@pytest.fixture
def kit(folder, monkeypatch) -> ModuleType:
    """The kit as a module, of a fresh module of the script."""
    monkeypatch.syspath_prepend(folder)
    for name in ("kitted", "prove_kitted"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    return importlib.import_module("prove_kitted")


def line_with(folder: Path, pattern: str) -> int:
    lines = (folder / "kitted.py").read_text(encoding="utf-8").splitlines()
    (number,) = (k for k, line in enumerate(lines, 1) if re.search(pattern, line))
    return number


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_the_network_is_proved_and_the_report_takes_the_proof(kit, folder, monkeypatch, capsys, mode):
    monkeypatch.setattr(sys, "argv", ["prove", "--mode", mode, "--runs", "2", "--warm_up", "1"])
    assert kit.main() == 0
    assert "3 calls of Cells, 128 values of each tensor: all same." in capsys.readouterr().out
    proof = folder / f"proof_of_kitted_CPU_{mode}.json"
    assert report.main([str(folder / "report_of_kitted.json"), str(proof)]) == 0
    data = json.loads((folder / "report_of_kitted.json").read_text(encoding="utf-8"))
    jsonschema.validate(data, SCHEMA, jsonschema.Draft202012Validator)
    added = {each["mode"].lower(): each for each in data["proofs"]}[mode]
    assert added["verdict"] == "same"
    assert 0 < added["latency"]["fastest"] <= added["latency"]["median"]
    page = (folder / "report_of_kitted.html").read_text(encoding="utf-8")
    assert '{"schema": 1, "name": "kitted"' in page
    assert "class MindSporeModel" in page


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_a_changed_weight_is_found(kit, folder, monkeypatch, capsys, mode):
    sound = kit.load_network

    def broken():
        net = sound()
        (parameter,) = (each for each in net.get_parameters() if each.name.startswith("second") and each.ndim == 2)
        parameter.set_data(ms.Tensor(parameter.asnumpy() + np.eye(5, 32, dtype=np.float32)))
        return net

    monkeypatch.setattr(kit, "load_network", broken)
    proof = kit.prove(argparse.Namespace(**OPTIONS, mode=mode))
    first = proof["first_difference"]
    assert (proof["verdict"], first["path"], first["kind"]) == ("differs", "second", "returns")
    assert first["line"] == line_with(folder, r"self\.second = ")
    kit.show(proof)
    assert f"Look at line {first['line']} of kitted.py" in capsys.readouterr().out


@pytest.mark.parametrize("mode", ["graph", "pynative"])
def test_a_changed_line_is_found(folder, tmp_path, monkeypatch, mode):
    for file in ("prove_kitted.py", "kitted.ckpt", "kitted_reference.npz"):
        (tmp_path / file).symlink_to(folder / file)
    text = (folder / "kitted.py").read_text(encoding="utf-8")
    assert "ops.relu(" in text
    (tmp_path / "kitted.py").write_text(text.replace("ops.relu(", "ops.tanh("), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("kitted", "prove_kitted"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()
    kit = importlib.import_module("prove_kitted")
    first = kit.prove(argparse.Namespace(**OPTIONS, mode=mode))["first_difference"]
    assert (first["path"], first["kind"]) == ("second", "takes")
    assert first["line"] == line_with(tmp_path, r"ops\.tanh\(")


def test_a_proof_of_another_network_is_refused(folder, tmp_path, capsys):
    proof = tmp_path / "proof.json"
    fields = ("device", "mode", "mindspore", "verdict", "outputs", "cells", "first_difference", "latency")
    proof.write_text(json.dumps({"name": "other", **dict.fromkeys(fields, "")}))
    assert report.main([str(folder / "report_of_kitted.json"), str(proof)]) == 1
    assert "is a proof of other" in capsys.readouterr().err
    proof.write_text("{}")
    assert report.main([str(folder / "report_of_kitted.json"), str(proof)]) == 1
    assert "is no proof" in capsys.readouterr().err


def test_without_a_run_there_is_no_kit(tmp_path):
    result = convert(tmp_path, STUBS, proof_kit=True)
    assert not [file for file in result.files if "prove" in file.name or file.suffix == ".npz"]
    assert any("No proof kit is written" in note for note in result.notes)


def test_a_kit_needs_verification(tmp_path):
    with pytest.raises(BadParamError, match="--no_verify"):
        converter.convert(tmp_path / "net.onnx", verify=False, proof_kit=True)
