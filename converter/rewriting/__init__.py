"""Rewriting: PyTorch scripts become MindSpore scripts by edits on their text. `docs/architecture.md` describes it."""

from converter.rewriting.convert import Conversion, ConvertedFile, convert_files
from converter.rewriting.records import Record
from converter.rewriting.rows import Chosen, Returns, Row, attribute, call, layer, method, missing, value
from converter.rewriting.signature import NotStatic, UnsupportedCall
from converter.rewriting.walk import Walk, find_files

__all__ = [
    "Chosen",
    "Conversion",
    "ConvertedFile",
    "NotStatic",
    "Record",
    "Returns",
    "Row",
    "UnsupportedCall",
    "Walk",
    "attribute",
    "call",
    "convert_files",
    "find_files",
    "layer",
    "method",
    "missing",
    "value",
]
