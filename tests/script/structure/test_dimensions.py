"""Dimensions: a region reads its free extents from what it has."""

from __future__ import annotations

import onnx_ir as ir
import pytest
from script.programs import let, region, text, variables

from converter.script.expressions import Binary, dimension, invoke
from converter.script.program import Cell
from converter.script.statements import Block, For, Variable
from converter.script.structure.dimensions import localize_dimensions, localize_formulas, release_inputs
from converter.script.templates import expr

A, B, C, D, E, I = variables("a b c d e i")  # noqa: E741
BATCH, LENGTH = ir.SymbolicDim("batch"), ir.SymbolicDim("length")


def test_equal_extents_are_read_from_a_tensor_that_the_region_has() -> None:
    x, y = Variable("x", (BATCH, 8)), Variable("y", (LENGTH, BATCH))
    tree = region(
        let(A, expr("{0}.reshape({1}, {2}, -1)", x, dimension(y, 1), dimension(y, 0))),
        let(B, expr("max({0}, {1})", dimension(x, 0), dimension(y, 1))),
        let(C, expr("{0} + {1}", A, dimension(A, 1))),
    )
    localize_dimensions(tree)
    assert repr(tree) == text(
        """
        a = x.reshape(x.shape[0], y.shape[0], -1)
        b = x.shape[0]
        c = a + a.shape[1]
        """
    )


def test_extents_are_read_from_what_a_loop_goes_on_from() -> None:
    x, h = Variable("x", (BATCH, 8)), Variable("h", (BATCH, 8))
    given = Variable("given", (BATCH, 3))
    loop = For(I, invoke("range", 3), (h,), (x,), Block([], (invoke("ops.relu", h),)))
    tree = region(let(A, invoke("ops.zeros", dimension(given, 0))), loop)
    localize_dimensions(tree)
    assert repr(tree).startswith("a = ops.zeros(x.shape[0])\n")


def test_a_multiple_of_an_extent_is_read_from_it() -> None:
    x, y = Variable("x", (BATCH, 8)), Variable("y", (2 * BATCH,))
    half = expr("{0} // {1}", dimension(y, 0), 2)
    tree = region(let(A, expr("{0}.reshape({1}, {2}, max(({3}, {1})))", x, half, dimension(y, 0), dimension(x, 0))))
    localize_dimensions(tree)
    assert repr(tree) == text("a = x.reshape(x.shape[0], x.shape[0] * 2, x.shape[0])")


def test_what_the_region_makes_lends_no_extents() -> None:
    x, y = Variable("x", (4, 8)), Variable("y", (BATCH,))
    made = Variable("made", (BATCH,))
    tree = region(let(made, invoke("ops.relu", x)), let(A, expr("{0} * {1}", made, dimension(y, 0))))
    before = repr(tree)
    localize_dimensions(tree)
    assert repr(tree) == before


@pytest.mark.parametrize("product", ["{0} * {1} * {1}", "{2} * {0}"])
def test_a_product_is_read_from_the_tensor_that_has_it(product: str) -> None:
    """The windows of an image: their number is the extent of what the region reads, not that of the images."""
    x, y = Variable("x", (16 * BATCH, 8)), Variable("y", (BATCH,))
    tree = region(let(A, expr("{0}.reshape({1})", x, (expr(product, dimension(y, 0), 4, 16), 2, 4))))
    localize_dimensions(tree)
    assert repr(tree) == text("a = x.reshape((x.shape[0], 2, 4))")


def test_an_expression_that_nothing_has_is_left_to_the_reshape() -> None:
    x = Variable("x", (BATCH, LENGTH))
    product = Binary("*", dimension(x, 0), 4)
    tree = region(
        let(A, expr("{0}.reshape({1})", x, (product, 2, 4))),
        let(B, expr("{0}.reshape({1})", x, (product, dimension(x, 1), 4))),
        let(C, expr("{0}.reshape({1})", x, (product, 0, -1))),
        let(D, expr("{0}.reshape({1})", x, (dimension(x, 0), expr("{0} + 8 - {0} % 8", dimension(x, 1)), 4))),
        let(E, expr("{0}.reshape({1})", x, (product, expr("{0} // 2", dimension(x, 1)), 4))),
    )
    localize_dimensions(tree)
    assert repr(tree) == text(
        """
        a = x.reshape((-1, 2, 4))
        b = x.reshape((-1, x.shape[1], 4))
        c = x.reshape((x.shape[0] * 4, 0, -1))
        d = x.reshape((x.shape[0], -1, 4))
        e = x.reshape((x.shape[0] * 4, x.shape[1] // 2, 4))
        """
    )


