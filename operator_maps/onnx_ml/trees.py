"""Ensembles of decision trees, ai.onnx.ml's TreeEnsemble: all rows of a matrix descend all trees at the same time.

Source: https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from converter.rows import Arg, Node, Operand, expr

if TYPE_CHECKING:
    import mindspore as ms
    from mindspore import ops

BRANCHES = ("<=", "<", ">=", ">", "==", "!=")
"""The comparison of a feature with a node's threshold, by mode; the seventh mode, set membership, is unsupported."""

AGGREGATES = ("ops.mean({0}, 1)", "ops.sum({0}, 1)")
"""Aggregation of the trees' leaf weights (rows, trees, targets), by aggregate_function: average and sum."""


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
        Unsupported: nodes have different modes, or set membership; a missing value follows the true branch; or the
            weights are aggregated or transformed in another way.
    """
    if nodes_modes is None or nodes_splits is None or leaf_weights is None:
        raise node.decline("it has no nodes or no leaves")
    modes = set(nodes_modes.numpy().tolist())
    if len(modes) > 1 or not modes < set(range(len(BRANCHES))):
        raise node.decline("its nodes ask different questions, or for membership of a set")
    if aggregate_function >= len(AGGREGATES) or post_transform or any(nodes_missing_value_tracks_true or ()):
        raise node.decline("only a mean or a sum has a counterpart, without a transform and without missing values")
    # Leaves are numbered after the nodes; each leaf is its own child.
    count, leaves = len(nodes_featureids), np.arange(len(leaf_targetids)) + len(nodes_featureids)
    branches = ((nodes_falsenodeids, nodes_falseleafs), (nodes_truenodeids, nodes_trueleafs))
    sides = [np.concatenate([np.add(ids, np.multiply(leaf, count)), leaves]) for ids, leaf in branches]
    children = np.stack(sides, 1)
    nothing = np.zeros(len(leaves))
    weights = np.zeros((count + len(leaves), n_targets), leaf_weights.numpy().dtype)
    weights[leaves, list(leaf_targetids)] = leaf_weights.numpy()
    splits = nodes_splits.numpy()
    walk = expr(
        "{0}({1}, {2}, {3}, {4}, {5}, {6}, {7})",
        come_to_leaves,
        x,
        node.constant(np.array(tree_roots), "roots"),
        node.constant(np.concatenate([nodes_featureids, nothing]).astype(np.int64), "features"),
        node.constant(np.concatenate([splits, nothing]).astype(splits.dtype), "splits"),
        BRANCHES[modes.pop()],
        node.constant(children.reshape(-1), "children"),
        _depth(children, np.array(tree_roots)),
    )
    answers = expr("ops.gather({0}, {1}, 0)", node.constant(weights, "weights"), walk)
    return expr(AGGREGATES[aggregate_function], answers)


def _depth(children: np.ndarray, roots: np.ndarray) -> int:
    """The number of comparisons on the longest path from a root to a leaf."""
    depth, level = 0, roots
    while not np.array_equal(level, below := np.unique(children[level])):
        depth, level = depth + 1, below
    return depth


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


ROWS = {"ai.onnx.ml.TreeEnsemble": tree_ensemble}
