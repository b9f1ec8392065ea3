"""Classes: regions of one signature become instances of one Cell."""

from __future__ import annotations

from collections.abc import Sequence

from script.programs import call, dense, let, literal, member, region, text, variables, within

from converter.script.expressions import Arg, Binary, Call, invoke
from converter.script.printer import text_of
from converter.script.program import Argument, Cell, Member
from converter.script.statements import Statement, Variable, defined_by
from converter.script.structure.classes import Built, build
from converter.script.structure.groups import (
    Instance,
    arguments_of,
    differences,
    grouped,
    instance_of,
    outliers,
    variants_of,
)
from converter.script.structure.regions import inputs_of, members_of
from converter.script.templates import expr


def described(path: str, *statements: Statement) -> Instance:
    """A region that returns what its last statement makes."""
    within(path, *statements)
    (only,) = region(*statements).inner()
    return instance_of(only, list(defined_by(statements[-1])))


def residual(path: str, width: int = 8, *, added: bool = True, scale: float = 2.0) -> Instance:
    """`fc2(relu(fc1(x))) * scale`, and the sum of this and x."""
    x, a, b, c, d, y = variables("x a b c d y")
    statements = [
        let(a, call(dense(f"{path}.fc1", 8, width), x)),
        let(b, invoke("ops.relu", a)),
        let(c, call(dense(f"{path}.fc2", width, 8), b)),
        let(d, Binary("*", c, scale)),
        let(y, Binary("+", d, x)),
    ]
    return described(path, *statements[: 5 if added else 4])


def built(*instances: Instance, sources: Sequence[Variable] = ()) -> Built:
    (group,) = grouped(instances)
    made = build(group, sources)
    made.cell.name = "Block"
    return made


def constructors(made: Built) -> list[str]:
    return [text_of(member.constructor, lambda leaf: leaf.label) for member in made.members]


# Grouping


def test_an_instance_is_described_by_what_comes_in_and_goes_out() -> None:
    instance = residual("block0")
    assert instance.inputs == inputs_of(instance.region)
    assert [value.hint for value in instance.inputs] == ["x"]
    assert [value.hint for value in instance.outputs] == ["y"]
    assert list(instance.signature.members) == members_of(instance.region)


def test_regions_of_one_signature_are_one_group() -> None:
    one, other, two = residual("a"), residual("b", added=False, width=4), residual("c", 16)
    short = described("d", let(Variable("y"), invoke("ops.relu", Variable("x"))))
    groups = grouped([one, short, two])
    assert [group.instances for group in groups] == [[one, two], [short]]
    assert groups[0].model is one
    assert groups[0].optional is None
    assert [group.instances for group in grouped([other, one])] == [[one, other]]


def test_an_instance_may_lack_a_statement() -> None:
    whole, lacking = residual("a"), residual("b", added=False)
    (group,) = grouped([lacking, whole])
    assert (group.model, whole.lacks, lacking.lacks) == (whole, False, True)
    assert group.optional is not None
    assert [repr(group.optional[0]), group.optional[1].hint] == ["y = d + x", "d"]


def test_a_variant_of_an_instance_leaves_out_a_run_of_statements() -> None:
    whole, lacking = residual("a"), residual("b", added=False)
    found = [positions for positions, signature in variants_of(whole) if signature.key == lacking.signature.key]
    assert found == [[4]]
    assert next(variants_of(whole)) == ([], whole.signature)


# Building


def test_what_differs_is_an_argument() -> None:
    made = built(residual("layers.0", 16), residual("layers.1", 32))
    assert repr(made.cell) == text(
        """
        class Block:
            def __init__(self, channels):
                self.fc1 = nn.Dense(8, channels)
                self.fc2 = nn.Dense(channels, 8)
            def construct(self, x):
                a = self.fc1(x)
                b = ops.relu(a)
                c = self.fc2(b)
                d = c * 2.0
                y = d + x
                return y
        """
    )
    assert constructors(made) == ["Block(16)", "Block(32)"]
    assert [member.hint for member in made.members] == ["layers.0", "layers.1"]
    assert [args[1:] for args in made.args] == [(), ()]


def test_a_literal_of_a_statement_is_an_argument_too() -> None:
    made = built(residual("a", scale=2.0), residual("b", scale=0.5))
    assert "def __init__(self, value):" in repr(made.cell)
    assert "d = c * value" in repr(made.cell)
    assert constructors(made) == ["Block(2.0)", "Block(0.5)"]


def test_a_statement_that_an_instance_lacks_is_optional() -> None:
    made = built(residual("a"), residual("b", added=False))
    assert "def __init__(self, with_y=False):" in repr(made.cell)
    assert "y = d + x if with_y else d" in repr(made.cell)
    assert constructors(made) == ["Block(with_y=True)", "Block()"]


