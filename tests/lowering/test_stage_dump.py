from __future__ import annotations

import onnx
import pytest
from paths import MODELS

from converter import api, convert
from converter.errors import FileSaveError, SubGraphSearchingError

MNIST = MODELS / "mnist.onnx"


def test_the_results_of_the_stages_are_written(tmp_path):
    convert(MNIST, output=tmp_path, verify=False, dump_stages=tmp_path / "made" / "stages")
    files = sorted((tmp_path / "made" / "stages").iterdir())
    assert [file.name for file in files] == [
        *("1_load.onnx", "2_normalize.onnx", "3_fuse_operators.onnx", "4_translate.txt", "5_structure.txt"),
    ]
    loaded, _, fused = (onnx.load(file, load_external_data=False) for file in files[:3])
    assert [node.op_type for node in loaded.graph.node][:2] == ["Reshape", "Conv"]
    assert "Dense" in {node.op_type for node in fused.graph.node}
    flat, structured = (file.read_text(encoding="utf-8") for file in files[3:])
    assert "        relu32_output = ops.relu(plus30_output)\n" in flat
    assert "self.pooling66(ops.relu(self.convolution28(input3)))" in structured


def test_what_comes_before_a_failure_is_written(tmp_path, monkeypatch):
    def fail(program):
        raise ValueError("odd")

    monkeypatch.setattr(api, "eliminate_dead_code", fail)
    with pytest.raises(SubGraphSearchingError):
        convert(MNIST, output=tmp_path, verify=False, dump_stages=tmp_path / "stages")
    assert (tmp_path / "stages" / "4_translate.txt").exists()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileSaveError, match="--dump_stages"):
        convert(MNIST, output=tmp_path / "out", verify=False, dump_stages=tmp_path / "file")
