"""docs/weights.md: its files, commands and output are what the page says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from paths import ROOT

BLOCK = re.compile(r"^```(\w+) ?([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}."}
    return subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, check=False)


def contains(text: str, line: str) -> bool:
    """Whether a text has a line, however wide its columns are."""
    wanted = line.split()
    return any(wanted == each.split() for each in text.splitlines())


def test_the_example(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="needs torch, which is optional")
    monkeypatch.chdir(tmp_path)
    output = ""
    for kind, option, body in BLOCK.findall((ROOT / "docs" / "weights.md").read_text(encoding="utf-8")):
        if kind == "python":
            name = Path(body.splitlines()[0].removeprefix("# "))
            name.parent.mkdir(exist_ok=True)
            name.write_text(body)
            if name.parent == Path():
                done = run(str(name))
                assert done.returncode == 0, done.stderr
        elif kind == "sh":
            (line,) = body.splitlines()
            done = run("-m", "converter.commands.weights", *shlex.split(line)[1:])
            assert done.returncode == (1 if option == "fails" else 0), done.stderr
            output = done.stdout
        else:
            text = Path(option).read_text() if option else output
            for line in body.splitlines():
                assert contains(text, line), f"{line}\nis not in\n{text}"
