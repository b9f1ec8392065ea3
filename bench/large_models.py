"""Makes models of any size: `python bench/large_models.py onnx FOLDER --layers 32 --hidden 4096 --vocabulary 32000`.

`onnx` writes a decoder as `decoder.onnx`, its weights as external data in `decoder.bin`; `llama` writes `config.json`
and random weights in the form of Hugging Face: safetensors in bfloat16, shards with an index. Weights are written piece
by piece, so that no tensor is in memory as a whole.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PIECE = 1 << 22
"""Elements of a weight that are in memory at once."""
ALIGNMENT = 64 * 1024
"""Of a tensor in external data, so that it can be mapped."""
THETA = 10000.0


@dataclass(frozen=True)
class Size:
    """The extents of a decoder."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    intermediate: int
    vocabulary: int

    @property
    def head(self) -> int:
        """The width of a head."""
        return self.hidden // self.heads

    def weights(self) -> dict[str, tuple[int, int] | tuple[int]]:
        """Name and shape (out, in) of every weight, in the order of the network."""
        wide, key = self.hidden, self.kv_heads * self.head
        inner: dict[str, tuple[int, int] | tuple[int]] = {
            "input_layernorm": (wide,),
            "self_attn.q_proj": (wide, wide),
            "self_attn.k_proj": (key, wide),
            "self_attn.v_proj": (key, wide),
            "self_attn.o_proj": (wide, wide),
            "post_attention_layernorm": (wide,),
            "mlp.gate_proj": (self.intermediate, wide),
            "mlp.up_proj": (self.intermediate, wide),
            "mlp.down_proj": (wide, self.intermediate),
        }
        layers = {f"model.layers.{i}.{name}": shape for i in range(self.layers) for name, shape in inner.items()}
        ends = {"model.norm": (wide,), "lm_head": (self.vocabulary, wide)}
        found = {"model.embed_tokens": (self.vocabulary, wide), **layers, **ends}
        return {f"{name}.weight": shape for name, shape in found.items()}  # type: ignore[misc]


