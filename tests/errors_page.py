"""The page of errors. `python tests/errors_page.py > docs/errors.md`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from converter import errors
from converter.errors import ConverterError

_HEAD = """\
# Errors

Made from `converter/errors.py` by `python tests/errors_page.py > docs/errors.md`; a test fails when it is
stale.

An error is one line on stderr, `[NAME] code: CODE, msg: MESSAGE`, and nothing is written; after a WeightMatchError
follows a line for each weight. Python callers of `convert` get the class of that name, from `converter.errors`. The
codes are MindConverter's, and continue them; its codes 4000001 to 4000003 belong to a step that this program lacks.

"""

_EXIT_STATUSES = """
## Exit statuses

| status | `mindconverter` | `mindconverter-weights` |
|---|---|---|
| 0 | written; the report says so where a node became a stub or nothing could be compared | done; compare: the same |
| 1 | an error with a code | an error with a code |
| 2 | wrong usage | wrong usage |
| 3 | written, but the script's outputs differ from the source's | compare: they differ |
| 130, 143 | interrupted, terminated; the result is there if verification had begun | the same; nothing is written |
| 141 | stdout was closed, as by `| head`; the result is written | stdout was closed, as by `| head` |
"""


def classes() -> list[type[ConverterError]]:
    """Every class of error, by its code."""
    return sorted(_below(ConverterError), key=lambda kind: kind.code)


def page() -> str:
    """The errors as Markdown: a table with a row for each code, then the exit statuses."""
    lines = ["| code | name | meaning | example of a message | remedy | exit status |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {kind.code} | {kind.__name__} | {_cell(_meaning(kind))} | {_cell(kind.example)} | {_cell(kind.remedy)} "
        f"| {kind.exit_status} |"
        for kind in classes()
    ]
    return _HEAD + "\n".join(lines) + "\n" + _EXIT_STATUSES


def _below(kind: type[ConverterError]) -> Iterator[type[ConverterError]]:
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield each
        yield from _below(each)


def _meaning(kind: type[ConverterError]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    print(page(), end="")
