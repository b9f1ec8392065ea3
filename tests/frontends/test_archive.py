"""Archives as zoos ship them: the one model inside, its real inputs, and archives that mean harm."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import onnx
import pytest
from frontends.test_registry import FROZEN, SAVED_MODEL
from onnx import numpy_helper, parser

import converter
from converter.errors import BadParamError, ConverterError, ModelLoadingError, UnknownModelError
from converter.frontends import FRONTENDS, Request, archive, load, stem_of
from converter.frontends.unpacked import model_in, note_on_others

NET = parser.parse_model("""
    <ir_version: 8, opset_import: ["" : 17]>
    net (float[N,3] x, int64[N] index) => (float[N,3] y) { z = Gather (x, index)   y = Relu (z) }
""").SerializeToString()
X, INDEX = np.array([[1, -2, 3], [-4, 5, -6]], np.float32), np.array([1, 0])
ZOO = {
    "net/net.onnx": NET,
    "net/test_data_set_0/input_1.pb": numpy_helper.from_array(INDEX, "index").SerializeToString(),
    "net/test_data_set_0/input_0.pb": numpy_helper.from_array(X, "").SerializeToString(),
    "net/test_data_set_0/output_0.pb": numpy_helper.from_array(np.maximum(X[::-1], 0) + 0.5, "").SerializeToString(),
    "net/README.md": b"A zoo's model.",
    "__MACOSX/net/._net.onnx": NET,
}
NAMES = ("zoo.zip", "zoo.tar.gz", "zoo.tgz", "zoo.tar", "zoo.tar.bz2")


def packed(file: Path, content: dict[str, bytes]) -> Path:
    if file.suffix == ".zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as stream:
            for name, data in content.items():
                stream.writestr(name, data)
        return file
    mode = {".gz": "w:gz", ".tgz": "w:gz", ".tar": "w", ".bz2": "w:bz2"}[file.suffix]
    with tarfile.open(file, mode) as tar:
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a conversion unpacks an archive."""
    (tmp_path / "temporary").mkdir()
    return tmp_path / "temporary"


@pytest.mark.parametrize("name", NAMES)
def test_the_model_in_an_archive(tmp_path, folder, name):
    file = packed(tmp_path / name, ZOO)
    source = load(Request(file, folder=folder))
    assert source.description == f"{name}: net.onnx (opset 17)"
    assert source.files == (file,)
    assert stem_of(file) == "zoo"
    with np.load(source.real_inputs) as inputs:
        assert {key: value.tolist() for key, value in inputs.items()} == {"x": X.tolist(), "index": [1, 0]}
    with np.load(source.real_outputs) as outputs:
        assert outputs["y"].shape == X.shape


def test_an_archive_is_converted(tmp_path):
    file = packed(tmp_path / "zoo.tar.gz", ZOO)
    result = converter.convert(file, output=tmp_path / "out")
    assert (result.name, result.verdict) == ("zoo", "same")
    assert result.verification.feeds["x"].tolist() == X.tolist()
    report = json.loads((tmp_path / "out" / "report_of_zoo.json").read_text(encoding="utf-8"))
    assert [each["file"] for each in report["source"]["files"]] == ["zoo.tar.gz"]
    assert report["options"]["verify_inputs"] == "test_data_set_0"
    recorded = [(each["mode"], each["verdict"], each["max_abs"]) for each in report["verification"]["recorded"]]
    assert recorded == [(mode, "differs", 0.5) for mode in ("source", "PyNative", "graph")]
    text = (tmp_path / "out" / "report_of_zoo.txt").read_text(encoding="utf-8")
    assert "beside what came with the model: output y, the source: differs; maximum absolute error 5.00e-01" in text


def test_inputs_that_do_not_fit_are_not_taken(tmp_path, folder):
    wrong = {**ZOO, "net/test_data_set_0/input_1.pb": numpy_helper.from_array(X, "index").SerializeToString()}
    assert load(Request(packed(tmp_path / "zoo.zip", wrong), folder=folder)).real_inputs is None


def test_inputs_of_a_model_that_was_cut(tmp_path, folder):
    file = packed(tmp_path / "zoo.zip", ZOO)
    assert load(Request(file, input_nodes=("z",), folder=folder)).real_inputs is None


def test_inputs_beside_a_model_that_somebody_unpacked(tmp_path, folder):
    with zipfile.ZipFile(packed(tmp_path / "zoo.zip", ZOO)) as stream:
        stream.extractall(tmp_path)
    assert load(Request(tmp_path / "net" / "net.onnx", folder=folder)).real_inputs == folder / "test_data_set_0.npz"