def pieces(random: np.random.Generator, shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """Random values of a weight, in pieces: about 1 for a norm, small for a matrix."""
    total = math.prod(shape)
    for start in range(0, total, PIECE):
        values = random.standard_normal(min(PIECE, total - start), dtype=np.float32)
        yield values * np.float32(0.1) + 1 if len(shape) == 1 else values / np.float32(math.sqrt(shape[-1]))


class Decoder:
    """A decoder as torch's exporter writes it, built node by node."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def add(self, scope: str, op_type: str, *inputs: str, **attributes: Any) -> str:
        """Add a node to a scope; return its output."""
        name = f"{scope}/{op_type}_{len(self.nodes)}"
        made = f"{name}_output_0"
        self.nodes.append(helper.make_node(op_type, inputs, [made], name, **attributes))
        return made

    def constant(self, *items: Any, dtype: type = np.int64) -> str:
        """A constant: one number, or a list of several."""
        value = np.array(items[0] if len(items) == 1 else items, dtype)
        name = "_".join(["constant", "list" if value.ndim else "number", *map(str, np.ravel(value))])
        self.constants.setdefault(name, numpy_helper.from_array(value, name))
        return name

    def norm(self, scope: str, x: str) -> str:
        """RMSNorm."""
        square = self.add(scope, "Pow", x, self.constant(2.0, dtype=np.float32))
        mean = self.add(scope, "ReduceMean", square, self.constant([-1]), keepdims=1)
        root = self.add(scope, "Sqrt", self.add(scope, "Add", mean, self.constant(1e-5, dtype=np.float32)))
        normed = self.add(scope, "Mul", x, self.add(scope, "Reciprocal", root))
        return self.add(scope, "Mul", self.weight(scope), normed)

    def weight(self, scope: str) -> str:
        """The weight of a scope: `/model/layers.0/mlp/up_proj` → `model.layers.0.mlp.up_proj.weight`."""
        return f"{scope[1:].replace('/', '.')}.weight"

    def dense(self, scope: str, x: str) -> str:
        """A dense layer without bias; its weight is (in, out)."""
        return self.add(scope, "MatMul", x, self.weight(scope))

    def heads(self, scope: str, x: str, number: int) -> str:
        """(batch, sequence, number * head) → (batch, number, sequence, head)."""
        parted = self.add(scope, "Reshape", x, self.constant(0, 0, number, self.size.head))
        return self.add(scope, "Transpose", parted, perm=[0, 2, 1, 3])

    def rotated(self, scope: str, x: str, cos: str, sin: str) -> str:
        """Rotary positions."""
        half, end, last = self.constant([self.size.head // 2]), self.constant([2**62]), self.constant([-1])
        low = self.add(scope, "Slice", x, self.constant([0]), half, last)
        high = self.add(scope, "Slice", x, half, end, last)
        turned = self.add(scope, "Concat", self.add(scope, "Neg", high), low, axis=-1)
        return self.add(scope, "Add", self.add(scope, "Mul", x, cos), self.add(scope, "Mul", turned, sin))

    def repeated(self, scope: str, x: str) -> str:
        """Each head of keys or values as often as queries share it."""
        size = self.size
        times = size.heads // size.kv_heads
        if times == 1:
            return x
        wide = self.add(scope, "Unsqueeze", x, self.constant([2]))
        shape = self.add(scope, "Shape", x)
        batch, length = (self.add(scope, "Gather", shape, self.constant([i]), axis=0) for i in (0, 2))
        parts = [batch, self.constant([size.kv_heads]), self.constant([times]), length, self.constant([size.head])]
        target = self.add(scope, "Concat", *parts, axis=0)
        parts[1:3] = [self.constant([size.heads])]
        whole = self.add(scope, "Concat", *parts, axis=0)
        return self.add(scope, "Reshape", self.add(scope, "Expand", wide, target), whole)

    def attention(self, scope: str, x: str, tables: tuple[str, str, str]) -> str:
        """Attention with grouped queries, rotary positions and a causal mask."""
        size = self.size
        cos, sin, mask = tables
        q = self.heads(scope, self.dense(f"{scope}/q_proj", x), size.heads)
        k = self.heads(scope, self.dense(f"{scope}/k_proj", x), size.kv_heads)
        v = self.heads(scope, self.dense(f"{scope}/v_proj", x), size.kv_heads)
        q, k = self.rotated(scope, q, cos, sin), self.rotated(scope, k, cos, sin)
        k, v = self.repeated(scope, k), self.repeated(scope, v)
        scores = self.add(scope, "MatMul", q, self.add(scope, "Transpose", k, perm=[0, 1, 3, 2]))
        scores = self.add(scope, "Mul", scores, self.constant(size.head**-0.5, dtype=np.float32))
        weights = self.add(scope, "Softmax", self.add(scope, "Add", scores, mask), axis=-1)
        context = self.add(scope, "Transpose", self.add(scope, "MatMul", weights, v), perm=[0, 2, 1, 3])
        return self.dense(f"{scope}/o_proj", self.add(scope, "Reshape", context, self.constant(0, 0, size.hidden)))

    def tables(self, ids: str) -> tuple[str, str, str]:
        """Cosines and sines of the positions, (sequence, head), and the mask, (sequence, sequence)."""
        scope, size = "/model/rotary_emb", self.size
        length = self.add(scope, "Gather", self.add(scope, "Shape", ids), self.constant(1), axis=0)
        places = self.add(scope, "Range", self.constant(0), length, self.constant(1))
        places = self.add(scope, "Cast", places, to=TensorProto.FLOAT)
        frequencies = 1.0 / THETA ** (np.arange(0, size.head, 2) / size.head)
        self.constants["inv_freq"] = numpy_helper.from_array(frequencies.astype(np.float32)[None], "inv_freq")
        angles = self.add(scope, "MatMul", self.add(scope, "Unsqueeze", places, self.constant([1])), "inv_freq")
        both = self.add(scope, "Concat", angles, angles, axis=-1)
        row = self.add("/model", "Unsqueeze", length, self.constant([0]))
        square = self.add("/model", "Concat", row, row, axis=0)
        hidden = numpy_helper.from_array(np.array([np.finfo(np.float32).min], np.float32))
        full = self.add("/model", "ConstantOfShape", square, value=hidden)
        mask = self.add("/model", "Trilu", full, self.constant(1), upper=1)
        return self.add(scope, "Cos", both), self.add(scope, "Sin", both), mask

    def build(self) -> str:
        """Add all nodes; return the output, the logits."""
        ids = "input_ids"
        tables = self.tables(ids)
        x = self.add("/model/embed_tokens", "Gather", "model.embed_tokens.weight", ids, axis=0)
        for i in range(self.size.layers):
            scope = f"/model/layers.{i}"
            y = self.attention(f"{scope}/self_attn", self.norm(f"{scope}/input_layernorm", x), tables)
            x = self.add(scope, "Add", x, y)
            y, mlp = self.norm(f"{scope}/post_attention_layernorm", x), f"{scope}/mlp"
            gate = self.dense(f"{mlp}/gate_proj", y)
            gate = self.add(f"{mlp}/act_fn", "Mul", gate, self.add(f"{mlp}/act_fn", "Sigmoid", gate))
            y = self.dense(f"{mlp}/down_proj", self.add(mlp, "Mul", gate, self.dense(f"{mlp}/up_proj", y)))
            x = self.add(scope, "Add", x, y)
        return self.dense("/lm_head", self.norm("/model/norm", x))


def make_onnx(folder: Path, size: Size) -> Path:
    """Write a decoder; return its file. Matrices are (in, out), as exporters write them."""
    decoder = Decoder(size)
    logits = decoder.build()
    stored = {name: shape if "embed" in name else shape[::-1] for name, shape in size.weights().items()}
    tensors, offset = [], 0
    random = np.random.default_rng(1)
    with (folder / "decoder.bin").open("wb") as file:
        for name, shape in stored.items():
            offset = -(-file.tell() // ALIGNMENT) * ALIGNMENT
            file.seek(offset)
            for piece in pieces(random, shape):
                file.write(piece.tobytes())
            tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL)
            place = {"location": "decoder.bin", "offset": offset, "length": file.tell() - offset}
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
            tensors.append(tensor)
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    output = helper.make_tensor_value_info(logits, TensorProto.FLOAT, ["batch", "sequence", size.vocabulary])
    graph = helper.make_graph(decoder.nodes, "decoder", [ids], [output], [*decoder.constants.values(), *tensors])
    path = folder / "decoder.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return path


def bfloat16(values: np.ndarray) -> bytes:
    """The upper half of each float32."""
    return (values.view(np.uint32) >> 16).astype(np.uint16).tobytes()


def make_llama(folder: Path, size: Size, shard_size: float) -> Path:
    """Write `config.json` and shards of at most `shard_size` GB; return the configuration."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": size.hidden,
        "intermediate_size": size.intermediate,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.kv_heads,
        "vocab_size": size.vocabulary,
        "rms_norm_eps": 1e-5,
        "max_position_embeddings": 4096,
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "dtype": "bfloat16",
    }
    path = folder / "config.json"
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    shards: list[dict[str, tuple[int, ...]]] = [{}]
    taken = 0.0
    for name, shape in size.weights().items():
        nbytes = 2 * math.prod(shape)
        if shards[-1] and taken + nbytes > shard_size * 1e9:
            shards.append({})
            taken = 0.0
        shards[-1][name] = shape
        taken += nbytes
    random, index = np.random.default_rng(1), {}
    for number, shard in enumerate(shards, 1):
        file = f"model-{number:05}-of-{len(shards):05}.safetensors" if len(shards) > 1 else "model.safetensors"
        write_shard(folder / file, shard, random)
        index.update(dict.fromkeys(shard, file))
    if len(shards) > 1:
        total = sum(2 * math.prod(shape) for shape in size.weights().values())
        text = json.dumps({"metadata": {"total_size": total}, "weight_map": index}, indent=2)
        (folder / "model.safetensors.index.json").write_text(text, encoding="utf-8")
    return path


