"""The sample for two processes of MindSpore's launcher: data-parallel, and with a weight in two parts, from shards."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

from converter.base import shards

MSRUN = Path(sys.executable).with_name("msrun")
SAMPLE = ROOT / "samples" / "pytorch"

pytestmark = pytest.mark.skipif(
    not MSRUN.exists(), reason="msrun stands beside the interpreter when MindSpore is installed"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The sample, and its checkpoint as two shards in the folder `shards`."""
    import mindspore as ms

    folder = Path(shutil.copytree(SAMPLE, tmp_path_factory.mktemp("two") / "sample"))
    parameters = ms.load_checkpoint(str(folder / "ResidualNet.ckpt"))
    names = list(parameters)
    files = {}
    (folder / "shards").mkdir()
    for number, part in enumerate((names[:20], names[20:]), 1):
        file = shards.file_name("ResidualNet", number, 2)
        kept = [{"name": name, "data": parameters[name]} for name in part]
        ms.save_checkpoint(kept, str(folder / "shards" / file), format="safetensors")
        files.update(dict.fromkeys(part, file))
    (folder / "shards" / shards.NAME_MAP).write_text(shards.name_map_text(files), encoding="utf-8")
    return folder


def printed(folder: Path, port: int, *options: str) -> list[str]:
    """What the two processes print."""
    command = [os.fspath(MSRUN), "--worker_num=2", "--local_worker_num=2", f"--master_port={port}", "--join=True"]
    command += [f"--log_dir=log{port}", "on_two_processes.py", "--weights", "shards", *options]
    subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=300)
    logs = [(folder / f"log{port}" / f"worker_{rank}.log").read_text(errors="replace") for rank in (0, 1)]
    return [re.search(r"rank \d(: loss| holds) .*$", log, re.MULTILINE)[0] for log in logs]


def test_data_parallel(folder: Path) -> None:
    lines = printed(folder, 8121)
    losses = [re.search(r"loss (\S+) to (\S+),", line).groups() for line in lines]
    assert all(float(last) < float(first) for first, last in losses)
    assert losses[0] != losses[1]  # each has images of its own
    assert len({line.rpartition(" ")[2] for line in lines}) == 1  # and both have the same weights afterwards


def test_a_weight_in_two_parts(folder: Path) -> None:
    for line in printed(folder, 8123, "--split"):
        assert "holds (10, 16) of the head" in line
        assert float(line.rpartition(" ")[2]) < 1e-6
