"""Equal inputs: self-attention and cross-attention are calls of one class."""

from __future__ import annotations

import pytest
from script.programs import attention, call, dense, program, text, variables

from converter.script.statements import Statement, Variable, defined_by
from converter.script.structure import structure

X, MEMORY = variables("x memory")


def structured(*modules: list[Statement]) -> str:
    """The script of a network of these modules."""
    statements = [statement for module in modules for statement in module]
    return repr(structure(program([X, MEMORY], statements, defined_by(statements[-1])[0])))


A, B, C, D = variables("a b c d")


def test_attention_to_itself_and_to_another_sequence_is_one_class() -> None:
    modules = [attention("self_attn", A, X, X), attention("cross_attn", B, A, MEMORY), attention("last_attn", C, B, B)]
    assert structured(*modules) == text(
        """
        class Attn:
            def __init__(self):
                self.q = nn.Dense(8, 8)
                self.k = nn.Dense(8, 8)
                self.v = nn.Dense(8, 8)
                self.o = nn.Dense(8, 8)
            def construct(self, x, y):
                x_1 = self.q(x)
                x_2 = ops.matmul(ops.softmax(ops.matmul(x_1, self.k(y)), -1), self.v(y))
                return self.o(ops.relu(x_2))

        class Net:
            def __init__(self):
                self.self_attn = Attn()
                self.cross_attn = Attn()
                self.last_attn = Attn()
            def construct(self, x, memory):
                x_1 = self.self_attn(x, x)
                x_2 = self.cross_attn(x_1, memory)
                return self.last_attn(x_2, x_2)
        """
    )


@pytest.mark.parametrize(("kinds", "classes"), [(("Attention", "Attention"), 1), (("Own", "Other"), 2)])
def test_classes_of_the_source_stay_apart(kinds: tuple[str, str], classes: int) -> None:
    own = [attention("a", A, X, X, kind=kinds[0]), attention("b", B, A, A, kind=kinds[0])]
    other = [attention("c", C, B, MEMORY, kind=kinds[1]), attention("d", D, C, MEMORY, kind=kinds[1])]
    assert structured(*own, *other).count("class ") == classes + 1


def test_of_three_inputs_any_two_can_be_equal() -> None:
    """Queries and values of one sequence, keys of another one."""

    def scored(path: str, made: Variable, queries: Variable, keys: Variable, values: Variable) -> list[Statement]:
        module = attention(path, made, queries, keys, "Attention")
        module[2].value = call(dense(f"{path}.v"), values)  # type: ignore[union-attr]
        return module

    script = structured(scored("a", A, X, MEMORY, X), scored("b", B, X, MEMORY, A))
    assert "self.a(x, memory, x)" in script
    assert script.count("class ") == 2
