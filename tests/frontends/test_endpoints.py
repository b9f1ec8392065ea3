"""Names, shapes and NAME as the user gives them."""

from __future__ import annotations

import pytest

from converter.errors import BadParamError
from converter.frontends.endpoints import Declared, Extents, TensorNames, merge_shapes, module_name, parse_shape

GRAPH = TensorNames(
    inputs=["input", "mask:0"],
    outputs=["prob"],
    nodes={"split": ["left", "", "right"], "conv": ["conv_out"], "prob": ["other"], "noop": []},
    values={"input", "mask:0", "left", "right", "conv_out", "prob", "other", "a/b:1", "split:2"},
    shared={"relu": ["relu_a", "relu_b"]},
)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input", "input"),
        ("mask:0", "mask:0"),
        ("a/b:1", "a/b:1"),  # a value whose name looks like an output of a node
        ("conv", "conv_out"),
        ("conv:0", "conv_out"),
        ("split", "left"),
        ("split:2", "split:2"),  # a value of this name wins over the third output of the node
        ("prob", "prob"),  # and over a node
        ("input:0", "input"),
    ],
)
def test_a_name_is_resolved(name, value):
    assert GRAPH.inputs_named([name]) == GRAPH.outputs_named([name]) == (value,)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["inptu"], r"input node 'inptu' is not in the graph\. Nearest names: 'input'.*own inputs: 'input', 'mask:0'"),
        (["zzzzzzzz"], r"'zzzzzzzz' is not in the graph\. The graph's own inputs"),
        (["conv:1"], r"no output 1\. Its outputs: 'conv_out'"),
        (["split:1"], r"no output 1\. Its outputs: 'left', 'right'"),
        (["noop"], r"no output 0\. Its outputs: none"),
        (["input:1"], r"'input:1' is not in the graph"),
        (["input,mask:0"], r"Separate several nodes by spaces"),
        (["relu"], r"stands for several nodes\. Name a tensor: 'relu_a', 'relu_b'"),
        (["conv", "conv"], r"'conv_out' is given twice\."),
        (["conv", "conv:0"], r"'conv_out' is given twice \(as 'conv' and as 'conv:0'\)"),
    ],
)
def test_a_name_that_does_not_fit(names, message):
    with pytest.raises(BadParamError, match=message):
        GRAPH.inputs_named(names)


def test_suggestions_in_a_large_graph():
    values = {f"layer{i}/weights/read:0" for i in range(20_000)} | {"Identity:0"}
    graph = TensorNames(["x:0"], ["Identity:0"], {}, values)
    with pytest.raises(BadParamError, match=r"Nearest names: 'Identity:0'.*own outputs: 'Identity:0'"):
        graph.outputs_named(["Idenity:0"])


@pytest.mark.parametrize(
    ("text", "shape"),
    [
        ("1,3,224,224", (1, 3, 224, 224)),
        ("N,3,224,224", ("N", 3, 224, 224)),
        ("1, batch", (1, "batch")),
        ("7", (7,)),
        ("-", None),
    ],
)
def test_parse_shape(text, shape):
    assert parse_shape(text) == shape


@pytest.mark.parametrize("text", ["", "1,,3", "0,3", "1,-1", "1.5", "1,?", "1,3,", "()", "²"])
def test_parse_shape_refuses(text):
    with pytest.raises(BadParamError, match="neither a positive number nor a letter"):
        parse_shape(text)


def one(given: str | None, declared) -> Extents:
    return merge_shapes([] if given is None else [given], [Declared("x", declared)])[0]


@pytest.mark.parametrize(
    ("given", "declared", "shape", "example"),
    [
        ("1,3,32,32", (1, 3, 32, 32), (1, 3, 32, 32), (1, 3, 32, 32)),
        ("4,3,32,32", ("batch", 3, None, 32), ("batch", 3, "d2", 32), (4, 3, 32, 32)),
        ("B,3,32,32", ("batch", 3, 32, 32), ("B", 3, 32, 32), (1, 3, 32, 32)),
        ("N,3,H,H", (8, 3, 64, 64), ("N", 3, "H", "H"), (8, 3, 64, 64)),
        ("-", (None, 3, None, None), ("N", 3, "d2", "d3"), (1, 3, 224, 224)),
        (None, (None, None), ("N", "d1"), (1, 16)),
        (None, ("?", "unk__12", "None"), ("N", "d1", "d2"), (1, 16, 16)),
        (None, (0, 3), (0, 3), (0, 3)),
        ("-", (), (), ()),
        (None, None, None, None),
        ("2,N", None, ("N_2", "N"), (2, 16)),
    ],
)
def test_one_shape(given, declared, shape, example):
    found = one(given, declared)
    assert (found.shape, found.example) == (shape, example)


@pytest.mark.parametrize(
    ("given", "declared", "guessed"),
    [
        (None, (None, 3, None, "side"), {"d2", "side"}),
        ("2,3,64,S", (None, 3, None, None), {"S"}),
        ("2,3,64,64", (None, 3, None, None), set()),
        ("N,3,H,H", (8, 3, 64, 64), set()),
        (None, ("batch", 4), set()),
    ],
)
def test_extents_that_nobody_gave_are_named(given, declared, guessed):
    assert one(given, declared).guessed == guessed


def test_dimensions_of_one_name_have_one_example():
    declared = [Declared("state", (2, "batch", 128)), Declared("x", ("batch", "time")), Declared("y", ("time",))]
    assert [e.example for e in merge_shapes([], declared)] == [(2, 1, 128), (1, 1), (1,)]
    given = ["-", "3,50", "-"]
    assert [e.example for e in merge_shapes(given, declared)] == [(2, 3, 128), (3, 50), (50,)]


def test_nameless_dimensions_stay_apart():
    shapes = [e.shape for e in merge_shapes([], [Declared("a", (None, 2)), Declared("b", (None, 2))])]
    assert shapes == [("N", 2), ("N_2", 2)]


@pytest.mark.parametrize(
    ("given", "declared", "message"),
    [
        (["1,3"], [("x", (1, 3, 4))], r"'x'.*\(1, 3\) has 2 dimension\(s\).*declares \(1, 3, 4\)"),
        (["1"], [("x", ())], r"Use - for a scalar"),
        (["2,3"], [("x", (1, 3))], r"'x'.*\(2, 3\) contradicts \(1, 3\).*Give 1 instead of 2, or a letter"),
        (["1,3", "-"], [("x", (1, 3))], r"2 shape\(s\) for 1 input\(s\).*'x'"),
        (["1,3"], [("x", (1, 3)), ("y", (None,))], r"1 shape\(s\) for 2 input\(s\).*'x', 'y'"),
    ],
)
def test_a_shape_that_does_not_fit(given, declared, message):
    with pytest.raises(BadParamError, match=message):
        merge_shapes(given, [Declared(*end) for end in declared])


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("resnet50", "resnet50"),
        ("resnet50-v1.5 (fp16)", "resnet50_v1_5__fp16_"),
        ("50net", "_50net"),
        ("class", "_class"),
        ("None", "_None"),
        ("match", "match"),  # a soft keyword can be a module
        ("numpy", "_numpy"),
        ("mindspore", "_mindspore"),
        ("math", "_math"),
        ("Math", "Math"),
        ("x²", "x_"),  # import would look for x2
        ("ﬁne", "_ne"),
        ("re\u0301seau", "réseau"),
        ("模型", "模型"),
    ],
)
def test_module_name(stem, name):
    assert module_name(stem) == name
