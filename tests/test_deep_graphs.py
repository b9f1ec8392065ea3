"""Deep graphs: no pass gives up on a long chain of nodes, or takes time that grows with the square of its length.

Each stage of a conversion, and each pass of the graph, is timed on the models of `bench/growth.py` at two sizes: on a
chain of 20,000 nodes, and on 4,000 nodes of layers, blocks, loops and so on. Passes that follow the flow of data run
alone on 20,000 nodes, where quadratic time would show, or on as many as a test says, where a library takes long for
each node.
"""

from __future__ import annotations

import gc
import importlib.util
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper, numpy_helper
from paths import ROOT

import converter
from converter import frontends, shapes
from converter.api import translate_source
from converter.base.relaxed_gc import relaxed_gc
from converter.base.stages import Each
from converter.errors import GraphInitError, SubGraphSearchingError
from converter.frontends.source import Request
from converter.frontends.tensorflow import layers
from converter.frontends.tensorflow.handlers import arithmetic
from converter.graph import queries
from converter.graph.fusions import attention, broadcasts, concatenations, masks, pipeline, views
from converter.graph.fusions.pattern import op
from converter.graph.fusions.rewrite import Context, Fusion, rewrite
from converter.graph.fusions.trace import Trace
from converter.graph.hints.scopes import constant_hint
from converter.graph.hints.source_lines import TORCH_LINES
from converter.graph.normalize import clean, fold, functions, loops, normalization, simplify, trip_counts
from converter.graph.normalize.read import read_model
from converter.graph.passes import Pipeline
from converter.graph.provenance import merged_nodes_of
from converter.graph.shape_inference import infer_shapes
from converter.graph.unique_names import UniqueNames
from converter.lowering.translation import Translation
from converter.lowering.translator import translate
from converter.script.expressions import parts_of
from converter.script.statements import Variable, expressions_in
from converter.script.templates import expr
from converter.shapes.dimensions import canonical
from converter.verification.reference import Reference
from operator_maps import registry
from operator_maps.fusions.recurrent import fusion as recurrent

MANY = 20_000
FULL = 2_000
SHAPE = (3, 4)
TYPES = {"f": TensorProto.FLOAT, "i": TensorProto.INT64, "b": TensorProto.BOOL}


@pytest.fixture(autouse=True)
def rarely_collecting() -> Iterator[None]:
    """Collect garbage as rarely as a conversion does: it takes a third of the time."""
    with relaxed_gc():
        yield


class Chain:
    """A model, built node by node; constants are named after what they hold, so that equal ones are one."""

    def __init__(self, shape: tuple[int | str, ...] = SHAPE) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.inputs: list[onnx.ValueInfoProto] = []
        self.x = self.input("x", shape)

    def input(self, name: str, shape: tuple[int | str, ...] = SHAPE, kind: str = "f") -> str:
        self.inputs.append(helper.make_tensor_value_info(name, TYPES[kind], shape))
        return name

    def constant(self, items: Any, name: str = "") -> str:
        array = np.asarray(items, np.float32 if isinstance(items, float) else None)
        name = name or f"c{array.tolist()}".replace(" ", "")
        self.constants.setdefault(name, numpy_helper.from_array(array, name))
        return name

    def add(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        number = len(self.nodes)
        node = onnx.NodeProto(op_type=op_type, name=f"n{number}", input=inputs, output=[f"v{number}"])
        node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        self.nodes.append(node)
        return node.output[0]

    def model(self, kind: str = "f", opset: int = 20) -> onnx.ModelProto:
        """The model whose output is the last node's."""
        output = helper.make_tensor_value_info(self.nodes[-1].output[0], TYPES[kind], None)
        graph = helper.make_graph(self.nodes, "deep", self.inputs, [output], list(self.constants.values()))
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)

    def graph(self, kind: str = "f", shapes: bool = True) -> ir.Model:
        """The same as a pass sees it."""
        model = read_model(self.model(kind), Path())
        if shapes:
            infer_shapes(model)
        return model


def repeated(count: int, *op_types: str, shape: tuple[int | str, ...] = SHAPE) -> Chain:
    """`count` nodes of these operators in turn."""
    chain = Chain(shape)
    value = chain.x
    for i in range(count):
        value = chain.add(op_types[i % len(op_types)], value)
    return chain


def context_of(model: ir.Model) -> Context:
    return Context(UniqueNames.of(model))


