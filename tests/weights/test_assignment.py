"""Assignment: the clear pairs first, then what these say about the rest, and what stays open."""

from __future__ import annotations

from itertools import product

from converter.weights.assignment import Chosen, Side, assign
from converter.weights.names import compared


def paired(here: list[str], there: list[str], fits=None, anchors=({}, {})) -> dict[str, tuple[str, str]]:
    """For each name its partner and the reason; all fit each other if nothing else is said."""
    pairs = fits or list(product(range(len(here)), range(len(there))))
    sides = [
        Side(compared([(name, "") for name in names]), own) for names, own in zip((here, there), anchors, strict=True)
    ]
    chosen = assign(dict.fromkeys(pairs, 0.0), *sides)
    return {here[pair.row]: (there[pair.column], pair.reason) for pair in chosen}


def test_the_only_pair():
    assert paired(["a", "b"], ["x", "y"], [(0, 1), (1, 0)]) == {"a": ("y", "only"), "b": ("x", "only")}


def test_names_decide():
    assert paired(["user", "item"], ["item_tower", "user_tower"]) == {
        "user": ("user_tower", "name"),
        "item": ("item_tower", "name"),
    }


def test_the_rest_is_decided_when_the_clear_pairs_are_gone():
    found = paired(["user", "other"], ["user_tower", "x"])
    assert found == {"user": ("user_tower", "name"), "other": ("x", "only")}


def test_numbers_in_their_order():
    assert paired(["a_2", "a_10", "a_1"], ["x.3", "x.12", "x.4"]) == {
        "a_1": ("x.3", "numbers"),
        "a_2": ("x.4", "numbers"),
        "a_10": ("x.12", "numbers"),
    }


def test_numbers_say_nothing_where_the_words_differ():
    assert {reason for _, reason in paired(["a_1", "b_2"], ["x.1", "y.2"]).values()} == {"guess"}


def test_what_no_name_decides_is_paired_in_order():
    sides = (Side(compared([(name, "") for name in names])) for names in (["a", "b"], ["x", "y"]))
    assert assign({(0, 0): 0.0, (0, 1): 0.0, (1, 0): 0.0, (1, 1): 0.0}, *sides) == [
        Chosen(0, 0, "guess", (1,)),
        Chosen(1, 1, "guess", (0,)),
    ]


def test_a_row_may_be_left_without():
    assert len(paired(["a", "b", "c"], ["x", "y"])) == 2


def test_decided_pairs_tell_how_the_others_count():
    """`p` and `q` have shapes of their own and show that x counts from 1; the others have one shape."""
    here = ["stage.0.p", "stage.1.p", "stage.2.p", "stage.0.q", "stage.2.q"]
    there = ["x1.p", "x2.p", "x3.p", "x1.r", "x3.r", "x2.r"]
    fits = [(0, 0), (1, 1), (2, 2), *product((3, 4), (3, 4, 5))]
    found = paired(here, there, fits)
    assert found["stage.0.q"] == ("x1.r", "name")
    assert found["stage.2.q"] == ("x3.r", "name")


def test_a_norm_goes_with_its_convolution():
    here, there = ["f", "g", "n", "m"], ["u", "v", "s", "t"]
    fits = [(0, 1), (1, 0), *product((2, 3), (2, 3))]
    assert {reason for name, (_, reason) in paired(here, there, fits).items() if name in "nm"} == {"guess"}
    found = paired(here, there, fits, ({2: {0}, 3: {1}}, {2: {0}, 3: {1}}))
    assert (found["n"], found["m"]) == (("t", "name"), ("s", "name"))
