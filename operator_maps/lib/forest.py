"""Forests: decision trees as tables, which all rows of a matrix descend at the same time.

Source: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from converter.rows import Arg, Node, Operand, expr

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops

BRANCHES = ("<=", "<", ">=", ">", "==", "!=")
"""The comparison of a feature with a node's threshold, by mode."""
OPPOSITES = (3, 2, 1, 0, None, None, None)
"""The place of the comparison that says no where another says yes, of numbers; both say no of what is not a number."""
_EQUAL, MEMBER = 4, 6
"""The modes of equality, and of membership of a set."""


@dataclass(frozen=True)
class Forest:
    """Trees whose nodes and leaves are numbered together; a leaf is its own child.

    Attributes:
        roots: (trees,), the first node of each tree.
        features, splits: (nodes,), what is compared at each node, with what.
        children: (nodes, 2), where a row goes whose answer is no, and yes.
        modes: (nodes,), the comparison, a place in `BRANCHES`; or 6, membership of a set.
        weights: (nodes, targets), the leaves' answers.
    """

    roots: np.ndarray
    features: np.ndarray
    splits: np.ndarray
    children: np.ndarray
    modes: np.ndarray
    weights: np.ndarray

    def with_missing_values(self, node: Node, follow: Sequence[int]) -> Forest:
        """The same where not a number is a yes at the nodes that `follow` says: there the opposite is asked.

        Raises:
            Unsupported: a node that asks for equality, of which the opposite says no to everything but a number.
        """
        asked = np.zeros(len(self.modes), bool)
        asked[: len(follow)] = follow
        asked &= self._inner & (self.modes != BRANCHES.index("!="))  # which not a number is already
        if not asked.any():
            return self
        if any(OPPOSITES[mode] is None for mode in self.modes[asked].tolist()):
            raise node.decline("a missing value equals a number")
        modes = np.array(
            [
                OPPOSITES[mode] if turned else mode
                for mode, turned in zip(self.modes.tolist(), asked.tolist(), strict=True)
            ]
        )
        children = np.where(asked[:, None], self.children[:, ::-1], self.children)
        return replace(self, modes=modes, children=children)

    def without_sets(self, values: Sequence[float]) -> Forest:
        """The same with a chain of comparisons for each set; `values` are the sets of all nodes, each ended by NaN."""
        sets, members = [], list[float]()
        for value in values:
            if math.isnan(value):
                sets.append(members)
                members = []
            else:
                members.append(value)
        features, splits, modes = self.features.tolist(), self.splits.tolist(), self.modes.tolist()
        children = self.children.tolist()
        for at, members in zip(np.flatnonzero(self.modes == MEMBER).tolist(), sets, strict=False):
            no, yes = children[at]
            for member in members[:-1]:
                splits[at], modes[at], children[at] = member, _EQUAL, [len(features), yes]
                feature, at = features[at], len(features)
                for column, item in ((features, feature), (splits, 0.0), (modes, _EQUAL), (children, [no, yes])):
                    column.append(item)
            splits[at], modes[at], children[at] = (members or [math.nan])[-1], _EQUAL, [no, yes]
        more = np.zeros((len(features) - len(self.features), self.weights.shape[1]), self.weights.dtype)
        return Forest(
            self.roots,
            np.array(features),
            np.array(splits, self.splits.dtype),
            np.array(children),
            np.array(modes),
            np.concatenate([self.weights, more]),
        )

    @property
    def _inner(self) -> np.ndarray:
        """Which nodes are no leaves."""
        return self.children[:, 0] != np.arange(len(self.children))

    def leaves(self, node: Node, x: Operand) -> Arg:
        """The leaves that the rows reach, (rows, trees)."""
        asked = sorted(set(self.modes[self._inner].tolist())) or [0]
        return expr(
            "{0}({1}, {2}, {3}, {4}, {5}, {6}, {7})",
            come_to_leaves if len(asked) == 1 else come_to_leaves_by_modes,
            x if x.kind == "f" else expr("{0}.astype(ms.float32)", x),
            node.constant(self.roots, "roots"),
            node.constant(self.features.astype(np.int64), "features"),
            node.constant(self.splits, "splits"),
            BRANCHES[asked[0]] if len(asked) == 1 else node.constant(self.modes, "modes"),
            node.constant(self.children.reshape(-1), "children"),
            self._depth(node),
        )

    def _depth(self, node: Node) -> int:
        """The number of comparisons on the longest path from a root to a leaf.

        Raises:
            Unsupported: a path has no end.
        """
        depth, level = 0, self.roots
        while self._inner[level].any():
            depth, level = depth + 1, np.unique(self.children[level])
            if depth > len(self.children):
                raise node.decline("its trees have a cycle")
        if len(self.children) and not len(self.roots):
            raise node.decline("its trees have a cycle")
        return depth

    def answers(self, node: Node, leaves: Arg) -> Arg:
        """The weights of leaves, (rows, trees, targets)."""
        return expr("ops.gather({0}, {1}, 0)", node.constant(self.weights, "weights"), leaves)


def come_to_leaves(x, roots, features, splits, question, children, depth):
    """Where every row of `x` ends in every tree: at each node it goes by one feature and a threshold."""
    at = ops.broadcast_to(roots, (x.shape[0], roots.shape[0]))
    for _ in range(depth):
        feature, split = ops.gather_elements(x, 1, ops.gather(features, at, 0)), ops.gather(splits, at, 0)
        if question == "<=":
            holds = feature <= split
        elif question == "<":
            holds = feature < split
        elif question == ">=":
            holds = feature >= split
        elif question == ">":
            holds = feature > split
        elif question == "==":
            holds = feature == split
        else:
            holds = feature != split
        at = ops.gather(children, 2 * at + holds.astype(ms.int64), 0)
    return at


def come_to_leaves_by_modes(x, roots, features, splits, modes, children, depth):
    """The same for nodes that compare in different ways; `modes` are the places of the comparison in the list below."""
    at = ops.broadcast_to(roots, (x.shape[0], roots.shape[0]))
    for _ in range(depth):
        feature, split = ops.gather_elements(x, 1, ops.gather(features, at, 0)), ops.gather(splits, at, 0)
        mode, holds = ops.gather(modes, at, 0), feature <= split
        holds = ops.where(mode == 1, feature < split, holds)
        holds = ops.where(mode == 2, feature >= split, holds)
        holds = ops.where(mode == 3, feature > split, holds)
        holds = ops.where(mode == 4, feature == split, holds)
        holds = ops.where(mode == 5, feature != split, holds)
        at = ops.gather(children, 2 * at + holds.astype(ms.int64), 0)
    return at
