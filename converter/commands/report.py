"""The command `mindconverter-report`: add the proofs of other machines to a report."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from converter.base.messages import translate_help
from converter.base.version import __version__
from converter.commands.terminal import EXIT_DONE, guarded, printable

_DESCRIPTION = """\
Add what prove_NAME.py wrote on other machines to report_of_NAME.json and to the page beside it, report_of_NAME.html."""


def parser() -> argparse.ArgumentParser:
    """The argument parser of the command."""
    command = argparse.ArgumentParser("mindconverter-report", description=_DESCRIPTION, allow_abbrev=False)
    command.add_argument("report", type=Path, metavar="REPORT", help="report_of_NAME.json")
    command.add_argument("proofs", type=Path, nargs="+", metavar="PROOF", help="proof_of_NAME_DEVICE_MODE.json")
    command.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return command


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status; `argv` are the arguments, by default those of the process."""
    command = parser()
    translate_help(command)
    options = command.parse_args(argv)
    return guarded(lambda: _run(options), verbose=False)


def _run(options: argparse.Namespace) -> int:
    from converter.report import add_proofs

    for file in add_proofs(options.report, options.proofs):
        print(printable(f"{'Written':<10} {file}"))
    return EXIT_DONE
