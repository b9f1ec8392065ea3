"""Every layer of a script on the source's values, in both modes, and the layer that is wrong by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import mindspore as ms
import numpy as np
import pytest
from paths import ROOT

import converter
from converter.verification import verify
from converter.verification.by_layer import compare as by_layer_compare
from converter.verification.by_layer import runs
from converter.verification.by_layer.compare import compare_layers
from converter.verification.by_layer.layers import Layer, layers_of
from converter.verification.by_layer.paging import Paged
from converter.verification.by_layer.result import LayerResult, read_result
from converter.verification.job import Job, read_feeds
from converter.verification.processes import Ending
from operator_maps import registry

FEEDS = {"input_ids": np.arange(8).reshape(1, 8)}
LAYERS = ["model", *(f"model.layers.{i}{part}" for i in range(2) for part in ("", ".self_attn", ".mlp"))]

Compare = Callable[..., LayerResult]


@pytest.fixture
def compare(decoder, tmp_path: Path) -> Compare:
    """Compares the layers of the decoder, its script changed by a replacement, in this process."""

    def run(old: str = "", new: str = "", **changes: Any) -> LayerResult:
        text = decoder.script.read_text(encoding="utf-8")
        assert old in text
        script = tmp_path / "decoder.py"
        script.write_text(text.replace(old, new), encoding="utf-8")
        job = Job(
            original=decoder.source.original,
            script=script,
            checkpoint=decoder.checkpoint,
            layers=layers_of(decoder.translation),
        )
        job = replace(job, **changes)
        job.write(tmp_path, FEEDS)
        with (tmp_path / "results.jsonl").open("w", encoding="utf-8") as results:

            def note(**fact: Any) -> None:
                results.write(json.dumps(fact) + "\n")

            compare_layers(job, tmp_path, FEEDS, note)
            note(complete="layers")
        result = read_result(tmp_path, job, Ending(""), FEEDS, "it is large;")
        assert isinstance(result, LayerResult)
        return result

    return run


@pytest.fixture
def pynative(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compares in PyNative mode only, which takes less time."""
    monkeypatch.setattr(by_layer_compare, "MODES", ("PyNative",))


def _misled(result: LayerResult) -> set[str]:
    """The layers that differ, and whose arguments do already."""
    return {node.node for node in result.nodes if node.verdict == "differs" and node.inputs_differ}


def compared(result: LayerResult, mode: str) -> dict[str, str]:
    """The verdict on each layer in a mode."""
    found = {node.node: node.verdict for node in result.nodes if node.mode == mode}
    return found | {node.node: "differs" for node in result.nodes if node.mode == mode and node.verdict == "differs"}


def test_layers_that_are_right(compare: Compare) -> None:
    result = compare()
    assert result.verdict == "same"
    assert compared(result, "PyNative") == dict.fromkeys(LAYERS, "same")
    compiled = {"model.rotary_emb", "model.embed_tokens", "model.layers.0", "model.layers.1", "model.norm", "lm_head"}
    assert compared(result, "graph") == dict.fromkeys(compiled, "same")
    assert {(output.mode, output.verdict) for output in result.outputs} == {("PyNative", "same"), ("graph", "same")}


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("ops.silu(", "ops.relu(", {"model.layers.0.mlp", "model.layers.1.mlp"}),
        ("x = x + self.self_attn(", "x = x - self.self_attn(", {"model.layers.0", "model.layers.1"}),
        ("* 4**-0.5 +", "* 0.7 +", {"model.layers.0.self_attn", "model.layers.1.self_attn"}),
        ("ops.silu(self.gate_proj(x))", "ops.silu(self.gate_proj(x)).reshape((3, 7))", {"model.layers.0.mlp"}),
    ],
    ids=["an activation", "a residual", "a factor", "raises"],
)
def test_a_layer_that_is_wrong_by_itself(
    compare: Compare, tmp_path: Path, pynative: None, old: str, new: str, wrong: set[str]
) -> None:
    """The layers around it, and those behind it, are the same: they have the source's values."""
    result = compare(old, new)
    found = compared(result, "PyNative")
    assert result.verdict == "differs"
    assert {name for name, verdict in found.items() if verdict == "differs"} - _misled(result) == wrong
    first = result.first_difference
    assert first is not None
    assert first.node in wrong
    lines = (tmp_path / "decoder.py").read_text(encoding="utf-8").splitlines()
    assert any(new in text for text in lines[first.line_number - 1 : first.last_line])


