"""Arguments: what differs between the instances of a block."""

from __future__ import annotations

import pytest

from converter.base.names import Namespace
from converter.script.expressions import Attribute, Name
from converter.script.printer import text_of
from converter.script.program import Argument
from converter.script.statements import Assign, Variable
from converter.script.structure.arguments import ABSENT, arguments_for
from converter.script.structure.signature import Place, Slot

OWNER = Assign((Variable("y"),), 1)


def written(*slots):
    """What stands in each slot, as text, and the values of each argument; a slot is name, literals, default."""
    places = [(Place(Name("call"), keyword=name), *default) for name, _, *default in slots]
    made = arguments_for(
        [Slot(None, place, OWNER, *default) for place, *default in places], [row for _, row, *_ in slots], Namespace()
    )
    return [text(choice) for choice in made.choices], {argument.name: row for argument, row in made.values.items()}


def text(item):
    return text_of(item, lambda leaf: leaf.name if isinstance(leaf, Argument) else leaf.hint)


def test_what_all_share_stays():
    assert written(("stride", [2, 2]), ("bias", [True, True])) == (["2", "True"], {})


def test_equal_columns_are_one_argument():
    choices, values = written(("in_channels", [8, 16]), ("out_channels", [16, 32]), ("num_features", [16, 32]))
    assert choices == ["in_channels", "out_channels", "out_channels"]
    assert values == {"in_channels": [8, 16], "out_channels": [16, 32]}


def test_one_that_goes_in_and_out_is_channels():
    assert written(("out_channels", [16, 32]), ("in_channels", [16, 32]))[0] == ["channels", "channels"]
    assert written(("out_features", [16, 32]), ("in_features", [16, 32]))[0] == ["features", "features"]
    assert written(("out_channels", [16, 32]), ("in_features", [16, 32]))[0] == ["channels", "channels"]


def test_a_number_that_is_never_the_default_is_like_others():
    """The groups of a depthwise convolution; where they are 1 in an instance, they have a default."""
    assert written(("channels", [8, 16]), ("group", [8, 16], 1)) == (
        ["channels", "channels"],
        {"channels": [8, 16]},
    )
    assert written(("channels", [1, 16]), ("group", [1, 16], 1))[0] == ["channels", "group"]


@pytest.mark.parametrize(
    ("modes", "kernels", "choice"),
    [
        (["same", "pad"], [1, 3], "'pad'"),
        (["same", "pad"], [(1, 1), (3, 3)], "'pad'"),
        (["same", "pad"], [3, 3], "pad_mode"),  # "same" pads
        (["valid", "same"], [1, 3], "pad_mode"),
    ],
)
def test_a_kernel_of_one_element_is_padded_by_nothing(modes, kernels, choice):
    padding = [0 if mode != "pad" else 1 for mode in modes]
    slots = [("kernel_size", kernels), ("pad_mode", modes, "valid"), ("padding", padding, 0)]
    assert written(*slots)[0][-2] == choice


def test_tuples_differ_number_by_number():
    choices, values = written(("value", [(1, 8, 7), (1, 4, 7)]))
    assert choices == ["(1, size, 7)"]
    assert values == {"size": [8, 4]}


def test_tuples_of_pairs_differ_number_by_number():
    choices, values = written(("padding", [((0, 0), (0, 5)), ((0, 0), (0, 3))]))
    assert (choices, values) == (["((0, 0), (0, padding))"], {"padding": [5, 3]})


def test_numbers_of_shapes_are_named_after_what_they_are():
    place = Place(Attribute(Variable("x"), "reshape"))
    rows = [[4, 8], [49, 196], [7, 14]]
    made = arguments_for([Slot(None, place, OWNER)] * 3, rows, Namespace(), known={(4, 8): "heads"})
    assert {argument.name: row for argument, row in made.values.items()} == dict(
        zip(("heads", "size", "length"), rows, strict=True)
    )


@pytest.mark.parametrize("rows", [[(1, 2), (1, 2, 3)], [(1, 2), 3]], ids=["lengths", "kinds"])
def test_tuples_of_other_forms_differ_whole(rows):
    assert written(("padding", rows)) == (["padding"], {"padding": rows})


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([32, 64, 128], "4 * channels"),
        ([4, 8, 16], "channels // 2"),
        ([32, 64, 129], "value"),
        ([8, 16, 32], "channels"),
    ],
)
def test_a_multiple_is_computed(column, expected):
    channels = ("in_channels", [8, 16, 32]), ("out_channels", [8, 16, 32])
    assert written(*channels, ("value", column))[0][2] == expected


def test_the_first_that_comes_in_is_the_base():
    holes = ("in_channels", [16, 24, 40]), ("in_channels", [4, 6, 10]), ("out_channels", [96, 144, 240])
    assert written(*holes)[0] == ["in_channels", "in_channels // 4", "6 * in_channels"]


def test_the_smallest_that_is_made_is_the_base():
    """A shortcut that comes first makes what the block makes at last, which is the multiple."""
    holes = ("out_channels", [256, 512, 1024]), ("out_channels", [64, 128, 256]), ("in_channels", [64, 256, 512])
    assert written(*holes)[0] == ["4 * out_channels", "out_channels", "in_channels"]


@pytest.mark.parametrize(
    ("padding", "expected"), [([1, 2], "kernel_size // 2"), ([1, 1], "1"), ([0, 2], "padding")], ids=str
)
def test_the_padding_that_keeps_a_size_is_computed(padding, expected):
    assert written(("kernel_size", [3, 5]), ("padding", padding, 0))[0][1] == expected


def test_what_calls_of_one_instance_differ_in_is_a_variable():
    rows = [("value", [8, 4, 8]), ("stride", [1, 1, 2])]
    slots = [Slot(None, Place(Name("call"), keyword=name), OWNER) for name, _ in rows]
    made = arguments_for(slots, [row for _, row in rows], Namespace(), ["a", "a", "b"])
    assert list(map(type, made.values)) == [Variable, Argument]


def test_two_values_may_be_in_a_ratio_by_chance():
    assert written(("in_channels", [8, 16]), ("value", [24, 48]))[0] == ["in_channels", "value"]


def test_an_instance_without_the_statement_takes_part():
    choices, values = written(("in_channels", [8, 16, 8]), ("num_features", [8, 16, ABSENT]))
    assert choices == ["in_channels", "in_channels"]
    assert values == {"in_channels": [8, 16, 8]}


def test_equal_to_one_that_has_no_default_is_that_one():
    assert written(("in_channels", [8, 16, 32]), ("group", [8, 16, 32], 1))[0] == ["in_channels", "in_channels"]
