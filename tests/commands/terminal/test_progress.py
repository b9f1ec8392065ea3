"""The progress bar: on a terminal, and only when there is something to wait for."""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import time

import pytest

from converter.base.graph_mode import STAGES
from converter.commands.terminal import progress
from converter.commands.terminal.progress import Lines, progress_bar


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(progress, "PATIENCE", 0.05)


def test_no_terminal_no_bar():
    stream = io.StringIO()
    with progress_bar(stream, tuple(STAGES)) as observer:
        assert observer is None
    assert stream.getvalue() == ""


def test_what_is_quick_is_not_shown(terminal):
    stream = Screen()
    with progress_bar(stream, tuple(STAGES)) as observer:
        for stage in STAGES:
            observer.begin(stage)
            observer.count(1, 2)
    time.sleep(0.1)
    assert stream.getvalue() == ""


def test_what_is_slow_is_shown_with_its_count(terminal):
    stream = Screen()
    with progress_bar(stream, tuple(STAGES)) as observer:
        observer.begin("translate")
        observer.count(17, 350)
        time.sleep(0.3)
        observer.begin("structure")
        time.sleep(0.3)
    text = stream.getvalue()
    assert "4/9 translate" in text
    assert "17/350" in text
    assert "5/9 structure" in text
    assert text.rindex("structure") < text.rindex("\x1b[2K")  # at last it wipes its line


def test_lines(capfd):
    lines = Lines(sys.stderr)
    lines.begin("load")
    lines.count(1, 2)
    assert re.fullmatch(r" +\d+\.\d\d s  load\n", capfd.readouterr().err)


def on_a_terminal(arguments: list[str], folder) -> str:
    """What a terminal gets from the command with a slow stage."""
    program = (
        "import sys, time; from converter import api\n"
        "from converter.commands import mindconverter; from converter.commands.terminal import progress\n"
        "def slow(model, rows, each, inner=api.translate):\n"
        "    for _ in each(range(3)): time.sleep(0.3)\n"
        "    return inner(model, rows)\n"
        "api.translate = slow\n"
        "progress.PATIENCE = 0.2\n"
        "sys.exit(mindconverter.main())"
    )
    master, slave = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdout=slave, stderr=slave, cwd=folder, env=environment
    )
    os.close(slave)
    chunks = []
    try:
        while chunk := os.read(master, 65536):
            chunks.append(chunk)
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(master)
    assert process.wait() == 0
    return b"".join(chunks).decode()


@pytest.fixture
def model(tmp_path):
    import numpy as np
    import onnx
    from harness import model_of

    onnx.save(model_of("Relu", [np.ones((2, 3), np.float32)]), tmp_path / "net.onnx")
    return ["--model_file", "net.onnx", "--no_verify"]


def test_the_command_on_a_terminal(model, tmp_path):
    text = on_a_terminal(model, tmp_path)
    assert re.search(r"4/9 translate.*2/3", text)
    assert text.rindex("1 of 1 nodes") > text.rindex("4/9 translate")


@pytest.mark.parametrize("option", ["--quiet", "--verbose"])
def test_no_bar_where_it_is_not_wanted(model, tmp_path, option):
    text = on_a_terminal([*model, option], tmp_path)
    assert "4/9" not in text
    assert ("1 of 1 nodes" in text) == (option == "--verbose")
    assert (" s  translate" in text) == (option == "--verbose")
    if option == "--quiet":
        assert text == ""