def test_a_weight_that_is_wrong(compare: Compare, decoder, tmp_path: Path, pynative: None) -> None:
    weights = ms.load_checkpoint(str(decoder.checkpoint), format="safetensors")
    weights["model.layers.1.mlp.up_proj.weight"] *= 2
    wrong = tmp_path / "wrong.safetensors"
    ms.save_checkpoint(
        [{"name": n, "data": v} for n, v in weights.items()], str(wrong.with_suffix("")), format="safetensors"
    )
    result = compare(checkpoint=wrong)
    assert [name for name, verdict in compared(result, "PyNative").items() if verdict == "differs"] == [
        "model.layers.1.mlp"
    ]


def test_parameters_take_no_memory(decoder) -> None:
    network = Paged(decoder.script, decoder.checkpoint)
    assert all(parameter.has_init or parameter.size < 100 for parameter in network.net.get_parameters())
    layer = network.net.model.layers[1]
    with network.loaded(layer):
        assert layer.mlp.up_proj.weight.shape == (32, 16)
    assert layer.mlp.up_proj.weight.shape == (1,)


def test_a_large_layer_is_compiled_in_parts(decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "COMPILED", 4 * 32 * 16 * 2)
    network = Paged(decoder.script, decoder.checkpoint)
    paths = {id(cell): path for path, cell in network.net.cells_and_names()}
    layers = {id(cell) for path, cell in network.net.cells_and_names() if path in LAYERS}
    compiled = {paths[id(cell)] for cell in runs._compilable(network, network.net, layers)}
    assert {"model.layers.0.self_attn", "model.layers.0.mlp.up_proj", "lm_head"} <= compiled
    assert "model.layers.0.mlp" not in compiled


def test_the_weights_of_a_layer_that_is_an_argument_are_read_too() -> None:
    first, second, read = ms.nn.ReLU(), ms.nn.ReLU(), []
    network = SimpleNamespace(loaded=lambda cell: nullcontext(read.append(cell)))
    watched = SimpleNamespace(_network=network)
    made = runs.LayerRuns._compiled(watched, lambda cell, x, layer: layer(cell(x)), first, ms.Tensor([-1.0]), second)
    assert read == [first, second]
    assert made.asnumpy() == 0


@pytest.mark.parametrize(("unordered", "verdict"), [(True, "same"), (False, "differs")])
def test_what_has_no_order_may_come_in_another(tmp_path: Path, unordered: bool, verdict: str) -> None:
    """A TopK that need not sort, as of a mixture of experts."""
    values, found = runs.Values(tmp_path), []
    values.store("chosen", np.array([[3, 1], [0, 2]]))
    watched = SimpleNamespace(_values=values, _returned={}, _precision="")
    watched._found = lambda *item, **rest: found.append(item)
    layer = Layer("gate", "Router", 1, 2, 3, (), ("chosen",), unordered)
    own = ms.Tensor([[1, 3], [0, 2]], ms.int64)
    made = runs.LayerRuns._source_output(watched, layer, own, "PyNative", True, [])
    assert made.asnumpy().tolist() == [[3, 1], [0, 2]]
    assert [item[3].verdict for item in found] == [verdict]


def test_a_conversion_says_what_was_done(decoder, tmp_path: Path) -> None:
    result = converter.convert(decoder.file, output=tmp_path, verify_memory=0.001)
    assert result.verdict == "same"
    text = (tmp_path / "report_of_decoder.txt").read_text(encoding="utf-8")
    assert "--verify_memory is 0.001 GB; each layer was compared by itself, on the values that it takes" in text
    assert "7 layers on identical inputs, PyNative mode: 7 same" in text
    assert "6 layers on identical inputs, graph mode: 6 same" in text
    data = json.loads((tmp_path / "report_of_decoder.json").read_text(encoding="utf-8"))
    assert {layer["name"] for layer in data["verification"]["layers"] if layer["mode"] == "PyNative"} == set(LAYERS)
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(data, schema)


def test_other_inputs_are_tried_when_the_source_refuses(decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The integers may not be 0, the free extents were guessed: the source may need others."""
    shapes: list[tuple[int, ...]] = []

    def fake(folder: Path, part: str, job: Job, *_: Any) -> Ending:
        shapes.append(read_feeds(folder, job)["input_ids"].shape)
        fact = {"refused": "too short"} if len(shapes) < 3 else {"complete": part}
        (folder / "results.jsonl").write_text(json.dumps(fact) + "\n", encoding="utf-8")
        return Ending("")

    monkeypatch.setattr(verify, "run", fake)
    result = verify.verify_script(
        decoder.source, decoder.translation, registry.load(), decoder.script, decoder.checkpoint, memory=0.001
    )
    assert shapes[0] == shapes[1] != shapes[2]
    assert result.feeds["input_ids"].shape == shapes[2]


def test_memory_that_runs_out_is_no_matter_of_the_inputs(compare: Compare, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("Cannot allocate memory")

    monkeypatch.setattr(by_layer_compare, "_run_source", full)
    with pytest.raises(OSError, match="memory"):
        compare()