def shortcut(path: str, *, projected: bool) -> Instance:
    """`relu(fc1(x) + shortcut(x))`, in which the shortcut may be missing."""
    x, a, b, s, c, d, y = variables("x a b s c d y")
    project = [let(s, call(dense(f"{path}.shortcut", 8, 8), x))]
    return described(
        path,
        let(a, call(dense(f"{path}.fc1"), x)),
        let(b, invoke("ops.tanh", a)),
        *(project if projected else []),
        let(c, Binary("+", b, s if projected else x)),
        let(d, Binary("*", c, 2)),
        let(y, invoke("ops.relu", d)),
    )


def test_a_number_of_a_step_that_an_instance_lacks() -> None:
    """A module is called with two numbers, another one of its class lacks the step that reads the number."""

    def called(path: str, layers: Sequence[Member], factor: float | None) -> Instance:
        x, a, b, c, d, y = variables("x a b c d y")
        scaled = [let(d, Binary("*", c, factor))] if factor is not None else []
        result = let(y, invoke("ops.tanh", d if scaled else c))
        return described(
            path,
            let(a, call(layers[0], x)),
            let(b, invoke("ops.relu", a)),
            let(c, call(layers[1], b)),
            *scaled,
            result,
        )

    shared, own = ([dense(f"{path}.fc1"), dense(f"{path}.fc2")] for path in "ab")
    made = built(called("a", shared, 2.0), called("a", shared, 3.0), called("b", own, None))
    assert [args[1:] for args in made.args] == [(2.0,), (3.0,), (None,)]


def test_a_layer_that_an_instance_lacks_is_optional() -> None:
    made = built(shortcut("a", projected=True), shortcut("b", projected=False))
    code = repr(made.cell)
    assert "self.shortcut = nn.Dense(8, 8) if shortcut else None" in code
    assert "s = self.shortcut(x) if self.shortcut is not None else x" in code
    assert constructors(made) == ["Block(shortcut=True)", "Block()"]
    assert list(made.members[1].weights) == ["fc1.weight", "fc1.bias"]


def test_a_chain_of_layers_that_an_instance_lacks_becomes_one_layer() -> None:
    def instance(path: str, projected: bool) -> Instance:
        x, a, b, s, t, c, y = variables("x a b s t c y")
        project = [
            let(s, call(dense(f"{path}.downsample_fc"), x)),
            let(t, call(dense(f"{path}.downsample_norm"), s)),
        ]
        return described(
            path,
            let(a, call(dense(f"{path}.fc1"), x)),
            let(b, invoke("ops.tanh", a)),
            *(project if projected else []),
            let(c, Binary("+", b, t if projected else x)),
            let(y, invoke("ops.relu", c)),
        )

    made = built(instance("a", True), instance("b", False))
    code = repr(made.cell)
    assert "self.downsample = nn.SequentialCell(*[nn.Dense(8, 8) for _ in range(2)]) if downsample else None" in code
    assert "t = self.downsample(x) if self.downsample is not None else x" in code


def test_the_parameters_of_an_instance_are_its_own_under_the_names_of_the_class() -> None:
    instances = [residual("layers.0"), residual("layers.1")]
    own = [members_of(instance.region) for instance in instances]
    made = built(*instances)
    assert [list(member.weights) for member in made.members] == [
        ["fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"]
    ] * 2
    for each, (fc1, fc2) in zip(made.members, own, strict=True):
        assert list(each.weights.values()) == [*fc1.weights.values(), *fc2.weights.values()]


def layer(path: str, mlp: Cell, *numbers: int, parameter: str = "fc.weight") -> Instance:
    """`x + mlp(norm(x))`, in a layer of one class of the source."""
    x, a, b, y = variables("x a b y")
    made = member(f"{path}.mlp", Call(mlp, numbers), parameter)
    return described(
        f"{path}:Layer", let(a, call(dense(f"{path}.norm"), x)), let(b, call(made, a)), let(y, Binary("+", x, b))
    )


def test_a_layer_of_another_class_is_given() -> None:
    one, two = Cell("FeedForward", arguments=[Argument("width")]), Cell("Experts")
    instances = [layer("layers.0", one, 8), layer("layers.1", two, parameter="up.weight")]
    made = built(*instances, layer("layers.2", two, parameter="up.weight"))
    assert constructors(made) == ["Block(FeedForward(8))", "Block(Experts())", "Block(Experts())"]
    assert "self.mlp = mlp" in repr(made.cell)
    assert [list(each.weights)[-1] for each in made.members] == ["mlp.fc.weight", "mlp.up.weight", "mlp.up.weight"]


