"""Models of torchvision, timm and transformers with random weights, equal to their source in both modes.

The packages are the extra `zoo`; what is not installed is skipped.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import converter
from converter.errors import ParamMissingError

torch = pytest.importorskip("torch", reason="PyTorch is an extra")

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "vocab_size": 99,
}
BERT = {"model_type": "bert", "architectures": ["BertForSequenceClassification"], "num_labels": 3, **SMALL}
T5 = {
    "model_type": "t5",
    "d_model": 32,
    "d_kv": 16,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 2,
    "vocab_size": 99,
    "decoder_start_token_id": 0,
}


def written(folder: Path, config: dict[str, Any]) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(config), encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("package", "call", "shape", "layers"),
    [
        (
            "torchvision",
            "torchvision.models:mobilenet_v3_small",
            ["N,3,64,64"],
            ["nn.Dropout(p=0.2)", "nn.BatchNorm2d"],
        ),
        ("timm", "timm.models:test_resnet", [], ["nn.BatchNorm2d"]),
    ],
)
def test_images(package, call, shape, layers, tmp_path):
    pytest.importorskip(package, reason=f"{package} is of the extra zoo")
    result = converter.convert(model=call, shape=shape, output=tmp_path)
    assert (result.name, result.verdict) == (call.partition(":")[2], "same")
    script = (tmp_path / f"{result.name}.py").read_text(encoding="utf-8")
    assert all(layer in script for layer in layers)


def test_an_encoder_and_a_decoder(tmp_path):
    pytest.importorskip("transformers", reason="transformers is of the extra zoo")
    call = "transformers:T5ForConditionalGeneration"
    result = converter.convert(
        model=call, config=written(tmp_path, T5), shape=["1,12", "1,12", "1,7"], output=tmp_path / "out"
    )
    assert result.verdict == "same"
    inputs = json.loads((tmp_path / "out" / f"report_of_{result.name}.json").read_text())["network"]["inputs"]
    assert [each["name"] for each in inputs] == ["input_ids", "attention_mask", "decoder_input_ids"]


def test_a_folder_of_transformers(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is of the extra zoo")
    folder = tmp_path / "bert"
    folder.mkdir()
    config = transformers.BertConfig.from_json_file(written(folder, BERT))
    torch.manual_seed(5)
    module = transformers.BertForSequenceClassification(config)
    module.save_pretrained(folder)
    result = converter.convert(folder, shape=["N,12"], output=tmp_path / "out", verify=False)
    entries = json.loads((tmp_path / "out" / "weight_map_of_bert.json").read_text())["bert"]
    assert {entry["source_weight"]["name"] for entry in entries} <= module.state_dict().keys()
    assert result.nodes_converted == result.nodes_total


def test_experts(tmp_path):
    transformers = pytest.importorskip("transformers", reason="transformers is of the extra zoo")
    config = transformers.MixtralConfig(**SMALL, num_key_value_heads=1, num_local_experts=3)
    torch.manual_seed(5)
    transformers.MixtralForCausalLM(config).save_pretrained(tmp_path / "mixtral")  # each expert by itself
    result = converter.convert(tmp_path / "mixtral", shape=["N,S", "N,S"], output=tmp_path / "out")
    assert result.verdict == "same"


def test_what_a_class_of_transformers_needs(tmp_path):
    pytest.importorskip("transformers", reason="transformers is of the extra zoo")
    with pytest.raises(ParamMissingError, match=r"needs its configuration: add --config"):
        converter.convert(model="transformers:BertModel", output=tmp_path / "out")
    with pytest.raises(ParamMissingError, match=r"takes 'input_ids', 'attention_mask'"):
        converter.convert(model="transformers:BertModel", config=written(tmp_path, BERT), output=tmp_path / "out")
