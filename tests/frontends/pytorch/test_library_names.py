"""Weights under the names that transformers gives them in files. It is no package of the tests: stand-ins rename."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from frontends.pytorch import nets

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.frontends.pytorch.library_names import names_in_module  # noqa: E402 - the package imports torch
from converter.frontends.pytorch.states import load_weights  # noqa: E402


class Renaming:
    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(name: str, renamings: list[Renaming], converters: list[object], prefix: str, own: object) -> tuple:
        assert not converters
        for each in renamings:
            name = name.replace(each.old, each.new)
        return name, None

    mapping, loading = ModuleType("transformers.conversion_mapping"), ModuleType("transformers.core_model_loading")
    mapping.get_model_conversion_mapping = lambda model: [Renaming("classifier.dense", "head"), object()]
    loading.WeightRenaming, loading.rename_source_key = Renaming, rename
    for module in (ModuleType("transformers"), mapping, loading):
        monkeypatch.setitem(sys.modules, module.__name__, module)


def of_library() -> torch.nn.Module:
    module = nets.Classifier()
    module.base_model_prefix, module.config = "", SimpleNamespace()
    return module


@pytest.mark.usefixtures("library")
def test_weights_are_found_under_the_names_of_files(tmp_path) -> None:
    torch.manual_seed(1)
    state = nets.Classifier().state_dict()
    torch.save({name.replace("head", "classifier.dense"): each for name, each in state.items()}, tmp_path / "net.pth")
    module = of_library()
    assert load_weights(module, tmp_path / "net.pth", "net", trust=False).notes == []
    assert all(torch.equal(each, state[name]) for name, each in module.state_dict().items())


@pytest.mark.usefixtures("library")
def test_modules_of_others_keep_their_names() -> None:
    assert names_in_module(nets.Classifier(), ["classifier.dense.weight"]) == {}
    assert names_in_module(of_library(), ["classifier.dense.weight"]) == {"classifier.dense.weight": "head.weight"}


def test_a_version_without_names_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert names_in_module(of_library(), ["head.weight"]) == {}
