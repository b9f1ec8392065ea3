"""Terminal: exit status, error messages, verbosity options and tables, shared by the commands."""

from __future__ import annotations

import argparse
import atexit
import gc
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from converter.base.messages import language, tr
from converter.base.messages.composed import translated
from converter.base.output import InterruptedWhenPlacedError
from converter.errors import (
    REPORT_IT,
    BaseConverterError,
    ConverterError,
    describe_unexpected,
    meaning,
    package_error,
    visible,
)

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

EXIT_DONE = 0
EXIT_DIFFERS = 3
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_WIDTH_OF_A_FILE = 120


def add_verbosity(command: argparse._ActionsContainer) -> None:
    """Add the options `--quiet` and `--verbose`."""
    how_much = command.add_mutually_exclusive_group()
    how_much.add_argument("--quiet", action="store_true", help="print errors only")
    how_much.add_argument(
        "--verbose",
        action="store_true",
        help="print everything: warnings and logs of the libraries, and where in the program an error arose",
    )


def guarded(action: Callable[[], int], *, verbose: bool) -> int:
    """Run a command and return its exit status; an exception becomes one line on stderr."""
    try:
        status = action()
        sys.stdout.flush()
    except ConverterError as error:
        return _fail(error, verbose=verbose)
    except ImportError as error:
        return _fail(package_error(error), error, verbose=verbose)
    except BrokenPipeError:  # stdout was closed, as by `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except InterruptedWhenPlacedError:
        print(tr("Interrupted: the result is written, but not verified."), file=sys.stderr)
        return EXIT_INTERRUPTED
    except KeyboardInterrupt:
        print(tr("Interrupted: nothing was written."), file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception as error:
        return _fail(BaseConverterError(f"{describe_unexpected(error)}. {REPORT_IT}"), error, verbose=verbose)
    return status


def end_on_terminate() -> None:
    """Let SIGTERM raise SystemExit, so that exception handlers and `finally` blocks remove temporary files."""

    def terminate(number: int, _: object) -> None:
        sys.exit(128 + number)

    signal.signal(signal.SIGTERM, terminate)


def end_without_collecting() -> None:
    """Let Python end without its last garbage collection: a tenth of the time of rewriting a package."""
    atexit.register(gc.freeze)


def _fail(error: ConverterError, cause: Exception | None = None, *, verbose: bool) -> int:
    if verbose:
        traceback.print_exception(cause or error)
    message = translated(error.message)
    print(printable(f"[{type(error).__name__}] code: {error.code}, msg: {message}"), file=sys.stderr)
    for detail in error.details:
        print(f"  {printable(translated(detail))}", file=sys.stderr)
    if language() != "en" and message == error.message:  # no template; what its kind means, and the remedy, are known
        print(f"  {tr(meaning(type(error)))} {tr(error.remedy)}", file=sys.stderr)
    return error.exit_status


def printable(text: str) -> str:
    """The text on one line, without control characters: a name in a model must not control the terminal."""
    return visible(" ".join(text.split()))


def console() -> Console:
    """A rich console on stdout, as wide as the terminal, without markup."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else _WIDTH_OF_A_FILE
    return Console(markup=False, highlight=False, emoji=False, soft_wrap=True, width=width)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A table for `console()`."""
    from rich import box
    from rich.table import Table

    result = Table(box=box.SIMPLE_HEAD)
    for heading in headings:
        result.add_column(heading, overflow="fold")
    for row in rows:
        result.add_row(*map(printable, row))
    return result


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table on stdout: fitted to the width of a terminal; otherwise one line for each row, in columns."""
    if sys.stdout.isatty():
        console().print(table(headings, rows))
        return
    lines = [[printable(cell) for cell in row] for row in (headings, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        print("  ".join(map(str.ljust, line, widths)).rstrip())
