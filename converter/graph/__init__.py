"""Graph: everything that works on the ONNX graph. It does not know MindSpore."""

from __future__ import annotations

from converter.graph.annotations import OPSET, is_folded, is_literal, refusal_of, varying_axes
from converter.graph.detached import STOP_DOMAIN, STOP_OPERATOR, mark_detached
from converter.graph.edge_values import is_selected, may_be_empty, may_be_large, may_be_nan, may_hide_rows
from converter.graph.element_type import change_element_type
from converter.graph.ends import CutPoint, cut_points
from converter.graph.external_data import SMALL_TENSOR, map_external_data
from converter.graph.free_axes import FreedAxis, free_axes, freed_axes
from converter.graph.inferred_types import infer_proto
from converter.graph.passes import notes_on, run_passes
from converter.graph.provenance import merged_nodes_of, operator_of
from converter.graph.queries import (
    Sliced,
    attribute,
    axes_of,
    count_uses,
    is_float,
    is_internal,
    is_viewed_alike,
    keeps_its_condition,
    number_of,
    numbers_of,
    rank_of,
    shape_of,
    sliced,
)
from converter.graph.save import save_model
from converter.graph.shape_inference import without_large_tensors
from converter.graph.snapshot import SourceGraph, SourceValue, source_graph
from converter.graph.traits import Trait, has_trait, operators_with
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs, all_nodes, proto_nodes, proto_subgraphs, subgraphs

__all__ = [
    "OPSET",
    "SMALL_TENSOR",
    "STOP_DOMAIN",
    "STOP_OPERATOR",
    "CutPoint",
    "FreedAxis",
    "Sliced",
    "SourceGraph",
    "SourceValue",
    "Trait",
    "UniqueNames",
    "all_graphs",
    "all_nodes",
    "attribute",
    "axes_of",
    "change_element_type",
    "count_uses",
    "cut_points",
    "free_axes",
    "freed_axes",
    "has_trait",
    "infer_proto",
    "is_float",
    "is_folded",
    "is_internal",
    "is_literal",
    "is_selected",
    "is_viewed_alike",
    "keeps_its_condition",
    "map_external_data",
    "mark_detached",
    "may_be_empty",
    "may_be_large",
    "may_be_nan",
    "may_hide_rows",
    "merged_nodes_of",
    "notes_on",
    "number_of",
    "numbers_of",
    "operator_of",
    "operators_with",
    "proto_nodes",
    "proto_subgraphs",
    "rank_of",
    "refusal_of",
    "run_passes",
    "save_model",
    "shape_of",
    "sliced",
    "source_graph",
    "subgraphs",
    "varying_axes",
    "without_large_tensors",
]
