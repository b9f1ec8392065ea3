"""Damaged files: bytes of a right file that are changed, removed, repeated, or those of another file.

The right files are small, and of every kind whose bytes the converter reads itself or hands to a library: ONNX,
GraphDef, safetensors, and MindSpore's checkpoints. What once went wrong is kept in `corpus/`.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
from fuzz.wrong_models import TEXTS, model_named
from hypothesis import strategies as st

CORPUS = Path(__file__).parent / "corpus"
ARRAYS = {
    "conv.weight": np.ones((2, 3), np.float32),
    "conv.bias": np.zeros(2, np.float16),
    "count": np.array([3, 4], np.int64),
}


def _safetensors() -> bytes:
    header, data = {"__metadata__": {"format": "ms"}}, b""
    for name, array in ARRAYS.items():
        kind = {"float32": "F32", "float16": "F16", "int64": "I64"}[array.dtype.name]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        data += array.tobytes()
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def _field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2, len(data)]) + data


def _ckpt() -> bytes:
    found = b""
    for name, array in ARRAYS.items():
        dims = b"".join(bytes([8, extent]) for extent in array.shape)
        kind = {"float32": b"Float32", "float16": b"Float16", "int64": b"Int64"}[array.dtype.name]
        tensor = dims + _field(2, kind) + _field(3, array.tobytes())
        found += _field(1, _field(1, name.encode()) + _field(2, tensor))
    return found


def _graph_def() -> bytes:
    """A dense layer with a Relu."""
    import tensorflow as tf

    with tf.Graph().as_default() as graph:
        x = tf.compat.v1.placeholder(tf.float32, [None, 3], "x")
        tf.nn.relu(tf.matmul(x, tf.constant(ARRAYS["conv.weight"].T, name="w")) + tf.constant([1.0, 2.0]), name="y")
    return bytes(graph.as_graph_def().SerializeToString())


@functools.cache
def right_files(kind: str) -> tuple[bytes, ...]:
    """The files of a kind, `onnx`, `pb`, `safetensors` or `ckpt`, that are damaged; the corpus among them."""
    kept = [path.read_bytes() for path in sorted(CORPUS.glob(f"*.{kind}"))]
    match kind:
        case "onnx":
            return (*(model_named(name).SerializeToString() for name in TEXTS), *kept)
        case "pb":
            return (_graph_def(), *kept)
        case "safetensors":
            return (_safetensors(), *kept)
    return (_ckpt(), *kept)


_INTERESTING = (
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\xff" * 9 + b"\x01",
    b"\xff\xff\xff\xff\x0f",
    b"\0" * 16,
    b"-1",
    b"{",
    b'"',
)


@st.composite
def damaged_files(draw: st.DrawFn, kind: str) -> bytes:
    """A file of a kind with some damage."""
    files = right_files(kind)
    data = bytearray(draw(st.sampled_from(files)))
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.integers(0, 6)):
            case 0:
                data[at : at + 1] = bytes([draw(st.integers(0, 255))])
            case 1 if data:
                data[at] ^= 1 << draw(st.integers(0, 7))
            case 2:
                del data[at : at + draw(st.integers(1, 40))]
            case 3:
                data[at:at] = draw(st.sampled_from(_INTERESTING))
            case 4:
                data[at:at] = data[at : at + draw(st.integers(1, 40))]
            case 5:
                other = draw(st.sampled_from(files))
                start = draw(st.integers(0, len(other)))
                data[at : at + 20] = other[start : start + 20]
            case 6:
                del data[at:]
    return bytes(data)
