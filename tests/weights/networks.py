"""Names and shapes of the weights of known networks, as two authors wrote them."""

from __future__ import annotations

from collections.abc import Iterator

from converter.artifacts import TensorSpec
from converter.weights import Parameter


def tensor(name: str, *shape: int, dtype: str = "float32") -> TensorSpec:
    return TensorSpec(name, shape, dtype)


def parameter(name: str, *shape: int, layer: str = "", dtype: str = "float32") -> Parameter:
    return Parameter(tensor(name, *shape, dtype=dtype), layer)


def dense(name: str, inputs: int, outputs: int) -> list[Parameter]:
    return [
        parameter(f"{name}.weight", outputs, inputs, layer="Dense"),
        parameter(f"{name}.bias", outputs, layer="Dense"),
    ]


def layer_norm(name: str, width: int) -> list[Parameter]:
    return [parameter(f"{name}.{leaf}", width, layer="LayerNorm") for leaf in ("gamma", "beta")]


def batch_norm(name: str, width: int) -> list[Parameter]:
    leaves = ("moving_mean", "moving_variance", "gamma", "beta")
    return [parameter(f"{name}.{leaf}", width, layer="BatchNorm2d") for leaf in leaves]


def recurrent(name: str, layer: str, inputs: int, hidden: int, ways: int = 1) -> list[Parameter]:
    rows = {"LSTM": 4, "GRU": 3}[layer] * hidden
    shapes = {"weight_ih": (rows, inputs), "weight_hh": (rows, hidden), "bias_ih": (rows,), "bias_hh": (rows,)}
    suffixes = ("", "_reverse")[:ways]
    return [
        parameter(f"{name}.{leaf}_l0{suffix}", *shape, layer=layer)
        for leaf, shape in shapes.items()
        for suffix in suffixes
    ]


LENET = [
    parameter("conv1.weight", 6, 1, 5, 5, layer="Conv2d"),
    parameter("conv1.bias", 6, layer="Conv2d"),
    parameter("conv2.weight", 16, 6, 5, 5, layer="Conv2d"),
    parameter("conv2.bias", 16, layer="Conv2d"),
    *dense("fc1", 400, 120),
    *dense("fc2", 120, 84),
    *dense("fc3", 84, 10),
]

LENET_SHAPES = [(5, 5, 1, 6), (6,), (5, 5, 6, 16), (16,), (400, 120), (120,), (120, 84), (84,), (84, 10), (10,)]


def resnet18_of_torch() -> list[TensorSpec]:
    """The state dict of torchvision's resnet18."""
    found: list[TensorSpec] = []

    def conv(name: str, inputs: int, outputs: int, window: int) -> None:
        found.append(tensor(f"{name}.weight", outputs, inputs, window, window))

    def norm(name: str, width: int) -> None:
        found.extend(tensor(f"{name}.{leaf}", width) for leaf in ("weight", "bias", "running_mean", "running_var"))
        found.append(tensor(f"{name}.num_batches_tracked", dtype="int64"))

    conv("conv1", 3, 64, 7)
    norm("bn1", 64)
    inputs = 64
    for stage, width in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            path = f"layer{stage}.{block}"
            conv(f"{path}.conv1", inputs, width, 3)
            norm(f"{path}.bn1", width)
            conv(f"{path}.conv2", width, width, 3)
            norm(f"{path}.bn2", width)
            if inputs != width:
                conv(f"{path}.downsample.0", inputs, width, 1)
                norm(f"{path}.downsample.1", width)
            inputs = width
    return [*found, tensor("fc.weight", 1000, 512), tensor("fc.bias", 1000)]


