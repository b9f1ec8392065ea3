"""Text: n-gram counts of integer tokens. Operators on strings are unsupported: MindSpore has no string tensors.

Source: https://onnx.ai/onnx/operators/.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from converter.rows import Arg, Node, Operand, expr

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops


def tf_idf_vectorizer(
    node: Node,
    x: Operand,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: Sequence[int],
    ngram_indexes: Sequence[int],
    pool_int64s: Sequence[int] = (),
    pool_strings: Sequence[str] = (),
    weights: Sequence[float] | None = None,
) -> Arg:
    """ONNX TfIdfVectorizer on integers: the number of occurrences of every n-gram of a table.

    Raises:
        Unsupported: the n-grams are strings.
    """
    if pool_strings:
        raise _strings_unsupported(node)
    counts, columns, done = [], np.zeros((0, max(ngram_indexes) + 1), np.float32), 0
    for length, (begin, end) in enumerate(pairwise((*ngram_counts, len(pool_int64s))), 1):
        grams = np.array(pool_int64s[begin:end], np.int64).reshape(-1, length)
        places = ngram_indexes[done : done + len(grams)]
        done += len(grams)
        if len(grams) and min_gram_length <= length <= max_gram_length:
            table = node.constant(grams.astype(x.dtype.numpy() if x.dtype else np.int64), f"{length}_grams")
            skips = 0 if length == 1 else max_skip_count
            counts.append(expr("{0}({1}, {2}, {3}, {4})", count_grams, x, table, length, skips))
            rows = np.eye(columns.shape[1], dtype=np.float32)[list(places)]
            if weights and mode != "TF":
                rows *= np.array(weights, np.float32)[done - len(grams) : done, None]
            columns = np.concatenate((columns, rows))
    total = counts[0] if len(counts) == 1 else expr("ops.cat({0}, -1)", counts)
    if mode == "IDF":
        total = expr("ops.clamp({0}, 0, 1)", total)
    return expr("ops.matmul({0}, {1})", total, node.constant(columns, "columns"))


def count_grams(x, grams, length, skips):
    """How often each row of `grams` occurs along the last axis of `x`, its elements up to `skips` others apart."""
    total = ops.zeros((*x.shape[:-1], grams.shape[0]), dtype=ms.float32)
    for step in range(1, skips + 2):
        count = x.shape[-1] - (length - 1) * step
        if count > 0:
            found = ops.ones((*x.shape[:-1], count, grams.shape[0]), dtype=ms.float32)
            for i in range(length):
                part = x[..., i * step : i * step + count]
                found = found * (part.unsqueeze(-1) == grams[:, i]).astype(ms.float32)
            total = total + found.sum(-2)
    return total


# Strings


def regex_full_match(node: Node, x: Operand, *, pattern: str | None = None) -> Arg:
    """ONNX RegexFullMatch: unsupported."""
    raise _strings_unsupported(node)


def string_concat(node: Node, x: Operand, y: Operand) -> Arg:
    """ONNX StringConcat: unsupported."""
    raise _strings_unsupported(node)


def string_normalizer(
    node: Node,
    x: Operand,
    *,
    case_change_action: str = "NONE",
    is_case_sensitive: int = 0,
    locale: str | None = None,
    stopwords: Sequence[str] = (),
) -> Arg:
    """ONNX StringNormalizer: unsupported."""
    raise _strings_unsupported(node)


def string_split(node: Node, x: Operand, *, delimiter: str | None = None, maxsplit: int | None = None) -> Arg:
    """ONNX StringSplit: unsupported."""
    raise _strings_unsupported(node)


def _strings_unsupported(node: Node) -> Any:
    return node.decline("MindSpore has no tensor of strings; cut the model behind what reads the text")


ROWS = {
    "RegexFullMatch": regex_full_match,
    "StringConcat": string_concat,
    "StringNormalizer": string_normalizer,
    "StringSplit": string_split,
    "TfIdfVectorizer": tf_idf_vectorizer,
}
