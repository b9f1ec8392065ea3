"""Ensembles of decision trees of ai.onnx.ml: TreeEnsemble, and the two operators that it replaces.

Those name the nodes of each tree by its number and theirs.

Source: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Node, Operand, expr
from operator_maps.lib.forest import BRANCHES, MEMBER, Forest
from operator_maps.lib.no_elements import best_class
from operator_maps.lib.scores import transformed

if TYPE_CHECKING:
    from mindspore import ops

AGGREGATES = ("ops.mean({0}, 1)", "ops.sum({0}, 1)")
"""Aggregation of the trees' leaf weights (rows, trees, targets), by aggregate_function: average and sum."""


QUESTIONS = dict(
    zip(("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"), BRANCHES, strict=True)
)
"""The same for the older operators."""

REGRESSIONS = {
    "AVERAGE": "ops.mean({0}, 1)",
    "MAX": "ops.amax({0}, 1)",
    "MIN": "ops.amin({0}, 1)",
    "SUM": "ops.sum({0}, 1)",
}


def tree_ensemble(
    node: Node,
    x: Operand,
    *,
    aggregate_function: int = 1,
    leaf_targetids: tuple[int, ...] = (),
    leaf_weights: ir.TensorProtocol | None = None,
    membership_values: ir.TensorProtocol | None = None,
    n_targets: int = 1,
    nodes_falseleafs: tuple[int, ...] = (),
    nodes_falsenodeids: tuple[int, ...] = (),
    nodes_featureids: tuple[int, ...] = (),
    nodes_hitrates: ir.TensorProtocol | None = None,
    nodes_missing_value_tracks_true: tuple[int, ...] | None = None,
    nodes_modes: ir.TensorProtocol | None = None,
    nodes_splits: ir.TensorProtocol | None = None,
    nodes_trueleafs: tuple[int, ...] = (),
    nodes_truenodeids: tuple[int, ...] = (),
    post_transform: int = 0,
    tree_roots: tuple[int, ...] = (),
) -> Arg:
    """TreeEnsemble: the leaf that every row reaches in each tree, and the mean or the sum of the leaves' weights.

    Raises:
        Unsupported: a missing value equals a number; or the weights are aggregated or transformed in another way.
    """
    if nodes_modes is None or nodes_splits is None or leaf_weights is None:
        raise node.decline("it has no nodes or no leaves")
    modes = nodes_modes.numpy().astype(np.int64)
    if not set(modes.tolist()) <= set(range(MEMBER + 1)):
        raise node.decline("its nodes ask questions that ONNX does not know")
    if aggregate_function >= len(AGGREGATES) or post_transform:
        raise node.decline("only a mean or a sum has a counterpart, without a transform")
    # Leaves are numbered after the nodes; each leaf is its own child.
    count, leaves = len(nodes_featureids), np.arange(len(leaf_targetids)) + len(nodes_featureids)
    branches = ((nodes_falsenodeids, nodes_falseleafs), (nodes_truenodeids, nodes_trueleafs))
    sides = [np.concatenate([np.add(ids, np.multiply(leaf, count)), leaves]) for ids, leaf in branches]
    nothing = np.zeros(len(leaves))
    weights = np.zeros((count + len(leaves), n_targets), leaf_weights.numpy().dtype)
    weights[leaves, list(leaf_targetids)] = leaf_weights.numpy()
    splits = nodes_splits.numpy()
    forest = Forest(
        roots=np.array(tree_roots),
        features=np.concatenate([nodes_featureids, nothing]),
        splits=np.concatenate([splits, nothing]).astype(splits.dtype),
        children=np.stack(sides, 1),
        modes=np.concatenate([modes, nothing]).astype(np.int64),
        weights=weights,
    ).with_missing_values(node, nodes_missing_value_tracks_true or ())
    forest = forest.without_sets(() if membership_values is None else membership_values.numpy().tolist())
    return expr(AGGREGATES[aggregate_function], forest.answers(node, forest.leaves(node, x)))


