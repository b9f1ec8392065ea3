"""Weightless: a large module is exported while its weights stay in their files, and the result is the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from frontends.pytorch import nets

import converter
from converter.frontends.pytorch import source
from converter.frontends.source import Request
from converter.weights import readers

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.frontends.pytorch.loading import load  # noqa: E402 - it imports torch
from converter.frontends.pytorch.spec import Spec  # noqa: E402
from converter.frontends.pytorch.stored import NotStoredError, place_of, read_places  # noqa: E402

FOLDER = Path(nets.__file__).parent


def write_shards(folder: Path, module: torch.nn.Module, suffix: str) -> dict[str, torch.Tensor]:
    """Its state in two shards with an index, as `save_pretrained` writes them: what is tied stands once."""
    state = {name: tensor for name, tensor in module.state_dict().items() if name != "head.weight"}
    names, files = list(state), {}
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    for number, part in enumerate((names[:2], names[2:]), start=1):
        file = folder / f"{stem}-{number:05}-of-00002.{suffix}"
        some = {name: state[name].contiguous() for name in part}
        if suffix == "safetensors":
            from safetensors.torch import save_file

            save_file(some, file)
        else:
            torch.save(some, file)
        files |= dict.fromkeys(part, file.name)
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps({"weight_map": files}))
    return state


def decoder(dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    torch.manual_seed(5)
    module = nets.Decoder()
    torch.nn.init.normal_(module.norm.running_mean)
    return module.to(dtype)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_where_tensors_lie(tmp_path, suffix):
    for dtype in (torch.float32, torch.bfloat16):
        state = write_shards(tmp_path, decoder(dtype), suffix)
        for file in tmp_path.glob(f"*.{suffix}"):
            for name, tensor in read_places(file).items():
                place, expected = place_of(tensor), state.pop(name)
                data = place.file.read_bytes()[place.offset : place.offset + place.size]
                assert torch.equal(
                    torch.frombuffer(bytearray(data), dtype=dtype if expected.dim() else torch.int64),
                    expected.reshape(-1),
                )
        assert not state


def test_tensors_that_lie_nowhere(tmp_path):
    torch.save({"a": torch.ones(3, 4).T}, tmp_path / "turned.pth")
    torch.save({"a": torch.ones(3)}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    (tmp_path / "damaged.safetensors").write_bytes(b"\xff" * 20)
    for file in tmp_path.iterdir():
        with pytest.raises(NotStoredError):
            read_places(file)


def test_parameters_stay_in_their_files(tmp_path):
    state = write_shards(tmp_path, decoder(torch.bfloat16), "safetensors")
    spec = Spec(call="nets:Decoder", project_path=str(FOLDER), weights=str(tmp_path), stored=True)
    held = load(spec, stored=True)
    module = held.module
    assert held.places["head.weight"] == held.places["table.weight"]
    assert module.head.weight is module.table.weight
    assert {parameter.dtype for parameter in module.parameters()} == {torch.bfloat16}
    assert module.frequencies.dtype == torch.float32
    assert torch.equal(module.frequencies, nets.Decoder().frequencies)
    assert torch.equal(module.norm.running_mean, state["norm.running_mean"])
    assert held.run({"words": torch.zeros(2, 3, dtype=torch.int64)}).shape == (2, 3, 24)

    again = load(spec).module  # as verification runs it
    assert torch.equal(again.head.weight, state["table.weight"])
    assert again.head.weight is again.table.weight


def exported(tmp_path: Path, call: str) -> Any:
    (tmp_path / "work").mkdir()
    options = {"weights": str(tmp_path), "project_path": str(FOLDER)}
    made = converter.frontends.named(None, call, None)
    return source.load(Request(made[0], shapes=("N,4",), options=options, folder=tmp_path / "work", made=made[1]))


def test_what_is_not_possible_without_values_is_done_with_them(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "LARGE", 0)
    torch.save(nets.Normed().state_dict(), tmp_path / "net.pth")
    found = exported(tmp_path, "nets:Normed")
    assert found.base_dir == tmp_path / "work", "the weights lie beside the exported model"
    assert [file.name for file in found.files] == ["nets.py", "net.pth"]


def test_a_conversion(tmp_path, monkeypatch):
    monkeypatch.setattr(source, "LARGE", 0)
    module = decoder()
    (tmp_path / "weights").mkdir()
    state = write_shards(tmp_path / "weights", module, "safetensors")
    options = {"weights": tmp_path / "weights", "project_path": FOLDER, "edges": "none"}
    result = converter.convert(model="nets:Decoder", shape=["N,5"], output=tmp_path / "out", shard_size=1e-6, **options)
    assert result.verdict == "same"
    entries = json.loads((tmp_path / "out/weight_map_of_Decoder.json").read_text())["Decoder"]
    sources = {entry["converted_weight"]["name"]: entry["source_weight"]["name"] for entry in entries}
    assert set(sources.values()) >= {"table.weight", "mix.weight", "norm.running_mean"}
    found = readers.read_mindspore(tmp_path / "out").tensors
    assert found.keys() == sources.keys()
    for name, tensor in found.items():
        if sources[name] in state:
            np.testing.assert_array_equal(tensor.load(), state[sources[name]].numpy())
