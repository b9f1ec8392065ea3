"""Quiet: what libraries print by any road stays off the terminal, what matters does not."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import warnings

import pytest

from converter.commands.terminal.quiet import quiet, verbose

TALK = """
import ctypes, logging, os, sys, warnings
libc = ctypes.CDLL(None)
def talk():
    print("from Python")
    print("from Python, stderr", file=sys.stderr)
    os.write(1, b"from fd 1\\n")
    os.write(2, b"from fd 2\\n")
    libc.printf(b"from C, buffered\\n")
    os.system("echo from a process; echo from a process >&2")
    warnings.warn("from a warning")
    warnings.filterwarnings("always")
    warnings.warn("from a stubborn warning")
    logging.getLogger("tensorflow").error("from a logger")
    handler = logging.StreamHandler()
    logging.getLogger("mindspore").addHandler(handler)
    logging.getLogger("mindspore").critical("from another logger")
"""


def run(program: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", TALK + program], capture_output=True, text=True, check=False, timeout=60, **options
    )


def test_nothing_is_heard_but_our_own_words():
    done = run("""
from converter.commands.terminal.quiet import quiet
print("before")
with quiet() as stderr:
    talk()
    print("ours", file=stderr)
print("behind")
print("behind, stderr", file=sys.stderr)
""")
    assert (done.returncode, done.stdout, done.stderr) == (0, "before\nbehind\n", "ours\nbehind, stderr\n")


def test_everything_is_heard_when_asked_for():
    done = run("from converter.commands.terminal.quiet import verbose\nwith verbose(): talk()")
    assert done.stdout.count("from") == 4
    assert done.stderr.count("from") >= 7


@pytest.mark.parametrize(
    ("death", "number"),
    [
        ("os.kill(os.getpid(), 11)", signal.SIGSEGV),
        ("os.abort()", signal.SIGABRT),
        ("ctypes.string_at(0)", signal.SIGSEGV),
    ],
)
def test_a_crash_is_heard(death, number):
    done = run(f"""
from converter.commands.terminal.quiet import quiet
with quiet():
    os.write(2, b"a kernel's last words\\n")
    {death}
""")
    assert done.returncode == -number
    assert "a kernel's last words\n" in done.stderr
    assert 'File "<string>"' in done.stderr  # Python's trace


def test_an_error_is_heard():
    done = run(
        "from converter.commands.terminal.quiet import quiet\nwith quiet():\n    talk()\n    raise ValueError('odd')"
    )
    assert done.returncode == 1
    assert done.stderr.endswith("ValueError: odd\n")
    assert "from" not in done.stdout


@pytest.mark.parametrize("closed", [1, 2])
def test_a_closed_descriptor_is_no_reason_to_stop(closed):
    program = "from converter.commands.terminal.quiet import quiet\nwith quiet(): print('x')\nsys.exit(5)"
    assert run(program, preexec_fn=lambda: os.close(closed)).returncode == 5


def test_without_tail_the_rest_still_works(monkeypatch, capfd):
    monkeypatch.setenv("PATH", "")
    with quiet() as stderr:
        warnings.warn("a warning", stacklevel=1)
        logging.getLogger("tensorflow").error("an error")
        print("ours", file=stderr)
    assert capfd.readouterr().err == "ours\n"


@pytest.mark.parametrize("context", [quiet, verbose])
def test_all_is_left_as_it_was(context, monkeypatch):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "1")
    monkeypatch.delenv("GLOG_v", raising=False)

    def state():
        levels = [logging.getLogger(name).level for name in ("", "tensorflow", "tf2onnx", "absl")]
        return (
            levels,
            list(logging.root.handlers),
            logging.root.manager.disable,
            list(warnings.filters),
            dict(os.environ),
        )

    before, descriptors = state(), os.listdir("/dev/fd")
    with context():
        assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "1"  # the user's own wish
        assert dict(os.environ)["GLOG_v"] in "24"
    assert state() == before
    assert os.listdir("/dev/fd") == descriptors
