"""Scopes: read the calls of modules around a node from its metadata or its name, and derive names from them."""

from __future__ import annotations

import ast
import re

import onnx_ir as ir

from converter.base.scope import Scope
from converter.graph.hints.source_lines import read_name, words_read
from converter.graph.origins import folded_from, is_fixed, origin_of
from converter.graph.queries import count_uses

TORCH_SCOPES = "pkg.torch.onnx.name_scopes"
TORCH_CLASSES = "pkg.torch.onnx.class_hierarchy"

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")
"""Scopes that TensorFlow adds for every call of a function; they name no module."""
_FUNCTIONS = re.compile(r"(convolution|conv_transpose|einsum|Tensordot|TensorArray(V2)?(Read|Write)(V3)?)(_\d+)?")
"""Scopes that TensorFlow's own functions open inside a layer; they name no module."""
_LOOP = re.compile(r"while(_\d+)?")
"""The scope of what a loop of TensorFlow repeats; it names no module."""
_OF_LOOPS = re.compile(r"while_loop|unused_loop_output_*|Exit|TensorArray\w*")
"""Names of TensorFlow and tf2onnx for what a loop returns."""
_LAYERS = frozenset({"Conv", "ConvTranspose", "Dense", "Gemm", "MatMul"})
"""Operators whose second input is the kernel of a layer."""
_NEVER_FUSED = frozenset({"Dense", "Gather", "MatMul"})
"""Operators that no exporter fuses with a norm, so that their scope is always their own."""
_TORCH_NODE = re.compile(r"^node_(?:native_)?(\w+?)(?:_\d+)?$")
"""How torch's exporter names a node: `node_native_dropout_1`."""


def scopes_of(node: ir.Node) -> tuple[Scope, ...]:
    """The scopes around a node, outermost first, each with its name relative to the enclosing one: layer1, 0, conv1."""
    path, kinds = path_of(node), classes_of(node)
    kinds = kinds if len(kinds) == len(path) else ("",) * len(path)
    if path and not any(kinds):
        path = tuple(part for name in path for part in keras_blocks(name))
        kinds = ("",) * len(path)
    outer = ""
    scopes = []
    for full, kind in zip(path, kinds, strict=True):
        scopes.append(Scope(full.removeprefix(f"{outer}."), kind.rsplit(".", 1)[-1]))
        outer = full
    return tuple(scopes)


def dotted(scopes: tuple[Scope, ...]) -> str:
    """Join the names of nested scopes: `layer1.0.conv1`."""
    return ".".join(scope.name for scope in scopes)


def keras_blocks(name: str) -> tuple[str, ...]:
    """Split a Keras layer's name into blocks: `conv2_block1_1_conv` gives `conv2`, `block1`, `1_conv`."""
    parts = []
    layer = r"(?!(?<=conv[123]d_)transpose)(?=\w*[A-Za-z])\w+"  # conv2d_transpose is one word
    pattern = rf"((?:[A-Za-z]+_)*?[A-Za-z]+_?\d+[a-z]?)_({layer})$"
    while block := re.match(pattern, name):
        parts.append(block[1])
        name = block[2]
    return (*parts, name)


_MOST_SCOPES, _LONGEST = 1000, 10_000
"""Scopes around a node, and characters of its name, that are read: every scope is a prefix of the next one, so that a
name of 50,000 scopes took gigabytes.
"""


def path_of(node: ir.Node) -> tuple[str, ...]:
    """The full names of the scopes around a node, outermost first; empty when the source recorded none.

    They come from the metadata of torch's exporter (`pkg.torch.onnx.name_scopes`: the dotted path of every level, then
    the node), or from the node's name (`a/b/op`), as torch's older exporter and TensorFlow write it.
    """
    recorded = _torch_list(node, TORCH_SCOPES)
    if recorded:
        return tuple(scope for scope in recorded[:-1][:_MOST_SCOPES] if scope)
    name = (node.name or "")[:_LONGEST]
    parts = [part for part in _source_path(name).split("/")[:-1] if part and part not in _CALLS]
    parts = parts[:_MOST_SCOPES] or ([] if name.startswith("/") else _path_of_kernel(node))
    if parts[1:] and _FUNCTIONS.fullmatch(parts[-1]):
        parts.pop()
    parts = [parts[0], *(part for part in parts[1:] if not _LOOP.fullmatch(part))] if parts else []
    return tuple(re.sub(r"\.(?=\d+[^\d.])", "_", part) for part in parts)


def is_of_network(node: ir.Node) -> bool:
    """Whether torch recorded that a node stands in the network itself, outside of all its modules."""
    recorded = _torch_list(node, TORCH_SCOPES)
    name = node.name or ""
    return recorded[:-1] == [""] if recorded else name.startswith("/") and name.count("/") == 1


def _path_of_kernel(node: ir.Node) -> list[str]:
    """The scopes in the name of a layer's kernel: a node that tf2onnx makes of several has a name without scopes."""
    kernel = node.inputs[1] if node.op_type in _LAYERS and len(node.inputs) > 1 else None
    if kernel is None or kernel.const_value is None or len(kernel.uses()) != 1:
        return []
    return _owner_in(kernel.name or "")


def _source_path(name: str) -> str:
    """Remove the prefix that TensorFlow adds when it inlines a call: `while/body/_1/while/add` gives `while/add`."""
    calls = list(re.finditer(r"/_\d+(?=/)", name))
    return name[calls[-1].end() + 1 :] if calls else name