def test_another_kind_of_model(tmp_path, folder):
    file = packed(tmp_path / "zoo.zip", {"net.pb": FROZEN, "labels.json": b'{"0": "cat"}', "labels.pbtxt": b"item {"})
    archive.unpack(file, folder)
    assert model_in(folder, "zoo.zip", FRONTENDS) == (folder / "net.pb", [])


def test_several_kinds_of_models(tmp_path, folder):
    """As the zoo of TensorFlow ships them; the folder of an export has a `config.json`, too."""
    content = {
        "net/frozen.pb": FROZEN,
        "net/saved_model/saved_model.pb": SAVED_MODEL,
        "net/saved_model/variables/variables.index": b"\x00",
        "net/config.json": b'{"architectures": ["BertModel"]}',
        "net/checkpoint": b'model_checkpoint_path: "model.ckpt"',
        "net/model.ckpt.meta": b"\x0a\x00",
        "net/model.ckpt.index": b"\x00",
    }
    archive.unpack(packed(tmp_path / "zoo.zip", content), folder)
    model, others = model_in(folder, "zoo.zip", FRONTENDS)
    note = note_on_others(folder, "zoo.zip", model, others)
    assert model == folder / "net" / "frozen.pb"
    assert note.startswith("'zoo.zip' holds other models too: 'net', 'net/saved_model'. This one is 'net/frozen.pb'")
    (folder / "net" / "frozen.pb").unlink()
    assert model_in(folder, "zoo.zip", FRONTENDS)[0] == folder / "net" / "saved_model"
    (folder / "net" / "net.onnx").write_bytes(NET)
    assert model_in(folder, "zoo.zip", FRONTENDS)[0] == folder / "net" / "net.onnx"


def test_weights_of_the_model_are_no_other_model(tmp_path, folder):
    model = onnx.load_from_string(NET)
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(3, np.float32), "w"))
    model.graph.node.append(onnx.helper.make_node("Add", [model.graph.output[0].name, "w"], ["scaled"]))
    model.graph.output[0].name = "scaled"
    onnx.save(model, tmp_path / "net.onnx", save_as_external_data=True, location="net.bin", size_threshold=0)
    content = {name: (tmp_path / name).read_bytes() for name in ("net.onnx", "net.bin")}
    file = packed(tmp_path / "zoo.zip", content | {"other.bin": b"\x00"})
    (note,) = load(Request(file, folder=folder)).notes
    assert "holds other models too: 'other.bin'." in note


def test_a_model_that_is_a_zip_file_itself(tmp_path, folder):
    torch = pytest.importorskip("torch")
    torch.save({"w": torch.ones(2)}, tmp_path / "net.zip")
    with pytest.raises(ConverterError) as caught:
        load(Request(tmp_path / "net.zip", folder=folder))
    assert "holds no model" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ({"README.md": b"nothing"}, UnknownModelError, r"'zoo\.zip' holds no model of a kind that is known"),
        ({"a.onnx": NET, "b/c.onnx": NET}, BadParamError, r"holds 2 models: 'a\.onnx', 'b/c\.onnx'\. Unpack it"),
        ({"../net.onnx": NET}, ModelLoadingError, r"has a file with the name '\.\./net\.onnx', which leads out of it"),
        ({"/tmp/net.onnx": NET}, ModelLoadingError, "which leads out of it"),
        ({"a/../../net.onnx": NET}, ModelLoadingError, "which leads out of it"),
        ({"/".join("abcdefghijklmnopqr"): b"1"}, ModelLoadingError, "more than 16 folders inside each other"),
        ({"a": b"1", "a/b": b"2"}, ModelLoadingError, "cannot be unpacked: "),
    ],
)
def test_archives_that_are_refused(tmp_path, folder, content, error, message):
    with pytest.raises(error, match=message):
        load(Request(packed(tmp_path / "zoo.zip", content), folder=folder))
    assert not (tmp_path / "net.onnx").exists()


@pytest.mark.parametrize("name", ["zoo.zip", "zoo.tar.gz"])
def test_a_bomb(tmp_path, folder, name, monkeypatch):
    monkeypatch.setattr(archive, "LEAST", 1 << 20)
    file = packed(tmp_path / name, {"net.onnx": NET, "zeros": bytes(1 << 24)})
    with pytest.raises(ModelLoadingError, match=r"unpacks to more than [\d,]+ bytes"):
        load(Request(file, folder=folder))
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 8 << 20


