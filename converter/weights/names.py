"""Names: what two names of one weight have in common, though two frameworks, or two authors, wrote them.

A name is words and numbers. Words of one meaning are one word (`fc`, `dense` and `linear`). A number counts what the
word before it says: of `layer1.0.conv2` the first and the second number of `layer`, and that of `conv`.
`number_laws.py` finds out how two networks count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeAlias

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


def split(name: str) -> tuple[str, str]:
    """The path of the layer and the last part of a tensor's name: `conv1/kernel:0` is conv1 and kernel."""
    parts = _SEPARATORS.split(_SUFFIX.sub("", name))
    return "/".join(parts[:-1]), parts[-1].lower()


def layer_of(name: str) -> str:
    """The path of the layer that a tensor belongs to."""
    return split(name)[0].removesuffix("/bn2d")  # MindSpore's BatchNorm3d holds a BatchNorm2d


Label: TypeAlias = tuple[str, int]
"""What a number counts: the meaning of the word before it, and which number behind this word it is."""


@dataclass(frozen=True)
class Name:
    """A name in its network.

    Attributes:
        words: their meanings, without those that all names of the network have.
        family: all its words; names of one family differ in numbers only.
        numbers: what it counts, and how far; the first of `dense`, `dense_1` counts 0.
    """

    words: frozenset[str]
    family: tuple[str, ...]
    numbers: Mapping[Label, int]

    @property
    def order(self) -> tuple[int, ...]:
        """The numbers in order, by which names of one family are sorted."""
        return tuple(self.numbers.values())


def compared(paths: Sequence[tuple[str, str]]) -> list[Name]:
    """The names of one network, ready to be compared with those of another.

    Args:
        paths: each name, and the kind of its layer (`norm`, `convolution`) where that is known, else an empty text.
    """
    tokens = [_tokens(path) for path, _ in paths]
    places: dict[tuple[str, ...], dict[tuple[int, int], None]] = {}
    for words, numbers in tokens:
        places.setdefault(words, {}).update(dict.fromkeys(sorted(numbers)))
    meanings = [frozenset(map(_meaning, words)) for words, _ in tokens]
    common = frozenset.intersection(*meanings) if len(meanings) > 1 else frozenset()
    return [
        Name(own - common | ({kind} if kind else set()), words, _numbers(words, numbers, sorted(places[words])))
        for own, (words, numbers), (_, kind) in zip(meanings, tokens, paths, strict=True)
    ]


def _numbers(
    words: tuple[str, ...], numbers: Mapping[tuple[int, int], int], places: Sequence[tuple[int, int]]
) -> dict[Label, int]:
    """Each number of a name by what it counts; one that only others of its family have is 0."""
    found: dict[Label, int] = {}
    for place in places:
        word = _meaning(words[place[0]]) if place[0] >= 0 else ""
        occurrence = sum(label[0] == word for label in found)
        found[word, occurrence] = numbers.get(place, 0)
    return found


@cache
def likeness(one: frozenset[str], other: frozenset[str]) -> float:
    """How many words two names have in common, from 0 to 1; abbreviations count."""
    if not one and not other:
        return 1.0
    common = len(one & other)
    for word in one - other:  # `inter` of `intermediate`
        common += any(min(len(word), len(each)) >= 3 and _abbreviates(word, each) for each in other - one)
    return 2 * common / (len(one) + len(other))


def _abbreviates(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


@cache
def _meaning(word: str) -> str:
    return _MEANING.get(word, word)


@cache
def _tokens(path: str) -> tuple[tuple[str, ...], dict[tuple[int, int], int]]:
    """The words of a path, and its numbers by the position of the word before (-1: none) and their count behind it."""
    text = _RANK.sub("", _CASES.sub("_", path).lower())
    words: list[str] = []
    numbers: dict[tuple[int, int], int] = {}
    for token in re.findall(r"[a-z]+|\d+", text):
        number = int(token) if token.isdecimal() else _LETTERS.find(token) if len(token) == 1 else -1
        if number < 0 or (not token.isdecimal() and not words):
            words.append(token)
            continue
        place = len(words) - 1
        numbers[place, sum(other == place for other, _ in numbers)] = number
    return tuple(words), numbers


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
