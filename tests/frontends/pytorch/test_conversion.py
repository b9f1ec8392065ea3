"""Whole conversions: by the command, of a live module, from files; the proof runs torch itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from frontends.pytorch import nets

import converter
from converter.commands import mindconverter
from converter.commands.weights import command as weights_command
from converter.errors import BadParamError, ParamMissingError
from converter.frontends import Request, load

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

FOLDER = Path(nets.__file__).parent


def report_of(folder: Path, name: str) -> dict[str, Any]:
    return json.loads((folder / f"report_of_{name}.json").read_text(encoding="utf-8"))


def sources_in(folder: Path, name: str) -> set[str]:
    entries = json.loads((folder / f"weight_map_of_{name}.json").read_text(encoding="utf-8"))[name]
    return {entry["source_weight"]["name"] for entry in entries}


def trained(module: torch.nn.Module, *inputs: torch.Tensor) -> torch.nn.Module:
    """The module after one step of training."""
    optimizer = torch.optim.SGD(module.parameters(), 0.5)
    result = module.train()(*inputs)
    (result["scores"] if isinstance(result, dict) else result).square().sum().backward()
    optimizer.step()
    return module.eval()


def run_script(folder: Path, name: str, checkpoint: Path, *inputs: np.ndarray) -> list[np.ndarray]:
    import mindspore as ms

    ms.set_context(mode=ms.PYNATIVE_MODE)
    scope: dict[str, Any] = {}
    exec((folder / f"{name}.py").read_text(encoding="utf-8"), scope)
    net = scope["MindSporeModel"]().set_train(False)
    ms.load_param_into_net(net, ms.load_checkpoint(str(checkpoint)), strict_load=True)
    found = net(*map(ms.Tensor, inputs))
    return [each.asnumpy() for each in (found if isinstance(found, tuple) else (found,))]


@pytest.fixture(scope="module")
def called(tmp_path_factory) -> tuple[Path, torch.nn.Module]:
    """A call with weights, converted by the command and verified; and the module with these weights."""
    folder = tmp_path_factory.mktemp("called")
    torch.manual_seed(3)
    module = trained(nets.Classifier(width=6), torch.randn(4, 3, 8, 8))
    torch.save({"state_dict": {f"module.{n}": t for n, t in module.state_dict().items()}}, folder / "net.pth")
    arguments = ["--model", "nets:Classifier(width=6)", "--weights", str(folder / "net.pth"), "--shape", "N,3,H,W"]
    assert mindconverter.main([*arguments, "--project_path", str(FOLDER), "--output", str(folder)]) == 0
    return folder, module


def test_a_call_with_weights(called):
    folder, module = called
    found = report_of(folder, "Classifier")
    assert found["summary"]["verdict"] == "same"
    assert found["source"]["runs_on"] == "PyTorch"
    assert found["source"]["description"].startswith("nets:Classifier(width=6) (torch ")
    assert sorted(Path(each["file"]).name for each in found["source"]["files"]) == ["net.pth", "nets.py"]
    assert found["options"]["model"] == "nets:Classifier(width=6)"
    script = (folder / "Classifier.py").read_text(encoding="utf-8")
    assert all(layer in script for layer in ("nn.BatchNorm2d(6)", "nn.Dropout(p=0.25)", "self.head = nn.Linear(6, 3)"))
    assert "(N, 3, H, W)" in script
    assert sources_in(folder, "Classifier") <= module.state_dict().keys()


def test_a_later_checkpoint_of_the_module(called, tmp_path):
    folder, module = called
    image = torch.randn(4, 3, 8, 8)
    newer = trained(module, image)
    torch.save({"module." + name: tensor for name, tensor in newer.state_dict().items()}, tmp_path / "newer.pth")
    arguments = ["--weight_map", str(folder / "weight_map_of_Classifier.json"), "--source", str(tmp_path / "newer.pth")]
    assert weights_command.main(["remap", *arguments, "--output", str(tmp_path / "newer.ckpt")]) == 0
    (found,) = run_script(folder, "Classifier", tmp_path / "newer.ckpt", image.numpy())
    assert np.allclose(found, newer(image).detach().numpy(), atol=1e-5)


@pytest.fixture(scope="module")
def live(tmp_path_factory) -> tuple[Path, torch.nn.Module, converter.Result]:
    """A module of this program, converted with its inputs."""
    folder = tmp_path_factory.mktemp("live")
    module = nets.Tagger()
    inputs = {"words": torch.randint(0, 20, (2, 7)), "keep": torch.arange(7).expand(2, 7) < 5}
    return folder, module, converter.convert(module, inputs, output=folder)


def test_a_live_module(live):
    folder, module, result = live
    assert result.name == "Tagger"
    assert result.verdict == "same"
    assert module.training, "the module is as it was"
    assert result.notes == (
        "The dropout of rnn (LSTM) acts in torch's training mode only; the script does not have it.",
    )
    found = report_of(folder, "Tagger")
    assert [each["name"] for each in found["network"]["outputs"]] == ["scores", "inside.states"]
    words, keep = found["verification"]["inputs"]
    assert (words["shape"], words["maximum"], keep["dtype"]) == ([2, 7], pytest.approx(words["maximum"]), "bool")
    assert "nn.LSTM(6, 6, bidirectional=True)" in (folder / "Tagger.py").read_text(encoding="utf-8")


def test_recurrent_weights_lead_to_the_state(live, tmp_path):
    from safetensors.torch import save_file

    folder, module, _ = live
    assert sources_in(folder, "Tagger") == module.state_dict().keys()
    words, keep = torch.randint(0, 20, (2, 7)), torch.ones(2, 7, dtype=torch.bool)
    newer = trained(module, words, keep)
    save_file(newer.state_dict(), tmp_path / "newer.safetensors")
    arguments = ["--weight_map", str(folder / "weight_map_of_Tagger.json"), "--output", str(tmp_path / "newer.ckpt")]
    assert weights_command.main(["remap", *arguments, "--source", str(tmp_path / "newer.safetensors")]) == 0
    scores, _ = run_script(folder, "Tagger", tmp_path / "newer.ckpt", words.numpy(), keep.numpy())
    assert np.allclose(scores, newer(words, keep)["scores"].detach().numpy(), atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_a_module_does_not_train_is_frozen(tmp_path):
    class Spectrum(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("fb", torch.randn(8, 6))
            self.backbone = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 4))
            self.norm = torch.nn.LayerNorm(4)
            self.table = torch.nn.Parameter(torch.randn(5, 7))
            self.places = torch.arange(12).reshape(3, 4) % 7
            self.head = torch.nn.Linear(4, 2)
            self.backbone.requires_grad_(False)
            self.norm.bias.requires_grad = False

        def forward(self, x):
            bias = self.table[:, self.places]  # of a transposed table
            return self.head(self.norm(self.backbone(x @ self.fb)) + bias.mean((0, 1)))

    torch.manual_seed(0)
    module = Spectrum().eval()
    result = converter.convert(module, (torch.randn(3, 8),), output=tmp_path)
    assert result.verdict == "same"
    weights = json.loads((tmp_path / "report_of_Spectrum.json").read_text())["weights"]
    from converter.verification import network

    net = network.load(tmp_path / "Spectrum.py", tmp_path / "Spectrum.ckpt")
    sources = {each["name"]: each["source"]["name"] for each in weights}
    wanted = {name for name, parameter in module.named_parameters() if parameter.requires_grad}
    assert {sources[parameter.name] for parameter in net.trainable_params()} == wanted
    assert {each["source"]["name"] for each in weights if each["trainable"]} == wanted
    assert len(sources) == 1 + len(list(module.parameters()))


def test_torchscript(tmp_path):
    module = nets.Classifier().eval()
    torch.jit.save(torch.jit.trace(module, torch.ones(1, 3, 8, 8)), tmp_path / "net.pt")
    result = converter.convert(tmp_path / "net.pt", shape=["N,3,8,8"], output=tmp_path, verify=False)
    assert result.name == "net"
    assert "nn.BatchNorm2d(4)" in (tmp_path / "net.py").read_text(encoding="utf-8")
    assert sources_in(tmp_path, "net") == module.state_dict().keys() - {"features.1.num_batches_tracked"}


@pytest.mark.parametrize("saved", ["script", "trace"])
def test_torchscript_with_dictionaries(tmp_path, saved):
    """ONNX has none: they are taken apart, inside the module and at its end."""
    module = nets.Features().eval()
    image = torch.ones(1, 3, 8, 8)
    made = torch.jit.script(module) if saved == "script" else torch.jit.trace(module, image, strict=False)
    torch.jit.save(made, tmp_path / "net.pt")
    source = load(Request(tmp_path / "net.pt", shapes=("N,3,8,8",), folder=tmp_path))
    assert [end.name for end in source.outputs] == ["out", "aux"]
    session = onnxruntime.InferenceSession(source.model.SerializeToString())
    image = torch.rand(2, 3, 8, 8)
    expected = module(image)
    for end, found in zip(source.outputs, session.run(None, {"image": image.numpy()}), strict=True):
        np.testing.assert_allclose(found, expected[end.name].detach().numpy(), 1e-4, 1e-5)
    assert {"body.weight", "head.weight"} <= {tensor.name for tensor in source.model.graph.initializer}


def test_an_exported_program(tmp_path):
    module, image = nets.Classifier().eval(), torch.ones(2, 3, 8, 8)
    free = {"image": {0: torch.export.Dim("batch")}}
    torch.export.save(torch.export.export(module, (image,), dynamic_shapes=free), tmp_path / "net.pt2")
    converter.convert(tmp_path / "net.pt2", shape=["N,3,8,8"], output=tmp_path, verify=False)
    assert "float32 (N, 3, 8, 8)" in (tmp_path / "net.py").read_text(encoding="utf-8")
    assert sources_in(tmp_path, "net") <= module.state_dict().keys()


@pytest.mark.parametrize(
    ("extents", "free", "shape"),
    [
        ((4, 3, 8, 8), lambda dim: {0: dim("N", min=3, max=32)}, ()),
        ((4, 3, 8, 8), lambda dim: {0: dim("N", min=3, max=32)}, ["B,3,8,8"]),
        ((4, 3, 8, 8), lambda dim: {2: 4 * dim("rows", min=1, max=9)}, ()),
    ],
    ids=["no single sample", "the user's letter", "an extent that follows from another"],
)
def test_an_exported_program_is_verified_at_extents_that_it_takes(tmp_path, extents, free, shape):
    module = nets.Classifier().eval()
    program = torch.export.export(module, (torch.ones(extents),), dynamic_shapes={"image": free(torch.export.Dim)})
    torch.export.save(program, tmp_path / "net.pt2")
    result = converter.convert(tmp_path / "net.pt2", shape=shape, output=tmp_path, edges="none")
    assert result.verdict == "same"
    assert report_of(tmp_path, "net")["verification"]["inputs"][0]["shape"] == list(extents)


def test_a_cut_inside_is_compared_with_the_exported_model(tmp_path):
    result = converter.convert(
        nets.Classifier(), torch.ones(1, 3, 8, 8), output_nodes=["mean"], output=tmp_path, verify=False
    )
    assert result.notes[0].startswith("'mean' lies inside the module: the source of the proof is the exported")


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((), {}, ParamMissingError, "no model is named"),
        (("net.pth",), {"model": "nets:Classifier"}, BadParamError, "name two models"),
        ((None, [1]), {"model": "nets:Classifier"}, BadParamError, "inputs belong to a module"),
        ((nets.Classifier(), {"image": [1, 2]}), {}, BadParamError, r"input\(s\) image are no tensors"),
        ((nets.Classifier(), [1, 2, 3]), {}, BadParamError, "do not fit the module's forward"),
    ],
)
def test_what_is_named(tmp_path, arguments, options, error, message):
    with pytest.raises(error, match=message):
        converter.convert(*arguments, output=tmp_path, **options)


@pytest.mark.parametrize("branches", [False, True], ids=["current exporter", "older one"])
def test_dropouts_of_channels(tmp_path, branches):
    """Exported as they train, they would drop channels at random in inference, too."""
    result = converter.convert(nets.Drops(branches), shape=["N,3,H,W"], output=tmp_path, edges="none")
    assert result.verdict == "same"
    script = (tmp_path / "Drops.py").read_text(encoding="utf-8")
    layers = ("nn.Dropout2d(p=0.3)", "nn.Dropout1d(p=0.2)", "nn.Dropout1d(p=0.4)", "nn.Dropout(p=0.1)")
    assert all(layer in script for layer in layers)
    assert any(note.startswith("The dropout of alpha (AlphaDropout) acts in torch's") for note in result.notes)


@pytest.mark.parametrize(
    ("net", "shapes", "written"),
    [
        (nets.Grid, ["N,H,W"], "(N, H, W)"),
        (nets.Pools, ["N,3,H,5"], "ops.amax(x, (-2, -1)"),
        (nets.CountedWindows, ["N,4,W,4"], "(N, 4, W, 4)"),
        (nets.OfSamples, ["N,4,6,6", "N,4"], "ops.fold("),
        (nets.Searched, ["N,L", "N,M"], "ops.logical_not(self.bounds >= "),
    ],
)
def test_extents_that_torch_takes_as_numbers(net, shapes, written, tmp_path):
    torch.manual_seed(0)
    result = converter.convert(net(), shape=shapes, output=tmp_path)
    assert (result.verdict, result.notes) == ("same", ())
    assert written in (tmp_path / f"{net.__name__}.py").read_text(encoding="utf-8")


def test_attention_within_windows(tmp_path):
    result = converter.convert(nets.Windows(), shape=["N,12,8"], output=tmp_path)
    assert result.verdict == "same"
    assert not any("older" in note for note in result.notes)


@pytest.mark.parametrize("branches", [False, True], ids=["current exporter", "older one"])
@pytest.mark.parametrize("batch", [2, "N"])
def test_windows_by_strides(tmp_path, branches, batch):
    """The exporters take all tensors for such that stand in memory as their axes do."""
    example = torch.randn(2, 16, 8)
    options = {"output": tmp_path, "shape": [f"{batch},16,8"], "edges": "none"}
    result = converter.convert(nets.Overlapping(branches), inputs=(example,), **options)
    assert result.verdict == "same"
    script = (tmp_path / "Overlapping.py").read_text(encoding="utf-8")
    assert "ops.arange(0, 12, 4).reshape((-1, 1)) + ops.arange(8)" in script
    assert script.count("ops.gather(") == 2
    assert "transpose((2, 0, 1, 3))" not in script


@pytest.mark.parametrize("branches", [False, True], ids=["current exporter", "older one"])
@pytest.mark.parametrize("batch", [2, "N"])
def test_assignments_to_slices(tmp_path, branches, batch):
    options = {"output": tmp_path, "shape": [f"{batch},4,4,8"]}
    assert converter.convert(nets.Assigned(branches), inputs=(torch.randn(2, 4, 4, 8),), **options).verdict == "same"
    script = (tmp_path / "Assigned.py").read_text(encoding="utf-8")
    assert "y = ops.Pad(((0, 0), (0, 1), (0, 0), (4, 0)))(x[..., :5])" in script
    assert script.count("with_part(y, ") == 3
    assert "scatter" not in script


def test_elements_by_their_places_in_memory(tmp_path):
    assert converter.convert(nets.InMemory(), shape=["4,16"], output=tmp_path, edges="none").verdict == "same"


def test_complex_numbers(tmp_path):
    result = converter.convert(nets.Turned(), shape=["N,5,2,8"], output=tmp_path, edges="none")
    assert (result.verdict, result.unconverted) == ("same", ())


def test_attention_to_nothing(tmp_path):
    """A mask that hides all keys of a sample leaves zeros, as in PyTorch; its own exporter makes an average."""
    torch.manual_seed(0)
    net, inputs = nets.Masked(), (torch.randn(2, 5, 8), torch.tensor([[1, 1, 0, 1, 0], [0, 0, 0, 0, 0]]))
    result = converter.convert(net, inputs, output=tmp_path)
    assert (result.verdict, result.notes) == ("same", ())
    script = run_script(tmp_path, "Masked", tmp_path / "Masked.ckpt", *(each.numpy() for each in inputs))
    np.testing.assert_allclose(script[0], net(*inputs).detach().numpy(), atol=1e-5)


def test_classes_are_those_of_modules_also_with_the_older_exporter(tmp_path):
    result = converter.convert(nets.Blocks(), shape=["N,6"], output=tmp_path)
    assert result.verdict == "same"
    script = (tmp_path / "Blocks.py").read_text(encoding="utf-8")
    assert "its older exporter" in script
    assert "class Step(nn.Cell)" in script
    assert "nets.Blocks." in script


def test_buffers_that_are_called_like_operators(tmp_path):
    result = converter.convert(nets.Named(), shape=["N,20"], output=tmp_path, edges="none")
    assert result.verdict == "same"
    assert sources_in(tmp_path, "Named") == {"mean", "sub"}


def test_bags_of_embeddings(tmp_path):
    torch.manual_seed(0)
    result = converter.convert(nets.Bags(), shape=["N,5", "N,5"], output=tmp_path, edges="none")
    assert (result.verdict, result.unconverted) == ("same", ())
    assert sources_in(tmp_path, "Bags") == {f"{name}.weight" for name in ("mean", "plain", "sum", "max")}
