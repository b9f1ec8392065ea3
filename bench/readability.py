"""How scripts read: `python bench/readability.py --python ZOO/bin/python --folder readability`.

The networks of `readability.txt` are built with random weights, exported once into the folder, and converted without
verification. The table, `readability.md`, has for each script its non-blank lines, its classes, the lines of its
longest function, how many local variables it has, and how many of these names are operators (`add_17`, `reshape_3`)
or end in a number. `--verify` also compares outputs. The Python of `--python` has torch, torchvision, timm,
transformers and keras.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve()
LIMIT = 3600
"""Seconds that a process may take."""

_ATEN = """
    addmm alias as_strided astype baddbmm bias_add binary bitwise bmm bool broadcast broadcast_to cast_like cat
    clone contiguous conv1d conv2d conv3d copy detach div einsum eq expand_as fill flip floordiv full full_like
    gather_nd ge getitem gt index index_put index_select le linear logical lt masked_fill matmul max_pool min narrow
    ne nonzero one_hot ones permute pow repeat roll rsqrt rsub scalar_tensor scatter select slice_scatter stack
    split_with_sizes split_with_sizes_split
    strided_slice swapaxes t take tile to to_copy truediv unary unbind unflatten unsafe_view upsample view view_as
    zeros
"""
ATEN = frozenset(_ATEN.split())
"""Names of operators in torch's exporters and MindSpore that are not names of operators in ONNX."""


class Network(NamedTuple):
    """A line of `readability.txt`."""

    file: str
    call: str
    inputs: str
    free: str

    @property
    def older(self) -> bool:
        """Whether torch's older exporter writes it."""
        return self.file.endswith("_older.onnx")


def networks() -> list[Network]:
    """Those of `readability.txt`."""
    lines = HERE.with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    return [Network(*map(str.strip, line.split("|"))) for line in lines if line and not line.startswith("#")]


# What the calls and inputs of `readability.txt` mention


def image(size: int) -> tuple[Any]:
    """One square image."""
    import torch

    return (torch.randn(1, 3, size, size),)


def tokens(masked: bool = False) -> tuple[Any, ...]:
    """Two texts of 12 tokens, and their attention mask."""
    import torch

    texts = torch.randint(2, 90, (2, 12))
    return (texts, torch.ones_like(texts)) if masked else (texts,)


def recurrent() -> Any:
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

    return Recurrent()


