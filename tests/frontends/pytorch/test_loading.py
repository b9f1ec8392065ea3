"""Loading: a module from a call or a file, and what is said about what is none."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from frontends.pytorch import nets
from onnx import numpy_helper

from converter.errors import BadParamError, ModelLoadingError, ParamMissingError, WeightMatchError

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

from converter.frontends.pytorch.exporting import MODEL, export  # noqa: E402
from converter.frontends.pytorch.inputs import inputs_of  # noqa: E402
from converter.frontends.pytorch.kinds import kind_of  # noqa: E402
from converter.frontends.pytorch.loading import load, reload  # noqa: E402 - it imports torch
from converter.frontends.pytorch.spec import STATE, Spec  # noqa: E402

FOLDER = Path(nets.__file__).parent


def from_call(call, **options):
    return load(Spec(call=call, project_path=str(FOLDER), **options))


def from_file(file, **options):
    return load(Spec(name=file.name, file=str(file), kind=kind_of(file), project_path=str(FOLDER), **options))


def test_a_call_makes_the_same_weights_each_time(tmp_path):
    first, second = from_call("nets:Classifier(width=5)"), from_call("nets:Classifier(width=5)")
    assert not first.module.training
    assert first.files == [FOLDER / "nets.py"]
    weights = [each.module.head.weight for each in (first, second)]
    assert torch.equal(*weights)
    assert weights[0].shape == (3, 5)
    changed = {name: torch.ones_like(tensor) for name, tensor in first.module.state_dict().items()}
    torch.save(changed, tmp_path / STATE)  # a call that makes others each time
    again = reload(Spec(call="nets:Classifier(width=5)", project_path=str(FOLDER)), tmp_path)
    assert again.module.head.weight.sum().item() == 15


@pytest.mark.parametrize("scripted", [False, True])
def test_every_run_begins_with_the_saved_state(tmp_path, scripted):
    """The exported network, too, even if the exporter runs the module on its way."""
    if scripted:
        torch.jit.save(torch.jit.script(nets.Stateful()), tmp_path / "net.pt")
        spec = Spec(name="net.pt", file=str(tmp_path / "net.pt"), kind=kind_of(tmp_path / "net.pt"), shapes=("1,4",))
    else:
        spec = Spec(call="nets:Stateful()", project_path=str(FOLDER), shapes=("1,4",))
    loaded = load(spec)
    x = torch.ones(1, 4)
    first, second = (loaded.run({"x": x}) for _ in range(2))
    assert torch.equal(first, second)
    assert list(loaded.states) == ["hidden"]
    exported = export(loaded, inputs_of(loaded, spec), tmp_path, "net")
    assert any("hidden" in note and "saved state" in note for note in exported.notes)
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(tmp_path / MODEL).graph.initializer}
    assert not tensors["hidden"].any()


def test_what_a_run_keeps_is_no_constant_of_the_network(tmp_path):
    spec = Spec(call="nets:Caching()", project_path=str(FOLDER), shapes=("N,3",))
    loaded = load(spec)
    loaded.run({"x": torch.ones(2, 3)})
    assert loaded.module.cache == {}
    export(loaded, inputs_of(loaded, spec), tmp_path, "net")
    assert loaded.module.cache == {}
    assert "table" in {tensor.name for tensor in onnx.load(tmp_path / MODEL).graph.initializer}


def test_hooks_that_the_first_run_registers_are_not_registered_again(tmp_path):
    spec = Spec(call="nets:Recording()", project_path=str(FOLDER), shapes=("N,3",))
    loaded = load(spec)
    x = {"x": torch.ones(2, 3)}
    first, second = loaded.run(x), loaded.run(x)
    assert torch.equal(first, second)
    export(loaded, inputs_of(loaded, spec), tmp_path, "net")
    assert torch.equal(loaded.module(**x), first)


def test_weights_for_a_module_without_values(tmp_path):
    torch.save(nets.Classifier().state_dict(), tmp_path / "net.pth")
    loaded = from_call("nets:on_meta", weights=str(tmp_path / "net.pth"))
    assert loaded.module.head.weight.device.type == "cpu"
    with pytest.raises(ParamMissingError, match=r"on the device 'meta'.*--weights"):
        from_call("nets:on_meta")
    with pytest.raises(ParamMissingError, match=r"has 'grid' on the device 'meta'.*it is not in 'net\.pth'"):
        from_call("nets:partly_on_meta", weights=str(tmp_path / "net.pth"))
    with pytest.raises(WeightMatchError):
        from_call("nets:classifier", weights=str(tmp_path / "net.pth"))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("nets:Nets", BadParamError, r"'nets' has no 'Nets'"),
        ("nets:Pair(1)", BadParamError, r"makes a Pair, no torch\.nn\.Module"),
        ("nets:Classifier(depth=3)", ModelLoadingError, r"raises TypeError: .*'depth'"),
        ("nets:broken", ModelLoadingError, r"'nets:broken' raises .*\(nets\.py, line \d+: `return nn\.Linear"),
    ],
)
def test_calls_that_do_not_fit(call, error, message):
    with pytest.raises(error, match=message):
        from_call(call)


def test_a_configuration_for_another_module(tmp_path):
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    pytest.importorskip("transformers", reason="transformers is no part of the tests' environment")
    with pytest.raises(BadParamError, match="no class of transformers"):
        from_call("nets:Classifier", config=str(tmp_path / "config.json"))


def test_a_pickled_module(tmp_path):
    torch.save(nets.Classifier(), tmp_path / "net.pth")
    torch.save({"epoch": 3, "model": torch.nn.DataParallel(nets.Classifier())}, tmp_path / "last.pt")
    with pytest.raises(BadParamError, match=r"more than tensors \(.*nets\.Classifier.*--trust"):
        from_file(tmp_path / "net.pth")
    assert type(from_file(tmp_path / "net.pth", trust=True).module) is nets.Classifier
    loaded = from_file(tmp_path / "last.pt", trust=True)
    assert type(loaded.module) is nets.Classifier
    assert loaded.notes == ["'last.pt' holds more than a module; 'model' was taken."]


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_a_state_alone_is_no_network(tmp_path, name):
    from safetensors.torch import save_file

    (torch.save if name == "net.pth" else save_file)(nets.Classifier().state_dict(), tmp_path / name)
    with pytest.raises(ParamMissingError, match=rf"'{name}' holds weights.*--model PACKAGE\.MODULE:CLASS --weights"):
        from_file(tmp_path / name)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_and_an_exported_program(tmp_path):
    module, image = nets.Classifier().eval(), torch.ones(1, 3, 8, 8)
    torch.jit.save(torch.jit.trace(module, image), tmp_path / "net.pt")
    assert from_file(tmp_path / "net.pt").scripted
    torch.export.save(torch.export.export(module, (image,)), tmp_path / "net.pt2")
    loaded = from_file(tmp_path / "net.pt2")
    assert list(loaded.given) == ["image"]
    assert torch.allclose(loaded.run({"image": image}), module(image))


@pytest.mark.parametrize("name", ["net.pth", "net.pt2"])
def test_damaged_files(tmp_path, name):
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises((ModelLoadingError, BadParamError), match=name):
        from_file(tmp_path / name)


def test_an_exported_program_with_none_numbers_and_pairs(tmp_path):
    class Cached(torch.nn.Module):
        def forward(self, x, caches, scale=2, mask=None, *, last):
            return caches[0][0] - x * scale, caches[0][1] + last

    values = [torch.full((2,), float(number)) for number in range(4)]
    x, key, value, last = values
    program = torch.export.export(Cached(), (x, [(key, value)], 3, None), {"last": last})
    torch.export.save(program, tmp_path / "net.pt2")
    loaded = from_file(tmp_path / "net.pt2")
    assert list(loaded.given) == ["x", "caches_0_0", "caches_0_1", "last"]
    others = {name: value + 1 for name, value in loaded.given.items()}
    for found, expected in zip(
        loaded.run(others), Cached()(*(x + 1, [(key + 1, value + 1)], 3), last=last + 1), strict=True
    ):
        torch.testing.assert_close(found, expected)
