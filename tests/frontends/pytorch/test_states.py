"""States: found in whatever was saved, put into a module, and what is said about one that does not fit."""

from __future__ import annotations

import argparse
import json

import pytest
from frontends.pytorch import nets

from converter.errors import BadParamError, ModelLoadingError, WeightMatchError

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.frontends.pytorch.states import load_weights  # noqa: E402 - it imports torch


@pytest.fixture(scope="module")
def state():
    torch.manual_seed(1)
    return nets.Classifier().state_dict()


def loaded(path, trust=False):
    module = nets.Classifier()
    found = load_weights(module, path, "nets:Classifier", trust)
    return module.state_dict(), found.notes, found.files


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda state: state,
        lambda state: {"epoch": 3, "state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {"model": {f"_orig_mod.{n}": t for n, t in state.items()}, "optimizer": {"lr": 0.1}},
        lambda state: {"a": {"b": {f"net.{name}": tensor for name, tensor in state.items()}}},
        lambda state: {
            "features": {n.removeprefix("features."): t for n, t in state.items() if n.startswith("features.")},
            "head": {n.removeprefix("head."): t for n, t in state.items() if n.startswith("head.")},
        },
    ],
)
def test_a_state_in_whatever_was_saved(tmp_path, state, wrapped):
    torch.save(wrapped(state), tmp_path / "net.pth")
    found, notes, files = loaded(tmp_path / "net.pth")
    assert same(found, state)
    assert (notes, files) == ([], [tmp_path / "net.pth"])


@pytest.mark.parametrize("name", ["net.pt", "net.pt2"], ids=["TorchScript", "exported program"])
def test_the_state_of_a_whole_network(tmp_path, state, name):
    module = nets.Classifier().eval()
    module.load_state_dict(state)
    image = torch.rand(2, 3, 8, 8)
    if name == "net.pt":
        torch.jit.trace(module, image).save(tmp_path / name)
    else:
        torch.export.save(torch.export.export(module, (image,)), tmp_path / name)
    found, notes, _ = loaded(tmp_path / name)
    assert same(found, state)
    assert notes == []


def test_safetensors_in_shards_and_folders(tmp_path, state):
    from safetensors.torch import save_file

    names = list(state)
    shards = {"a.safetensors": names[:3], "b.safetensors": names[3:]}
    for file, part in shards.items():
        save_file({name: state[name] for name in part}, tmp_path / file)
    index = {"weight_map": {name: file for file, part in shards.items() for name in part}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    for path in (tmp_path / "model.safetensors.index.json", tmp_path):
        found, _, files = loaded(path)
        assert same(found, state)
        assert [file.name for file in files] == ["model.safetensors.index.json", *shards]
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(ModelLoadingError, match=r"b\.safetensors"):
        loaded(tmp_path)


def test_what_was_chosen_and_left_is_told(tmp_path, state):
    torch.save({"model": state, "ema": state, "extra": {"w": torch.ones(2)}}, tmp_path / "net.pth")
    _, notes, _ = loaded(tmp_path / "net.pth")
    assert notes == ["'net.pth' holds several states that fit; 'model' was taken, not 'ema'."]
    torch.save({**state, "teacher.weight": torch.ones(2)}, tmp_path / "net.pth")
    _, notes, _ = loaded(tmp_path / "net.pth")
    assert notes == ["1 tensor(s) of 'net.pth' belong to no weight of the module: teacher.weight."]


def test_a_state_of_another_module(tmp_path, state):
    other = {**state, "fc.weight": torch.ones(9, 4)}
    del other["head.weight"], other["features.1.num_batches_tracked"]
    torch.save(other, tmp_path / "net.pth")
    with pytest.raises(WeightMatchError, match=r"'net\.pth' lacks 1 of the 9 weights of 'nets:Classifier'") as error:
        loaded(tmp_path / "net.pth")
    assert error.value.details == ("missing: head.weight (3, 4)", "not used: fc.weight (9, 4)")


def test_code_in_a_file_runs_only_with_trust(tmp_path, state):
    torch.save({"state_dict": state, "args": argparse.Namespace(lr=0.1)}, tmp_path / "net.pth")
    with pytest.raises(BadParamError, match=r"more than tensors \(argparse\.Namespace\).*--trust"):
        loaded(tmp_path / "net.pth")
    assert same(loaded(tmp_path / "net.pth", trust=True)[0], state)


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_damaged_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 damaged")
    with pytest.raises((ModelLoadingError, BadParamError), match=name):
        loaded(tmp_path / name)


@pytest.mark.parametrize("suffix", ["pth", "pt"])
def test_a_file_without_its_end(tmp_path, suffix):
    module = nets.Classifier().eval()
    whole = tmp_path / f"whole.{suffix}"
    if suffix == "pth":
        torch.save(module.state_dict(), whole)
    else:
        torch.jit.save(torch.jit.trace(module, torch.ones(1, 3, 8, 8)), whole)
    (tmp_path / f"net.{suffix}").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(ModelLoadingError, match=r"net\..*: the end of the file is missing\. Save or copy it again\."):
        loaded(tmp_path / f"net.{suffix}")


def test_tied_weights_stand_once(tmp_path):
    module = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Linear(4, 5, bias=False))
    module[1].weight = module[0].weight
    torch.save({"0.weight": torch.ones(5, 4)}, tmp_path / "net.pth")
    assert load_weights(module, tmp_path / "net.pth", "net", False).notes == []
    assert module[1].weight.sum().item() == 20
