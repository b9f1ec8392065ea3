"""Networks of transformers by `--model transformers:CLASS --config … --weights DIR`, compared with PyTorch.

`python bench/transformers_models.py --folder DIR` makes each in a tiny configuration with random weights, converts
it with a free batch and a free length, and prints what verification finds in PyNative and in graph mode.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Network:
    """A class of transformers, its configuration, and its inputs with their shapes."""

    name: str
    config: dict[str, Any]
    inputs: dict[str, str] = field(default_factory=lambda: {"input_ids": "N,S"})


_LLAMA = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 300,
    "pad_token_id": 0,
}
_OPT = {
    "hidden_size": 64,
    "ffn_dim": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "vocab_size": 300,
    "max_position_embeddings": 128,
    "word_embed_proj_dim": 64,
}
_NEOX = {key: _LLAMA[key] for key in ("hidden_size", "intermediate_size", "num_attention_heads", "vocab_size")}
_PAIR = {"input_ids": "N,S", "decoder_input_ids": "N,T"}
NETWORKS = (
    Network("LlamaForCausalLM", _LLAMA),
    Network("Qwen2ForCausalLM", _LLAMA),
    Network("Qwen3ForCausalLM", {**_LLAMA, "num_hidden_layers": 2, "head_dim": 16}),
    Network("MistralForCausalLM", {**_LLAMA, "num_hidden_layers": 2, "sliding_window": 8}),
    Network("GemmaForCausalLM", {**_LLAMA, "num_hidden_layers": 2, "head_dim": 16}),
    Network("PhiForCausalLM", {**_LLAMA, "num_hidden_layers": 2}),
    Network("OPTForCausalLM", _OPT),
    Network("GPTNeoXForCausalLM", {**_NEOX, "num_hidden_layers": 2, "max_position_embeddings": 128}),
    Network("GPT2LMHeadModel", {"n_embd": 64, "n_layer": 3, "n_head": 4, "vocab_size": 300, "n_positions": 128}),
    Network(
        "BertModel",
        {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "vocab_size": 300,
            "max_position_embeddings": 128,
        },
        {"input_ids": "N,S", "attention_mask": "N,S"},
    ),
    Network(
        "T5ForConditionalGeneration",
        {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 3, "num_heads": 4, "vocab_size": 300},
        _PAIR,
    ),
    Network(
        "ViTForImageClassification",
        {
            "hidden_size": 64,
            "intermediate_size": 128,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "image_size": 32,
            "patch_size": 8,
        },
        {"pixel_values": "N,3,32,32"},
    ),
    Network(
        "WhisperForConditionalGeneration",
        {
            "d_model": 64,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "num_mel_bins": 16,
            "vocab_size": 300,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 4,
            "max_source_positions": 50,
            "encoder_ffn_dim": 128,
            "decoder_ffn_dim": 128,
            "max_target_positions": 40,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
        },
        {"input_features": "N,16,100", "decoder_input_ids": "N,T"},
    ),
)
_MAKE = """
import sys, torch, transformers
name, folder = sys.argv[1:]
torch.manual_seed(0)
kind = getattr(transformers, name)
model = kind(kind.config_class.from_json_file(folder + "/made.json"))
model.save_pretrained(folder)
"""


def make(network: Network, folder: Path) -> None:
    """Write configuration and random weights as `save_pretrained` does."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "made.json").write_text(json.dumps(network.config), encoding="utf-8")
    subprocess.run([sys.executable, "-c", _MAKE, network.name, str(folder)], check=True, capture_output=True)


def converted(network: Network, folder: Path, more: list[str]) -> dict[str, Any]:
    """Convert a network; its report."""
    command = [sys.executable, "-m", "converter", "--model", f"transformers:{network.name}"]
    command += ["--config", str(folder / "config.json"), "--weights", str(folder), "--output", str(folder / "out")]
    command += ["--input_nodes", *network.inputs, "--shape", *network.inputs.values(), *more]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    report = folder / "out" / f"report_of_{network.name}.json"
    if ended.returncode not in (0, 3):
        return {"error": (ended.stderr.strip().splitlines() or ["?"])[-1]}
    return json.loads(report.read_text(encoding="utf-8"))


def row(network: Network, report: dict[str, Any], seconds: float) -> str:
    """A line of the table."""
    if "error" in report:
        return f"| {network.name} | | | {report['error']} | | |"
    proof, lines = report["verification"], report["network"]["script_lines"]
    errors = {
        mode: max((o["max_abs"] or 0.0 for o in proof["outputs"] if o["mode"] == mode), default=0.0)
        for mode in ("PyNative", "graph")
    }
    figures = " | ".join(f"{error:.1e}" for error in errors.values())
    return f"| {network.name} | {len(report['nodes'])} | {lines} | {proof['verdict']} | {figures} | {seconds:.0f} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", default="", help="a part of the name of a class")
    given, more = parser.parse_known_args()
    print("| network | nodes | lines | proof | error, PyNative | error, graph | s |\n|---|---|---|---|---|---|---|")
    for network in NETWORKS:
        if given.only in network.name:
            folder = given.folder / network.name
            make(network, folder)
            began = time.monotonic()
            print(row(network, converted(network, folder, more), time.monotonic() - began), flush=True)


if __name__ == "__main__":
    main()
