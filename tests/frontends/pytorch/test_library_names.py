"""Weights under the names that transformers gives them in files. It is no package of the tests: stand-ins rename."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace

import pytest
from frontends.pytorch import nets

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.frontends.pytorch.library_names import names_in_module, pieces_joined  # noqa: E402 - the package imports torch
from converter.frontends.pytorch.states import load_weights  # noqa: E402


class Renaming:
    def __init__(self, old: str, new: str) -> None:
        self.old, self.new = old, new


class Joining:
    """Rows of a weight that lie apart in files, one after the other."""

    source_patterns = ("row",)

    def __init__(self) -> None:
        self.rows: list[torch.Tensor] = []

    def add_tensor(self, target: str, name: str, pattern: str, tensor: torch.Tensor) -> None:
        assert (name.startswith(f"{target}.row"), pattern) == (True, "row")
        self.rows.append(tensor)

    def convert(self, target: str, model: object, config: object) -> dict[str, list[torch.Tensor]]:
        return {target: [torch.stack(self.rows)]}


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    def rename(name: str, renamings: list[Renaming], converters: list[object], prefix: str, own: object) -> tuple:
        for each in renamings:
            name = name.replace(each.old, each.new)
        target, _, row = name.partition(".row")
        return (target, "row") if converters and row else (name, None)

    mapping, loading = ModuleType("transformers.conversion_mapping"), ModuleType("transformers.core_model_loading")
    mapping.get_model_conversion_mapping = lambda model: [Renaming("classifier.dense", "head"), Joining()]
    loading.WeightRenaming, loading.WeightConverter, loading.rename_source_key = Renaming, Joining, rename
    loading.dot_natural_key = len
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
def test_weights_in_pieces_are_joined(tmp_path) -> None:
    torch.manual_seed(1)
    state = nets.Classifier().state_dict()
    rows = {f"classifier.dense.weight.row{i}": row for i, row in enumerate(state["head.weight"])}
    torch.save({**{name: each for name, each in state.items() if name != "head.weight"}, **rows}, tmp_path / "net.pth")
    module = of_library()
    assert load_weights(module, tmp_path / "net.pth", "net", trust=False).notes == []
    assert all(torch.equal(each, state[name]) for name, each in module.state_dict().items())
    assert pieces_joined(nets.Classifier(), rows) is rows


@pytest.mark.usefixtures("library")
def test_modules_of_others_keep_their_names() -> None:
    assert names_in_module(nets.Classifier(), ["classifier.dense.weight"]) == {}
    assert names_in_module(of_library(), ["classifier.dense.weight"]) == {"classifier.dense.weight": "head.weight"}


def test_a_version_without_names_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert names_in_module(of_library(), ["head.weight"]) == {}
    state = {"head.weight": torch.zeros(1)}
    assert pieces_joined(of_library(), state) is state