def test_layers_of_one_class_with_other_numbers_are_made_inside() -> None:
    one = Cell("FeedForward", arguments=[Argument("width")])
    assert constructors(built(layer("layers.0", one, 8), layer("layers.1", one, 16))) == ["Block(8)", "Block(16)"]


def test_calls_of_one_module_are_calls_of_one_instance() -> None:
    fc1, fc2 = dense("head.fc1"), dense("head.fc2")

    def instance(scale: float) -> Instance:
        x, a, b, y = variables("x a b y")
        return described("head", let(a, call(fc1, x)), let(b, Binary("*", a, scale)), let(y, call(fc2, b)))

    made = built(instance(2.0), instance(4.0))
    assert made.members[0] is made.members[1]
    assert [args[1:] for args in made.args] == [(2.0,), (4.0,)]
    assert "def construct(self, x, value):" in repr(made.cell)
    assert "b = a * value" in repr(made.cell)


def test_what_the_statements_and_members_of_the_others_became() -> None:
    first, second, lacking = residual("a"), residual("b"), residual("c", added=False)
    merged = [*second.region.statements, *members_of(second.region), *lacking.region.statements]
    merged += members_of(lacking.region)
    kept = [*first.region.statements, *members_of(first.region), *first.region.statements[:4]]
    kept += members_of(first.region)
    assert built(first, second, lacking).moved == dict(zip(merged, kept, strict=True))


def test_the_inputs_of_a_class_are_variables_of_its_own() -> None:
    image, mask, a, y = variables("image mask a y")
    mine = described("a", let(a, call(dense("a.fc"), image)), let(y, Binary("*", a, mask)), let(Variable("z"), y))
    other, mask_2, b, z = variables("other mask b z")
    yours = described("b", let(b, call(dense("b.fc"), other)), let(z, Binary("*", b, mask_2)), let(Variable("w"), z))
    made = built(mine, yours, sources=[image])
    assert [value.hint for value in made.cell.inputs] == ["x", "mask"]
    assert not set(made.cell.inputs) & {image, mask, other, mask_2}
    made = built(*(described(p, let(v, call(dense(p), image)), let(Variable("r"), v)) for p, v in (("c", y), ("d", z))),
                 sources=[image])  # fmt: skip
    assert [value.hint for value in made.cell.inputs] == ["image"]


def test_values_are_named_after_their_modules_within_the_class() -> None:
    def instance(path: str) -> Instance:
        x, a = variables("x matmul")
        a.path, y = f"{path}.query", Variable("relu", path=path)
        return described(path, let(a, call(dense(f"{path}.query"), x)), let(y, Binary("*", a, a)))

    made = built(instance("layers.0"), instance("layers.1"))
    assert "query = self.query(x)" in repr(made.cell)
    assert "relu = query * query" in repr(made.cell)


# Numbers of arguments


def many(path: str, numbers: Sequence[Arg]) -> Instance:
    """A block with so many literals."""
    x, y = variables("x y")
    total: Arg = x
    for number in numbers:
        total = Binary("+", total, invoke("f", number))
    return described(path, let(y, expr("{0} * {1}", total, literal("one", 1))))


def test_how_many_arguments_a_class_takes() -> None:
    instances = [many("a", [1, 2, 3]), many("b", [1, 5, 7])]
    (group,) = grouped(instances)
    assert arguments_of(group) == 2
    assert differences([instance.signature for instance in instances]) == 2


def test_an_extent_of_an_input_is_no_argument() -> None:
    """Sequences of 4 and of 20 tokens: `x.shape[0]`; other numbers, and those of a constructor, are arguments."""

    def reshaped(path: str, tokens: int, features: int) -> Instance:
        x, y, z = Variable("x", (tokens, 8)), Variable("y"), Variable("z")
        shaped = expr("{0}.reshape({1})", x, (2, tokens, features))
        return described(path, let(y, shaped), let(z, expr("{0} * {1}", y, literal("one", (tokens, 1)))))

    instances = [reshaped("a", 4, 3), reshaped("b", 20, 5)]
    (group,) = grouped(instances)
    assert arguments_of(group) == 2
    assert "y = x.reshape((2, x.shape[0], size))" in repr(built(*instances).cell)


def test_an_instance_that_needs_arguments_of_its_own_is_an_outlier() -> None:
    alike = [many(name, ["a", "b", "c", "d", "e"]) for name in "abc"]
    stem = many("stem", ["f", "g", "h", "i", "j"])
    (group,) = grouped([stem, *alike])
    assert outliers(group) == [stem]
    assert group.instances == [stem, *alike], "the group stays what it is"
    (group,) = grouped([many("a", ["a", "b"]), many("b", ["c", "d"]), many("c", ["c", "d"])])
    assert outliers(group) == []