def resnet18_by_hand() -> Iterator[tuple[Parameter, str]]:
    """A ResNet18 of MindSpore's with names of its own: each parameter with the name of its tensor in torchvision's."""
    leaves = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}

    def conv(name: str, source: str, inputs: int, outputs: int, window: int) -> Iterator[tuple[Parameter, str]]:
        shape = (outputs, inputs, window, window)
        yield parameter(f"{name}.weight", *shape, layer="Conv2d"), f"{source}.weight"

    def norm(name: str, source: str, width: int) -> Iterator[tuple[Parameter, str]]:
        for each in batch_norm(name, width):
            yield each, f"{source}.{leaves[each.leaf]}"

    yield from conv("stem.conv", "conv1", 3, 64, 7)
    yield from norm("stem.norm", "bn1", 64)
    inputs = 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for block in range(2):
            path, source = f"stages.{stage}.{block}", f"layer{stage + 1}.{block}"
            if inputs != width:
                yield from conv(f"{path}.shortcut.conv", f"{source}.downsample.0", inputs, width, 1)
                yield from norm(f"{path}.shortcut.norm", f"{source}.downsample.1", width)
            yield from conv(f"{path}.conv_a", f"{source}.conv1", inputs, width, 3)
            yield from norm(f"{path}.norm_a", f"{source}.bn1", width)
            yield from conv(f"{path}.conv_b", f"{source}.conv2", width, width, 3)
            yield from norm(f"{path}.norm_b", f"{source}.bn2", width)
            inputs = width
    for each in dense("head", 512, 1000):
        yield each, f"fc.{each.leaf}"


def bert_of_torch(layers: int = 3, width: int = 16, vocabulary: int = 50) -> list[TensorSpec]:
    """The state dict of a BertModel of transformers."""
    found = [
        tensor("embeddings.word_embeddings.weight", vocabulary, width),
        tensor("embeddings.position_embeddings.weight", 32, width),
        tensor("embeddings.token_type_embeddings.weight", 2, width),
    ]

    def linear(name: str, inputs: int, outputs: int) -> None:
        found.extend((tensor(f"{name}.weight", outputs, inputs), tensor(f"{name}.bias", outputs)))

    def norm(name: str) -> None:
        found.extend(tensor(f"{name}.{leaf}", width) for leaf in ("weight", "bias"))

    norm("embeddings.LayerNorm")
    for layer in range(layers):
        path = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            linear(f"{path}.attention.self.{part}", width, width)
        linear(f"{path}.attention.output.dense", width, width)
        norm(f"{path}.attention.output.LayerNorm")
        linear(f"{path}.intermediate.dense", width, 4 * width)
        linear(f"{path}.output.dense", 4 * width, width)
        norm(f"{path}.output.LayerNorm")
    linear("pooler.dense", width, width)
    return found


def bert_by_hand(layers: int = 3, width: int = 16, vocabulary: int = 50) -> Iterator[tuple[Parameter, str]]:
    """A BERT of MindSpore's with names of its own: each parameter with the name of its tensor in transformers'."""
    leaves = {"gamma": "weight", "beta": "bias"}

    def named(parameters: list[Parameter], source: str) -> Iterator[tuple[Parameter, str]]:
        for each in parameters:
            yield each, f"{source}.{leaves.get(each.leaf, each.leaf)}"

    for name, source, rows in (
        ("token_embed", "word_embeddings", vocabulary),
        ("pos_embed", "position_embeddings", 32),
        ("type_embed", "token_type_embeddings", 2),
    ):
        table = parameter(f"{name}.embedding_table", rows, width, layer="Embedding")
        yield table, f"embeddings.{source}.weight"
    yield from named(layer_norm("embed_ln", width), "embeddings.LayerNorm")
    for layer in range(layers):
        path, source = f"blocks.{layer}", f"encoder.layer.{layer}"
        for part, theirs in (("q", "query"), ("k", "key"), ("v", "value")):
            yield from named(dense(f"{path}.attn.{part}", width, width), f"{source}.attention.self.{theirs}")
        yield from named(dense(f"{path}.attn.out", width, width), f"{source}.attention.output.dense")
        yield from named(layer_norm(f"{path}.attn.ln", width), f"{source}.attention.output.LayerNorm")
        yield from named(dense(f"{path}.ffn.up", width, 4 * width), f"{source}.intermediate.dense")
        yield from named(dense(f"{path}.ffn.down", 4 * width, width), f"{source}.output.dense")
        yield from named(layer_norm(f"{path}.ffn.ln", width), f"{source}.output.LayerNorm")
    yield from named(dense("pooler", width, width), "pooler.dense")