# All passes


def translated(model: onnx.ModelProto, folder: Path) -> Translation:
    file = folder / "deep.onnx"
    onnx.save(model, file)
    return translate_source(frontends.load(Request(file)), registry.load(None), "deep")


def expanded(count: int) -> Chain:
    """What is added to a tensor that was expanded before."""
    chain = Chain((1, 4))
    y = chain.input("y")
    value = chain.add("Expand", chain.x, chain.constant([3, 4]))
    for _ in range(count - 1):
        value = chain.add("Add", value, y)
    return chain


def scaled(count: int) -> Chain:
    """Numbers on a tensor that was expanded before: all of them have its shape."""
    chain = Chain((1, 4))
    value = chain.add("Expand", chain.x, chain.constant([3, 4]))
    for i in range(count - 2):
        value = chain.add(("Add", "Mul", "Div", "Sub")[i % 4], value, chain.constant(1.5))
    chain.add("Add", value, chain.input("y"))
    return chain


def regrouped(count: int) -> Chain:
    """Reshapes, new axes and transposes that undo one another."""
    chain = Chain()
    value = chain.x
    for _ in range(count // 5):
        value = chain.add("Reshape", value, chain.constant([2, 6]))
        value = chain.add("Reshape", value, chain.constant([3, 4]))
        value = chain.add("Unsqueeze", value, chain.constant([0]))
        value = chain.add("Squeeze", value, chain.constant([0]))
        value = chain.add("Identity", chain.add("Transpose", value, perm=[1, 0]))
        value = chain.add("Transpose", value, perm=[1, 0])
    chain.add("Relu", value)
    return chain


def weight_in_views(count: int) -> Chain:
    """A weight that takes as many steps to a matrix."""
    chain = Chain((3, 4))
    value = chain.constant(np.arange(16, dtype=np.float32).reshape(4, 4), "fc.weight")
    for _ in range(count // 4):
        value = chain.add("Reshape", chain.add("Transpose", value, perm=[1, 0]), chain.constant([2, 8]))
        value = chain.add("Reshape", chain.add("Transpose", value, perm=[1, 0]), chain.constant([4, 4]))
    chain.add("MatMul", chain.x, value)
    return chain


def multiplied(count: int) -> Chain:
    chain = Chain()
    value, y = chain.x, chain.input("y")
    for i in range(count):
        value = chain.add(("Mul", "Div")[i % 2], value, y if i % 3 else chain.constant(1.5))
    return chain


def extents(count: int) -> Chain:
    """Arithmetic on two free extents, of which a Reshape makes a shape."""
    chain = Chain(("n", "m"))
    shape = chain.add("Shape", chain.x)
    n, m = (chain.add("Gather", shape, chain.constant([axis]), axis=0) for axis in (0, 1))
    value = n
    for i in range(count):
        value = chain.add(("Add", "Sub")[i % 2], value, m)
    for _ in range(count):
        value = chain.add("Max", chain.add("Div", chain.add("Mul", value, n), n), n)
    value = chain.add("Concat", value, chain.constant([-1]), axis=0)
    chain.add("Reshape", chain.x, value)
    return chain


def masked(count: int) -> Chain:
    chain = Chain()
    mask = chain.input("m", kind="b")
    value, condition = chain.x, mask
    for _ in range(count // 2):
        condition = chain.add("And", condition, mask)
        value = chain.add("Where", condition, value, chain.constant(-1e9))
    return chain


def growing(count: int) -> Chain:
    chain = Chain()
    value = chain.x
    for _ in range(count):
        value = chain.add("Concat", value, chain.x, axis=0)
    return chain


def cast(count: int) -> Chain:
    chain = Chain()
    value = chain.x
    for i in range(count):
        value = chain.add("Cast", value, to=(TensorProto.INT32, TensorProto.FLOAT)[i % 2])
    return chain


def folded(count: int) -> Chain:
    """A constant that takes as many steps; onnxscript, which folds it, takes 0.3 ms for each, whatever we do."""
    chain = Chain((4,))
    value = chain.constant([1, 2, 3, 4])
    for _ in range(count):
        value = chain.add("Add", value, chain.constant([1]))
    chain.add("Add", chain.x, chain.add("Cast", value, to=TensorProto.FLOAT))
    return chain


def sliced(count: int) -> Chain:
    chain = Chain((count + 3, 4))
    value = chain.x
    for _ in range(count):
        value = chain.add("Slice", value, chain.constant([1]), chain.constant([2**40]), chain.constant([0]))
    return chain


def dropped(count: int) -> Chain:
    return repeated(count, "Dropout", "Identity")


@pytest.mark.parametrize(
    ("make", "left", "shape"),
    [
        (expanded, FULL - 1, SHAPE),  # without the Expand
        (scaled, FULL - 1, SHAPE),
        (regrouped, 1, SHAPE),
        (weight_in_views, FULL + 1, SHAPE),
        (multiplied, FULL, SHAPE),
        (masked, FULL, SHAPE),
        (growing, FULL, (3 * (FULL + 1), 4)),
        (cast, FULL, SHAPE),
        (folded, 1, (4,)),
        (sliced, FULL, (3, 4)),
        (dropped, FULL // 2, SHAPE),
    ],
)
def test_a_chain_becomes_a_script(
    make: Callable[[int], Chain], left: int, shape: tuple[int, ...], tmp_path: Path
) -> None:
    made = translated(make(FULL).model(), tmp_path)
    assert len(made.graph.graph) == left
    assert made.graph.graph.outputs[0].shape == ir.Shape(shape)
    assert {record.converted for record in made.program.records} == {True}
    assert len(made.program.records) == len(made.source_graph.nodes)  # fused nodes have records, too


def test_arithmetic_on_extents_stays_short_and_right(tmp_path: Path) -> None:
    made = translated(extents(FULL // 4).model(), tmp_path)
    for expression in expressions_in(made.program.top.body):
        assert not any(map(shapes.is_long, parts_of(expression)))  # one that is long stands in a variable
    names: dict[str, Any] = {}
    exec(made.script.text, names)
    network = names["MindSporeModel"]
    assert network.construct(None, np.zeros((2, 6))).shape == (2, 6)


# Growth: every stage, and every pass of the graph


def _growth() -> Any:
    spec = importlib.util.spec_from_file_location("growth", ROOT / "bench" / "growth.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GROWTH = _growth()
FEW, MORE = 1_000, 4_000
NEGLIGIBLE = 0.5
"""Seconds under which a step is not looked at."""
PASSES = [*normalization().passes, *pipeline(Context(UniqueNames(())), registry.fused_operators()).passes]


def seconds_of(name: str, count: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The CPU seconds of each stage of a conversion, and of each pass of the graph; `folder` is to be made."""
    seconds = dict.fromkeys((item.name for item in PASSES), -1.0)

    def run(self: Pipeline, model: ir.Model, each: Each = iter) -> None:
        for item in each(self.passes):
            began = time.process_time()
            item.run(model)
            seconds[item.name] = time.process_time() - began

    monkeypatch.setattr(Pipeline, "run", run)
    clock = GROWTH.Clock()
    folder.mkdir()
    file = GROWTH.MODELS[name](count).save(folder)
    gc.collect()  # what earlier tests left must not be collected within a step
    result = converter.convert(file, output=folder, verify=False, observer=clock)
    clock.begin("end")
    assert result.nodes_converted == result.nodes_total > 0
    return {f"the pass '{name}'": took for name, took in seconds.items()} | clock.stages


@pytest.mark.parametrize("name", GROWTH.MODELS)
def test_each_stage_and_each_pass_takes_linear_time(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Quadratic time would be four times what is allowed.

    The clock is that of a busy machine, on which a step now and then takes several times its time, so that what takes
    too long is measured again.
    """
    small, large = (4_000, MANY) if name == "chain" else (FEW, MORE)  # bench/growth.py goes further
    before = seconds_of(name, small, tmp_path / "small", monkeypatch)
    allowed = {step: max(NEGLIGIBLE, 2.5 * took * large / small) for step, took in before.items()}
    slow = set(before)
    for attempt in range(3):
        after = seconds_of(name, large, tmp_path / f"large{attempt}", monkeypatch)
        assert {step: took for step, took in after.items() if took < 0} == {}  # every pass has run
        slow &= {step for step, took in after.items() if took > allowed[step]}
        if not slow:
            return
    assert {step: (before[step], after[step]) for step in slow} == {}


# Normalisation


def test_what_does_nothing_is_taken_out() -> None:
    model = repeated(MANY, "Identity").graph(shapes=False)
    clean.remove_identities(model)
    clean.remove_dead_code(model)
    assert len(model.graph) == 1  # between an input and an output


def test_transposes_are_joined() -> None:
    chain = Chain((1, 2, 3, 4))
    value = chain.x
    for _ in range(MANY):
        value = chain.add("Transpose", value, perm=[0, 3, 1, 2])
    model = chain.graph(shapes=False)
    simplify.cancel_inverses(model)
    clean.remove_dead_code(model)
    (node,) = model.graph
    assert list(node.attributes["perm"].value) == [0, 2, 3, 1]  # two of three are none


def test_a_shape_concatenated_with_itself_is_not_folded() -> None:
    """200 times: it has 2 to the power of 200 elements."""
    chain = Chain(("n", 4))
    value = chain.add("Shape", chain.x)
    for _ in range(200):
        value = chain.add("Concat", value, value, axis=0)
    model = chain.graph("i")
    fold.fold_constants(model)
    assert len(model.graph) == 201


def loop_while(condition: Callable[[Chain], str]) -> onnx.ModelProto:
    """A loop over `h` that goes on as long as a condition in its body holds; `t` is a truth from outside."""
    body = Chain()
    result, goes_on = body.add("Relu", "h"), condition(body)
    inputs = [helper.make_tensor_value_info(name, TYPES[kind], []) for name, kind in (("i", "i"), ("go", "b"))]
    outputs = [helper.make_tensor_value_info(goes_on, TYPES["b"], []), helper.make_tensor_value_info(result, 1, SHAPE)]
    for node in body.nodes:
        node.name = f"body/{node.name}"
    inputs.append(helper.make_tensor_value_info("h", TYPES["f"], SHAPE))
    chain = Chain()
    chain.input("t", (), "b")
    graph = helper.make_graph(body.nodes, "body", inputs, outputs, list(body.constants.values()))
    chain.nodes.append(helper.make_node("Loop", ["", "t", "x"], ["y"], "loop", body=graph))
    return chain.model()


def test_a_loop_s_condition_is_taken_apart() -> None:
    def counts(body: Chain) -> str:
        number = body.add("Cast", "i", to=TensorProto.FLOAT)
        for i in range(MANY // 2):
            number = body.add("Cast", number, to=(TensorProto.DOUBLE, TensorProto.FLOAT)[i % 2])
        goes_on = body.add("Less", number, body.constant(9.0))
        for _ in range(MANY // 2):
            goes_on = body.add("And", goes_on, "go")
        return goes_on

    model = read_model(loop_while(counts), Path())
    infer_shapes(model)
    trip_counts.infer_trip_counts(model)
    (node,) = (node for node in model.graph if node.op_type == "Loop")
    assert node.inputs[0] is not None
    assert node.inputs[0].const_value.numpy() == 10  # it asks after a round


def test_shapes_that_change_one_after_the_other_are_unknown() -> None:
    """30 variables of a loop, each the one before it in the next round; the first one grows."""
    names = [f"h{i}" for i in range(30)]
    results = [f"g{i}" for i in range(30)]
    nodes = [helper.make_node("Identity", [a], [b]) for a, b in zip(names, results[1:], strict=False)]
    nodes += [helper.make_node("Concat", ["h0", "h0"], ["g0"], axis=0), helper.make_node("Identity", ["go"], ["on"])]
    ends = [("i", "i", []), ("go", "b", []), *((name, "f", None) for name in names)]
    inputs = [helper.make_tensor_value_info(name, TYPES[kind], shape) for name, kind, shape in ends]
    outputs = [helper.make_tensor_value_info(name, 1, None) for name in results]
    body = helper.make_graph(nodes, "body", inputs, [helper.make_tensor_value_info("on", TYPES["b"], []), *outputs])
    chain = Chain()
    chain.constant(np.array(9), "count")
    made = [f"y{i}" for i in range(30)]
    chain.nodes.append(helper.make_node("Loop", ["count", "", *["x"] * 30], made, "loop", body=body))
    chain.add("Identity", "y29")
    model = chain.graph()
    loops.infer_loop_shapes(model)
    formals = model.graph[0].attributes["body"].as_graph().inputs[2:]
    assert not any(formal.shape is not None and formal.shape.is_static() for formal in formals)


def test_functions_that_call_functions_have_a_bottom() -> None:
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("f", 1)]
    chain = Chain()
    chain.add("F0", chain.x)
    chain.nodes[0].domain = "f"
    model = chain.model()
    model.opset_import.append(opsets[1])
    for i in range(500):
        node = helper.make_node(f"F{i + 1}", ["a"], ["b"], domain="f")
        model.functions.append(helper.make_function("f", f"F{i}", ["a"], ["b"], [node], opsets))
    with pytest.raises(GraphInitError, match="levels deep"):
        functions.inline_functions(read_model(model, Path()))


# Fusions


@pytest.mark.parametrize(("other", "goes"), [("number", True), ("itself", False)])
def test_an_expansion_before_a_long_chain(other: str, goes: bool) -> None:
    chain = Chain((1, 4))
    value = chain.add("Expand", chain.x, chain.constant([3, 4]))
    for _ in range(MANY):
        value = chain.add("Add", value, value if other == "itself" else chain.constant(1.5))
    chain.add("Add", value, chain.input("y", SHAPE if goes else (1, 4)))
    model = chain.graph()
    broadcasts.drop_expansions(model, context_of(model))
    assert ("Expand" in {node.op_type for node in model.graph}) != goes
    assert model.graph[-2].outputs[0].shape == ir.Shape((1, 4) if goes else SHAPE)


def test_conditions_that_are_true_everywhere() -> None:
    chain = Chain()
    value = mask = chain.input("m", kind="b")
    true = chain.constant(np.ones(SHAPE, bool), "true")
    for i in range(MANY // 5):
        value = chain.add("And", value, mask if i % 2 else true)
    model = chain.graph("b")
    rewrite(model, [each for each in masks.FUSIONS if isinstance(each, Fusion)], context_of(model))
    assert len(model.graph) == MANY // 10
    assert len(merged_nodes_of(model.graph[0])) <= 2


def test_fusions_that_replace_each_other_are_an_error() -> None:
    model = repeated(10, "Relu").graph()
    there, back = (
        Fusion(lambda x: op.Relu(x), lambda builder, x: builder.Tanh(x)),
        Fusion(lambda x: op.Tanh(x), lambda builder, x: builder.Relu(x)),
    )
    with pytest.raises(SubGraphSearchingError, match="without end"):
        rewrite(model, [there, back], context_of(model))


def deep(count: int, *op_types: str, source: ir.Value) -> ir.Value:
    """What a chain of these operators in turn makes of a value."""
    value = source
    for i in range(count):
        op_type = op_types[i % len(op_types)]
        node = ir.node(op_type, [value], {"perm": [1, 0]} if op_type == "Transpose" else {})
        value = node.outputs[0]
        value.name, value.shape, value.dtype = f"v{i}", source.shape, source.dtype
    return value


def known(array: np.ndarray) -> ir.Value:
    return ir.Value(
        name="w",
        const_value=ir.tensor(array),
        shape=ir.Shape(array.shape),
        type=ir.TensorType(ir.DataType.from_numpy(array.dtype)),
    )


def test_questions_about_what_a_long_chain_makes() -> None:
    weight, zeros = known(np.eye(4, dtype=np.float32)), known(np.zeros((4, 4), np.float32))
    assert attention._allows_something(deep(MANY, "Expand", source=zeros))
    assert recurrent._is_zero(deep(MANY, "Transpose", "Slice", source=zeros))
    few, more = 60, 2000  # these look back for a few nodes only
    for count, near in ((few, True), (more, False)):
        assert queries.is_weight(deep(count, "Transpose", "Identity", source=weight)) == near
        assert masks.is_true(deep(count, "Identity", source=known(np.ones((4, 4), bool)))) == near
        assert (masks.count_of(deep(count, "Cast", source=known(np.arange(4)))) is not None) == near
        assert views.names_all(deep(count, "Concat", source=known(np.array([1, 2])))) == near


def test_a_value_that_is_joined_with_itself_is_looked_at_once() -> None:
    """2 to the power of 20,000 paths lead to its source."""
    shape, condition = known(np.array([1, 2])), known(np.ones(4, bool))
    for _ in range(MANY):
        shape = ir.node("Concat", [shape, shape], {"axis": 0}).outputs[0]
        condition = ir.node("And", [condition, condition]).outputs[0]
    assert not views.names_all(shape)
    assert not masks.is_true(condition)
    assert len(list(trip_counts._conjuncts(condition))) == 2


def test_a_weight_is_followed_through_a_long_chain() -> None:
    """2,000: onnx's evaluator is asked about each node."""
    weight = value = known(np.arange(4, dtype=np.float32).reshape(2, 2))
    for i in range(1000):
        turned = ir.node("Transpose", [value], {"perm": [1, 0]}).outputs[0]
        turned.name, turned.dtype = f"t{i}", weight.dtype
        value = ir.node("Identity", [turned]).outputs[0]
        value.name, value.dtype = f"v{i}", weight.dtype
    assert Trace().numbers(value).tolist() == [[0, 1], [2, 3]]


def test_what_is_handed_on_grows() -> None:
    """300 parts of a densely connected block, each Concat of all before: 45,000 inputs."""
    chain = Chain()
    parts = [chain.x]
    for _ in range(300):
        parts.append(chain.add("Relu", chain.add("Concat", *parts, axis=0)))
    model = chain.graph()
    concatenations.nest(model, context_of(model))
    assert sum(len(node.inputs) == 2 for node in model.graph) == concatenations.MOST_PARTS - 1


# Hints


def test_one_line_that_runs_again_and_again() -> None:
    """`x = x + c * x`: exponentially many paths lead through the nodes of that line."""
    line = 'File "net.py", line 3, in forward\n    x = x + self.c.view(3, 4) * x'
    value, constant = ir.Value(name="x"), known(np.ones((3, 4), np.float32))
    for _ in range(MANY // 10):
        product = ir.node("Mul", [value, constant]).outputs[0]
        value = ir.node("Add", [value, product]).outputs[0]
        for each in (product, value):
            each.producer().metadata_props[TORCH_LINES] = line
    assert constant_hint(constant).endswith("c")


def test_a_symbolic_dimension_may_be_a_long_sum() -> None:
    name = "a"
    for _ in range(MANY // 10):
        name = f"({name} + b)"
    dim = ir.SymbolicDim(name)
    assert canonical(dim) is dim
    assert canonical(ir.SymbolicDim("(b + (a + c))")) == canonical(ir.SymbolicDim("a + b + c"))


# Translation


def test_shape_arithmetic_is_translated() -> None:
    model = extents(MANY // 4).graph(shapes=False)
    program = translate(model, registry.load(None))
    assert len(program.records) == len(model.graph)
    assert all(record.converted for record in program.records)
    assert len(program.top.body.statements) < MANY // 4


@pytest.mark.parametrize(
    ("op_type", "source"),
    [("Mul", 3), ("Mul", expr("{0}.shape[{1}]", Variable("x"), 0)), ("Pow", 3), ("Add", 2**62)],
    ids=["a number", "an extent", "a power", "a sum"],
)
def test_numbers_stay_small(op_type: str, source: Any) -> None:
    """Each is as long, or has as many digits, as the two before it together: there is an end to it."""
    value = shapes.PyValue((source,), ())
    for _ in range(100):
        made = shapes.evaluate(op_type, [value, value], {"kind": "i"})
        if made is None or shapes.is_long(made[0].items[0]):
            break
        (value,) = made
    else:
        pytest.fail("a value grows and grows")


# TensorFlow and verification


def test_states_of_zero_behind_a_long_chain() -> None:
    makers = {f"v{i}": onnx.NodeProto(op_type="Concat", input=[f"v{i - 1}"] * 2) for i in range(MANY)}
    zeros = {"v-1": numpy_helper.from_array(np.zeros(2, np.float32))}
    assert layers._is_zero(f"v{MANY - 1}", makers, zeros)


def test_extents_behind_a_long_chain() -> None:
    class Node:
        def __init__(self, kind: str, *inputs: Node) -> None:
            self.type, self.inputs = kind, inputs

        def is_const(self) -> bool:
            return False

    node = Node("Shape")
    assert arithmetic.is_extent(Node("Mul", node, node))
    for _ in range(MANY):
        node = Node("Add", node, node)
    assert not arithmetic.is_extent(node)


def test_a_constant_behind_a_long_chain_has_a_reference() -> None:
    """1,100: a session of onnxruntime is made for each node."""
    chain = Chain()
    value = chain.constant(np.ones(SHAPE, np.float32), "w")
    for _ in range(1100):
        value = chain.add("Neg", value)
    chain.add("Add", chain.x, value)
    (made,) = Reference(chain.graph()).outputs(f"v{1100}", {"x": np.zeros(SHAPE, np.float32)})
    np.testing.assert_array_equal(made, np.ones(SHAPE))
