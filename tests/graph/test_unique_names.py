"""Names are unique, and the source's wherever possible; metadata stays with them through every pass."""

from __future__ import annotations

from collections import Counter

import onnx
from graph.normalize.harness import assert_equals_original, find, normalized, parse

BRANCHES = """g (float[3] x, bool c) => (float[3] y) {
    [choice] y = If (c) <
        then_branch = t () => (float[3] a) <float[3] w = {1.0, 2.0, 3.0}> { [same] a = Add(x, w) },
        else_branch = e () => (float[3] a) <float[3] w = {4.0, 5.0, 6.0}> { [same] a = Mul(x, w) }
    >
}"""


def scoped(opset: int) -> onnx.ModelProto:
    """Operators that are upgraded, folded, removed and inlined, each with a scope."""
    text = """g (float[N,3,4] x) => (float[N,12] y, float[N,3,1] z) {
        [normalize] a = Softmax <axis = 1> (x)
        [again] b = Identity(a)
        [cut] c = Slice <starts = [0], ends = [3], axes = [1]> (b)
        [drop] d = Dropout <ratio = 0.1> (c)
        [average] z = ReduceMean <axes = [2]> (d)
        [shape] e = Shape(d)
        [first] f = Slice <starts = [0], ends = [1]> (e)
        [rest] g = Constant <value = int64[1] {-1}> ()
        [join] h = Concat <axis = 0> (f, g)
        [flat] y = Reshape(d, h)
    }"""
    model = parse(text, opset)
    for node in model.graph.node:
        node.metadata_props.add(key="scope", value=f"scope of {node.name}")
    return model


def test_nothing_lost() -> None:
    graph = assert_equals_original(scoped(9))
    names = {node.name: node.metadata_props["scope"] for node in graph.graph}
    kept = ["normalize", "cut", "drop", "average", "shape", "first", "join", "flat"]
    added = ["normalize/Shape", "normalize/Flatten", "normalize/Reshape"]
    assert set(names) == {*kept, *added}
    assert all(scope == f"scope of {name.partition('/')[0]}" for name, scope in names.items())


def test_the_constants_of_a_rewrite_have_its_names_and_scope() -> None:
    graph = normalized(scoped(9))
    value = graph.graph.initializers["cut/starts"]
    assert value.metadata_props["scope"] == "scope of cut"
    assert graph.graph.initializers["g"].metadata_props["scope"] == "scope of rest"


def test_what_replaces_a_node_in_folding_takes_its_name_and_scope() -> None:
    model = parse("g (int32[3] x, float s) => (float[3] y) { [like] a = CastLike(x, s) [twice] y = Add(a, a) }", 17)
    model.graph.node[0].metadata_props.add(key="scope", value="here")
    node = find(normalized(model), "like")
    assert node.op_type == "Cast"
    assert node.metadata_props["scope"] == "here"


def test_a_branch_that_folding_takes_keeps_its_names() -> None:
    text = BRANCHES.replace(", bool c)", ")").replace("[choice]", "c = Constant <value = bool {1}> () [choice]")
    node = find(assert_equals_original(parse(text, 17)), "same")
    assert node.op_type == "Add"
    assert node.inputs[1].name == "w"


def test_unnamed_nodes_are_called_after_their_outputs() -> None:
    graph = normalized(parse("g (float[3] x) => (float[3] y) { [a] a = Neg(x) b = Abs(a) y = Exp(b) }", 17))
    assert [node.name for node in graph.graph] == ["a", "b", "y"]


def test_the_first_holder_keeps_a_name() -> None:
    graph = normalized(parse("g (float[3] x) => (float[3] y) { [n] a = Neg(x) [n] b = Abs(a) [n_1] y = Exp(b) }", 17))
    assert [node.name for node in graph.graph] == ["n", "n_2", "n_1"]


def test_names_are_unique_across_branches() -> None:
    graph = assert_equals_original(parse(BRANCHES, 17))
    inner = [node for node in graph.graph.all_nodes() if node.op_type != "If"]
    assert [node.name for node in inner] == ["same", "same_1"]
    weights = [node.inputs[1] for node in inner]
    assert [weight.name for weight in weights] == ["w", "w_1"]


def test_ten_thousand_nodes_of_one_name_take_no_time() -> None:
    model = parse("g (float[3] x) => (float[3] y) { y = Relu(x) }", 17)
    del model.graph.node[:]
    for index in range(10_000):
        output = "y" if index == 9_999 else f"v{index}"
        model.graph.node.add(op_type="Relu", name="relu", input=[f"v{index - 1}" if index else "x"], output=[output])
    names = Counter(node.name for node in normalized(model).graph)
    assert len(names) == 10_000


def test_the_given_model_stays_as_it_is() -> None:
    for model in (parse(BRANCHES, 17), scoped(9)):
        before = model.SerializeToString(deterministic=True)
        normalized(model)
        assert model.SerializeToString(deterministic=True) == before
