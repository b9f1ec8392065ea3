"""Pipelines: what passes say of themselves holds, order is checked, and an error names its pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import onnx
import onnx_ir as ir
import pytest
from graph.normalize.harness import parse
from paths import MODELS

from converter.base.graph_mode import STAGES
from converter.base.stages import Stages
from converter.errors import GraphInitError
from converter.graph.annotations import OPSET
from converter.graph.fusions import pipeline
from converter.graph.fusions.rewrite import Context
from converter.graph.normalize import normalization
from converter.graph.normalize.fold import fold_constants
from converter.graph.normalize.read import read_model
from converter.graph.passes import Pass, Pipeline, Property
from converter.graph.shape_inference import infer_shapes
from converter.graph.unique_names import UniqueNames
from converter.graph.walk import all_graphs, all_nodes, all_values, subgraphs
from operator_maps.registry import fused_operators

ODDITIES = """g (float[N,3] x, bool c) => (float[N,3] y, int64[2] z, float[M,3] v) <float w = {0.5}> {
    [n] a = lib.F (x)
    b = Identity(a)
    dead = Exp(b)
    [n] t = Transpose <perm = [1, 0]> (b)
    u = Transpose <perm = [1, 0]> (t)
    [n] y = If (c) <
        then_branch = t () => (float[N,3] d) { w = Constant <value = float {2.0}> () d = Mul(u, w) },
        else_branch = e () => (float[N,3] f) { w = Constant <value = float {3.0}> () s = Shape(u) f = Expand(w, s) }
    >
    z = Constant <value_ints = [1, 2]> ()
    k = Constant <value = int64 {3}> ()
    q = Constant <value = bool {1}> ()
    v = Loop (k, q, x) <body = l (int64 i, bool d, float[M,3] p) => (bool e, float[O,3] r) {
        e = Identity(d) r = Concat <axis = 0> (p, p)
    }>
}
<domain: "lib", opset_import: ["": 11]> F (a) => (b) {
    h = Constant <value = float {0.0}> () c = Add(a, h) b = Softmax(c)
}
"""


def is_sorted(model: ir.Model) -> bool:
    def check(graph: ir.Graph, known: set[ir.Value]) -> bool:
        known = known | {*graph.inputs, *graph.initializers.values()}
        for node in graph:
            if any(value is not None and value not in known for value in node.inputs):
                return False
            if not all(check(inner, known) for inner in subgraphs(node)):
                return False
            known.update(node.outputs)
        return all(value in known for value in graph.outputs)

    return check(model.graph, set())


def is_live(model: ir.Model) -> bool:
    values = [node.outputs for node in all_nodes(model.graph)]
    values += [[value] for graph in all_graphs(model) for value in graph.initializers.values()]
    return all(any(value.uses() or value.is_graph_output() for value in group) for group in values)


def is_stable(change: Callable[[ir.Model], None]) -> Callable[[ir.Model], bool]:
    """Whether a pass finds nothing more to do."""

    def check(model: ir.Model) -> bool:
        before, after = model.clone(), model.clone()
        change(after)
        return [str(node) for node in all_nodes(before.graph)] == [str(node) for node in all_nodes(after.graph)]

    return check


def is_unique(names: list[str | None]) -> bool:
    return max(Counter(names).values(), default=0) <= 1


HOLDS: dict[Property, Callable[[ir.Model], bool]] = {
    Property.SORTED: is_sorted,
    Property.UNIQUE_NODE_NAMES: lambda model: is_unique([node.name or None for node in all_nodes(model.graph)]),
    Property.UNIQUE_VALUE_NAMES: lambda model: is_unique(
        [value.name for value in dict.fromkeys(all_values(model)) if value.name]
    ),
    Property.PLAIN_INPUTS: lambda model: not any(v.is_initializer() for g in all_graphs(model) for v in g.inputs),
    Property.NO_FUNCTIONS: lambda model: not model.functions,
    Property.CONSTANTS_ARE_INITIALIZERS: lambda model: all(n.op_type != "Constant" for n in all_nodes(model.graph)),
    Property.ONE_OPSET: lambda model: (
        model.opset_imports[""] == OPSET and all(node.version is None for node in all_nodes(model.graph))
    ),
    Property.INFERRED: is_stable(infer_shapes),
    Property.FOLDED: is_stable(fold_constants),
    Property.NO_DEAD_CODE: is_live,
    Property.OUTPUTS_ARE_COMPUTED: lambda model: all(
        value.producer() is not None or value.is_graph_input() for value in model.graph.outputs
    ),
}
STATIC = {Property.INFERRED}
"""What cannot be asked of fused operators, of which ONNX's inference knows nothing."""
SMALL = [path for path in sorted(MODELS.glob("*.onnx")) if path.stat().st_size < 200_000]


@pytest.mark.parametrize("source", [ODDITIES, *SMALL], ids=["oddities", *(path.stem for path in SMALL)])
def test_passes_ensure_what_they_say(source: str | Path) -> None:
    model = parse(source, 17, '"lib": 1') if isinstance(source, str) else onnx.load(source)
    graph = read_model(model, Path() if isinstance(source, str) else source.parent)
    held = run_checked(normalization(), graph, set())
    run_checked(pipeline(Context(UniqueNames.of(graph)), fused_operators()), graph, held - STATIC)


def run_checked(passes: Pipeline, graph: ir.Model, held: set[Property]) -> set[Property]:
    """Run each pass; check what it and those before it ensure."""
    for item in passes.passes:
        item.run(graph)
        held = (held - {*item.breaks}) | {*item.ensures}
        wrong = [each.value for each in held & HOLDS.keys() if not HOLDS[each](graph)]
        assert not wrong, item.name
    return held


def test_normalisation_ensures_everything() -> None:
    assert normalization().ensures == HOLDS.keys() - {Property.FOLDED}


def test_a_pass_may_not_come_before_what_it_requires() -> None:
    name = Pass("name", print, ensures={Property.UNIQUE_NODE_NAMES})
    shuffle = Pass("shuffle", print, breaks={Property.UNIQUE_NODE_NAMES})
    fold = Pass("fold", print, requires={Property.UNIQUE_NODE_NAMES})
    Pipeline([name, fold])
    Pipeline([fold], given=name.ensures)
    for passes in ([fold, name], [name, shuffle, fold]):
        with pytest.raises(ValueError, match=r"'fold' requires .*: \['every node has a name"):
            Pipeline(passes)


def test_an_error_names_its_pass() -> None:
    def stumble(model: ir.Model) -> None:
        raise KeyError(f"odd {model.graph.name}")

    passes = Pipeline([Pass("print", print), Pass("fold constants", stumble, needed=True)])
    graph = ir.from_proto(parse("g (float[2] x) => (float[2] y) { y = Neg(x) }", 20))
    with pytest.raises(GraphInitError) as caught, Stages(STAGES).stage("normalize"):
        passes.run(graph)
    assert "KeyError: 'odd g', in the pass 'fold constants', at the stage 'normalize'. " in str(caught.value)


def test_a_pipeline_counts_its_passes() -> None:
    counted = []
    passes = Pipeline([Pass("one", lambda model: None), Pass("two", lambda model: None)])
    graph = ir.from_proto(parse("g (float[2] x) => (float[2] y) { y = Neg(x) }", 20))
    passes.run(graph, lambda items: [counted.append(item.name) or item for item in items])
    assert counted == ["one", "two"]