def unet() -> Any:
    """A U-Net of four levels."""
    import torch
    from torch import nn

    def block(inner: int, outer: int) -> Any:
        layers = [nn.Conv2d(inner, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU()]
        return nn.Sequential(*layers, nn.Conv2d(outer, outer, 3, padding=1), nn.BatchNorm2d(outer), nn.ReLU())

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down = nn.ModuleList([block(3, 8), block(8, 16), block(16, 32), block(32, 64)])
            self.up = nn.ModuleList([nn.ConvTranspose2d(n, n // 2, 2, 2) for n in (64, 32, 16)])
            self.merge = nn.ModuleList([block(64, 32), block(32, 16), block(16, 8)])
            self.head = nn.Conv2d(8, 2, 1)

        def forward(self, x: Any) -> Any:
            skipped = []
            for level in self.down[:-1]:
                x = level(x)
                skipped.append(x)
                x = torch.max_pool2d(x, 2)
            x = self.down[-1](x)
            for up, merge in zip(self.up, self.merge, strict=True):
                x = merge(torch.cat([skipped.pop(), up(x)], 1))
            return self.head(x)

    return UNet()


def universal() -> Any:
    """One layer of a transformer, called four times."""
    import torch

    class Universal(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.TransformerEncoderLayer(64, 4, 96, batch_first=True)

        def forward(self, x: Any) -> Any:
            for _ in range(4):
                x = self.layer(x)
            return x

    return Universal()


def bidirectional() -> Any:
    """A bidirectional LSTM for one text."""
    import keras
    from keras import layers

    given = keras.Input(batch_shape=(1, 20))
    x = layers.Embedding(99, 16)(given)
    x = layers.Bidirectional(layers.LSTM(12, return_sequences=True))(x)
    return keras.Model(given, layers.Dense(5, activation="softmax")(x))


def time_distributed() -> Any:
    """A convolution and a dense layer on each image of a sequence."""
    import keras
    from keras import layers

    given = keras.Input((5, 16, 16, 3))
    x = layers.TimeDistributed(layers.Conv2D(8, 3, activation="relu"))(given)
    x = layers.TimeDistributed(layers.Flatten())(x)
    x = layers.TimeDistributed(layers.Dense(10))(x)
    return keras.Model(given, layers.Dense(3)(layers.LSTM(6)(x)))


def attention() -> Any:
    """Two blocks of a transformer."""
    import keras
    from keras import layers

    x = given = keras.Input((9, 16))
    for _ in range(2):
        x = layers.LayerNormalization()(x + layers.MultiHeadAttention(4, 4)(x, x))
        x = layers.LayerNormalization()(x + layers.Dense(16)(layers.Dense(32, activation="gelu")(x)))
    return keras.Model(given, layers.Dense(3)(layers.GlobalAveragePooling1D()(x)))


# Export


def export(network: Network, path: Path) -> None:
    """Write the file of a network."""
    library, _, call = network.call.partition(":")
    if path.suffix in (".keras", ".pb"):
        import keras

        keras.utils.set_random_seed(0)
        module = eval(f"{'keras.applications.' if library == 'keras' else ''}{call}", {**globals(), "keras": keras})
        module.save(path) if path.suffix == ".keras" else path.write_bytes(frozen(module))
        return
    import torch

    torch.manual_seed(0)
    inputs = eval(network.inputs, {**globals(), "torch": torch})
    module = build(library, call, alone=not isinstance(inputs, dict)).eval()
    with torch.no_grad():
        for parameter in module.parameters():  # exporters merge weights that are equal, as ones and zeros are at first
            parameter.add_(torch.randn_like(parameter) * 0.02)
        for buffer in module.buffers():
            if buffer.is_floating_point():
                buffer.add_(torch.rand_like(buffer) * 0.02)
    options: dict[str, Any] = {}
    if isinstance(inputs, dict):
        options["input_names"] = list(inputs)
        module, inputs = by_position(module, list(inputs)), tuple(inputs.values())
    if isinstance(inputs, list):
        inputs = (inputs,)
    if network.free:
        names = [str(name) for name in (options.get("input_names") or ["input_ids", "attention_mask"])]
        options["input_names"] = names[: len(inputs)]
        axes = [dict(enumerate(letters)) for letters in network.free.split()]
        if network.older:
            options["dynamic_axes"] = dict(zip(options["input_names"], axes, strict=True))
        else:
            free = {letter: torch.export.Dim(letter) for letters in network.free.split() for letter in letters}
            options["dynamic_shapes"] = (tuple({i: free[letter] for i, letter in each.items()} for each in axes),)
    with torch.no_grad():
        torch.onnx.export(module, inputs, path, dynamo=not network.older, **options)


def frozen(network: Any) -> bytes:
    """A network of Keras as TensorFlow's frozen graph."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    (given,) = network.inputs
    signature = [tf.TensorSpec(given.shape, given.dtype, "x")]
    function = tf.function(lambda x: network(x, training=False), input_signature=signature)
    graph = convert_variables_to_constants_v2(function.get_concrete_function()).graph
    return bytes(graph.as_graph_def().SerializeToString())


def build(library: str, call: str, alone: bool) -> Any:
    """The module that a call makes; one of transformers that is alone takes its inputs by position."""
    if library == "here":
        return eval(call, globals())
    if library == "timm":
        import timm

        return eval(re.sub(r"^(\w+)\(", r"timm.create_model('\1', ", call), {"timm": timm})
    if library.startswith("torchvision"):
        import torchvision

        return eval(f"torchvision.models{library.removeprefix('torchvision')}.{call}", {"torchvision": torchvision})
    import torch
    import transformers

    name, _, config = call.partition("(")
    kind = getattr(transformers, name)
    settings = eval(f"kind.config_class({config}", {"kind": kind, "transformers": transformers})
    settings.use_cache = False
    network = kind(settings)

    class First(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: Any) -> Any:
            names = ("attention_mask",) if inputs[1:] and isinstance(inputs[1], torch.Tensor) else ()
            given = dict(zip(("pixel_mask",) if "Detr" in name else names, inputs[1:], strict=False))
            return self.network(inputs[0], **given, return_dict=False)[0]

    return First() if alone else network


def by_position(module: Any, names: list[str]) -> Any:
    """A module that takes by position what `module` takes by name."""
    import torch

    class Positional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, *inputs: Any) -> Any:
            return self.network(**dict(zip(names, inputs, strict=True)), return_dict=False)[0]

    return Positional()


# Measure


def measure(path: Path, folder: Path, verify: bool) -> dict[str, Any]:
    """Convert a file, and describe the script."""
    sys.path.insert(0, str(HERE.parents[1]))
    import converter
    from converter.errors import ConverterError

    try:
        result = converter.convert(path, output=folder, verify=verify, edges="none")
    except ConverterError as error:
        return {"result": str(error)}
    script = next(made for made in result.files if made.suffix == ".py")
    for made in result.files:
        if made.suffix in (".ckpt", ".safetensors", ".html"):
            made.unlink()
    stubs = sum(not record.converted for record in result.records)
    said = f"{stubs} stubs" if stubs else "converted"
    return {"result": result.verdict if verify else said, **described(script.read_text(encoding="utf-8"))}


def described(text: str) -> dict[str, Any]:
    """The figures of a script."""
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    methods = [f for f in functions if f.name == "construct"]
    names = sorted(name for function in methods for name in local_names(function))
    return {
        "lines": sum(bool(line.strip()) for line in text.splitlines()),
        "classes": sum(isinstance(node, ast.ClassDef) for node in tree.body),
        "longest": max((f.end_lineno or f.lineno) - f.lineno + 1 for f in functions),
        "names": names,
        "operators": [name for name in names if is_operator(name)],
    }


def local_names(function: ast.FunctionDef) -> set[str]:
    """The variables that a function assigns, except its parameters."""
    given = {argument.arg for argument in function.args.args}
    found = {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    return found - given - {"_"}


def is_operator(name: str) -> bool:
    """Whether a name is that of an operator, with or without numbers."""
    from onnx import defs

    if not hasattr(is_operator, "known"):
        kinds = [schema.name for schema in defs.get_all_schemas()]
        snake = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower() for kind in kinds}
        is_operator.known = frozenset({*snake, *(kind.lower() for kind in kinds), *ATEN})  # type: ignore[attr-defined]
    return re.sub(r"(_\d+)+$", "", name) in is_operator.known  # type: ignore[attr-defined]


def table(rows: dict[str, dict[str, Any]]) -> str:
    """The rows as a table in Markdown."""
    text = [
        "# How scripts read",
        "",
        "Made by `python bench/readability.py`. Lines are not blank; the longest function is in lines; names are those",
        "of local variables of each `construct`; operators are names such as `add_17` and `reshape_3`, numbered those",
        "that end in a number.",
        "",
        "| file | lines | classes | longest function | names | operators | numbered | result |",
        "|---|---|---|---|---|---|---|---|",
    ]
    total = [0, 0, 0]
    for file, row in rows.items():
        if "lines" not in row:
            text.append(f"| {file} | | | | | | | {row['result'][:120]} |")
            continue
        numbered = [name for name in row["names"] if re.search(r"\d$", name)]
        counts = [len(row["names"]), len(row["operators"]), len(numbered)]
        total = [a + b for a, b in zip(total, counts, strict=True)]
        cells = [file, row["lines"], row["classes"], row["longest"], *counts, row["result"]]
        text.append("| " + " | ".join(map(str, cells)) + " |")
    lines = sum(row.get("lines", 0) for row in rows.values())
    share = [f"{count} ({100 * count / max(total[0], 1):.0f} %)" for count in total[1:]]
    text.append(f"| together | {lines} | | | {total[0]} | {share[0]} | {share[1]} | |")
    return "\n".join(text) + "\n"


def run(python: str, *arguments: str) -> tuple[str, str]:
    """What a process of this program prints, and its last words."""
    environment = {"OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2", **os.environ}
    environment["PYTHONPATH"] = str(HERE.parents[1])
    command = [python, str(HERE), *arguments]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return "", f"longer than {LIMIT} s"
    return done.stdout, (done.stderr.strip().splitlines() or [""])[-1]


def main() -> None:
    """Export, convert, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, default=Path("readability"), help="where exports and results are written"
    )
    parser.add_argument("--python", default=sys.executable, help="the Python that exports")
    parser.add_argument("--only", nargs="*", default=[], help="parts of names of files; the table is then only printed")
    parser.add_argument("--verify", action="store_true", help="compare the outputs of script and source")
    parser.add_argument("--output", type=Path, help="where scripts are written; default: FOLDER/out")
    parser.add_argument("--export", help=argparse.SUPPRESS)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    listed = {network.file: network for network in networks()}
    output = args.output or args.folder / "out"
    if args.export:
        export(listed[args.export], args.folder / args.export)
        return
    if args.measure:
        for file in args.only:
            print(json.dumps(measure(args.folder / file, output, args.verify)), flush=True)
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    chosen = [file for file in listed if not args.only or any(part in file for part in args.only)]
    rows: dict[str, dict[str, Any]] = {file: {"result": "failed"} for file in chosen}
    for file in chosen:
        if not (args.folder / file).exists():
            _, failure = run(args.python, "--folder", str(args.folder), "--export", file)
            rows[file] = {"result": f"not exported: {failure}"}
    pending = [file for file in chosen if (args.folder / file).exists()]
    while pending:  # a process converts one after the other; one that dies is followed by another
        options = ["--folder", str(args.folder), "--output", str(output), *["--verify"] * args.verify]
        printed, failure = run(sys.executable, *options, "--measure", "--only", *pending)
        found = [json.loads(line) for line in printed.splitlines() if line.startswith('{"result"')]
        rows |= dict(zip(pending, found, strict=False))
        if len(found) < len(pending):
            rows[pending[len(found)]] = {"result": f"failed: {failure}"}
        pending = pending[len(found) + 1 :]
    if args.only:
        print(table(rows))
    else:
        HERE.with_suffix(".md").write_text(table(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