class _Nodes(NamedTuple):
    """The attributes of both older operators that describe the trees, and the answers: node, target and weight."""

    trees: Sequence[int]
    numbers: Sequence[int]
    features: Sequence[int]
    modes: Sequence[str]
    values: Sequence[float]
    yes: Sequence[int]
    no: Sequence[int]
    missing: Sequence[int]
    answer_trees: Sequence[int]
    answer_nodes: Sequence[int]
    answer_targets: Sequence[int]
    answer_weights: Sequence[float]

    def forest(self, node: Node, targets: int) -> Forest:
        """The trees.

        Raises:
            Unsupported: a missing value equals a number, or numbers do not fit.
        """
        if not {*self.modes} <= {*QUESTIONS, "LEAF"}:
            raise node.decline("its nodes ask questions that ONNX does not know")
        modes = np.array([BRANCHES.index(QUESTIONS.get(mode, BRANCHES[0])) for mode in self.modes])
        place = {name: i for i, name in enumerate(zip(self.trees, self.numbers, strict=True))}
        children = np.stack([np.arange(len(place))] * 2, 1)
        weights = np.zeros((len(place), targets), np.float32)
        try:
            for i, (tree, mode) in enumerate(zip(self.trees, self.modes, strict=True)):
                if mode != "LEAF":
                    children[i] = place[tree, self.no[i]], place[tree, self.yes[i]]
            answers = zip(self.answer_trees, self.answer_nodes, self.answer_targets, self.answer_weights, strict=True)
            for tree, number, target, weight in answers:
                weights[place[tree, number], target] += np.float32(weight)
        except (KeyError, IndexError, ValueError):
            raise node.decline("the numbers of its nodes do not fit") from None
        inner = np.flatnonzero(children[:, 0] != np.arange(len(place)))
        roots = np.setdiff1d(np.arange(len(place)), children[inner])
        if len(roots) != len(set(self.trees)):  # a cycle has no root, and what nothing leads to is none
            raise node.decline("the numbers of its nodes do not fit")
        forest = Forest(roots, np.array(self.features), np.array(self.values, np.float32), children, modes, weights)
        return forest.with_missing_values(node, self.missing)

    def answered(self, forest: Forest) -> np.ndarray:
        """Where `forest` has a weight, whatever it is: (nodes, targets), booleans."""
        found = np.zeros(forest.weights.shape, bool)
        place = {name: i for i, name in enumerate(zip(self.trees, self.numbers, strict=True))}
        for tree, number, target in zip(self.answer_trees, self.answer_nodes, self.answer_targets, strict=True):
            found[place[tree, number], target] = True
        return found

    def always_answered(self) -> set[int]:
        """The targets for which some tree has a weight at each of its leaves."""
        leaves: dict[int, set[int]] = {}
        for tree, number, mode in zip(self.trees, self.numbers, self.modes, strict=True):
            if mode == "LEAF":
                leaves.setdefault(tree, set()).add(number)
        answers: dict[tuple[int, int], set[int]] = {}
        for tree, number, target in zip(self.answer_trees, self.answer_nodes, self.answer_targets, strict=True):
            answers.setdefault((tree, target), set()).add(number)
        return {target for (tree, target), numbers in answers.items() if numbers >= leaves.get(tree, set())}


