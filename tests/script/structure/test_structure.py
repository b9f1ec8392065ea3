"""Structure: a flat program before and the tree of Cells after."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import onnx_ir as ir
import pytest
from script.programs import call, dense, let, literal, parameter, program, returning, text, variables, within

from converter.base.scope import Scope
from converter.script.emit import emit
from converter.script.expressions import Binary, dimension, invoke
from converter.script.program import Member, Program, Record
from converter.script.statements import For, Statement, Variable
from converter.script.structure import structure


def structured(*args: object, **options: object) -> str:
    return repr(structure(program(*args, **options)))  # type: ignore[arg-type]


def mlp(path: str, source: Variable, width: int = 16, *, added: bool = True) -> tuple[list[Statement], Variable]:
    """`fc2(relu(fc1(x))) + x`."""
    a, b, c, d = variables("a b c d")
    statements: list[Statement] = [
        let(a, call(dense(f"{path}.fc1", 8, width), source)),
        let(b, invoke("ops.relu", a)),
        let(c, call(dense(f"{path}.fc2", width, 8), b)),
        let(d, Binary("+", c, source)),
    ]
    return (statements, d) if added else (statements[:3], c)


def test_a_class_returns_what_is_read() -> None:
    """A block reads an extent of a value in the block before it, which it has at an input, too."""
    batch = ir.SymbolicDim("batch")
    x, y = Variable("x", (batch, 8)), Variable("y", (batch, 8))
    statements: list[Statement] = []
    last, before = x, x
    for i in range(3):
        a, b, c = (Variable(name, (batch, 8)) for name in "abc")
        block = [
            let(a, call(dense(f"layers.{i}.fc"), last)),
            let(b, invoke("ops.relu", a)),
            let(c, invoke("ops.reshape", b, (dimension(before, 0), 8))),
        ]
        statements += within("layers", *within(f"{i}:Block", *block))
        last, before = c, b
    statements.append(let(y, call(dense("head"), last)))
    assert structured([x], statements, y) == text(
        """
        class Block:
            def __init__(self):
                self.fc = nn.Dense(8, 8)
            def construct(self, x):
                return ops.reshape(ops.relu(self.fc(x)), (x.shape[0], 8))

        class Net:
            def __init__(self):
                self.layers = nn.SequentialCell(*[Block() for _ in range(3)])
                self.head = nn.Dense(8, 8)
            def construct(self, x):
                return self.head(self.layers(x))
        """
    )


def test_blocks_of_one_form_become_one_class() -> None:
    x, y = variables("image y")
    statements: list[Statement] = []
    last = x
    for i, width in enumerate((16, 32, 64)):
        following, last = mlp(f"layers.{i}", last, width)
        statements += within("layers", *within(f"{i}:Block", *following))
    statements.append(let(y, call(dense("head", 8, 2), last)))
    assert structured([x], statements, y) == text(
        """
        class Block:
            def __init__(self, channels):
                self.fc1 = nn.Dense(8, channels)
                self.fc2 = nn.Dense(channels, 8)
            def construct(self, x):
                return self.fc2(ops.relu(self.fc1(x))) + x

        class Net:
            def __init__(self):
                self.layers = nn.SequentialCell(Block(16), Block(32), Block(64))
                self.head = nn.Dense(8, 2)
            def construct(self, image):
                return self.head(self.layers(image))
        """
    )


def test_a_block_that_lacks_a_statement_is_an_instance_too() -> None:
    x = Variable("image")
    first, last = mlp("a", x)
    second, last = mlp("b", last, added=False)
    third, last = mlp("c", last)
    statements = [*within("a:Block", *first), *within("b:Block", *second), *within("c:Block", *third)]
    assert structured([x], statements, last) == text(
        """
        class Block:
            def __init__(self, with_d=False):
                self.fc1 = nn.Dense(8, 16)
                self.fc2 = nn.Dense(16, 8)
            def construct(self, x):
                c = self.fc2(ops.relu(self.fc1(x)))
                return c + x if with_d else c

        class Net:
            def __init__(self):
                self.layers = nn.SequentialCell(Block(with_d=True), Block(), Block(with_d=True))
            def construct(self, image):
                return self.layers(image)
        """
    )


def test_a_chain_of_layers_is_a_sequence_and_a_lone_layer_has_the_name_of_its_module() -> None:
    x, a, b, c, y = variables("image a b c y")
    relu = Member("act", invoke("nn.ReLU"), {}, "features.act")
    statements = [
        *within("features:Sequential", let(a, call(dense("features.0"), x)), let(b, call(relu, a))),
        *within("neck:Linear", let(c, call(dense("neck.matmul"), b))),
        *within("head:Sequential", *within("1:Linear", let(y, call(dense("head.1"), c)))),
    ]
    assert structured([x], statements, Binary("*", y, y)) == text(
        """
        class Net:
            def __init__(self):
                self.features = nn.SequentialCell(nn.Dense(8, 8), nn.ReLU())
                self.neck = nn.Dense(8, 8)
                self.head = nn.Dense(8, 8)
            def construct(self, image):
                x = self.head(self.neck(self.features(image)))
                return x * x
        """
    )


def test_a_module_that_is_called_again_and_again_is_one_instance_in_a_loop() -> None:
    last = x = Variable("image")
    fc1, fc2 = dense("encoder.fc1"), dense("encoder.fc2")
    statements: list[Statement] = []
    for _ in range(4):
        a, b, c, d = variables("a b c d")
        body = [let(a, call(fc1, last)), let(b, invoke("ops.relu", a)), let(c, call(fc2, b))]
        statements += within("encoder:Encoder", *body, let(d, Binary("+", c, last)))
        last = d
    assert structured([x], statements, last) == text(
        """
        class Encoder:
            def __init__(self):
                self.fc1 = nn.Dense(8, 8)
                self.fc2 = nn.Dense(8, 8)
            def construct(self, x):
                return self.fc2(ops.relu(self.fc1(x))) + x

        class Net:
            def __init__(self):
                self.encoder = Encoder()
            def construct(self, image):
                x = image
                for step in range(4):
                    x = self.encoder(x)
                return x
        """
    )


def test_small_blocks_stand_where_they_are_called() -> None:
    x, a, b, c, y = variables("image a b c y")
    statements = [
        *within("left:Side", let(a, call(dense("left.fc"), x)), let(b, invoke("ops.relu", a))),
        *within("right:Side", let(c, call(dense("right.fc"), b)), let(y, invoke("ops.relu", c))),
    ]
    assert structured([x], statements, y) == text(
        """
        class Net:
            def __init__(self):
                self.left_fc = nn.Dense(8, 8)
                self.right_fc = nn.Dense(8, 8)
            def construct(self, image):
                return ops.relu(self.right_fc(ops.relu(self.left_fc(image))))
        """
    )


@pytest.mark.parametrize("count", [2, 3])
def test_two_calls_of_classes_are_a_block_of_their_own_where_there_are_several(count: int) -> None:
    """Attention and feed-forward, both of which take a bias that all blocks share."""
    x, bias = variables("x bias")
    statements: list[Statement] = []
    last = x
    for i in range(count):
        inner: list[Statement] = []
        for name in ("attention", "feed_forward"):
            a, b, c = variables("a b c")
            parts = [let(a, call(dense(f"blocks.{i}.{name}.fc"), last)), let(b, Binary("+", a, bias))]
            end = invoke("ops.relu", b) if name == "attention" else Binary("*", b, last)
            inner += within(f"{name}:{name.title()}", *parts, let(c, end))
            last = c
        statements += within(f"blocks.{i}:Block", *inner)
    code = structured([x, bias], statements, last)
    assert ("class Block:" in code) == (count == 3)
    assert ("for layer in self.blocks:" in code) == (count == 3)


def test_the_scope_around_everything_is_the_network() -> None:
    x = Variable("image")
    first, last = mlp("net.a", x)
    second, last = mlp("net.b", last)
    statements = within("net:Net", *within("a:Block", *first), *within("b:Block", *second))
    code = structured([x], statements, last)
    assert "class Net:\n    def __init__(self):\n        self.layers = nn.SequentialCell" in code
    assert code.count("class ") == 2


def test_a_mask_that_the_first_block_computes_for_all_is_computed_by_the_network() -> None:
    mask = Variable("mask")
    last = x = Variable("image")
    statements: list[Statement] = []
    for i in range(3):
        following, made = mlp(f"layers.{i}", last)
        last = Variable("y")
        own = [let(mask, Binary(">", x, 0))] * (i == 0)
        statements += within(f"layers.{i}:Block", *own, *following, let(last, Binary("*", made, mask)))
    code = structured([x], statements, last)
    assert code.count("class ") == 2
    assert "def construct(self, x, mask):" in code
    assert "mask = image > 0\n" in code
    assert "x = layer(x, mask)" in code


def documented(paths: list[str], kind: str) -> str:
    """The docstring of the class of blocks at these paths."""
    last = x = Variable("image")
    statements: list[Statement] = []
    for path in paths:
        following, last = mlp(path, last)
        statements += within(f"{path}:{kind}" if kind else path, *following)
    return structure(program([x], [*statements, let(Variable("y"), last)], last)).cells[0].doc


def test_a_class_says_where_it_stands_in_the_source() -> None:
    what = "Feed-forward network with ReLU, with a residual"
    assert (
        documented(["layers.2", "layers.10", "layers.1"], "m.Block")
        == f"{what}. Source: layers.1 … layers.10 (m.Block)."
    )
    assert documented(["layers.2", "layers.10"], "Block") == f"{what}. Source: layers.2 … layers.10."


def test_a_docstring_that_is_too_wide_is_said_in_fewer_words() -> None:
    around = ["encoder.a_long_name.0.the_layer", "encoder.a_long_name.1.the_layer"]
    assert documented(around, "Block").endswith("Source: encoder.a_long_name.0…1.the_layer.")
    around = [f"{'deep.' * 10}{i}.layer" for i in range(2)]
    assert documented(around, "Block").startswith("Feed-forward network with ReLU. Source: deep.")


def test_blocks_without_scopes_are_found() -> None:
    last = x = Variable("image")
    statements: list[Statement] = []
    for i in range(6):
        following, last = mlp(f"m{i}", last)
        statements += following
    code = structured([x], statements, last)
    assert code.count("class ") == 2
    assert code.count("ops.relu") == 1
    assert "for _ in range(6)" in code


# Shared members


def loops_from_one_state() -> Program:
    """Two modules of several statements whose loops start from one shared parameter."""
    x, y, state = Variable("image"), Variable("y"), parameter("shared.state")
    statements: list[Statement] = []
    results = []
    for scope, function, count in (("left", "ops.tanh", 2), ("right", "ops.relu", 3)):
        i, last = variables("i h")
        body: list[Statement] = [
            For(i, invoke("range", 3), (last,), (state,), returning(invoke(function, Binary("+", last, x))))
        ]
        for k in range(count):
            a, b = variables("a b")
            activation = "ops.sigmoid" if k % 2 else "ops.elu"
            body += [let(a, call(dense(f"{scope}.fc{k}"), last)), let(b, invoke(activation, a))]
            last = b
        statements += within(f"{scope}:{scope.capitalize()}", *body)
        results.append(last)
    return program([x], [*statements, let(y, Binary("+", *results))], y)


def test_loops_that_start_from_one_parameter_do_not_keep_structure_going() -> None:
    before = loops_from_one_state()
    after = structure(before)
    assert repr(after).count("self.shared_state = Parameter(ops.zeros(3, 8))") == 1
    assert repr(after).count("for i") == 2
    assert "h = self.shared_state" in repr(after)


def test_regions_without_progress_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from converter.script.structure import sharing

    monkeypatch.setattr(sharing, "split", lambda root, leaves: ([], {}))
    with pytest.raises(RuntimeError, match="turn regions into classes takes more than"):
        structure(loops_from_one_state())


# Determinism


def shared_members(order: random.Random) -> Program:
    """Regions of several forms that share layers, parameters and a literal, of objects created in a random order."""
    names = [
        "first",
        "second",
        "recurrent0",
        "recurrent1",
        *(f"{scope}.{name}" for scope in "abcd" for name in ("fc", "out")),
    ]
    made: dict[str, Member] = {}
    unused = []
    for name in order.sample([*names, *(f"state{i}" for i in range(4))], len(names) + 4):
        unused.append([Variable("unused") for _ in range(order.randrange(7))])
        made[name] = parameter(name) if name.startswith("state") else dense(name)
    x, scale = Variable("image"), literal("scale", 2.0)
    statements: list[Statement] = []
    results: list[Variable] = []
    for scope in "abcd":  # all call the first layer; c and d are of other forms
        a, b, c, d, e, f = variables("a b c d e f")
        function = {"c": "ops.tanh", "d": "ops.elu"}.get(scope, "ops.relu")
        statements += within(
            f"{scope}:Head",
            let(a, call(made["first"], x)),
            let(b, invoke(function, a)),
            let(c, Binary("*", call(made[f"{scope}.fc"], b), scale)),
            let(d, Binary("+", c, made["state0"])),
            let(e, call(made["second"], d)),
            let(f, call(made[f"{scope}.out"], e)),
        )
        results.append(f)
    for i in range(4):  # each reads three of the four parameters
        last: Variable = x
        block: list[Statement] = []
        for k in range(3):
            b, c = variables("b c")
            block += [
                let(b, call(dense(f"block{i}.fc{k}"), last)),
                let(c, Binary("+-*"[k], b, made[f"state{(i + k) % 4}"])),
            ]
            last = c
        statements += within(f"block{i}:Block{i % 2}", *block)
        results.append(last)
    h = x
    for i in range(15):  # unrolled loops of which one may stand in the other: whichever is found first decides
        b, c = variables("b c")
        statements += [
            let(b, call(made["recurrent1" if i % 5 == 4 else "recurrent0"], h)),
            let(c, invoke("ops.tanh", b)),
        ]
        h = c
    return program([x], statements, *results, h)


def test_the_order_in_which_objects_were_created_does_not_matter() -> None:
    texts = {repr(structure(shared_members(random.Random(seed)))) for seed in range(30)}
    assert len(texts) == 1


@pytest.mark.parametrize("hash_seed", ["0", "1", "42"])
def test_the_seed_of_hashes_does_not_matter(hash_seed: str) -> None:
    tests = Path(__file__).parents[2]
    code = (
        "import random; from script.structure.test_structure import shared_members, structure; "
        "print(repr(structure(shared_members(random.Random(0)))))"
    )
    path = os.pathsep.join([str(tests.parent), str(tests), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == repr(structure(shared_members(random.Random(0))))


# Records


def test_a_record_points_at_what_its_statement_became() -> None:
    x = Variable("image")
    first, last = mlp("a", x)
    second, last = mlp("b", last)
    records = [Record("onnx::Op", repr(s), anchor=s) for s in (*first, *second)]
    statements = [*within("a:Block", *first), *within("b:Block", *second)]
    after = structure(program([x], statements, last, records=records))
    block = after.cells[0]
    assert [record.anchor for record in after.records] == [block.body] * 8
    assert {record.calls for record in after.records[:4]} == {
        (Scope("layers", "nn.SequentialCell"), Scope("0", "Block"))
    }
    assert {record.calls for record in after.records[4:]} == {
        (Scope("layers", "nn.SequentialCell"), Scope("1", "Block"))
    }
    assert after.records[0].parameters == ("layers.0.fc1.weight", "layers.0.fc1.bias")
    assert after.records[6].parameters == ("layers.1.fc2.weight", "layers.1.fc2.bias")
    assert [name for name, _ in after.parameters()] == [
        f"layers.{i}.fc{k}.{name}" for i in range(2) for k in (1, 2) for name in ("weight", "bias")
    ]


def test_a_structured_program_is_emitted() -> None:
    script = emit(structure(loops_from_one_state()), "Loops.")
    assert "class Net(nn.Cell):" in script.text
