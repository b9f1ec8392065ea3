"""How commands fail, and what they write."""

from __future__ import annotations

import subprocess
import sys

import pytest

from converter.commands import terminal
from converter.errors import BadParamError, WeightMatchError


def raising(error: BaseException):
    def action() -> int:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (BadParamError("no"), 1, "[BadParamError] code: 0000003, msg: no\n"),
        (WeightMatchError("no", ["a\nb", "c"]), 1, "[WeightMatchError] code: 5000000, msg: no\n  a b\n  c\n"),
        (KeyboardInterrupt(), 130, "Interrupted: nothing was written.\n"),
        (ImportError("No module named 'x'"), 1, "[RuntimeIntegrityError] code: 1000003, msg: a package is missing "),
        (KeyError("x"), 1, "[BaseConverterError] code: 0000000, msg: KeyError: 'x'. Nothing was written. "),
        (BadParamError("a \x1b[2Jb\nc\td"), 1, "[BadParamError] code: 0000003, msg: a <U+001B>[2Jb c d\n"),
    ],
)
def test_failures(capfd, error, status, text):
    assert terminal.guarded(raising(error), verbose=False) == status
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(text)


@pytest.mark.parametrize("error", [BadParamError("no"), KeyError("x"), ImportError("x")])
def test_traces(capfd, error):
    terminal.guarded(raising(error), verbose=True)
    err = capfd.readouterr().err
    assert err.startswith("Traceback")
    assert "in action" in err
    assert err.splitlines()[-1].startswith("[")


def test_no_reader_is_no_error():
    program = (
        "import sys; from converter.commands import terminal\n"
        "def action():\n"
        "    for i in range(10**5): print(i)\n"
        "    return 0\n"
        "sys.exit(terminal.guarded(action, verbose=False))"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"0\n"
    process.stdout.close()
    assert process.wait() == terminal.EXIT_BROKEN_PIPE
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_a_table_in_a_file(capfd):
    terminal.print_table(("name", "size"), [("a", "12"), ("long\x07name", "3")])
    assert capfd.readouterr().out == "name              size\na                 12\nlong<U+0007>name  3\n"