def tree_ensemble_regressor(
    node: Node,
    x: Operand,
    *,
    aggregate_function: str = "SUM",
    base_values: tuple[float, ...] = (),
    base_values_as_tensor: ir.TensorProtocol | None = None,
    n_targets: int = 1,
    nodes_falsenodeids: tuple[int, ...] = (),
    nodes_featureids: tuple[int, ...] = (),
    nodes_hitrates: tuple[float, ...] = (),
    nodes_hitrates_as_tensor: ir.TensorProtocol | None = None,
    nodes_missing_value_tracks_true: tuple[int, ...] = (),
    nodes_modes: tuple[str, ...] = (),
    nodes_nodeids: tuple[int, ...] = (),
    nodes_treeids: tuple[int, ...] = (),
    nodes_truenodeids: tuple[int, ...] = (),
    nodes_values: tuple[float, ...] = (),
    nodes_values_as_tensor: ir.TensorProtocol | None = None,
    post_transform: str = "NONE",
    target_ids: tuple[int, ...] = (),
    target_nodeids: tuple[int, ...] = (),
    target_treeids: tuple[int, ...] = (),
    target_weights: tuple[float, ...] = (),
    target_weights_as_tensor: ir.TensorProtocol | None = None,
) -> Arg:
    """TreeEnsembleRegressor: the sum, the mean, the least or the largest of the weights of the trees' leaves.

    Raises:
        Unsupported: as `_Nodes.forest`; the values are doubles; or a transform without a counterpart.
    """
    if base_values_as_tensor is not None or nodes_values_as_tensor is not None or target_weights_as_tensor is not None:
        raise node.decline("its values are doubles")
    if aggregate_function not in REGRESSIONS:
        raise node.decline(f"{aggregate_function} has no counterpart")
    if n_targets == 1 and post_transform != "NONE":
        raise node.decline(f"onnxruntime applies no {post_transform} to a single target, as ONNX says")
    nodes = _Nodes(
        nodes_treeids, nodes_nodeids, nodes_featureids, nodes_modes, nodes_values, nodes_truenodeids,
        nodes_falsenodeids, nodes_missing_value_tracks_true, target_treeids, target_nodeids, target_ids, target_weights,
    )  # fmt: skip
    forest = nodes.forest(node, n_targets)
    if aggregate_function in ("MIN", "MAX") and len(target_ids) != n_targets * nodes_modes.count("LEAF"):
        raise node.decline("some leaves have no weight, which is not the same as a weight of 0")
    y = expr(REGRESSIONS[aggregate_function], forest.answers(node, forest.leaves(node, x)))
    return transformed(node, _with_base(node, y, base_values, nodes), post_transform)


def tree_ensemble_classifier(
    node: Node,
    x: Operand,
    *,
    base_values: tuple[float, ...] = (),
    base_values_as_tensor: ir.TensorProtocol | None = None,
    class_ids: tuple[int, ...] = (),
    class_nodeids: tuple[int, ...] = (),
    class_treeids: tuple[int, ...] = (),
    class_weights: tuple[float, ...] = (),
    class_weights_as_tensor: ir.TensorProtocol | None = None,
    classlabels_int64s: tuple[int, ...] = (),
    classlabels_strings: tuple[str, ...] = (),
    nodes_falsenodeids: tuple[int, ...] = (),
    nodes_featureids: tuple[int, ...] = (),
    nodes_hitrates: tuple[float, ...] = (),
    nodes_hitrates_as_tensor: ir.TensorProtocol | None = None,
    nodes_missing_value_tracks_true: tuple[int, ...] = (),
    nodes_modes: tuple[str, ...] = (),
    nodes_nodeids: tuple[int, ...] = (),
    nodes_treeids: tuple[int, ...] = (),
    nodes_truenodeids: tuple[int, ...] = (),
    nodes_values: tuple[float, ...] = (),
    nodes_values_as_tensor: ir.TensorProtocol | None = None,
    post_transform: str = "NONE",
) -> Arg:
    """TreeEnsembleClassifier: the label with the highest sum of the leaves' weights, and the sums.

    Of two classes one may have no weights. The sum of the other's, and a base value, is then the score of the second
    class, which is taken above 0.5 if no weight is negative, and above 0 otherwise. If both have weights, the second
    class is taken where its score is above 0, or the first one's where the leaves have none for the second, and the
    label is 0 or 1. So does onnxruntime; the operator's page does not say.

    Raises:
        Unsupported: as `_Nodes.forest`; the labels are strings and read, or the values doubles; or a transform without
            a counterpart.
    """
    if base_values_as_tensor is not None or nodes_values_as_tensor is not None or class_weights_as_tensor is not None:
        raise node.decline("its values are doubles")
    if classlabels_strings and node.used[0]:
        raise node.decline("its labels are strings, which MindSpore does not have")
    labels, one = classlabels_int64s or classlabels_strings, len(set(class_ids)) == 1
    based = one and len(base_values) == 1 and 0 in class_ids  # as XGBoost's classifiers of two classes are written
    if len(labels) < 2 or (len(labels) == 2 and base_values and not based) or (one and len(labels) > 2):
        raise node.decline("its classes have no counterpart")
    targets = class_ids if not one else [0] * len(class_ids)
    nodes = _Nodes(
        nodes_treeids, nodes_nodeids, nodes_featureids, nodes_modes, nodes_values, nodes_truenodeids,
        nodes_falsenodeids, nodes_missing_value_tracks_true, class_treeids, class_nodeids, targets, class_weights,
    )  # fmt: skip
    forest = nodes.forest(node, 1 if one else len(labels))
    leaves = forest.leaves(node, x)
    rivals = node.used[0] and not one and min(class_weights, default=0) <= 0
    partly = rivals and not nodes.always_answered() >= set(range(len(labels)))
    if partly or (not one and len(labels) == 2 and 1 not in nodes.always_answered()):
        leaves = node.let("leaves", leaves)
    total = expr("ops.sum({0}, 1)", forest.answers(node, leaves))
    scores = node.let("scores", _with_base(node, total, base_values, nodes))
    chosen: Arg = None
    if not one and len(labels) == 2:
        if 1 not in nodes.always_answered():
            if post_transform not in ("NONE", "LOGISTIC"):
                raise node.decline(f"the {post_transform} of one score has no counterpart")
            answered = node.constant(nodes.answered(forest)[:, 1], "answered")
            scores = node.let("scores", expr("{0}({1}, {2}, {3})", score_twice, scores, answered, leaves))
        if node.used[0]:
            chosen = expr("({0}[:, 1] > 0).astype(ms.int64)", scores)  # 0 or 1, whatever the labels
        return chosen, transformed(node, scores, post_transform)
    if not one:
        if node.used[0]:
            rated: Arg = scores
            if partly:  # a class without a weight at any of these leaves is not taken for one with a sum of 0
                answered = node.constant(nodes.answered(forest), "answered")
                rated = expr("{0}({1}, {2}, {3})", only_answered, scores, answered, leaves)
            chosen = _labelled(node, best_class(x, rated), labels)
        return chosen, transformed(node, scores, post_transform)
    positive = all(weight >= 0 for weight in class_weights)
    if node.used[0]:
        above = expr("({0} > {1}).astype(ms.int64).squeeze(1)", scores, 0.5 if positive else 0.0)
        chosen = _labelled(node, above, labels)
    if 1 in class_ids:
        return chosen, transformed(node, expr("ops.cat((ops.zeros_like({0}), {0}), 1)", scores), post_transform)
    if post_transform not in ("NONE", "LOGISTIC"):
        raise node.decline(f"the {post_transform} of one score has no counterpart")
    first = "1 - {0}" if positive and post_transform == "NONE" else "-{0}"
    return chosen, transformed(node, expr("ops.cat(({0}, {1}), 1)", expr(first, scores), scores), post_transform)