def test_unknown_dimensions_are_not_taken_for_equal() -> None:
    unknown = ir.SymbolicDim(None)
    x, y = Variable("x", (unknown, 8)), Variable("y", (unknown,))
    tree = region(let(A, invoke("ops.relu", x)), let(B, expr("{0}.reshape({1})", A, (dimension(y, 0), 8))))
    before = repr(tree)
    localize_dimensions(tree)
    assert repr(tree) == before


def test_a_formula_is_read_from_what_has_it() -> None:
    """From what the statement reads, or an input, or what was made before; a maximum of equal extents is one."""
    rounded = (LENGTH - 1) // 4 + 1
    image, x = Variable("image", (BATCH, LENGTH)), Variable("x", (BATCH, rounded))
    half, low = Variable("half", (BATCH, rounded // 2)), Variable("low", (BATCH, rounded))
    formula = expr("({0} - 1) // 4 + 1", dimension(image, 1))
    tree = region(
        let(half, invoke("self.pool", x)),
        let(low, invoke("self.conv", x)),
        let(A, expr("{0}.reshape({1}, {2})", low, dimension(image, 0), formula)),
        let(B, expr("ops.arange({0})", formula)),
        let(C, expr("ops.arange({0})", expr("{0} // 2", formula))),
        let(D, expr("ops.zeros(max(({0}, {1})))", dimension(low, 1), formula)),
        let(E, expr("ops.arange({0})", expr("{0} + 3", formula))),
    )
    localize_dimensions(tree)
    assert repr(tree) == text(
        """
        half = self.pool(x)
        low = self.conv(x)
        a = low.reshape(x.shape[0], low.shape[1])
        b = ops.arange(x.shape[1])
        c = ops.arange(half.shape[1])
        d = ops.zeros(x.shape[1])
        e = ops.arange(x.shape[1] + 3)
        """
    )


def test_formulas_of_the_network() -> None:
    """What is not a formula is read from where it was."""
    image, x, y = Variable("image", (LENGTH,)), Variable("x", (2 * LENGTH,)), Variable("y", (LENGTH,))
    resized = let(A, expr("ops.resize({0}, {1})", x, expr("{0} * 2", dimension(x, 0))))
    formula = expr("{0} * 2", dimension(image, 0))
    tree = region(let(x, invoke("self.up", image)), resized, let(y, invoke("ops.zeros", formula)))
    localize_formulas(tree.statements)
    assert repr(tree).splitlines()[1:] == ["a = ops.resize(x, x.shape[0] * 2)", "y = ops.zeros(image.shape[0] * 2)"]
    localize_formulas(tree.statements, [image])
    assert repr(tree).splitlines()[1:] == ["a = ops.resize(x, x.shape[0] * 2)", "y = ops.zeros(x.shape[0])"]


@pytest.mark.parametrize(
    ("dims", "result", "later"),
    [
        ((BATCH, 4), C, "b.shape[0]"),
        ((LENGTH, 4), C, "x.shape[0]"),  # no tensor that is read has this extent
        ((4, BATCH), C, "x.shape[0]"),
        ((BATCH, 4), "x", "x.shape[0]"),  # the input is returned
    ],
)
def test_an_input_whose_extents_another_tensor_has(dims: tuple[object, ...], result: object, later: str) -> None:
    x, b = Variable("x", (BATCH, 8)), Variable("b", dims)
    body = Block(
        [
            let(A, expr("{0}.reshape({1}, -1)", x, dimension(x, 0))),
            let(b, invoke("ops.relu", A)),
            let(C, expr("{0}.reshape({1}, 2, 2)", b, dimension(x, 0))),
        ],
        (x if result == "x" else result,),
    )
    release_inputs(body, [x])
    made = repr(Cell("Net", inputs=[x], body=body))
    assert "a = x.reshape(x.shape[0], -1)" in made
    assert f"b.reshape({later}, 2, 2)" in made
