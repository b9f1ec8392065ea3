"""The fine-tuning sample runs, alone and data-parallel, and its loss falls."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

SAMPLE = ROOT / "samples" / "super_resolution"
MSRUN = Path(sys.executable).with_name("msrun")


def losses(text: str) -> list[float]:
    return [float(number) for number in re.findall(r"loss ([\d.]+)", text)]


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return Path(shutil.copytree(SAMPLE, tmp_path / "sample"))


def test_fine_tuning(sample: Path) -> None:
    command = [sys.executable, "fine_tune.py", "--steps", "8"]
    done = subprocess.run(command, cwd=sample, capture_output=True, text=True, check=True)
    first, last = losses(done.stdout)
    assert last < first


@pytest.mark.skipif(not MSRUN.exists(), reason="msrun stands beside the interpreter when MindSpore is installed")
def test_fine_tuning_on_two_processes(sample: Path) -> None:
    command = [os.fspath(MSRUN), "--worker_num=2", "--local_worker_num=2", "--master_port=8119", "--log_dir=log"]
    command += ["--join=True", "fine_tune.py", "--data_parallel", "--steps", "8"]
    subprocess.run(command, cwd=sample, capture_output=True, text=True, check=True, timeout=300)
    first, last = losses((sample / "log" / "worker_0.log").read_text(encoding="utf-8", errors="replace"))
    assert last < first
