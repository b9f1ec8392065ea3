"""Inference of operators that end onnx's process where the type of their input is unknown."""

from __future__ import annotations

import onnx
import onnx_ir as ir
import pytest

from converter.graph.fatal_inference import without_fatal
from converter.graph.inferred_types import infer_proto
from converter.graph.shape_inference import infer_node

HEAD = (
    '<ir_version: 10, opset_import: ["" : 20, "ai.onnx.ml" : 1, "custom" : 1]> g (float[2,3] x, bool c) => (float[] y)'
)
EYE = "EyeLike<dtype = 1>"


def inferred(text: str) -> dict[str, list[int]]:
    made = infer_proto(onnx.parser.parse_model(f"{HEAD} {{ {text} }}"))
    return {
        info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        for info in (*made.graph.value_info, *made.graph.output)
    }


@pytest.mark.parametrize(
    "text",
    [
        f"h = custom.Unknown(x) y = {EYE}(h)",
        'h = custom.Unknown(x) y = RegexFullMatch<pattern = "a">(h)',
        'h = custom.Unknown(x) y = ai.onnx.ml.LabelEncoder<classes_strings = ["a"]>(h)',
        "h = custom.Unknown(x) y = ai.onnx.ml.DictVectorizer<int64_vocabulary = [1]>(h)",
        f"""h = custom.Unknown(x) y = If(c)<then_branch = a () => (float[] t) {{ t = {EYE}(h) }},
            else_branch = b () => (float[] e) {{ e = Identity(x) }}>""",
    ],
)
def test_an_input_without_a_type(text: str) -> None:
    assert "y" in inferred(text)


def test_what_is_known_is_inferred_all_the_same() -> None:
    assert inferred(f"z = {EYE}(x) h = custom.Unknown(x) y = {EYE}(h)")["z"] == [2, 3]


def test_other_models_are_not_copied() -> None:
    model = onnx.parser.parse_model(f"{HEAD} {{ z = EyeLike(x) y = Relu(z) }}")
    assert without_fatal(model) is model


def test_a_branch_that_reads_what_is_around_it() -> None:
    text = f"""{HEAD} {{ y = If(c)<then_branch = a () => (float[] t) {{ t = {EYE}(x) }},
        else_branch = b () => (float[] e) {{ e = Identity(x) }}> }}"""
    model = ir.serde.deserialize_model(onnx.parser.parse_model(text))
    infer_node(model.graph.node(0))
    assert model.graph.node(0).attributes["then_branch"].as_graph().node(0).op_type == "EyeLike"
