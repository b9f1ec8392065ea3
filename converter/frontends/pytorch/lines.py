"""Lines: where in the user's code an error of torch arose."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from pathlib import Path

_OURS = str(Path(__file__).parents[2])
_LIBRARY = re.compile(r"[\\/](site|dist)-packages[\\/](torch|onnxscript|onnx|onnx_ir|importlib_resources)[\\/]")
_STANDARD = re.compile(r"[\\/]lib[\\/]python3\.\d+[\\/](?!(site|dist)-packages)|^<")
_FRAME = re.compile(r'File "(?P<file>[^"\n]*)", line (?P<line>\d+), in (?P<function>\S+)(\n[ \t]*(?P<text>[^\n]*))?')
_SCRIPTED = re.compile(
    r'^ *File "(?P<file>[^"\n]+)", line (?P<line>\d+)[^\n]*(?P<code>(\n(?! *File ")[^\n]*)*)'
    r"|^ *(?P<traced>[^\s(]+)\((?P<at>\d+)\): ",
    re.MULTILINE,
)
"""A frame in what TorchScript keeps of a script (with the code around) or of a trace (without)."""
_MARKED = re.compile(r"^(?P<text>[^\n]*)\n *~+", re.MULTILINE)
_LONGEST = 300
_SENTENCE = 120
"""Characters after which a message is cut to its first sentence."""
_HEADINGS = ("#", "Failed to export", "===", "---", "⬆", "<class")
"""Beginnings of lines in the messages of torch's exporter that say nothing of the reason."""


def culprit(error: BaseException) -> str:
    """`ValueError: too small (nets.py, line 12: `x = self.pool(x)`)`: the error, and the innermost line of the user."""
    return f"{_named(error)}{place_of(error)}."


def place_of_text(trace: str) -> str:
    """The innermost line of the user's code in a traceback that torch wrote down, as `place_of` writes it."""
    recorded = [found for found in _FRAME.finditer(trace) if _is_users(found["file"])]
    return _line(recorded[-1]["file"], int(recorded[-1]["line"]), recorded[-1]["text"] or "") if recorded else ""


def place_of_script(trace: str) -> str:
    """The innermost line of the user's code in what TorchScript says of a node, as `place_of` writes it."""
    for found in _SCRIPTED.finditer(trace):
        file = found["file"] or found["traced"]
        if _is_users(file) and not file.startswith("code/__torch__"):
            marked = _MARKED.search(found["code"] or "")
            return _line(file, int(found["line"] or found["at"]), marked["text"] if marked else "")
    return ""


def place_of(error: BaseException) -> str:
    """The innermost line of the user's code in an error's tracebacks, in parentheses after a space; else "".

    Where torch failed to translate an operator, the line that calls the operator.
    """
    for one in _chain(error):
        frames = [frame for frame in traceback.extract_tb(one.__traceback__) if _is_users(frame.filename)]
        if frames:
            last = frames[-1]
            return _line(last.filename, last.lineno or 0, last.line or "")
        translated = (frame.f_locals.get("node") for frame, _ in traceback.walk_tb(one.__traceback__))
        traces = (getattr(node, "stack_trace", None) for node in translated)
        for text in (str(one), *filter(None, traces)):
            if place := place_of_text(text):
                return place
    return ""


def reason_of(error: BaseException) -> str:
    """The first sentence of the innermost error that has one, on one line."""
    texts = [_sentence(str(one)) for one in _chain(error)]
    return next(filter(None, texts), type(error).__name__)


def _named(error: BaseException) -> str:
    text = " ".join(str(error).split())
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
    return f"{type(error).__name__}: {text}".rstrip(".: ")


def _line(file: str, line: int, text: str) -> str:
    shown = f": `{text.strip()}`" if text else ""
    return f" ({Path(file).name}, line {line}{shown})"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error and its causes, the innermost first."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__ or current.__context__
    yield from reversed(found)


def _is_users(file: str) -> bool:
    return not (file.startswith(_OURS) or _LIBRARY.search(file) or _STANDARD.search(file))


def _sentence(text: str) -> str:
    lines = [line.strip() for line in text.splitlines()]
    kept = [line for line in lines if line and not line.startswith(_HEADINGS)]
    text = " ".join(kept[:2]) if kept and kept[0].endswith(":") else next(iter(kept), "")
    if len(text) > _SENTENCE:
        text = text.partition(". ")[0]
    return text[:_LONGEST].rstrip(". :")
