"""Two steps: the model that `--onnx_only` writes is read by ONNX tools, and gives the same script as its source."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import numpy_helper, parser
from paths import ROOT

import converter
from converter import frontends
from converter.commands import mindconverter
from converter.errors import FileSaveError, OnnxModelSaveError
from converter.frontends import Request
from converter.frontends.onnx.record import KEY, record_in
from converter.graph import save

MODELS = ROOT / "tests" / "models"
LIST = ("mnist.onnx", "mnist_tf.pb", "gru.pb", "custom_vision.pb", "silero_vad_ifless.onnx", "fastest_det.onnx")

# Needs folding, a function, a branch, weights that keep their names, and the scope of a module.
NET = """
    <ir_version: 10, opset_import: ["" : 17, "local" : 1, "mine" : 1], producer_name: "hand", producer_version: "1">
    net (float[N,2,4] x, bool flag) => (float[N,8] y, float[8] bias)
    <float[8] bias = {1, 2, 3, 4, 5, 6, 7, 8}>
    {
        shape = Constant <value_ints = [0, -1]> ()
        half = Constant <value_float = 0.5> ()
        two = Add (half, half)
        ["head/flat"] flat = Reshape (x, shape)
        scaled = Mul (flat, two)
        twice = local.Twice (scaled)
        odd = mine.Odd (twice)
        chosen = If (flag) <
            then_branch = yes () => (float[N,8] t) { t = Add (odd, bias) },
            else_branch = no () => (float[N,8] e) { e = Identity (odd) }
        >
        ["head/act"] y = Relu (chosen)
    }
    <domain: "local", opset_import: ["" : 17]>
    Twice (a) => (b) { b = Add (a, a) }
"""


def arguments_of(model: Path) -> dict[str, list[str]]:
    """The ends of a test model, as its JSON file names them."""
    ends = json.loads(model.with_name(f"{model.name}.json").read_text(encoding="utf-8"))
    shapes = [",".join(map(str, shape)) or "-" for shape in ends["shapes"]]
    return {"input_nodes": ends["inputs"], "output_nodes": ends["outputs"], "shape": shapes}


def converted(model: Path, output: Path, **arguments) -> tuple[str, str, list[str]]:
    """The script, the weight map and the lines of the report."""
    result = converter.convert(model, output=output, verify=False, **arguments)
    name = result.name
    texts = [(output / file).read_text(encoding="utf-8") for file in (f"{name}.py", f"weight_map_of_{name}.json")]
    return (*texts, [record.text() for record in result.records])


@pytest.mark.parametrize("name", LIST)
def test_the_second_step_gives_the_same_files(tmp_path, name):
    if name.endswith(".pb"):
        pytest.importorskip("tensorflow")
    model = MODELS / name
    arguments = arguments_of(model)
    whole = converted(model, tmp_path / "whole", **arguments)
    (written,) = converter.export_onnx(model, output=tmp_path / "onnx", **arguments).files
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == [written.name]
    assert converted(written, tmp_path / "second") == whole
    onnx.checker.check_model(written, full_check=True)
    onnxruntime.InferenceSession(written, providers=["CPUExecutionProvider"])


@pytest.fixture
def net(tmp_path: Path) -> Path:
    onnx.save(parser.parse_model(NET), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_what_only_a_graph_has(net, tmp_path):
    """Constants that were folded, literals, functions, branches, stubs, a constant that is an output."""
    whole = converted(net, tmp_path / "whole", shape=["B,2,4", "-"])
    (written,) = converter.export_onnx(net, output=tmp_path / "onnx", shape=["B,2,4", "-"]).files
    assert converted(written, tmp_path / "second") == whole
    model = onnx.load(written)
    onnx.checker.check_model(model, full_check=True)
    assert {(each.domain, each.version) for each in model.opset_import} == {("", 17), ("mine", 1)}
    assert not model.functions
    assert "head/act" in [node.name for node in model.graph.node]
    assert model.producer_name == "hand"
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "B"


def test_a_third_step_writes_the_same_model(net, tmp_path):
    (second,) = converter.export_onnx(net, output=tmp_path / "second").files
    (third,) = converter.export_onnx(second, output=tmp_path / "third").files
    assert onnx.load(third) == onnx.load(second)


def test_the_model_computes_what_its_source_computes(tmp_path):
    model = MODELS / "mnist.onnx"
    (written,) = converter.export_onnx(model, output=tmp_path).files
    x = np.random.default_rng(0).standard_normal((1, 1, 28, 28)).astype(np.float32)
    outputs = []
    for file in (model, written):
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        outputs.append(session.run(None, {session.get_inputs()[0].name: x})[0])
    np.testing.assert_allclose(*outputs, atol=1e-3)


def test_ends_and_extents_of_the_first_step(net, tmp_path):
    """A cut, extents to verify with, a note: the second command needs none of the options again."""
    model = onnx.load(net)
    model.training_info.add()
    onnx.save(model, net)
    (written,) = converter.export_onnx(
        net, output=tmp_path / "onnx", input_nodes=["scaled"], output_nodes=["twice"], shape=["3,8"]
    ).files
    source = frontends.load(Request(written))
    assert [(end.name, end.shape, end.example) for end in source.inputs] == [("scaled", ("N", 8), (3, 8))]
    assert source.description == "net.onnx (hand 1, opset 17)"
    assert "training information" in source.notes[0]
    assert frontends.load(Request(written, shapes=("5,8",))).inputs[0].example == (5, 8)


@pytest.mark.parametrize(
    "record",
    [
        "no JSON",
        "[]",
        "[" * 100_000,
        '{"description": 3, "notes": "x", "names": [], "shapes": {"x": 4}}',
        '{"names": {"x": "a", "flag": "a"}, "shapes": {"x": "0,-1,b"}}',
    ],
)
def test_a_record_that_somebody_has_edited(net, record):
    model = onnx.load(net)
    model.metadata_props.add(key=KEY, value=record)
    onnx.save(model, net)
    source = frontends.load(Request(net))
    assert [end.name for end in source.inputs] == ["x", "flag"]
    assert source.inputs[0].example == (1, 2, 4)
    assert source.description == "net.onnx (hand 1, opset 17)"


def test_a_record_is_one_line_of_text():
    model = onnx.ModelProto()
    model.metadata_props.add(
        key=KEY, value=json.dumps({"description": 'a\n"""\x1b[2J\u202eb', "notes": ["c\nd", 3, ""]})
    )
    record = record_in(model)
    assert record.description == 'a """ [2J b'
    assert record.notes == ("c d",)


