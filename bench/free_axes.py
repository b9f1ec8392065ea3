"""Static exports with a free batch: `python bench/free_axes.py --folder static`.

Small networks of torchvision, timm, transformers and Keras with random weights are exported with a batch of 1 by both
exporters of torch, by tf2onnx and to TensorFlow's files. Each is converted with `--shape N,…`. The script's batches of
7 and 2 are compared with the source, which runs sample by sample, in PyNative and in graph mode. Each export and each
conversion has a process of its own. What is exported is kept in the folder.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
OLDER, CURRENT = "older", "current"
"""The exporters of torch."""


def torchvision(make: Callable[[Any], Any], size: int) -> Callable[[], tuple[Any, tuple[Any, ...]]]:
    """A network of torchvision, and an image."""

    def build() -> tuple[Any, tuple[Any, ...]]:
        import torch
        import torchvision.models as library

        return make(library), (torch.randn(1, 3, size, size),)

    return build


def timm(name: str, size: int, **options: Any) -> Callable[[], tuple[Any, tuple[Any, ...]]]:
    """A network of timm, and an image."""

    def build() -> tuple[Any, tuple[Any, ...]]:
        import timm as library
        import torch

        return library.create_model(name, **options), (torch.randn(1, 3, size, size),)

    return build


def transformers(name: str, example: Callable[[Any], Any], **config: Any) -> Callable[[], tuple[Any, tuple[Any, ...]]]:
    """A network of transformers with a small configuration, and its first input."""

    def build() -> tuple[Any, tuple[Any, ...]]:
        import torch
        import transformers as library

        kind = getattr(library, name)
        settings = kind.config_class(**config)
        settings.use_cache = False
        return Tensors(kind(settings)), (example(torch),)

    return build


def Tensors(module: Any) -> Any:  # noqa: N802 - it makes a module
    """The module with its first output alone."""
    import torch

    class First(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, x: Any) -> Any:
            outputs = self.network(x)
            return next(iter(outputs.values())) if isinstance(outputs, Mapping) else outputs[0]

    return First()


def ids(torch: Any) -> Any:
    """A text of 12 tokens."""
    return torch.randint(2, 90, (1, 12))


def image(torch: Any) -> Any:
    """An image of 32 by 32."""
    return torch.randn(1, 3, 32, 32)


def recurrent() -> tuple[Any, tuple[Any, ...]]:
    """A two-layer LSTM in both directions and a GRU, batch first."""
    import torch

    class Recurrent(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm = torch.nn.LSTM(8, 12, 2, batch_first=True, bidirectional=True)
            self.gru = torch.nn.GRU(24, 10, batch_first=True)

        def forward(self, x: Any) -> Any:
            x, _ = self.lstm(x)
            return self.gru(x)[0][:, -1]

    return Recurrent(), (torch.randn(1, 9, 8),)


BERT = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
}

TORCH: dict[str, tuple[Callable[[], tuple[Any, tuple[Any, ...]]], tuple[str, ...]]] = {
    "torchvision/resnet18": (torchvision(lambda m: m.resnet18(), 64), (OLDER, CURRENT)),
    "torchvision/mobilenet_v3_small": (torchvision(lambda m: m.mobilenet_v3_small(), 64), (CURRENT,)),
    "torchvision/shufflenet_v2_x0_5": (torchvision(lambda m: m.shufflenet_v2_x0_5(), 64), (OLDER,)),
    "torchvision/vit": (
        torchvision(lambda m: m.VisionTransformer(32, 8, 2, 4, 32, 64, num_classes=10), 32),
        (OLDER, CURRENT),
    ),
    "torchvision/swin": (
        torchvision(lambda m: m.SwinTransformer([4, 4], 24, [2, 2], [2, 4], [4, 4], num_classes=10), 64),
        (OLDER, CURRENT),
    ),
    "torchvision/lraspp": (
        torchvision(
            lambda m: Tensors(m.segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)), 64
        ),
        (OLDER,),
    ),
    "timm/mixer_s32_224": (timm("mixer_s32_224", 224, num_classes=10), (CURRENT,)),
    "timm/mobilevit_xxs": (timm("mobilevit_xxs", 128, num_classes=10), (OLDER,)),
    "timm/levit_128s": (timm("levit_128s", 224, num_classes=10), (OLDER,)),
    "timm/deit_tiny_distilled": (
        timm("deit_tiny_distilled_patch16_224", 64, img_size=64, depth=2, num_classes=10),
        (OLDER,),
    ),
    "timm/edgenext_xx_small": (timm("edgenext_xx_small", 128, num_classes=10), (CURRENT,)),
    "timm/pvt_v2_b0": (timm("pvt_v2_b0", 64, num_classes=10), (OLDER,)),
    "transformers/bert": (transformers("BertModel", ids, **BERT), (OLDER, CURRENT)),
    "transformers/distilbert": (
        transformers("DistilBertModel", ids, vocab_size=99, dim=32, n_layers=2, n_heads=4, hidden_dim=48),
        (OLDER,),
    ),
    "transformers/gpt2": (
        transformers("GPT2LMHeadModel", ids, vocab_size=99, n_embd=32, n_layer=2, n_head=4, n_positions=40),
        (CURRENT,),
    ),
    "transformers/llama": (
        transformers("LlamaForCausalLM", ids, **BERT, num_key_value_heads=2),
        (CURRENT,),
    ),
    "transformers/t5_encoder": (
        transformers("T5EncoderModel", ids, vocab_size=99, d_model=32, d_kv=8, d_ff=48, num_layers=2, num_heads=4),
        (OLDER,),
    ),
    "transformers/segformer": (
        transformers(
            "SegformerForSemanticSegmentation",
            image,
            hidden_sizes=[8, 16, 32, 32],
            decoder_hidden_size=16,
            depths=[1, 1, 1, 1],
            num_attention_heads=[1, 2, 4, 4],
        ),
        (CURRENT,),
    ),
    "transformers/vit": (
        transformers("ViTModel", image, image_size=32, patch_size=8, **{k: BERT[k] for k in list(BERT)[1:5]}),
        (OLDER,),
    ),
    "torch/recurrent": (recurrent, (OLDER, CURRENT)),
}
"""Network → its module with example inputs, and the exporters that write it."""


def keras_network(kind: str) -> Any:
    """A network of Keras whose inputs have a batch of 1."""
    import keras
    from keras import layers

    if kind == "cnn":
        x = given = keras.Input(batch_shape=(1, 32, 32, 3))
        for width, stride in ((8, 2), (16, 2)):
            x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        return keras.Model(given, layers.Dense(10)(layers.Flatten()(x)))
    if kind == "lstm":
        given = keras.Input(batch_shape=(1, 9, 8))
        x = layers.Bidirectional(layers.LSTM(6, return_sequences=True))(given)
        return keras.Model(given, layers.Dense(4)(layers.GRU(5)(x)))
    given = keras.Input(batch_shape=(1, 9, 16))
    x = layers.LayerNormalization()(given + layers.MultiHeadAttention(4, 4)(given, given))
    return keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


KERAS = {
    "keras/cnn": ("pb", "tflite", "tf2onnx"),
    "keras/lstm": ("pb",),
    "keras/attention": ("pb", "tf2onnx"),
}
"""Network → the files that it is written to."""


def exports() -> dict[str, tuple[str, str]]:
    """File → its network and exporter."""
    found = {}
    for name, (_, exporters) in TORCH.items():
        for exporter in exporters:
            found[f"{name.replace('/', '_')}_{exporter}.onnx"] = name, exporter
    for name, kinds in KERAS.items():
        for kind in kinds:
            suffix = "onnx" if kind == "tf2onnx" else kind
            found[f"{name.replace('/', '_')}_{kind}.{suffix}"] = name, kind
    return found


def export(file: Path) -> None:
    """Write one of the files."""
    name, exporter = exports()[file.name]
    if name in TORCH:
        import torch

        torch.manual_seed(0)
        module, inputs = TORCH[name][0]()
        with torch.no_grad():
            for parameter in module.parameters():
                if not parameter.any():  # a head, a class token: its outputs would be zeros
                    parameter.normal_(0, 0.1)
        torch.onnx.export(module.eval(), inputs, file, dynamo=exporter == CURRENT, input_names=["x"])
        return
    import keras
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    keras.utils.set_random_seed(0)
    network = keras_network(name.rpartition("/")[2])
    signature = [tf.TensorSpec(network.inputs[0].shape, tf.float32, "x")]
    function = tf.function(lambda x: network(x, training=False), input_signature=signature)
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    if exporter == "tflite":
        file.write_bytes(tf.lite.TFLiteConverter.from_concrete_functions([frozen]).convert())
    elif exporter == "pb":
        file.write_bytes(frozen.graph.as_graph_def().SerializeToString())
    else:
        import tf2onnx

        tf2onnx.convert.from_function(function, input_signature=signature, opset=18, output_path=str(file))


def convert(file: Path) -> None:
    """Convert one of the files with a free batch, and print what was proved as JSON."""
    import converter
    from converter.errors import ConverterError

    shape = {"cnn": "N,32,32,3", "lstm": "N,9,8", "attention": "N,9,16"}.get(exports()[file.name][0].rpartition("/")[2])
    if file.suffix == ".onnx":
        import onnx

        (value,) = onnx.load(file, load_external_data=False).graph.input
        extents = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        assert extents[0] == 1, extents
        shape = ",".join(["N", *map(str, extents[1:])])
    try:
        result = converter.convert(file, shape=[shape], output=file.parent / "out")
    except ConverterError as error:
        print(json.dumps({"verdict": str(error)}))
        return
    proof = result.verification
    errors = [output.max_abs for output in proof.outputs if output.max_abs is not None]
    script = next(path for path in result.files if path.suffix == ".py")
    print(
        json.dumps(
            {
                "verdict": result.verdict,
                "note": proof.note,
                "batches": sorted({array.shape[0] for array in proof.feeds.values()}),
                "error": max(errors, default=None),
                "nodes": len(result.records),
                "lines": len(script.read_text(encoding="utf-8").splitlines()),
                "seconds": sum(os.times()[:4]),
            }
        )
    )


def run(*arguments: str) -> tuple[str, str]:
    """What a process of this program prints, and its last words."""
    environment = {"OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2", **os.environ}
    environment["PYTHONPATH"] = str(HERE.parents[1])
    command = [sys.executable, str(HERE), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout, (done.stderr.strip().splitlines() or [""])[-1]


def main() -> None:
    """Export, convert, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("static"), help="where exports and results are written")
    parser.add_argument("--only", nargs="*", default=[], help="parts of names of files")
    parser.add_argument("--export", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--convert", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.export or args.convert:
        export(args.export) if args.export else convert(args.convert)
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    print("| network | export | nodes | lines | proof | largest error | CPU, s |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for name, (network, exporter) in exports().items():
        if args.only and not any(part in name for part in args.only):
            continue
        file = args.folder / name
        if not file.exists():
            _, failure = run("--export", str(file))
            if not file.exists():
                print(f"| {network} | {exporter} | | | not exported: {failure} | | |", flush=True)
                continue
        printed, failure = run("--convert", str(file))
        try:
            found = json.loads(printed.strip().splitlines()[-1])
        except (IndexError, ValueError):
            found = {"verdict": f"failed: {failure}"}
        verdict = "; ".join(filter(None, [found["verdict"], found.get("note", "")]))
        cells = [network, exporter, found.get("nodes", ""), found.get("lines", ""), verdict]
        cells += [f"{found['error']:.1e}" if found.get("error") is not None else ""]
        cells += [f"{found['seconds']:.0f}" if "seconds" in found else ""]
        print(f"| {' | '.join(map(str, cells))} |", flush=True)


if __name__ == "__main__":
    main()