def test_too_many_files(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(archive, "MOST_FILES", 3)
    with pytest.raises(ModelLoadingError, match="holds more than 3 files"):
        load(Request(packed(tmp_path / "zoo.zip", ZOO), folder=folder))


def test_a_tar_header_that_fills_the_memory(tmp_path, folder):
    file = tmp_path / "zoo.tar.gz"
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 1 << 28
    import gzip

    with gzip.open(file, "wb", compresslevel=1) as stream:
        stream.write(info.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(1 << 8):
            stream.write(bytes(1 << 20))
    with pytest.raises((ModelLoadingError, UnknownModelError)):
        load(Request(file, folder=folder))


def test_links_in_an_archive_are_left_out(tmp_path, folder):
    secret = tmp_path / "secret.data"
    secret.write_bytes(np.ones(2, np.float32).tobytes())
    model = parser.parse_model("""
        <ir_version: 8, opset_import: ["" : 17]>
        net (float[2] x) => (float[2] y) <float[2] w = {0, 0}> { y = Add (x, w) }
    """)
    weight = model.graph.initializer[0]
    weight.ClearField("float_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="net.data")
    file = tmp_path / "zoo.tar"
    with tarfile.open(file, "w") as tar:
        info = tarfile.TarInfo("net.onnx")
        info.size = model.ByteSize()
        tar.addfile(info, io.BytesIO(model.SerializeToString()))
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
            link = tarfile.TarInfo("net.data")
            link.type, link.linkname = kind, str(secret)
            tar.addfile(link)
    with pytest.raises(ModelLoadingError, match=r"lie in 'net\.data', which is missing"):
        load(Request(file, folder=folder))


@pytest.mark.parametrize("name", ["zoo.zip", "zoo.tar.gz", "zoo.tar"])
@pytest.mark.parametrize("share", [0.3, 0.6])
def test_a_truncated_archive(tmp_path, folder, name, share):
    file = packed(tmp_path / name, {**ZOO, "big": np.random.default_rng(0).bytes(20_000)})
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    with pytest.raises((ModelLoadingError, UnknownModelError)):
        load(Request(file, folder=folder))


def test_an_encrypted_archive(tmp_path, folder):
    file = packed(tmp_path / "zoo.zip", ZOO)
    data = bytearray(file.read_bytes())
    position = 0
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        position = 0
        while (position := data.find(signature, position)) >= 0:
            data[position + flags] |= 1
            position += 4
    file.write_bytes(bytes(data))
    with pytest.raises(ModelLoadingError, match=r"cannot be unpacked: .*encrypted"):
        load(Request(file, folder=folder))


def lzma_of_other_bytes(file: Path) -> bytes:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as stream:
        stream.writestr("net.onnx", np.random.default_rng(0).bytes(9_000))
    data = bytearray(file.read_bytes())
    data[60:400] = bytes(byte ^ 0x55 for byte in data[60:400])
    return bytes(data)


def name_that_is_no_text(file: Path) -> bytes:
    return packed(file, {"n\u00e4.onnx": NET}).read_bytes().replace("\u00e4".encode(), b"\xff\xfe")


def version_of_tomorrow(file: Path) -> bytes:
    data = bytearray(packed(file, {"net.onnx": NET}).read_bytes())
    data[data.find(b"PK\x01\x02") + 6] = 99
    return bytes(data)


def name_with_a_null(file: Path) -> bytes:
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as stream:
        info = tarfile.TarInfo("net.onnx")
        info.pax_headers = {"path": "net\0.onnx"}
        stream.addfile(info)
    return file.read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("zoo.zip", lzma_of_other_bytes, "orrupt"),
        ("zoo.zip", name_that_is_no_text, "codec can't decode"),
        ("zoo.zip", version_of_tomorrow, "zip file version"),
        ("zoo.tar", name_with_a_null, "null byte"),
    ],
)
def test_a_damaged_archive(tmp_path, folder, name, content, reason):
    file = tmp_path / name
    file.write_bytes(content(file))
    with pytest.raises(ModelLoadingError, match=f"cannot be unpacked: .*{reason}"):
        load(Request(file, folder=folder))


@pytest.mark.parametrize("content", [name_that_is_no_text, version_of_tomorrow])
@pytest.mark.parametrize("name", ["net.bin", "net.keras", "net.npz"])
def test_what_no_archive_reader_opens_is_named(tmp_path, folder, name, content):
    file = tmp_path / name
    file.write_bytes(content(file.with_suffix(".zip")))
    with pytest.raises(ConverterError):
        load(Request(file, folder=folder))


def test_what_only_ends_like_an_archive(tmp_path, folder):
    (tmp_path / "zoo.zip").write_bytes(b"no zip at all")
    with pytest.raises(UnknownModelError):
        load(Request(tmp_path / "zoo.zip", folder=folder))
