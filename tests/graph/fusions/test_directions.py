"""Layers that read a sequence backward, and pairs of layers that are one of both directions."""

from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import fused, model_of
from harness import check_model

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(5, 2, 3)).astype(np.float32)
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
REVERSED = """
    shape_{0} = Shape ({1}) time_{0} = Gather (shape_{0}, zero) batch_{0} = Gather (shape_{0}, one)
    lengths_{0} = Expand (time_{0}, batch_{0})
    {0} = ReverseSequence <batch_axis = 1, time_axis = 0> ({1}, lengths_{0})
"""
BOTH = """
    {output} = {operator} <hidden_size = 4{options}> (x, w, r, b)
    {reversed}
    {output_back} = {operator} <hidden_size = 4{options}> (back, w_back, r_back, b_back)
    {result}
"""
SEQUENCES = "one_way = Squeeze (y, axis) other = Squeeze (z, axis) {reversed} y_all = Concat <axis = 2> (one_way, {0})"
STATES = "one_way = Squeeze (h, first) other = Squeeze (g, first) y_all = Concat <axis = 1> (one_way, other)"


def weights_of(operator: str, hidden: int = 4) -> dict[str, np.ndarray]:
    rows = GATES[operator] * hidden
    shapes = {"w": (1, rows, 3), "r": (1, rows, hidden), "b": (1, 2 * rows)}
    shapes |= {f"{name}_back": shape for name, shape in shapes.items()}
    made = {name: RANDOM.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return made | {"zero": np.array(0), "one": np.array([1]), "axis": np.array([1]), "first": np.array([0])}


def text_of(operator: str, result: str, *, turned: str = "again") -> str:
    again = REVERSED.format("again", "other")
    body = BOTH.format(
        operator=operator,
        options=", linear_before_reset = 1" if operator == "GRU" else "",
        output="y, h",
        output_back="z, g",
        reversed=REVERSED.format("back", "x"),
        result=result.replace("{0}", turned).replace("{reversed}", again),
    )
    shape = "n,8" if result is STATES else "t,n,8"
    return f"(float[t,n,3] x) => (float[{shape}] y_all) {{ {body} }}"


@pytest.mark.parametrize("operator", GATES)
def test_two_layers_whose_outputs_are_joined_are_one(operator: str) -> None:
    text, weights = text_of(operator, SEQUENCES), weights_of(operator)
    script = check_model(model_of(text, **weights), [X], atol=1e-3).script
    assert "bidirectional=True" in script
    assert "flip" not in script


def test_two_layers_whose_last_states_are_joined_are_one() -> None:
    text, weights = text_of("GRU", STATES), weights_of("GRU")
    assert "bidirectional=True" in check_model(model_of(text, **weights), [X]).script


def test_a_layer_whose_output_stays_reversed_gets_a_flipped_sequence() -> None:
    text, weights = text_of("GRU", SEQUENCES, turned="other"), weights_of("GRU")
    script = check_model(model_of(text, **weights), [X]).script
    assert script.count("nn.GRU") == 2
    assert "flip_or_none(x, (0,))" in script
    assert "reverse_sequence" not in script


def test_a_sequence_that_is_reversed_in_part_stays() -> None:
    text = "(float[5,2,3] x) => (float[5,2,3] y) { y = ReverseSequence <batch_axis = 1, time_axis = 0> (x, lengths) }"
    assert fused(text, X, lengths=np.array([5, 4])) == ["ReverseSequence"]
    assert fused(text, X, lengths=np.array([4, 4])) == ["ReverseSequence"]
    assert fused(text, X, lengths=np.array([5, 5])) == ["Slice"]


APART = """
    y, h = {operator} <hidden_size = 4, direction = "bidirectional"{options}> (x, w, r, b)
    y0 = Slice (y, {first}) one_way = Squeeze (y0, axis) y1 = Slice (y, {second}) other = Squeeze (y1, axis)
    y_all = Concat <axis = 2> (one_way, other)
"""
PLACES = ("first, axis, axis", "axis, two, axis")


@pytest.mark.parametrize("operator", GATES)
@pytest.mark.parametrize("places", [PLACES, PLACES[::-1]], ids=["forward first", "backward first"])
def test_both_directions_that_are_cut_and_joined_are_the_output(operator: str, places: tuple[str, str]) -> None:
    weights = weights_of(operator)
    joined = {name: np.concatenate([weights[name], weights[f"{name}_back"]]) for name in "wrb"}
    places = dict(zip(("first", "second"), places, strict=True))
    options = ", linear_before_reset = 1" if operator == "GRU" else ""
    text = (
        f"(float[t,n,3] x) => (float[t,n,8] y_all) {{ {APART.format(operator=operator, options=options, **places)} }}"
    )
    numbers = {"first": np.array([0]), "axis": np.array([1]), "two": np.array([2])}
    script = check_model(model_of(text, **joined, **numbers), [X], atol=1e-3).script
    assert ("ops.cat" in script) == (places["first"] == PLACES[1])
