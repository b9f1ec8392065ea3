"""Purpose: what a class is, in the first words of its docstring."""

from __future__ import annotations

import pytest
from script.programs import call, dense, let, member, variables

from converter.script.expressions import Binary, Call, Comprehension, Conditional, Starred, invoke
from converter.script.program import Cell, Member
from converter.script.statements import Block, For, Statement, Variable
from converter.script.structure.purpose import Purpose, purpose_of

X, Y, Q, K, V, A, B, C, D = variables("x y q k v a b c d")


def layer(name: str, *arguments: object) -> Member:
    """A layer of MindSpore with a weight."""
    return member(name, invoke(f"nn.{name}", *arguments), "weight")


def cell(*statements: Statement, inputs: tuple[Variable, ...] = (X,)) -> Cell:
    return Cell("Block", inputs=list(inputs), body=Block(list(statements), (D,)))


def text(block: Cell, known: dict[Cell, Purpose] | None = None) -> str:
    return purpose_of(block, [block.body.statements], known or {}).text


def attention(keys: Variable = X, heads: int = 4) -> Cell:
    weights = Variable("weights", (2, heads, 5, 5))
    return cell(
        let(Q, call(dense("query"), X)),
        let(K, call(dense("key"), keys)),
        let(V, call(dense("value"), keys)),
        let(A, invoke("ops.matmul", Q, K)),
        let(weights, invoke("ops.softmax", A, -1)),
        let(D, invoke("ops.matmul", weights, V)),
        inputs=(X, Y),
    )


def test_attention() -> None:
    assert text(attention()) == "Multi-head self-attention, 4 heads"
    assert text(attention(keys=Y)) == "Multi-head cross-attention, 4 heads"
    assert text(attention(heads=1)) == "Self-attention"


def test_attention_whose_projections_are_convolutions() -> None:
    """They may be followed by batch norms, and others may mix the heads."""
    mixing = layer("Conv2d", 4, 4, 1)
    weights, mixed = Variable("weights", (2, 4, 5, 5)), Variable("mixed", (2, 4, 5, 5))
    sequence = member("key", invoke("nn.SequentialCell", invoke("nn.Conv2d", 8, 8, 1), invoke("nn.BatchNorm2d", 8)))
    made = cell(
        let(Q, call(layer("Conv2d", 8, 8, 1), X)),
        let(K, call(sequence, X)),
        let(A, invoke("ops.matmul", Q, K)),
        let(weights, invoke("ops.softmax", A, -1)),
        let(mixed, call(mixing, weights)),
        let(D, invoke("ops.matmul", mixed, X)),
    )
    assert text(made) == "Multi-head self-attention, 4 heads"


def test_heads_that_differ_between_instances_are_not_counted() -> None:
    made = [attention(heads=heads) for heads in (3, 6)]
    assert purpose_of(made[0], [each.body.statements for each in made], {}).text == "Multi-head self-attention"


def instance(block: Cell) -> Member:
    return member("inner", Call(block), "weight")


def test_a_layer_of_a_transformer() -> None:
    inner = attention()
    known = {inner: purpose_of(inner, [inner.body.statements], {})}
    around = [let(A, call(instance(inner), X)), let(B, Binary("+", A, X))]
    assert text(cell(*around), known) == "Multi-head self-attention, 4 heads, with a residual"
    full = cell(*around, let(C, call(dense("fc1"), B)), let(D, call(dense("fc2"), invoke("ops.gelu", C))))
    assert text(full, known) == "Transformer layer: self-attention and feed-forward, with a residual"
    block = cell(*around, *(let(D, call(layer("Conv2d", 8, 8, 1), D)) for _ in range(2)))
    assert text(block, known) == "Transformer layer: self-attention and convolutions, with a residual"


