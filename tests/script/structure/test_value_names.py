"""Value names: variables that only an operator named get the names of what they are in their Cell."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from script.programs import call, dense, let, member, program, variables

from converter.script.emit import emit
from converter.script.expressions import Arg, Attribute, Binary, Call, Constant, Index, Slice, invoke
from converter.script.program import Cell
from converter.script.statements import Block, For, Statement, Variable
from converter.script.structure.operator_names import is_operator_name
from converter.script.structure.value_names import name_remaining_values, name_values_by_role
from operator_maps.fusions.rotate_half import rotate_half


def written(inputs: Sequence[Variable], statements: list[Statement], *results: Arg, inner: Sequence[Cell] = ()) -> str:
    """The body of `construct`."""
    made, known = program(inputs, statements, *results), dict[Variable, list[str]]()
    for cell in (*inner, made.top):
        name_values_by_role(cell, known)
    name_remaining_values([*inner, made.top], known)
    made.top.name = "MindSporeModel"
    lines = emit(made, "").text.split("def construct", 1)[1].splitlines()[1:]
    return "\n".join(line.strip() for line in lines)


def method(value: Arg, name: str, *args: Arg) -> Call:
    return Call(Attribute(value, name), args)


@pytest.mark.parametrize(
    "name", ["add_17", "Reshape", "BiasAdd", "getitem_1", "Conv", "conv2d_1", "split_1_getitem", "TensorArrayV2Read"]
)
def test_names_of_operators(name: str) -> None:
    assert is_operator_name(name)


@pytest.mark.parametrize("name", ["query", "mask_1", "conv1", "hidden", "shape", "x", "scores"])
def test_names_of_values(name: str) -> None:
    assert not is_operator_name(name)


def test_operands_of_attention() -> None:
    x, q, k, v, p, s, w, c = variables("x select select_1 select_2 MatMul add Softmax MatMul_1")
    statements: list[Statement] = [
        let((q, k, v), invoke("ops.unbind", call(dense("qkv"), x))),
        let(p, invoke("ops.matmul", Binary("*", q, 0.125), method(k, "swapaxes", -1, -2))),
        let(s, Binary("+", p, member("bias", invoke("ms.Parameter"), ""))),
        let(w, invoke("ops.softmax", s, -1)),
        let(c, invoke("ops.matmul", w, v)),
    ]
    assert written([x], statements, Binary("*", c, c)).splitlines() == [
        "query, key, value = ops.unbind(self.qkv(x))",
        "scores = ops.matmul(query * 0.125, key.swapaxes(-1, -2))",
        "scores = scores + self.bias",
        "weights = ops.softmax(scores, -1)",
        "context = ops.matmul(weights, value)",
        "return context * context",
    ]


@pytest.mark.parametrize(("activation", "other"), [("silu", "up"), ("gelu", "up"), ("sigmoid", "value")])
def test_halves_of_a_gated_linear_unit(activation: str, other: str) -> None:
    x, a, b = variables("x split split_1")
    statements: list[Statement] = [let((a, b), invoke("ops.chunk", call(dense("fc"), x), 2, -1))]
    result = Binary("*", invoke(f"ops.{activation}", a), b)
    assert written([x], statements, result).splitlines() == [
        f"gate, {other} = ops.chunk(self.fc(x), 2, -1)",
        f"return ops.{activation}(gate) * {other}",
    ]


def test_a_product_that_no_softmax_follows_is_no_attention() -> None:
    x, y, p = variables("x hidden MatMul")
    statements: list[Statement] = [let(p, invoke("ops.matmul", x, y))]
    assert written([x, y], statements, Binary("*", Binary("+", p, x), Binary("*", p, y))).startswith("product = ")


def test_a_class_names_what_it_takes() -> None:
    x, mask, a, b, y = variables("x mask Less Where y")
    inner = Cell("Block", inputs=[x, mask], body=Block([], (Binary("*", x, mask),)))
    outer, other = variables("image other")
    statements: list[Statement] = [
        let(a, Binary("<", other, 3)),
        let(b, invoke("ops.maximum", other, 2)),
        let(y, call(member("block", Call(inner)), outer, b)),
    ]
    lines = written([outer, other], statements, Binary("*", y, a), inner=[inner]).splitlines()
    assert lines[1] == "mask_1 = ops.maximum(other, 2)"  # both live: a comparison is a mask, too
    assert lines[0] == "mask = other < 3"


def test_what_ends_goes_on_under_its_name() -> None:
    x, a, b, c = variables("x add mul sub")
    statements: list[Statement] = [
        let(a, Binary("+", x, 1)),
        let(b, invoke("ops.relu", a)),
        let(c, Binary("-", b, 3)),
    ]
    assert written([x], statements, c).splitlines() == ["x = x + 1", "x = ops.relu(x)", "x = x - 3", "return x"]


def test_a_view_keeps_any_name() -> None:
    keys, a = variables("keys reshape_4")
    statements: list[Statement] = [let(a, method(keys, "reshape", (2, 3)))]
    assert written([keys], statements, a).startswith("keys = keys.reshape((2, 3))")


def test_slices_are_named_after_what_they_are_of() -> None:
    query, cos, a, b, c = variables("query cos slice_1 slice_2 slice_3")
    statements: list[Statement] = [
        let(a, Index(query, (Constant(...), Slice(None, None, 2)))),
        let(b, Index(query, (Constant(...), Slice(1, None, 2)))),
        let(c, Index(cos, (Constant(...), Slice(None, 4)))),
    ]
    assert written([query, cos], statements, Binary("+", Binary("*", a, c), Binary("*", b, c))).splitlines() == [
        "query_even = query[..., ::2]",
        "query_odd = query[..., 1::2]",
        "cos = cos[..., :4]",
        "return query_even * cos + query_odd * cos",
    ]


def test_two_living_values_never_share_a_variable() -> None:
    x, a, b = variables("x add add_1")
    statements: list[Statement] = [let(a, Binary("+", x, 1)), let(b, Binary("+", x, 2))]
    assert written([x], statements, Binary("*", a, b)).splitlines() == [
        "total = x + 1",
        "x = x + 2",
        "return total * x",
    ]


def test_what_an_inner_class_adds_is_called_the_same_in_the_outer_one() -> None:
    x, given, y, z = variables("x Where y z")
    attention = Cell("Attention", inputs=[x, given], body=Block([], ()))
    product = invoke("ops.matmul", x, x)
    attention.body.results = (invoke("ops.matmul", invoke("ops.softmax", Binary("+", product, given)), x),)
    outer_x, outer_given = variables("x Where_1")
    layer = Cell("Layer", inputs=[outer_x, outer_given], body=Block([], ()))
    layer.body.results = (call(member("attention", Call(attention)), outer_x, outer_given),)
    written([y, z], [], call(member("layer", Call(layer)), y, Binary("*", z, z)), inner=[attention, layer])
    assert (given.hint, outer_given.hint) == ("bias", "bias")


def test_parts_are_numbered_from_the_whole() -> None:
    keys, a, b, c = variables("keys split split_1 split_2")
    result = Binary("+", Binary("*", a, b), c)
    assert written([keys], [let((a, b, c), invoke("ops.split", keys, 4, 1))], result).splitlines() == [
        "keys_0, keys_1, keys_2 = ops.split(keys, 4, 1)",
        "return keys_0 * keys_1 + keys_2",
    ]


def test_a_loop_over_layers_names_what_they_take() -> None:
    x, mask, given, layer, carried = variables("x mask Where layer x")
    inner = Cell("Block", inputs=[x, mask], body=Block([], (Binary("*", x, mask),)))
    layers = member("layers", invoke("nn.CellList", [Call(inner), Call(inner)]))
    image, other, step = variables("image other step")
    loop = For(layer, layers, (carried,), (image,), Block([let(step, call(layer, carried, given))], (step,)))
    statements: list[Statement] = [let(given, invoke("ops.maximum", other, 2)), loop]
    assert written([image, other], statements, carried, inner=[inner]).startswith("mask = ops.maximum(other, 2)")


def test_tables_name_their_indices() -> None:
    x, ids, other = variables("x Cast Cast_1")
    table = member("position_embeddings", invoke("nn.Embedding", 9, 8), "embedding_table")
    statements: list[Statement] = [
        let(ids, invoke("ops.floor", x)),
        let(other, invoke("ops.ceil", x)),
        let((), Binary("+", ids, 1)),
    ]
    result = Binary("+", call(table, ids), invoke("ops.gather", x, other, 0))
    assert written([x], statements, result).splitlines()[:2] == ["position_ids = ops.floor(x)", "indices = ops.ceil(x)"]


def test_an_input_takes_the_name_that_its_callers_give_it() -> None:
    x, given = variables("x Unsqueeze_17")
    inner = Cell("Block", inputs=[x, given], body=Block([], (Binary("*", x, given),)))
    image, table = variables("image table")
    written([image, table], [], call(member("block", Call(inner)), image, table), inner=[inner])
    assert given.hint == "table"


@pytest.mark.parametrize(("whole", "element"), [("unbind", "key_t"), ("stacked", "x_t")])
def test_what_a_loop_takes_in_each_step_is_named_after_what_it_is_a_part_of(whole: str, element: str) -> None:
    key, parts, h, each = Variable("key"), Variable(whole), Variable("h"), Variable("x_t")
    loop = For(each, parts, (h,), (invoke("ops.zeros_like", key),), Block([], (Binary("+", h, each),)))
    lines = written([key], [let(parts, invoke("ops.unbind", key, 1)), loop], h)
    assert f"for {element} in " in lines
    assert ("keys = ops.unbind(key, 1)" in lines) == (whole == "unbind")


def test_states_of_a_recurrent_layer_keep_their_names() -> None:
    """Inside the class that has the layer, and around it."""
    x, h, c, out, hidden, cell = variables("x getitem getitem_1 out hidden cell")
    rnn = member("rnn", invoke("nn.LSTM", 8, 8), "weight")
    inner = Cell("Rnn", inputs=[x, h, c], members=[rnn])
    step = let((out, (hidden, cell)), Call(rnn, (x, (invoke("ops.unsqueeze", h, 0), invoke("ops.unsqueeze", c, 0)))))
    inner.body = Block([step], (hidden, cell))
    y, state, first, second, one, other = variables("y state getitem getitem_1 getitem_2 getitem_3")
    layer = member("decoder", Call(inner), "rnn.weight")
    statements: list[Statement] = [
        let((first, second), invoke("mint.unbind", state)),
        let((one, other), Call(layer, (y, first, second))),
    ]
    assert written([y, state], statements, Binary("+", one, other), inner=[inner]).splitlines() == [
        "hidden, cell = mint.unbind(state)",
        "hidden, cell = self.decoder(y, hidden, cell)",
        "return hidden + cell",
    ]
    assert [value.hint for value in inner.inputs] == ["x", "hidden", "cell"]


def test_what_is_rotated_by_its_position_is_the_query_as_well() -> None:
    def rotated(x: Variable) -> Binary:
        return Binary("+", Binary("*", x, cos), Binary("*", Call(rotate_half, (x,)), sin))

    x, cos, sin, q, k, v, a, b, w, c = variables("x cos sin split split_1 split_2 add add_1 Softmax MatMul_1")
    statements: list[Statement] = [
        let((q, k, v), invoke("ops.split", x, 8, 2)),
        let(a, rotated(q)),
        let(b, rotated(k)),
        let(w, invoke("ops.softmax", invoke("ops.matmul", a, b), -1)),
        let(c, invoke("ops.matmul", w, v)),
    ]
    assert written([x, cos, sin], statements, c).splitlines()[0] == "query, key, value = ops.split(x, 8, 2)"