def classes_of(node: ir.Node) -> tuple[str, ...]:
    """The class of every scope of `path_of`, where torch's exporter recorded it."""
    recorded = _torch_list(node, TORCH_CLASSES)
    names = _torch_list(node, TORCH_SCOPES)
    return tuple(kind for kind, scope in zip(recorded[:-1], names[:-1][:_MOST_SCOPES], strict=False) if scope)


def is_apart(node: ir.Node) -> bool:
    """Whether a Transpose begins a module of PyTorch and reads one of another module that other nodes read, too.

    Joined, they would save nothing, and the first of several equal blocks would differ from the others.
    """
    value = node.inputs[0]
    before = None if value is None else value.producer()
    if value is None or before is None or not node.op_type == before.op_type == "Transpose" or count_uses(value) < 2:
        return False
    return bool(classes_of(node) and classes_of(before)) and path_of(node) != path_of(before)


def network_class(graph: ir.Graph) -> str:
    """The class of the whole network, where torch's exporter recorded it; else ""."""
    for node in graph:
        recorded = _torch_list(node, TORCH_CLASSES)
        if recorded and not recorded[0].startswith("_"):  # a node that the exporter itself added
            return recorded[0]
    return ""


def _torch_list(node: ir.Node, key: str) -> list[str]:
    text = node.metadata_props.get(key)
    if not text:
        return []
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return []
    return [str(item) for item in value] if isinstance(value, list) else []


def layer_hint(node: ir.Node, weights: tuple[str, ...]) -> str:
    """The source's name for the layer that a node computes: from its weights' names, its scope, or its own name.

    When an exporter has fused two layers, a weight's name tells which layer remains. When an exporter has merged equal
    weights of different modules, or two share one, the name is that of another module: it is used only if it lies in
    the node's scope, or beside it for a node that may be fused with its neighbour.
    """
    path = dotted(scopes_of(node))
    alone = node.op_type in _NEVER_FUSED
    for name in weights:
        owner, dot, last = name.rpartition(".")
        beside = owner.rpartition(".")[0] == path.rpartition(".")[0] and (owner == path or not alone)
        near = not path or owner.startswith(f"{path}.") or beside
        if dot and owner and near and re.fullmatch(r"[A-Za-z_]\w*", last):
            return owner
    if node.op_type == "Dropout" and _is_called_in_code(node):
        return f"{path}.dropout" if path else "dropout"
    name = _TORCH_NODE.sub(r"\1", node.name or "")
    return path or _tensorflow_owner(weights) or (name if _is_meaningful(name) else node.op_type)


def _is_called_in_code(node: ir.Node) -> bool:
    """Whether the module that computes a dropout is known to be no layer of dropout: its code calls the function."""
    around = scopes_of(node)
    return bool(around) and around[-1].kind != "" and "Drop" not in around[-1].kind


def is_generated(name: str | None) -> bool:
    """Whether a name was generated by torch's exporter, as `val_12`, and is no name of the module's."""
    return re.fullmatch(r"val_\d+", name or "") is not None


def constant_hint(value: ir.Value) -> str:
    """A name for a constant, with its scopes: `net.block.bias` for `net/block/bias:0`."""
    origin, alone = origin_of(value)
    if origin and is_fixed(value) and len(found := words_read(value) & folded_from(value)) == 1:
        return f"{origin.rpartition('.')[0]}.{found.pop()}"  # a table folded from a buffer: `rotary_emb.cos`
    if not alone and (read := read_name(value)):
        return ".".join((*path_of(value.consumers()[0])[-1:], read))
    if origin:
        return origin
    path = re.sub(r":\d+$", "", value.name or "")
    path = re.sub(r"(/(ReadVariableOp|[Rr]ead|resource))+$", "", path)
    return path.strip("/").replace("/", ".") if _is_meaningful(path) else "constant"


def _tensorflow_owner(weights: tuple[str, ...]) -> str:
    """The layer in a weight's name: `net.conv1_bn` from `net/conv1_bn/Cast_2/ReadVariableOp/resource:0`."""
    return ".".join(_owner_in(weights[0]) if weights else ())


def _owner_in(weight: str) -> list[str]:
    """The scopes of the layer that a weight of TensorFlow belongs to."""
    parts = weight.split("/")[:-1]
    while parts and re.fullmatch(
        r"(ReadVariableOp|Read|read|Cast|Reshape|convolution|depthwise|MatMul|Conv[23]D)(_\d+)?", parts[-1]
    ):
        parts.pop()
    return parts


def variable_hint(node: ir.Node, index: int) -> str:
    """A name for an output of a node: the value's own name if it is meaningful, else the operator's name."""
    name = node.outputs[index].name or ""
    words = re.sub(r"(_output_\d+|_output|:\d+|_\d+)+$", "", name.split("/")[-1])
    if node.op_type == "Loop" and _OF_LOOPS.fullmatch(words):  # its inputs: a trip count, a condition, what it carries
        return "state" if index < len(node.inputs) - 2 else "steps"
    words = re.sub(r"^(\w+)_\1$", r"\1", words)  # torch's newer exporter: the parts of the node `split`
    return words if _is_meaningful(words) else node.op_type


def _is_meaningful(name: str) -> bool:
    """Whether a name is more than a letter and a number, which is how exporters number values: t12, val_3, 418."""
    return re.match(r"[A-Za-z]", name) is not None and not re.fullmatch(r"[A-Za-z]?_?\d*|val(_\d+)?", name)
