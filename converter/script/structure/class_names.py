"""Class names: what the source calls a class, else the block; a second class of one name says where or what it is."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable

from converter.script.structure.equal_inputs import shared_name
from converter.script.structure.groups import Group
from converter.script.structure.purpose import Purpose
from converter.script.structure.regions import CONTAINERS

_ELEMENTS = ("attention", "block", "cell", "decoder", "encoder", "expert", "head", "layer", "level", "stage", "unit")
_SINGULAR = {f"{name}s": name for name in _ELEMENTS}
"""The names of lists of modules, and of their elements."""

_WORDS = {
    "convolutions": "Conv",
    "excitation": "Excitation",
    "feed-forward": "FeedForward",
    "norm": "Norm",
    "recurrent": "Recurrent",
    "stack": "Stack",
}
"""Kinds of purposes, as parts of names."""


class ClassNames:
    """The names of a program's classes."""

    def __init__(self, names: Iterable[str]) -> None:
        self._counts = dict.fromkeys(names, 1)
        self._words_around: dict[str, set[str]] = defaultdict(set)  # name of a class → words in the paths of instances

    def __contains__(self, name: str) -> bool:
        return name in self._counts

    def new(self, group: Group, purpose: Purpose) -> str:
        """The name of a group's class: `Block`, `DecoderBlock`, `FeedForwardLayer`, `Block3`."""
        name = _own_name(group)
        count = self._counts[name] = self._counts.get(name, 0) + 1
        word = self._word_around(name, group)
        if count == 1:
            return name
        for qualified in (f"{word[:1].upper()}{word[1:]}{name}" if word else "", _with_purpose(name, purpose)):
            if qualified and qualified not in self._counts:
                self._counts[qualified] = 1
                return qualified
        numbered = (f"{name}_{i}" if name[-1].isdigit() else f"{name}{i}" for i in itertools.count(count))
        free = next(each for each in numbered if each not in self._counts)
        self._counts[free] = 1
        return free

    def _word_around(self, name: str, group: Group) -> str:
        """A word that stands in the paths of all instances, and of none of other classes of this name; "" if none."""
        around = [set(instance.region.path.split(".")) for instance in group.instances]
        known = self._words_around[name]
        shared = set.intersection(*around) - known
        known.update(*around)
        words = (word for word in group.model.region.path.split(".") if word in shared and word.isalpha())
        return next((word for word in words if not _overlap(word, name)), "")


def _own_name(group: Group) -> str:
    """The class name that the source recorded, else the block's name without its number."""
    kinds = [instance.region.scope.kind for instance in group.instances]
    kinds = [kind for kind in kinds if kind and kind not in CONTAINERS]
    name = kinds[0] if kinds else shared_name(group) or group.model.region.scope.name
    words = re.sub(r"[^0-9a-zA-Z]+", " ", name).split()
    if not kinds:
        is_element = len(words) > 1 and words[-1].isdigit()
        words = [re.sub(r"\d+[a-z]?$", "", word) for word in words]
        if is_element:  # `layers.0` is a layer
            words[-2] = _SINGULAR.get(words[-2], words[-2])
    words = [word for word in words if word and not word.isdigit()] or ["block"]
    name = "".join(word[0].upper() + word[1:] for word in words)
    name = name if name[0].isalpha() else f"Block{name}"
    return f"{name}Block" if name in ("MindSporeModel", "Parameter", "Tensor") else name


def _overlap(word: str, name: str) -> bool:
    """Whether a word ends as a name does: `EncDecAttention`, `T5Attention`."""
    last = re.findall(r"[A-Z][a-z]+", name)[-1:]
    return bool(last) and word.lower().endswith(last[0].lower())


def _with_purpose(name: str, purpose: Purpose) -> str:
    """`FeedForwardLayer`, `CrossAttentionLayer`, `CrossT5Attention`; "" if that says nothing new."""
    word = _WORDS.get(purpose.kind, "")
    if purpose.kind == "attention":
        kind = re.search(r"\b(self|cross)-attention", purpose.text, re.IGNORECASE)
        word = f"{kind[1].capitalize() if kind else ''}{'' if re.search('attn|attention', name, re.I) else 'Attention'}"
    return f"{word}{name}" if word and word.lower() not in name.lower() else ""
