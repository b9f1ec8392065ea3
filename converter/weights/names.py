"""Names: what two names of one weight have in common, though two frameworks, or two authors, wrote them.

A name is words and numbers. Words of one meaning are one word (`fc`, `dense` and `linear`). A number is compared by its
rank among the names that are alike but for their numbers: the blocks `h.0` to `h.11` of one network are `layer_1` to
`layer_12` of another, and Keras's `dense`, `dense_1` are `fc1`, `fc2`.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from converter.weights.layouts import Framework

_SYNONYMS = {
    "attention": "attn att attention attend mha selfattention",
    "query": "q query wq",
    "key": "k key wk",
    "value": "v value wv",
    "qkv": "qkv",
    "dense": "fc dense linear lin proj projection fully connected",
    "convolution": "conv convolution cnn",
    "transposed": "deconv transpose transposed up upsample",
    "depthwise": "depthwise dw dwconv",
    "pointwise": "pointwise pw",
    "norm": "bn norm batchnorm batch normalization layernorm ln groupnorm gn layer_norm",
    "embedding": "embedding embeddings embed emb wte wpe lookup table",
    "position": "position pos positional positions wpe",
    "word": "word token tok tokens words wte",
    "layer": "layer layers block blocks stage unit module h",
    "encoder": "encoder enc",
    "decoder": "decoder dec",
    "shortcut": "shortcut downsample skip residual projection_shortcut",
    "output": "output out head logits classifier predictions cls",
    "forward": "forward fw fwd",
    "backward": "backward bw bwd reverse",
    "lstm": "lstm rnn gru recurrent cell",
}
_MEANING = {word: meaning for meaning, words in _SYNONYMS.items() for word in words.split()}

_SUFFIX = re.compile(r"(:0|/\.ATTRIBUTES/VARIABLE_VALUE|/Read/ReadVariableOp|/read)+$")
_SEPARATORS = re.compile(r"[/.]")
_RANK = re.compile(r"(?<=[a-z])[123]d(?![a-z])")
_CASES = re.compile(r"(?<=[a-z])(?=[A-Z][a-z])")
_LETTERS = "_abcdef"
"""Letters that count: `res2a_branch2b`, `conv_a`."""
_FIRST = -1
"""The number of the first of `dense`, `dense_1`, `dense_2`, which has none."""


def split(name: str) -> tuple[str, str]:
    """The path of the layer and the last part of a tensor's name: `conv1/kernel:0` is conv1 and kernel."""
    parts = _SEPARATORS.split(_SUFFIX.sub("", name))
    return "/".join(parts[:-1]), parts[-1].lower()


def layer_of(name: str) -> str:
    """The path of the layer that a tensor belongs to."""
    return split(name)[0].removesuffix("/bn2d")  # MindSpore's BatchNorm3d holds a BatchNorm2d


@dataclass(frozen=True)
class Name:
    """A name in its network.

    Attributes:
        words: their meanings, without those that all names of the network have.
        numbers: ranks of its numbers, in order.
    """

    words: frozenset[str]
    numbers: tuple[int, ...]


def compared(paths: Mapping[str, str]) -> dict[str, Name]:
    """The names of one network, ready to be compared with those of another by `similarity`.

    Args:
        paths: each name, and the kind of its layer (`norm`, `convolution`) where that is known, else an empty text.
    """
    tokens = {path: _tokens(path) for path in paths}
    families: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for path, (words, _) in tokens.items():
        families[words].append(path)
    ranks: dict[str, tuple[int, ...]] = {}
    for family in families.values():
        ranks.update(_ranks({path: tokens[path][1] for path in family}))
    meanings = {path: frozenset(map(_meaning, words)) for path, (words, _) in tokens.items()}
    common = frozenset.intersection(*meanings.values()) if len(meanings) > 1 else frozenset()
    return {
        path: Name((meanings[path] - common) | ({kind} if kind else set()), ranks[path]) for path, kind in paths.items()
    }


def similarity(one: Name, other: Name) -> float:
    """How alike two names of two networks are, from 0 to 5: words count up to 3, numbers up to 2."""
    return 3 * _likeness(one.words, other.words) + 2 * _agreement(one.numbers, other.numbers)


@cache
def _likeness(one: frozenset[str], other: frozenset[str]) -> float:
    if not one and not other:
        return 1.0
    common = len(one & other)
    for word in one - other:  # abbreviations: `inter` of `intermediate`
        common += any(min(len(word), len(each)) >= 3 and _abbreviates(word, each) for each in other - one)
    return 2 * common / (len(one) + len(other))


def _abbreviates(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def _agreement(one: tuple[int, ...], other: tuple[int, ...]) -> float:
    if one == other:
        return 1.0
    if not one or not other:
        return 0.25
    if len(one) == len(other):
        return 0.5 * sum(a == b for a, b in zip(one, other, strict=True)) / len(one)
    shorter = min(len(one), len(other))
    last = sum(a == b for a, b in zip(one[-shorter:], other[-shorter:], strict=True))
    first = sum(a == b for a, b in zip(one[:shorter], other[:shorter], strict=True))
    return 0.5 * max(first, last) / max(len(one), len(other))


@cache
def _meaning(word: str) -> str:
    return _MEANING.get(word, word)


def _tokens(path: str) -> tuple[tuple[str, ...], dict[int, tuple[int, ...]]]:
    """The words of a path, and the numbers behind each word, by the word's position (-1: before the first)."""
    text = _RANK.sub("", _CASES.sub("_", path).lower())
    words: list[str] = []
    numbers: dict[int, tuple[int, ...]] = {}
    for token in re.findall(r"[a-z]+|\d+", text):
        number = int(token) if token.isdecimal() else _LETTERS.find(token) if len(token) == 1 else -1
        if number >= 0 and words:
            numbers[len(words) - 1] = (*numbers.get(len(words) - 1, ()), number)
        elif not token.isdecimal():
            words.append(token)
        else:
            numbers[-1] = (*numbers.get(-1, ()), number)
    return tuple(words), numbers


def _ranks(family: Mapping[str, Mapping[int, tuple[int, ...]]]) -> dict[str, tuple[int, ...]]:
    """The rank of each number among those at its place in the names of a family, by path."""
    places = sorted(
        {(place, i) for numbers in family.values() for place, at in numbers.items() for i in range(len(at))}
    )
    columns: dict[str, list[int]] = {path: [] for path in family}
    for place, index in places:
        found = {path: _at(numbers.get(place, ()), index) for path, numbers in family.items()}
        rank = {number: position for position, number in enumerate(sorted(set(found.values())))}
        if len(rank) == 1:  # the 18 of resnet18
            continue
        for path, number in found.items():
            columns[path].append(rank[number])
    return {path: tuple(column) for path, column in columns.items()}


def _at(numbers: Sequence[int], index: int) -> int:
    return numbers[index] if index < len(numbers) else _FIRST


def framework_of(names: Iterable[str]) -> Framework:
    """Whose names these are, by their last parts; empty where they do not say."""
    leaves = {split(name)[1] for name in names}
    if "weight" in leaves and leaves & {"gamma", "embedding_table", "moving_mean"}:
        return "mindspore"
    if leaves & {"kernel", "depthwise_kernel"}:
        return "tensorflow"
    return "torch" if "weight" in leaves else ""


def natural(names: Iterable[str]) -> list[str]:
    """Names in an order in which `x_10` stands after `x_9`."""
    return sorted(
        names,
        key=lambda name: [
            (not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.findall(r"\d+|\D+", name)
        ],
    )
