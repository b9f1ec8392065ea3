"""Re-roll loops: iterations that the source unrolled."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from script.programs import call, dense, let, literal, member, text, variables

from converter.script.expressions import Arg, Binary, Call, Index, invoke
from converter.script.printer import text_of
from converter.script.program import Cell, Member
from converter.script.statements import Assign, Block, For, Statement, Variable, defined_by, map_statement
from converter.script.structure.regions import used_by
from converter.script.structure.reroll import reroll_loops

X, H0 = variables("x h0")
FC, OTHER, THIRD = dense("fc"), dense("other"), dense("third")
STEPS = 4

Step = Callable[[int, Variable], tuple[list[Statement], Variable]]


def unrolled(step: Step, count: int = STEPS) -> tuple[list[Statement], list[Variable]]:
    """So many steps, each on the result of the one before it, and these results."""
    statements: list[Statement] = []
    made = [H0]
    for i in range(count):
        following, result = step(i, made[-1])
        statements += following
        made.append(result)
    return statements, made


def rerolled(statements: list[Statement], *results: Variable) -> str:
    """The statements with loops."""
    uses = Counter([*(part for statement in statements for part in used_by(statement)), *results])
    done = reroll_loops(statements, set(results), uses)
    for statement in statements:
        map_statement(statement, done.read_in)
    return repr(Block(statements, done.joined(tuple(map(done.read_in, results)))))


def recurrent(i: int, h: Variable) -> tuple[list[Statement], Variable]:
    """`a = fc(h); h = tanh(a)`."""
    a, after = variables("a h")
    return [let(a, call(FC, h)), let(after, invoke("ops.tanh", a))], after


def test_one_layer_again_and_again_is_a_loop_over_a_range() -> None:
    statements, made = unrolled(recurrent)
    assert rerolled(statements, made[-1]) == text(
        """
        h = h0
        for step in range(4):
            a = self.fc(h)
            h = ops.tanh(a)
        return h
        """
    )


def two_states(i: int, state: Variable) -> tuple[list[Statement], Variable]:
    """`h, c = fc((h, c))`, from one value for both in the first step."""
    other = OTHERS[-1] if i else H0
    after = variables(f"hidden{i} cell{i}")
    OTHERS.append(after[1])
    return [Assign(tuple(after), call(FC, (state, other)))], after[0]


OTHERS: list[Variable] = []


def test_states_that_start_from_one_value() -> None:
    OTHERS.clear()
    statements, made = unrolled(two_states)
    (y,) = variables("y")
    statements.append(let(y, invoke("ops.relu", H0)))
    assert rerolled(statements, made[-1], OTHERS[-1], y) == text(
        """
        hidden0 = h0
        cell0 = h0
        for step in range(4):
            hidden0, cell0 = self.fc((hidden0, cell0))
        y = ops.relu(h0)
        return hidden0, cell0, y
        """
    )


def test_what_a_step_makes_is_no_initial_value() -> None:
    """Also where two layers read it."""

    def heads(i: int) -> tuple[list[Statement], list[Variable]]:
        x, y, left, right = variables(f"x{i} y{i} left{i} right{i}")
        made = [let(y, call(OTHER, x)), let(left, call(FC, y)), let(right, call(THIRD, y))]
        return made, [left, right]

    steps = [heads(i) for i in range(7)]
    results = [value for _, values in steps for value in values]
    done = rerolled([statement for made, _ in steps for statement in made], *results)
    assert "in (x0, x1, x2, x3, x4, x5, x6)" in done


def predicted(i: int, h: Variable) -> tuple[list[Statement], Variable]:
    """A step of a recurrence, and what is predicted in it."""
    following, after = recurrent(i, h)
    chain = variables("p q r s")
    values = [after, *chain]
    return [*following, *(let(b, invoke("ops.relu", a)) for a, b in itertools.pairwise(values))], after


def predictions(statements: list[Statement]) -> list[Variable]:
    return [made for statement in statements for made in defined_by(statement) if made.hint == "s"]


def test_what_each_step_makes_is_collected() -> None:
    statements, made = unrolled(predicted)
    assert rerolled(statements, *predictions(statements), made[-1]) == text(
        """
        h = h0
        outputs = ()
        for step in range(4):
            a = self.fc(h)
            h = ops.tanh(a)
            p = ops.relu(h)
            q = ops.relu(p)
            r = ops.relu(q)
            s = ops.relu(r)
            outputs = outputs + (s,)
        return *outputs, h
        """
    )


def test_all_that_is_collected_is_read_as_one_tuple() -> None:
    statements, _ = unrolled(predicted)
    y, z = variables("y z")
    found = predictions(statements)
    code = rerolled([*statements, let(y, invoke("ops.stack", tuple(found))), let(z, found[1])], y, z)
    assert code.endswith("y = ops.stack(outputs)\nz = outputs[1]\nreturn y, z")


def test_carried_values_may_be_collected_too() -> None:
    statements, made = unrolled(predicted, 5)
    y = Variable("y")
    code = rerolled([*statements, let(y, invoke("ops.stack", tuple(made[1:])))], y, made[-1])
    assert code.endswith("y = ops.stack(outputs)\nreturn y, h")


def test_some_of_what_the_steps_make_is_not_collected() -> None:
    statements, made = unrolled(predicted)
    assert "for" not in rerolled(statements, *predictions(statements)[:-1], made[-1])


def test_the_first_step_may_be_shorter_than_the_others() -> None:
    """Its constants are folded, so that fewer statements stand before its layer than in other steps."""

    def step(i: int, h: Variable) -> tuple[list[Statement], Variable]:
        a, b, c, after = variables("a b c h")
        before = [let(a, invoke("ops.relu", h)), let(b, invoke("ops.exp", a))] if i else []
        return [*before, let(c, call(FC, b if i else h)), let(after, invoke("ops.tanh", c))], after

    statements, made = unrolled(step, 6)
    assert "for step in range(5):\n    a = ops.relu(h)\n" in rerolled(statements, made[-1])


def scanned(
    keys: Sequence[Variable], values: Sequence[Variable], h: Variable
) -> tuple[list[Statement], list[Variable]]:
    """`h = exp(k) * h + v; y = tanh(relu(h))`, without a layer, and all y."""
    statements: list[Statement] = []
    results = []
    for k, v in zip(keys, values, strict=True):
        a, b, after, c, y = variables("a b h c y")
        statements += [let(a, invoke("ops.exp", k)), let(b, Binary("*", a, h)), let(after, Binary("+", b, v))]
        statements += [let(c, invoke("ops.relu", after)), let(y, invoke("ops.tanh", c))]
        results.append(y)
        h = after
    return statements, results


def test_several_elements_each_are_a_loop_over_several_streams() -> None:
    keys, values = variables("k0 k1 k2 k3 k4"), variables("v0 v1 v2 v3 v4")
    statements, results = scanned(keys, values, H0)
    stacked = Variable("stacked")
    unbound = [let(keys, invoke("ops.unbind", X)), let(values, invoke("ops.unbind", H0))]
    code = rerolled([*unbound, *statements, let(stacked, invoke("ops.stack", tuple(results)))], stacked)
    assert code == text(
        """
        k0 = ops.unbind(x)
        v0 = ops.unbind(h0)
        h = h0
        outputs = ()
        for x_t, y_t in zip(k0, v0):
            a = ops.exp(x_t)
            b = a * h
            h = b + y_t
            c = ops.relu(h)
            y = ops.tanh(c)
            outputs = outputs + (y,)
        stacked = ops.stack(outputs)
        return stacked
        """
    )


def test_a_few_statements_without_layers_stay() -> None:
    keys, values = variables("k0 k1 k2"), variables("v0 v1 v2")
    statements, results = scanned(keys, values, H0)
    assert "for" not in rerolled(statements, *results)


def elementwise(elements: Sequence[Variable]) -> Step:
    def step(i: int, h: Variable) -> tuple[list[Statement], Variable]:
        a, b, after = variables("a b h")
        return [let(a, call(FC, h)), let(b, Binary("+", a, elements[i])), let(after, invoke("ops.tanh", b))], after

    return step


def test_one_element_each_is_a_loop_over_the_elements() -> None:
    elements = variables("x0 x1 x2 x3")
    statements, made = unrolled(elementwise(elements))
    loop = rerolled(statements, made[-1])
    assert "for x_t in (x0, x1, x2, x3):\n    a = self.fc(h)\n    b = a + x_t\n" in loop


@pytest.mark.parametrize(
    ("order", "over"),
    [
        ([0, 1, 2, 3, 4], "parts"),
        ([4, 3, 2, 1, 0], "parts[::-1]"),
        ([1, 2, 3, 4], "parts[1:]"),
        ([0, 1, 2, 3], "parts[:4]"),
        ([1, 2, 3], "parts[1:4]"),
    ],
)
def test_elements_that_one_statement_makes_are_kept_together(order: list[int], over: str) -> None:
    parts = [Variable("parts") for _ in range(5)]
    made = let(parts, invoke("ops.unbind", X))
    statements, results = unrolled(elementwise([parts[i] for i in order]), len(order))
    code = rerolled([made, *statements], results[-1])
    assert code.startswith("parts = ops.unbind(x)\n")
    assert f"for x_t in {over}:" in code


def test_elements_in_another_order_stay_apart() -> None:
    parts = variables("p0 p1 p2")
    statements, results = unrolled(elementwise([parts[1], parts[0], parts[2]]), 3)
    code = rerolled([let(parts, invoke("ops.unbind", X)), *statements], results[-1])
    assert code.startswith("p0, p1, p2 = ops.unbind(x)\n")
    assert "for x_t in (p1, p0, p2):" in code


def test_instances_of_one_class_are_a_loop_over_a_list() -> None:
    cell = Cell("Block")
    layers = [member(f"layers.{i}", Call(cell), "weight") for i in range(STEPS)]

    def step(i: int, h: Variable) -> tuple[list[Statement], Variable]:
        a, after = variables("a h")
        return [let(a, call(layers[i], h, X)), let(after, Binary("+", a, h))], after

    statements, made = unrolled(step)
    uses = Counter(part for statement in statements for part in used_by(statement))
    before = list(statements)
    moved = reroll_loops(statements, {made[-1]}, uses).moved
    (loop,) = statements
    assert isinstance(loop, For)
    assert repr(loop).splitlines()[:3] == ["h = h0", "for layer in self.layers:", "    a = layer(h, x)"]
    assert isinstance(loop.over, Member)
    assert text_of(loop.over.constructor, lambda leaf: leaf.label) == "nn.CellList([Block() for _ in range(4)])"
    assert [moved[layer] for layer in layers] == [loop.over] * STEPS
    assert [moved[later] for later in before[2:]] == before[:2] * (STEPS - 1)


@pytest.mark.parametrize(
    ("growth", "over", "ahead"), [(1, "range(2, 7)", "i + 1"), (3, "range(2, 17, 3)", "i + 1"), (0, "", "")]
)
def test_numbers_that_grow_with_each_step_are_computed_from_its_index(growth: int, over: str, ahead: str) -> None:
    def step(i: int, h: Variable) -> tuple[list[Statement], Variable]:
        a, b, c, after = variables("a b c h")
        number = 2 + growth * i if growth else 2 + i * i  # squares do not grow evenly
        statements: list[Statement] = [
            let(a, Index(h, number)),
            let(b, invoke("ops.full_like", a, number + 1)),
            let(c, Binary("+", a, b)),
            let(after, Binary("*", c, h)),
        ]
        return statements, after

    statements, made = unrolled(step, 5)
    written = rerolled(statements, made[-1])
    if not growth:
        assert "for" not in written
        return
    assert written == text(
        f"""
        h = h0
        for i in {over}:
            a = h[i]
            b = ops.full_like(a, {ahead})
            c = a + b
            h = c * h
        return h
        """
    )


def test_several_values_may_be_carried() -> None:
    def step(i: int, h: Variable) -> tuple[list[Statement], Variable]:
        a, after = variables("a h")
        carried.append(after)
        other = carried[-2] if len(carried) > 1 else X
        return [let(a, call(FC, h)), let(after, Binary("+", a, other))], after

    carried: list[Variable] = []
    statements, made = unrolled(step)
    assert "for step in range(" in rerolled(statements, made[-1])


def test_the_first_step_may_be_another_one() -> None:
    def step(i: int, h: Variable) -> tuple[list[Statement], Variable]:
        a, after = variables("a h")
        return [let(a, call(FC, h)), let(after, invoke("ops.tanh" if i else "ops.relu", a))], after

    statements, made = unrolled(step, 5)
    code = rerolled(statements, made[-1])
    assert "h = ops.relu(a)\n" in code
    assert "for step in range(4):" in code


def literal_differs(i: int, h: Variable) -> tuple[list[Statement], Variable]:
    a, after = variables("a h")
    return [let(a, call(FC, h)), let(after, Binary("*", a, i))], after


def function_differs(i: int, h: Variable) -> tuple[list[Statement], Variable]:
    a, after = variables("a h")
    return [let(a, call(FC, h)), let(after, invoke(f"ops.f{i}", a))], after


def nothing_carried(i: int, h: Variable) -> tuple[list[Statement], Variable]:
    a, after = variables("a h")
    return [let(a, call(FC, X)), let(after, invoke("ops.tanh", a))], after


def layer_differs(i: int, h: Variable) -> tuple[list[Statement], Variable]:
    a, after = variables("a h")
    return [let(a, call(dense(f"fc{i}"), h)), let(after, invoke("ops.tanh", a))], after


@pytest.mark.parametrize("step", [literal_differs, function_differs, nothing_carried, layer_differs])
def test_steps_that_differ_stay(step: Step) -> None:
    statements, made = unrolled(step)
    before = repr(Block(list(statements), (made[-1],)))
    assert rerolled(statements, made[-1]) == before


def test_a_few_steps_stay() -> None:
    statements, made = unrolled(recurrent, 2)
    assert "for" not in rerolled(statements, made[-1])


@pytest.mark.parametrize("read", [2, 3])
def test_steps_of_which_one_in_between_is_read_later_stay(read: int) -> None:
    statements, made = unrolled(recurrent)
    code = rerolled(statements, made[-1], made[read])
    assert code.count("for ") == 0, code


def test_two_loops_one_after_the_other() -> None:
    statements, made = unrolled(recurrent)
    relu = Variable("r")
    statements.append(let(relu, invoke("ops.relu", made[-1])))

    two = literal("two", 2)

    def shared(i: int, h: Variable) -> tuple[list[Statement], Variable]:
        a, after = variables("a h")
        return [let(a, call(OTHER, relu if h is H0 else h)), let(after, Binary("*", a, two))], after

    more, ends = unrolled(shared)
    code = rerolled([*statements, *more], ends[-1])
    assert code.count("for step in range(4):") == 2


def test_loops_of_many_layers_that_follow_each_other() -> None:
    """Each begins where the statements of the one before it look like its own."""
    statements: list[Statement] = []
    h = H0
    for number in range(5):
        layer = dense(f"fc{number}")
        for _ in range(STEPS):
            a, after = variables("a h")
            statements += [let(a, call(layer, h)), let(after, invoke("ops.tanh", a))]
            h = after
    code = rerolled(statements, h)
    for number in range(5):
        assert f"for step in range(4):\n    a = self.fc{number}(h)\n    h = ops.tanh(a)\n" in code
    assert len(code.splitlines()) == len(["h = h0", *5 * ["for", "a", "h"], "return"])


def test_an_element_that_other_statements_read_is_read_from_the_whole() -> None:
    parts = [Variable("parts") for _ in range(3)]
    statements, results = unrolled(elementwise(parts), 3)
    last: Arg = Binary("+", results[-1], parts[1])
    y = Variable("y")
    program = [let(parts, invoke("ops.unbind", X)), *statements, let(y, last)]
    code = rerolled(program, y)
    assert "y = h + parts[1]" in code
    assert program[-1].value.right == Index(program[0].targets[0], 1)


def predicted_of(
    features: Sequence[Variable], head: Sequence[Variable | Member]
) -> tuple[list[Statement], list[Variable]]:
    """`a = head(x); b = relu(a); c = tanh(b); y = exp(c)` of each feature, and all y."""
    statements: list[Statement] = []
    results = []
    for x, layer in zip(features, head, strict=True):
        a, b, c, y = variables("a b c y")
        statements += [let(a, call(layer, x)), let(b, invoke("ops.relu", a)), let(c, invoke("ops.tanh", b))]
        statements.append(let(y, invoke("ops.exp", c)))
        results.append(y)
    return statements, results


def test_a_head_that_is_called_on_each_feature_is_a_loop_over_them() -> None:
    """The pyramid of a detector; nothing goes on from one iteration to the next."""
    features = variables("p3 p4 p5 p6 p7")
    statements, results = predicted_of(features, [FC] * 5)
    joined = Variable("joined")
    code = rerolled([*statements, let(joined, invoke("ops.cat", tuple(results)))], joined)
    assert code == text(
        """
        outputs = ()
        for x in (p3, p4, p5, p6, p7):
            a = self.fc(x)
            b = ops.relu(a)
            c = ops.tanh(b)
            y = ops.exp(c)
            outputs = outputs + (y,)
        joined = ops.cat(outputs)
        return joined
        """
    )


def test_few_features_stay() -> None:
    statements, results = predicted_of(variables("p3 p4 p5"), [FC] * 3)
    assert "for" not in rerolled(statements, *results)


def test_a_layer_for_each_feature_is_a_loop_over_both() -> None:
    cell = Cell("Block")
    layers = [member(f"layers.{i}", Call(cell), "weight") for i in range(6)]
    features, results, others = (variables(" ".join(f"{letter}{i}" for i in range(6))) for letter in "xyz")
    calls = zip(results, others, layers, features, strict=True)
    statements = [let((one, other), call(layer, x)) for one, other, layer, x in calls]
    ends = variables("first second")
    joined = [let(end, invoke("ops.cat", tuple(each))) for end, each in zip(ends, (results, others), strict=True)]
    code = rerolled([let(features, invoke("ops.split", X)), *statements, *joined], *ends)
    assert code == text(
        """
        x0 = ops.split(x)
        outputs, outputs = (), ()
        for layer, x in zip(self.layers, x0):
            y0, z0 = layer(x)
            outputs, outputs = outputs + (y0,), outputs + (z0,)
        first = ops.cat(outputs)
        second = ops.cat(outputs)
        return first, second
        """
    )