def test_a_loop_over_layers_is_a_stack() -> None:
    inner, step = cell(), Variable("layer")
    layers = member("layers", invoke("nn.CellList", [Call(inner)]), "0.weight")
    loop = For(step, layers, (D,), (X,), Block([], (Call(step, (D,)),)))
    assert text(cell(loop), {inner: Purpose("layer", "Transformer layer")}) == "Stack of transformer layers"
    assert text(cell(loop), {inner: Purpose()}) == "Stack of layers"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([let(A, call(dense("fc"), X))], "Linear layer"),
        ([let(A, call(dense("a"), invoke("ops.gelu", call(dense("b"), X))))], "Feed-forward network with GELU"),
        (
            [let(A, call(dense("a"), Binary("*", invoke("ops.silu", call(dense("b"), X)), call(dense("c"), X))))],
            "Gated feed-forward network with SiLU",
        ),
        ([let(A, call(layer("Conv2d"), X)), let(D, invoke("ops.relu", A))], "Convolution and ReLU"),
        (
            [
                let(A, call(layer("Conv2d"), call(layer("Conv2d"), X))),
                let(B, Conditional(Y, True, X)),
                let(D, Binary("+", A, B)),
            ],
            "Residual block of two convolutions",
        ),
        (
            [
                let(A, call(layer("Conv2d"), call(layer("Conv2d"), invoke("ops.mean", X)))),
                let(D, Binary("*", X, invoke("ops.sigmoid", A))),
            ],
            "Squeeze and excitation",
        ),
        (
            [
                let(A, call(layer("Conv2d"), call(layer("Conv2d"), X))),
                let(B, Conditional(call(layer("Conv2d"), X), True, X)),
                let(D, Binary("+", A, B)),
            ],
            "Residual block of two convolutions",
        ),
        (
            [
                let(A, call(layer("Conv2d"), X)),
                let(B, call(layer("Conv2d"), Binary("+", A, invoke("ops.interpolate", X)))),
                let(D, Binary("+", B, invoke("ops.interpolate", X))),
            ],
            "Feature pyramid: two convolutions and upsampling",
        ),
        (
            [let(A, call(layer("Conv2d"), call(layer("Conv2d"), X))), let(D, invoke("ops.interpolate", A))],
            "Two convolutions and upsampling",
        ),
        (
            [let(D, invoke("ops.cat", tuple(call(layer("Conv2d"), X) for _ in range(3)), 1))],
            "Parallel convolutions",
        ),
        (
            [For(A, (X, Y), (D,), ((),), Block([], (call(layer("Conv2d"), call(layer("Conv2d"), A)),)))],
            "Two convolutions, on each of its inputs",
        ),
        (
            [
                let((A, B), invoke("ops.sort", X)),
                let(C, invoke("ops.gather", X, B, 0)),
                let(D, invoke("ops.gather", Y, B, 0)),
            ],
            "Choice of the elements with the largest scores",
        ),
        (
            [
                let(A, invoke("ops.softmax", call(dense("weights"), X), -1)),
                let(B, invoke("ops.grid_sample", call(dense("value"), Y), call(dense("offsets"), X))),
                let(D, invoke("ops.sum", Binary("*", B, A))),
            ],
            "Deformable attention",
        ),
        (
            [
                let(A, call(dense("gates"), X)),
                let(B, Binary("*", invoke("ops.sigmoid", A), invoke("ops.tanh", A))),
                let(C, Binary("+", B, Binary("*", invoke("ops.sigmoid", A), Y))),
                let(D, Binary("*", invoke("ops.tanh", C), invoke("ops.sigmoid", A))),
            ],
            "LSTM, written by its gates",
        ),
        (
            [
                let(A, Binary("*", invoke("ops.sigmoid", call(layer("Conv2d"), X)), Y)),
                let(B, invoke("ops.sigmoid", call(layer("Conv2d"), X))),
                let(D, Binary("+", Binary("*", B, invoke("ops.tanh", call(layer("Conv2d"), A))), Y)),
            ],
            "Convolutional GRU, written by its gates",
        ),
        (
            [
                let(A, call(dense("gates"), X)),
                *[let(v, Binary("*", invoke("ops.sigmoid", A), Y)) for v in (B, C)],
                *[let(v, Binary("*", invoke("ops.sigmoid", A), invoke("ops.tanh", A))) for v in (D, K)],
            ],
            "GRU, written by its gates",
        ),
        ([let(A, invoke("ops.rsqrt", invoke("ops.mean", X)))], "Root mean square norm"),
        ([let(A, invoke("ops.concat", X))], ""),
    ],
)  # fmt: skip
def test_small_blocks(statements: list[Statement], expected: str) -> None:
    assert text(cell(*statements)) == expected