def _labelled(node: Node, index: Arg, labels: Sequence[int | str]) -> Arg:
    if tuple(labels) == tuple(range(len(labels))):
        return index
    return expr("ops.gather({0}, {1}, 0)", node.constant(np.array(labels), "labels"), index)


def _with_base(node: Node, y: Arg, base_values: Sequence[float], nodes: _Nodes) -> Arg:
    """Add the base values, which onnxruntime adds only to what some leaf has answered."""
    wanted = {target for target, base in enumerate(base_values) if base}
    if not wanted:
        return y
    if not wanted <= nodes.always_answered():
        raise node.decline("it has base values for targets that some leaves have no weight for")
    return expr("{0} + {1}", y, node.constant(np.array(base_values, np.float32), "base_values"))


def only_answered(scores, answered, leaves):
    """The scores of the classes that have a weight at one of the leaves; minus infinity for the others."""
    return ops.where(ops.any(ops.gather(answered, leaves, 0), 1), scores, float("-inf"))


def score_twice(scores, answered, leaves):
    """The scores of two classes; minus the first's and the first's where no leaf has a weight for the second."""
    first = scores[:, :1]
    return ops.where(ops.any(ops.gather(answered, leaves, 0), 1, True), scores, ops.cat((-first, first), 1))


ROWS = {
    "ai.onnx.ml.TreeEnsemble": tree_ensemble,
    "ai.onnx.ml.TreeEnsembleClassifier": tree_ensemble_classifier,
    "ai.onnx.ml.TreeEnsembleRegressor": tree_ensemble_regressor,
}
