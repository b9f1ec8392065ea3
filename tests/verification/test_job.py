"""A job of verification comes to its process as it was."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import parser

from converter.base.weight_steps import transpose
from converter.errors import OnnxModelSaveError
from converter.frontends import FRONTENDS
from converter.frontends.source import Original
from converter.verification.job import Job, NodePlan, NoNodePlan, PlannedWeight, Probe, read_feeds, read_job, with_model

MODEL = parser.parse_model('<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { y = Relu(x) }')
ORIGINAL = Original(
    FRONTENDS[0].module,
    Path("/m/net.onnx"),
    Path("/m"),
    MODEL,
    {"x": "x:0"},
    {"y": "y:0", "z": "z:0"},
    {"signature": "s"},
)
JOB = Job(original=ORIGINAL, script=Path("/o/net.py"), checkpoint=Path("/o/net.ckpt"))
PLAN = NodePlan(
    (Probe("relu", "onnx::Relu", "y", [["x", 1], ["s", None]], [[0, "y"]], converted=False),),
    {"w": PlannedWeight("weight", [transpose(1, 0)])},
    Path("/m"),
)


@pytest.mark.parametrize(
    "job",
    [
        JOB,
        replace(JOB, checkpoint=None, random=["z"], ordered=["z"], stubs=2, sensitive=True),
        replace(JOB, upcast=True, precision="bfloat16", nodes=PLAN),
    ],
    ids=["plain", "stubs", "plan"],
)
def test_a_job_is_read_as_it_was_written(tmp_path: Path, job: Job) -> None:
    job.write(tmp_path)
    lists = {"random": list(job.random), "ordered": list(job.ordered)}
    assert read_job(tmp_path) == replace(job, **lists, original=replace(ORIGINAL, model=None))


def test_why_nodes_are_not_compared_is_nothing_for_the_process(tmp_path: Path) -> None:
    replace(JOB, nodes=NoNodePlan("odd")).write(tmp_path)
    assert read_job(tmp_path).nodes is None


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process runs in the folder of its job."""
    monkeypatch.chdir(tmp_path)
    original = replace(ORIGINAL, file=Path("net.onnx"), base_dir=Path())
    Job(original=original, script=Path("out/net.py"), checkpoint=None).write(tmp_path)
    read = read_job(tmp_path)
    assert (read.original.file, read.original.base_dir) == (tmp_path / "net.onnx", tmp_path)
    assert read.script == tmp_path / "out" / "net.py"


def test_the_model_comes_along(tmp_path: Path) -> None:
    JOB.write(tmp_path, {"x": np.zeros(2, np.float32)})
    assert with_model(read_job(tmp_path).original, tmp_path).model == MODEL
    (tmp_path / "source.onnx").unlink()
    assert with_model(read_job(tmp_path).original, tmp_path).model is None


@pytest.mark.parametrize("upcast", [False, True])
def test_inputs_of_bfloat16(tmp_path: Path, upcast: bool) -> None:
    job = replace(JOB, upcast=upcast)
    job.write(tmp_path, {"x": np.array([1.5, -2], ml_dtypes.bfloat16)})
    (array,) = read_feeds(tmp_path, job).values()
    assert array.dtype == (np.float32 if upcast else ml_dtypes.bfloat16)
    assert array.tolist() == [1.5, -2]


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(onnx, "save", full)
    with pytest.raises(OnnxModelSaveError, match=r"cannot hold the source: No space left on device\. Set TMPDIR"):
        JOB.write(tmp_path, {})


def test_a_model_in_a_file_of_its_own_is_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "net.onnx"
    replace(JOB, original=replace(ORIGINAL, model_file=file)).write(tmp_path, {"x": np.zeros(2, np.float32)})
    assert not (tmp_path / "source.onnx").exists()
    assert read_job(tmp_path).original.model_file == file
