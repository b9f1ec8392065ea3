"""Kinds of files: told by what is in a zip archive, without PyTorch."""

from __future__ import annotations

import json
import zipfile

import pytest

from converter import frontends
from converter.frontends.pytorch.kinds import kind_of


@pytest.mark.parametrize(
    ("name", "members", "kind"),
    [
        ("net.pt", ["net/data.pkl", "net/code/net.py", "net/constants.pkl"], "script"),
        ("net.pt2", ["net/archive_format", "net/models/model.json"], "program"),
        ("net.pth", ["archive/data.pkl", "archive/version"], "pickle"),
        ("last.ckpt", ["archive/data.pkl", "archive/version"], "pickle"),
        ("model", ["archive/data.pkl", "archive/version"], "pickle"),
        ("model_best.pth.tar", ["archive/data.pkl"], "pickle"),
    ],
)
def test_archives(tmp_path, name, members, kind):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for member in members:
            archive.writestr(member, "x")
    assert kind_of(tmp_path / name) == kind
    assert frontends.recognise(tmp_path / name).name == "pytorch"


def test_tensors_and_folders(tmp_path):
    index, folder = tmp_path / "model.safetensors.index.json", tmp_path / "bert"
    index.write_text("{}", encoding="utf-8")
    folder.mkdir()
    assert kind_of(folder) is None
    (folder / "config.json").write_text(json.dumps({"architectures": ["BertModel"]}), encoding="utf-8")
    assert (kind_of(index), kind_of(folder), kind_of(tmp_path / "a.safetensors")) == ("tensors", "folder", "tensors")
    assert all(frontends.recognise(path).name == "pytorch" for path in (index, folder))


@pytest.mark.parametrize("members", [["config.json", "metadata.json", "model.weights.h5"], ["squeezenet/model.onnx"]])
def test_other_archives_are_not_torchs(tmp_path, members):
    with zipfile.ZipFile(tmp_path / "net.keras", "w") as archive:
        for member in members:
            archive.writestr(member, "x")
    assert kind_of(tmp_path / "net.keras") is None
