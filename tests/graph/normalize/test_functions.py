"""Local functions become their bodies; names, metadata and calls are counted."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from graph.normalize.harness import (
    assert_equals_original,
    assert_same,
    find,
    normalized,
    operators,
    parse,
    run_normalized,
)

from converter.errors import GraphInitError

BLOCK = """
<domain: "lib", opset_import: ["": 17, "lib": 1]>
Block <alpha: float = 3.0> (a, b) => (c) {
    [inner] d = lib.Inner <beta: float = @alpha> (a)
    [sum] e = Add(d, b)
    [relu] c = Relu(e)
}
<domain: "lib", opset_import: ["": 17]>
Inner <beta> (a) => (b) {
    [elu] c = Elu <alpha: float = @beta> (a)
    [neg] b = Neg(c)
}"""


def nested() -> onnx.ModelProto:
    """Two calls of a function that calls another; the first has metadata of its own."""
    text = """g (float[3] x) => (float[3] y) {
        [first] z = lib.Block <alpha = 2.0> (x, x)
        [second] y = lib.Block (z, x)
    }"""
    model = parse(text + BLOCK, 17, '"lib": 1')
    model.graph.node[0].metadata_props.add(key="scope", value="encoder")
    model.functions[0].node[1].metadata_props.add(key="scope", value="the function's own")
    return model


def test_bodies_equal_the_calls() -> None:
    graph = assert_equals_original(nested())
    assert not graph.functions
    assert operators(graph) == ["Elu", "Neg", "Add", "Relu"] * 2


def test_nodes_are_named_after_their_calls_and_inherit_metadata() -> None:
    graph = normalized(nested())
    scopes = Counter(node.metadata_props.get("scope") for node in graph.graph)
    assert scopes == {"encoder": 3, "the function's own": 2, None: 3}
    assert [node.name for node in graph.graph][:4] == ["first/inner/elu", "first/inner/neg", "first/sum", "first/relu"]


def test_attributes_come_from_the_call_or_the_default() -> None:
    graph = normalized(nested())
    assert find(graph, "first/inner/elu").attributes.get_float("alpha") == 2.0
    assert find(graph, "second/inner/elu").attributes.get_float("alpha") == 3.0


def test_an_attribute_that_nobody_gives_is_left_out() -> None:
    text = """g (float[3] x) => (float[3] y) { y = lib.F (x) }
    <domain: "lib", opset_import: ["": 17]> F <alpha> (a) => (b) { b = Elu <alpha: float = @alpha> (a) }"""
    graph = normalized(parse(text, 17, '"lib": 1'))
    assert not next(iter(graph.graph)).attributes


def test_a_function_may_be_written_for_another_opset() -> None:
    text = """g (float[N,3,4] x) => (float[N,3,4] y) { a = lib.F (x) y = Softmax(a) }
    <domain: "lib", opset_import: ["": 11]> F (a) => (b)
    { c = Softmax(a) d = Squeeze <axes = [1]> (a) b = Add(c, a) }"""
    graph = normalized(parse(text, 17, '"lib": 1'))
    x = np.random.default_rng(0).standard_normal((2, 3, 4)).astype(np.float32)
    flat = np.exp(x.reshape(2, 12))
    inner = x + (flat / flat.sum(1, keepdims=True)).reshape(2, 3, 4)
    assert_same(run_normalized(graph, {"x": x}), [np.exp(inner) / np.exp(inner).sum(-1, keepdims=True)])


def test_inputs_may_be_left_out_and_handed_through() -> None:
    text = """g (float[3] x) => (float[3] y, float[3] z) { y, w, z = lib.F (x) }
    <domain: "lib", opset_import: ["": 17]> F (a, low) => (b, a, b) { b = Clip(a, low) }"""
    graph = normalized(parse(text, 17, '"lib": 1'))
    x = np.array([-1, 0, 1], np.float32)
    assert_same(run_normalized(graph, {"x": x}), [x, x])


def test_calls_in_subgraphs() -> None:
    text = """g (float[3] x, bool c) => (float[3] y) {
        [choice] y = If (c) <
            then_branch = t () => (float[3] a) { [call] a = lib.Block (x, x) },
            else_branch = e () => (float[3] b) { b = Neg(x) }
        >
    }"""
    graph = assert_equals_original(parse(text + BLOCK, 17, '"lib": 1'))
    assert find(graph, "call/inner/elu").op_type == "Elu"


def test_a_function_with_a_loop() -> None:
    text = """g (float[2] x) => (float[2] y) { a = lib.F (x) y = lib.F (a) }
    <domain: "lib", opset_import: ["": 17]> F (a) => (b) {
        n = Constant <value = int64 {3}> ()
        c = Constant <value = bool {1}> ()
        b = Loop (n, c, a) <body = l (int64 i, bool d, float[2] s) => (bool e, float[2] t) {
            e = Identity(d)
            t = Add(s, a)
        }>
    }"""
    graph = assert_equals_original(parse(text, 17, '"lib": 1'))
    names = [node.name for node in graph.graph.all_nodes()]
    assert len(names) == len(set(names))


def test_functions_that_call_each_other_in_a_circle() -> None:
    text = """g (float[3] x) => (float[3] y) { y = lib.F (x) }
    <domain: "lib", opset_import: ["lib": 1]> F (a) => (b) { b = lib.G (a) }
    <domain: "lib", opset_import: ["lib": 1]> G (a) => (b) { b = lib.F (a) }"""
    with pytest.raises(GraphInitError, match="calls itself"):
        normalized(parse(text, 17, '"lib": 1'))


def test_functions_that_unfold_to_too_many_nodes() -> None:
    functions = "".join(
        f'\n<domain: "lib", opset_import: ["lib": 1]> F{n} (a) => (b) {{ {double(f"F{n + 1}")} }}' for n in range(40)
    )
    text = "g (float[3] x) => (float[3] y) { y = lib.F0 (x) }" + functions
    text += '\n<domain: "lib", opset_import: ["": 17]> F40 (a) => (b) { b = Neg(a) }'
    with pytest.raises(GraphInitError, match="unfold to more than"):
        normalized(parse(text, 17, '"lib": 1'))


def double(name: str) -> str:
    return f"c = lib.{name} (a) b = lib.{name} (c)"