def resnet50_of_keras() -> list[TensorSpec]:
    """The variables of keras.applications.ResNet50, whose shortcut is layer 0 of a block, without its biases."""
    found: list[TensorSpec] = []

    def conv(name: str, inputs: int, outputs: int, window: int) -> None:
        found.append(tensor(f"{name}_conv/kernel", window, window, inputs, outputs))

    def norm(name: str, width: int) -> None:
        leaves = ("gamma", "beta", "moving_mean", "moving_variance")
        found.extend(tensor(f"{name}_bn/{leaf}", width) for leaf in leaves)

    conv("conv1", 3, 64, 7)
    norm("conv1", 64)
    inputs = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=2):
        for block in range(1, blocks + 1):
            path = f"conv{stage}_block{block}"
            conv(f"{path}_1", inputs, width, 1)
            norm(f"{path}_1", width)
            conv(f"{path}_2", width, width, 3)
            norm(f"{path}_2", width)
            if block == 1:
                conv(f"{path}_0", inputs, 4 * width, 1)
            conv(f"{path}_3", width, 4 * width, 1)
            if block == 1:
                norm(f"{path}_0", 4 * width)
            norm(f"{path}_3", 4 * width)
            inputs = 4 * width
    return [*found, tensor("predictions/kernel", 2048, 1000), tensor("predictions/bias", 1000)]


def resnet50_by_hand() -> Iterator[tuple[Parameter, str]]:
    """A ResNet50 of MindSpore's with torchvision's names: each parameter with the name of its variable in Keras's."""

    def conv(name: str, source: str, inputs: int, outputs: int, window: int) -> Iterator[tuple[Parameter, str]]:
        yield parameter(f"{name}.weight", outputs, inputs, window, window, layer="Conv2d"), f"{source}_conv/kernel"

    def norm(name: str, source: str, width: int) -> Iterator[tuple[Parameter, str]]:
        for each in batch_norm(name, width):
            yield each, f"{source}_bn/{each.leaf}"

    yield from conv("conv1", "conv1", 3, 64, 7)
    yield from norm("bn1", "conv1", 64)
    inputs = 64
    for stage, (width, blocks) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3)), start=1):
        for block in range(blocks):
            path, source = f"layer{stage}.{block}", f"conv{stage + 1}_block{block + 1}"
            for layer, (before, after, window) in enumerate(
                ((inputs, width, 1), (width, width, 3), (width, 4 * width, 1)), start=1
            ):
                yield from conv(f"{path}.conv{layer}", f"{source}_{layer}", before, after, window)
                yield from norm(f"{path}.bn{layer}", f"{source}_{layer}", after)
            if block == 0:
                yield from conv(f"{path}.downsample.0", f"{source}_0", inputs, 4 * width, 1)
                yield from norm(f"{path}.downsample.1", f"{source}_0", 4 * width)
            inputs = 4 * width
    for each, leaf in zip(dense("fc", 2048, 1000), ("kernel", "bias"), strict=True):
        yield each, f"predictions/{leaf}"


def inverted_residuals() -> Iterator[tuple[Parameter, str]]:
    """Blocks of a MobileNet with torchvision's names, which count by position, and with Keras's, which have words."""
    shapes = [(16, 24), (24, 24), (24, 32), (32, 32), (32, 32), (32, 64), (64, 64), (64, 64)]
    for block, (inputs, outputs) in enumerate(shapes, start=1):
        path, source, width = f"features.{block + 1}.conv", f"block_{block}", 6 * inputs
        layers = [
            (f"{path}.0", "expand", (width, inputs, 1, 1), width),
            (f"{path}.1", "depthwise", (width, 1, 3, 3), width),
            (path, "project", (outputs, width, 1, 1), outputs),
        ]
        for name, word, shape, channels in layers:
            first, second = ("2", "3") if word == "project" else ("0", "1")
            leaf = "depthwise_kernel" if word == "depthwise" else "kernel"
            yield parameter(f"{name}.{first}.weight", *shape, layer="Conv2d"), f"{source}_{word}/{leaf}"
            for each in batch_norm(f"{name}.{second}", channels):
                yield each, f"{source}_{word}_BN/{each.leaf}"
