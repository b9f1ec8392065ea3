"""The forms of an ONNX file: how each is told from the first bytes, and how it is parsed.

Besides protobuf's binary form there are its text and JSON forms, ONNX's own text, and onnxruntime's `.ort`.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

IR_VERSIONS = range(1, 64)
"""IR versions of ONNX files."""

_OWN_FROM = 3
"""From this IR version on, the first bytes of a model are those of no other kind of file."""
_SECOND_FIELDS = b"\x12\x1a\x22\x28\x32\x3a\x42"
"""Protobuf's tags of the possible second fields: producer, domain, versions, doc string, graph, opsets."""
_GRAPH = 7
"""The number of a model's field with its graph."""

_BOM = rb"(?:\xef\xbb\xbf)?"
_FIELDS = (
    *("ir_version", "opset_import", "producer_name", "producer_version", "domain", "model_version"),
    *("doc_string", "graph", "metadata_props", "training_info", "functions"),
)
"""The fields of a model, as protobuf's text form writes them."""
_TEXT = re.compile(_BOM + rb"(?:\s+|#[^\n]*\n)*(?:%s)\s*[:{<]" % "|".join(_FIELDS).encode())
_JSON_NAMES = {name for field in _FIELDS for name in (field, re.sub(r"_(\w)", lambda m: m[1].upper(), field))}
_JSON = re.compile(_BOM + rb'\s*\{\s*"(?:%s)"\s*:' % "|".join(sorted(_JSON_NAMES)).encode())
_ONNX_TEXT = re.compile(_BOM + rb"(?:\s+|#[^\n]*\n)*<\s*ir_version\b")

_DEEPEST = 500
"""Most brackets inside brackets of ONNX's text, whose parser has no bound of its own."""


@dataclass(frozen=True)
class Form:
    """One form.

    Attributes:
        name: as a phrase: `an ONNX model in JSON`.
        suffixes: of its files.
        starts: whether the first bytes of a file are of this form.
        parse: makes a model of a file's bytes; raises any error for bytes that are none.
    """

    name: str
    suffixes: tuple[str, ...]
    starts: Callable[[bytes], bool]
    parse: Callable[[bytes], onnx.ModelProto]


def form_of(path: Path, head: bytes) -> Form | None:
    """The form of a file by its content, else by its suffix; None if both say nothing."""
    by_content = (form for form in FORMS if form.starts(head))
    by_suffix = (form for form in FORMS if path.suffix.lower() in form.suffixes)
    return next(by_content, None) or next(by_suffix, None)


def is_model(path: Path, head: bytes) -> bool:
    """Whether the content of a file is an ONNX model in one of the forms.

    A model of IR version 1 or 2 begins with the same bytes as a TensorFlow SavedModel, which has no graph at the place
    of a model's.
    """
    form = next((form for form in FORMS if form.starts(head)), None)
    if form is None or form is not BINARY or head[1] >= _OWN_FROM:
        return form is not None
    try:
        data = path.read_bytes()
    except OSError:
        return False
    return _GRAPH in {number for number, _ in fields_of(data)}


def fields_of(data: bytes) -> Iterator[tuple[int, int]]:
    """Number and wire type of each top-level field of a protobuf message, up to the first that cannot be skipped."""
    position = 0
    while position < len(data):
        tag, position = varint(data, position)
        yield tag >> 3, tag & 7
        if tag & 7 not in (0, 2):
            return
        size, position = varint(data, position)
        if tag & 7 == 2:
            position += size


def varint(data: bytes, position: int) -> tuple[int, int]:
    """A number in protobuf's base-128 form, and the position after it; of a truncated number, the part that exists."""
    value = shift = 0
    while position < len(data):
        byte = data[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128 or shift > 63:
            break
    return value, position


def _parse_binary(data: bytes) -> onnx.ModelProto:
    import onnx

    return onnx.ModelProto.FromString(data)


def _parse_text(data: bytes) -> onnx.ModelProto:
    import onnx
    from google.protobuf import text_format

    return text_format.Parse(data.decode("utf-8-sig"), onnx.ModelProto())


def _parse_json(data: bytes) -> onnx.ModelProto:
    import onnx
    from google.protobuf import json_format

    return json_format.Parse(data.decode("utf-8-sig"), onnx.ModelProto())


def _parse_onnx_text(data: bytes) -> onnx.ModelProto:
    """ONNX's own text.

    Raises:
        ValueError: brackets are nested so deep that the parser would overflow its stack.
    """
    from onnx import parser

    text = data.decode("utf-8-sig")
    depth = 0
    for bracket in re.findall(r"[(\[{<>}\])]", text):
        depth += 1 if bracket in "([{<" else -1
        if depth > _DEEPEST:
            raise ValueError(f"more than {_DEEPEST} brackets stand inside each other")
    return parser.parse_model(text)


def _parse_ort(data: bytes) -> onnx.ModelProto:
    """A model in onnxruntime's own form, which onnxruntime writes back as ONNX, not optimised any further."""
    import onnx
    import onnxruntime

    with tempfile.TemporaryDirectory(prefix="onnx2mindspore-") as folder:
        written = Path(folder) / "model.onnx"
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.load_model_format", "ORT")
        options.add_session_config_entry("session.save_model_format", "ONNX")
        options.optimized_model_filepath = str(written)
        onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        return onnx.load(written)


BINARY = Form(
    "an ONNX model",
    (".onnx",),
    lambda head: len(head) > 2 and head[0] == 0x08 and head[1] in IR_VERSIONS and head[2] in _SECOND_FIELDS,
    _parse_binary,
)
ORT = Form("a model in onnxruntime's form", (".ort",), lambda head: head[4:8] == b"ORTM", _parse_ort)
FORMS = (
    BINARY,
    ORT,
    Form(
        "an ONNX model in protobuf's text form",
        (".textproto", ".prototxt", ".pbtxt", ".txtpb"),
        lambda head: _TEXT.match(head) is not None,
        _parse_text,
    ),
    Form("an ONNX model in JSON", (".json", ".onnxjson"), lambda head: _JSON.match(head) is not None, _parse_json),
    Form(
        "a model in ONNX's text form",
        (".onnxtxt", ".onnxtext"),
        lambda head: _ONNX_TEXT.match(head) is not None,
        _parse_onnx_text,
    ),
)
"""Every form, in the order in which the content of a file is compared with them."""