def test_weights_in_a_file_of_their_own(net, tmp_path, monkeypatch):
    monkeypatch.setattr(save, "LARGEST", 4000)
    model = onnx.load(net)
    weight = numpy_helper.from_array(np.arange(2000, dtype=np.float32).reshape(8, 250), "weight")
    model.graph.initializer.append(weight)
    model.graph.node.append(onnx.helper.make_node("MatMul", ["y", "weight"], ["z"], "last"))
    model.graph.output.append(onnx.helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, ["N", 250]))
    onnx.save(model, net)
    files = converter.export_onnx(net, output=tmp_path / "onnx", output_nodes=["z"]).files
    assert [path.name for path in files] == ["net.onnx", "net.onnx.data"]
    assert converted(files[0], tmp_path / "second") == converted(net, tmp_path / "whole", output_nodes=["z"])
    whole = {each.name: each for each in onnx.load(files[0]).graph.initializer}
    assert numpy_helper.to_array(whole["weight"])[7, 249] == 1999
    converter.export_onnx(net, output=tmp_path / "onnx", output_nodes=["y"])
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == ["net.onnx"]


def test_it_is_kept_beside_the_rest(net, tmp_path, capfd):
    command = ["--model_file", str(net), "--output", str(tmp_path / "out"), "--no_verify"]
    assert mindconverter.main([*command, "--keep_onnx"]) == 0
    assert "out/net.onnx" in capfd.readouterr().out
    kept = (tmp_path / "out" / "net.onnx").read_bytes()
    assert (tmp_path / "out" / "net.py").exists()
    (written,) = converter.export_onnx(net, output=tmp_path / "only").files
    assert written.read_bytes() == kept


def test_the_command(net, tmp_path, capfd):
    assert mindconverter.main(["--model_file", str(net), "--output", str(tmp_path / "out"), "--onnx_only"]) == 0
    assert f"mindconverter --model_file {tmp_path}/out/net.onnx" in capfd.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        mindconverter.main(["--model_file", str(net), "--onnx_only", "--keep_onnx"])


@pytest.mark.parametrize("step", [converter.export_onnx, lambda *a, **k: converter.convert(*a, keep_onnx=True, **k)])
def test_the_source_is_never_replaced(net, tmp_path, step):
    before = net.read_bytes()
    with pytest.raises(FileSaveError, match=r"net\.onnx' is the source itself, which the result would replace"):
        step(net, output=tmp_path)
    assert net.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]


def test_an_earlier_result_that_is_the_source_stays(tmp_path):
    """`net.safetensors` is a name of a result, and holds the weights of this model."""
    model = parser.parse_model(
        '<ir_version: 8, opset_import: ["" : 17]> g (float[2] x) => (float[2] y) { y = Add(x, w) }'
    )
    weight = onnx.TensorProto(name="w", data_type=1, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    weight.external_data.add(key="location", value="net.safetensors")
    model.graph.initializer.append(weight)
    (tmp_path / "net.safetensors").write_bytes(np.ones(2, np.float32).tobytes())
    onnx.save(model, tmp_path / "net.onnx")
    converter.convert(tmp_path / "net.onnx", output=tmp_path, verify=False)
    assert (tmp_path / "net.safetensors").read_bytes() == np.ones(2, np.float32).tobytes()
    with pytest.raises(FileSaveError, match=r"net\.safetensors' is the source"):
        converter.convert(tmp_path / "net.onnx", output=tmp_path, verify=False, checkpoint_format="safetensors")


def test_a_folder_that_cannot_hold_it(net, tmp_path, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OnnxModelSaveError, match=r"'net\.onnx' cannot be written: no space left on device"):
        converter.export_onnx(net, output=tmp_path / "out")
    assert not (tmp_path / "out").exists()


# The type of what a Scan carries becomes known late: only then are the Casts in its body without effect.
SCAN = """
    <ir_version: 10, opset_import: ["" : 21]>
    net (float[4,3] x) => (float[3] last, float[4,3] all)
    {
        zero = Constant <value = float[3] {0, 0, 0}> ()
        start = Cast <to = 1> (zero)
        last, all = Scan <
            num_scan_inputs = 1,
            body = step (float[3] sum, float[3] row) => (float[3] after, float[3] kept) {
                same = CastLike (sum, row)
                after = Add (same, row)
                kept = Cast <to = 1> (after)
            }
        > (start, x)
    }
"""


def test_a_loop(tmp_path):
    onnx.save(parser.parse_model(SCAN), tmp_path / "net.onnx")
    whole = converted(tmp_path / "net.onnx", tmp_path / "whole")
    (written,) = converter.export_onnx(tmp_path / "net.onnx", output=tmp_path / "onnx").files
    assert converted(written, tmp_path / "second") == whole
    assert "astype" not in whole[0]