def write_shard(path: Path, tensors: Mapping[str, tuple[int, ...]], random: np.random.Generator) -> None:
    """Write random weights in bfloat16 as safetensors."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in tensors.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in tensors.values():
            for piece in pieces(random, shape):
                file.write(bfloat16(piece))


def main() -> None:
    """Make the model that the command line describes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=("onnx", "llama"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=64)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--kv_heads", type=int, help="default: as many as --heads")
    parser.add_argument("--intermediate", type=int, help="default: 4 times --hidden")
    parser.add_argument("--vocabulary", type=int, default=1000)
    parser.add_argument("--shard_size", type=float, default=4.0, metavar="GB", help="of a shard of llama")
    given = parser.parse_args()
    size = Size(
        given.layers,
        given.hidden,
        given.heads,
        given.kv_heads or given.heads,
        given.intermediate or 4 * given.hidden,
        given.vocabulary,
    )
    given.folder.mkdir(parents=True, exist_ok=True)
    made = make_onnx(given.folder, size) if given.kind == "onnx" else make_llama(given.folder, size, given.shard_size)
    number = sum(math.prod(shape) for shape in size.weights().values())
    print(f"{made}: {number / 1e9:.3g} billion weights, {number * (4 if given.kind == 'onnx' else 2) / 1e9:.3g} GB")


if __name__ == "__main__":
    main()
