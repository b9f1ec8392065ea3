"""Members: constants of the graph as literals and parameters."""

from __future__ import annotations

import numpy as np
import pytest
from graph.fusions.recognition import model_of
from harness import check_model


@pytest.mark.parametrize(
    ("constant", "written"),
    [
        (np.zeros((1, 8), np.int64), "ops.zeros((1, 8), dtype=ms.int64)"),
        (np.ones(8, bool), "ops.ones((8,), dtype=ms.bool_)"),
        (np.array([0, 0, 0, 0, 0, 0, 0, 1]), "ms.Tensor([0, 0, 0, 0, 0, 0, 0, 1], ms.int64)"),
        (np.array([[1], [1]]), "ms.Tensor([[1], [1]], ms.int64)"),
        (np.zeros((3, 1, 8), np.int32), "self.constant = ops.zeros((3, 1, 8), dtype=ms.int32)"),
        (np.full((3, 1, 8), 7), "self.constant = ops.full((3, 1, 8), 7, dtype=ms.int64)"),
        (np.arange(24).reshape(24, 1, 1), "self.constant = ops.arange(24).reshape((24, 1, 1))"),
        (
            np.arange(3, 40, 2, dtype=np.int32)[:, None, None],
            "ops.arange(3, 41, 2, dtype=ms.int32).reshape((19, 1, 1))",
        ),
        (np.arange(24).reshape(3, 1, 8), "self.constant = ops.arange(24).reshape((3, 1, 8))"),
        (
            np.arange(24).reshape(3, 1, 8) ** 2,
            "self.constant = ms.Parameter(ops.zeros((3, 1, 8), dtype=ms.int64), requires_grad=False)",
        ),
    ],
    ids=[
        "zeros",
        "ones",
        "numbers",
        "few",
        "many zeros",
        "one number",
        "counted",
        "by twos",
        "through two axes",
        "squares",
    ],
)
def test_constants(constant: np.ndarray, written: str) -> None:
    kind, ends = constant.dtype.name, "a,b,c"[: 2 * max(constant.ndim, 2) - 1]
    text = f"({kind}[2,8] x) => ({kind}[{ends}] y) {{ c = Cast <to = 9> (x) y = Where(c, x, w) }}"
    x = np.arange(16).reshape(2, 8).astype(constant.dtype)
    assert written in check_model(model_of(text, w=constant), [x]).script


@pytest.mark.parametrize(
    ("numbers", "written"),
    [
        (np.array([1, 0.5, 0.25, 0.125, 2, 4, 8, 16]), "ms.Tensor([1.0, 0.5, 0.25"),
        (np.array([0.31622776, 0.1, 1, 0.01, 1, 1, 1, 1]), "ms.Tensor([0.31622776, 0.1"),
        (np.sin(np.arange(8)), "ms.Parameter(ops.zeros((8,), dtype=ms.float32), requires_grad=False)"),
    ],
    ids=["formula", "one of many digits", "measured"],
)
def test_numbers_that_nobody_writes_are_in_the_checkpoint(numbers: np.ndarray, written: str) -> None:
    model = model_of("(float[2,8] x) => (float[2,8] y) { y = Mul(x, w) }", w=numbers.astype(np.float32))
    model.producer_name = "pytorch"
    model.graph.initializer[0].name = model.graph.node[0].input[1] = "c"
    model.graph.initializer[0].metadata_props.add(key="onnx2mindspore.trained", value="no")
    assert written in check_model(model, [np.ones((2, 8), np.float32)]).script


@pytest.mark.parametrize("numbers", [np.full((2, 24), 0.5), np.arange(24) * np.ones((1, 1))], ids=["equal", "counted"])
@pytest.mark.parametrize("name", ["net.scale", "scale", "onnx::Mul_3", "/net/Constant_output_0", "const_fold_opt__7"])
def test_a_float_of_a_modules_name_may_be_another_one_in_its_next_checkpoint(numbers: np.ndarray, name: str) -> None:
    model = model_of("(float[2,24] x) => (float[2,24] y) { y = Mul(x, w) }", w=numbers.astype(np.float32))
    model.producer_name = "pytorch"
    model.graph.initializer[0].name = model.graph.node[0].input[1] = name
    model.graph.initializer[0].metadata_props.add(key="onnx2mindspore.trained", value="no")
    script = check_model(model, [np.ones((2, 24), np.float32)]).script
    assert ("ms.Parameter" in script) == (name in ("net.scale", "scale"))


def test_a_number_that_is_trained_is_a_parameter() -> None:
    model = model_of("(float[2,8] x) => (float[2,8] y) { e = Exp(s) y = Mul(x, e) }", s=np.array(2.5, np.float32))
    model.graph.initializer[0].metadata_props.add(key="onnx2mindspore.trained", value="yes")
    script = check_model(model, [np.ones((2, 8), np.float32)]).script
    assert "ms.Parameter(ops.zeros((), dtype=ms.float32))" in script


@pytest.mark.parametrize(("name", "written"), [("experts.up", "self.experts_up = "), ("val_3", "self.turned = ")])
def test_a_view_of_a_weight_has_its_name(name: str, written: str) -> None:
    text = "(float[2,3,4] x) => (float[2,3,5] y) { turned = Transpose <perm = [0,2,1]> (w) y = MatMul(x, turned) }"
    random = np.random.default_rng(0)
    model = model_of(text, w=random.standard_normal((2, 5, 4)).astype(np.float32))
    model.graph.initializer[0].name = model.graph.node[0].input[0] = name
    script = check_model(model, [random.standard_normal((2, 3, 4)).astype(np.float32)]).script
    assert written in script


DROPOUTS = """(float[2,4] x) => (float[2,4] y) <float ratio = {0.25}> {
    a = Dropout (x, ratio) b = Relu (a) c = Dropout (b, ratio) d = Exp (c) y = Dropout (d, ratio)
}"""


@pytest.mark.parametrize(
    ("names", "count"),
    [
        (("net/drop/a", "net/drop/b", "net/drop/c"), 1),
        (("net/drop/a", "net/drop/b", "net/other/c"), 2),
        (("a", "b", "c"), 3),  # nobody knows whose they are
    ],
)
def test_a_dropout_of_one_module_is_one_layer(names: tuple[str, ...], count: int) -> None:
    model = model_of(DROPOUTS)
    for node, name in zip((each for each in model.graph.node if each.op_type == "Dropout"), names, strict=True):
        node.name = name
    assert check_model(model, [np.ones((2, 4), np.float32)]).script.count("nn.Dropout(p=0.25)") == count