def test_a_block_around_blocks() -> None:
    """A feed-forward network or an attention with what is added to it; the same norm is named once."""
    for text_of_inner, kind in (("Feed-forward network with ReLU", "feed-forward"), ("Self-attention", "attention")):
        inner, norm = cell(), layer("LayerNorm")
        around = cell(let(A, call(instance(inner), call(norm, X))), let(D, Binary("+", A, X)))
        made = purpose_of(around, [around.body.statements], {inner: Purpose(kind, text_of_inner)})
        assert made == Purpose(kind, f"{text_of_inner}, with layer norm and a residual")
        outer = cell(let(D, call(instance(around), call(norm, X))))
        assert text(outer, {around: made}) == made.text


def test_a_residual_block_of_blocks() -> None:
    inner = cell()
    block = cell(let(A, call(instance(inner), call(layer("GroupNorm"), X))), let(D, Binary("+", A, X)))
    made = text(block, {inner: Purpose("mixer", "Pooling, less itself")})
    assert made == "Residual block: pooling, with group norm"
    assert text(block, {inner: Purpose()}) == ""


def test_a_backbone() -> None:
    inner = cell()
    stages = [let(A, call(layer("Conv2d"), X)), let(B, call(instance(inner), A)), let(D, call(instance(inner), B))]
    known = {inner: Purpose("convolutions", "Residual block of two convolutions")}
    assert text(cell(*stages), known) == "Convolution and residual blocks"
    assert text(cell(*stages[1:]), known) == "Residual blocks"


def test_a_mixture_of_experts() -> None:
    router = cell(let((A, D), invoke("ops.topk", invoke("ops.softmax", call(dense("gate"), X), -1), 2)))
    table, down = (member(name, invoke("ms.Parameter"), "") for name in ("gate_up", "down"))
    experts = cell(
        let((A, B), invoke("ops.split", invoke("ops.matmul", X, table), 8, 2)),
        let(D, invoke("ops.matmul", Binary("*", invoke("ops.silu", A), B), down)),
    )
    known = {block: purpose_of(block, [block.body.statements], {}) for block in (router, experts)}
    assert known[router].text == "Linear layer, and the choice of the largest scores"
    assert known[experts].text == "Gated feed-forward network with SiLU"
    both = cell(let(A, call(instance(router), X)), let(D, call(instance(experts), X, A)))
    assert text(both, known) == "Mixture of experts"


def test_attention_that_is_called_in_both_ways() -> None:
    """The class is attention; what contains a call says which one it is."""
    inner = attention(keys=Y)
    known = {inner: purpose_of(inner, [inner.body.statements], {}, both=True)}
    assert known[inner].text == "Multi-head attention, 4 heads"
    for keys, kind in ((X, "self-attention"), (Y, "cross-attention")):
        around = [let(A, call(instance(inner), X, keys)), let(B, Binary("+", A, X))]
        assert text(cell(*around), known) == f"Multi-head {kind}, 4 heads, with a residual"


def test_a_feed_forward_network_with_a_convolution() -> None:
    depthwise = cell(let(D, call(layer("Conv2d", 8, 8, 3), X)))
    block = Call(member("dwconv", Call(depthwise)), (A,))
    made = cell(
        let(A, call(dense("fc1"), X)), let(B, block), let(C, invoke("ops.gelu", B)), let(D, call(dense("fc2"), C))
    )
    assert text(made, {depthwise: Purpose("", "Convolution")}) == "Feed-forward network with a convolution and GELU"


def test_a_list_of_transformer_layers_is_a_stack() -> None:
    """What each layer is given, its attention, is a part of the layer."""
    inner, mixer = cell(let(D, X)), attention()
    layers = Comprehension(Call(inner, (Call(mixer),)), "_", invoke("range", 2))
    blocks = member("blocks", invoke("nn.SequentialCell", Starred(layers)))
    made = cell(let(A, Call(blocks, (X,))), let(D, call(layer("LayerNorm", (8,)), A)))
    known = {inner: Purpose("layer", "Transformer layer"), mixer: Purpose("attention", "Self-attention")}
    assert text(made, known) == "Stack of transformer layers"
