"""Notebooks: the code cells of an `.ipynb` as one file of Python, and the result as cells again.

Lines of IPython's own (`%matplotlib inline`, `!pip install …`) stand as comments in the meantime. The outputs of the
cells go: they are those of PyTorch.
"""

from __future__ import annotations

import ast
import copy
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from converter.errors import ModelLoadingError
from converter.rewriting.source import SourceFile

SUFFIX = ".ipynb"
_MARK = "#%%%% cell {} %%%%#"
_MARKS = re.compile(r"^#%%%% cell (\d+) %%%%#\n", re.MULTILINE)
_MAGIC = re.compile(
    r"^([ \t]*)(?=[%!][\w%]|!|[\w, ]+=[ ]*[%!]\w|\?{1,2}[\w.]+[ \t]*$|[\w.]+\?{1,2}[ \t]*$)", re.MULTILINE
)
_HIDDEN = "pass  #ipython:"
_TIME = re.compile(r"^([ \t]*)%time (?=\S)", re.MULTILINE)
_TIMED = "0x71BE; "
"""What stands for `%time ` before a statement."""


@dataclass(eq=False)
class Notebook(SourceFile):
    """A notebook.

    Attributes:
        content: the notebook as it was read.
        before: for each line of the text, the number of its cell, from 1, and its line in the cell, from 0.
    """

    content: dict[str, Any]
    before: tuple[tuple[int, int], ...]

    def place(self, line: int) -> tuple[str, int]:
        """See `SourceFile`: the cell, by its number among all cells from 1, and the line in it."""
        cell, inside = self.before[min(line, len(self.before) - 1)]
        return f", cell {cell}", inside

    def encoded(self, text: str) -> bytes:
        """The notebook with these cells, without outputs."""
        made = copy.deepcopy(self.content)
        parts = _MARKS.split(text)
        for number, source in zip(parts[1::2], parts[2::2], strict=True):
            cell = made["cells"][int(number) - 1]
            source = source.removesuffix("\n").replace(_HIDDEN, "").replace(_TIMED, "%time ")
            cell["source"] = source if isinstance(cell["source"], str) else source.splitlines(keepends=True)
            cell["outputs"], cell["execution_count"] = [], None
        return (json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode()


def read_notebook(path: Path, module: str) -> Notebook:
    """Read a notebook.

    Raises:
        ModelLoadingError: it cannot be read, is no notebook, or a cell is no Python.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelLoadingError(f"'{path}' cannot be read: {error.strerror}. Check the name.") from error
    except (ValueError, RecursionError) as error:
        raise ModelLoadingError(f"'{path}' is no notebook: {error}. Save it again with Jupyter.") from error
    cells = content.get("cells") if isinstance(content, dict) else None
    if not isinstance(cells, list) or not all(isinstance(each, dict) and "source" in each for each in cells):
        raise ModelLoadingError(
            f"'{path}' is no notebook of nbformat 4: it has no 'cells'. Save it again with Jupyter."
        )
    texts: list[str] = []
    before: list[tuple[int, int]] = []
    for number, cell in enumerate(cells, 1):
        if cell.get("cell_type") != "code":
            continue
        source = cell["source"] if isinstance(cell["source"], str) else "".join(cell["source"])
        source = _python(source, path, number)
        texts.append(f"{_MARK.format(number)}\n{source}\n")
        before += [(number, max(line - 1, 0)) for line in range(source.count("\n") + 2)]
    text = "".join(texts)
    return Notebook(path, module, False, text.encode(), "utf-8", ast.parse(text), content, (*before, (len(cells), 0)))


def _python(source: str, path: Path, number: int) -> str:
    """The source of a cell as Python: as it is, or with lines of IPython's hidden."""
    if source.startswith("%%") and not source.startswith(("%%time", "%%capture")):
        return _HIDDEN + source.replace("\n", f"\n{_HIDDEN}")  # another language
    source = source.replace("\r\n", "\n")
    try:
        return _parsed(source)
    except SyntaxError:
        pass
    try:
        return _parsed(_MAGIC.sub(rf"\g<1>{_HIDDEN}", _TIME.sub(rf"\g<1>{_TIMED}", source)))
    except (SyntaxError, ValueError) as error:
        where = f", line {error.lineno}" if isinstance(error, SyntaxError) else ""
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise ModelLoadingError(f"'{path}', cell {number}{where} is not Python: {reason}. Correct it first.") from error


def _parsed(source: str) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes: the user's business
        ast.parse(source)
    return source
