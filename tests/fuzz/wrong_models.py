"""Well-formed models that are wrong: a right one, and some faults.

A fault changes a model as a broken exporter, or somebody with bad intentions, might. All choices are hypothesis'.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper, parser

OPERATORS = sorted({schema.name for schema in onnx.defs.get_all_schemas() if not schema.domain})

TEXTS = {
    "convolution": """(float[N,3,8,8] x) => (float[N,4] y) <int64[2] s = {0, -1}> {
        c = Conv <pads = [1, 1, 1, 1]> (x, w, b)  r = Relu (c)
        p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (r)
        g = GlobalAveragePool (p)  f = Reshape (g, s)  y = Softmax <axis = -1> (f) }""",
    "attention": """(float[N,6,8] x) => (float[N,6,8] y) <float h = {2.83}> {
        a = MatMul (x, q)  b = MatMul (x, k)  c = MatMul (x, v)  t = Transpose <perm = [0, 2, 1]> (b)
        s = MatMul (a, t)  d = Div (s, h)  p = Softmax <axis = -1> (d)  y = MatMul (p, c) }""",
    "shapes": """(float[N,M,4] x) => (float[a,b] y, int64[k] z)
        <int64 one = {1}, int64[1] zero = {0}, int64[1] m = {-1}> {
        s = Shape (x)  n = Gather <axis = 0> (s, one)  u = Unsqueeze (n, zero)  t = Concat <axis = 0> (u, m)
        y = Reshape (x, t)  r = ReduceProd <keepdims = 0> (s)  o = ConstantOfShape (s)  z = Unsqueeze (r, zero)
        e = Expand (o, s)  w = Tile (e, s)  i = Range (one, n, one)  p = Slice (x, zero, u, zero) }""",
    "branches": """(float[N,4] x, bool c) => (float[a,b] y, float[N,4] last) <int64 n = {3}, bool yes = {1}> {
        y = If (c) <then_branch = t () => (float[a,b] p) { p = Relu (x) },
                    else_branch = e () => (float[a,b] q) { q = Concat <axis = 0> (x, x) }>
        last = Loop (n, yes, x) <body = g (int64 i, bool k, float[N,4] h) => (bool k2, float[N,4] h2)
            { k2 = Identity (k)  d = Add (h, x)  h2 = Tanh (d) }> }""",
    "recurrent": """(float[T,2,4] x) => (float[T,1,2,3] y, float[1,2,3] h) {
        y, h = LSTM <hidden_size = 3> (x, w, r, b) }""",
    "quantised": """(float[N,4] x) => (float[N,3] y) <float s = {0.1}, uint8 z = {3}> {
        q = QuantizeLinear (x, s, z)  d = DequantizeLinear (q, s, z)  y = MatMul (d, w) }""",
    "selection": """(float[N,8] x, int64[K] i) => (float[N,3] v, int64[N,3] w, float[a] z) <int64[1] three = {3}> {
        v, w = TopK (x, three)  a = ArgMax (x)  g = Gather (x, i)  n = NonZero (g)  t = Transpose (n)
        z = GatherND (g, t)  o = OneHot (a, three, three)  u = Unique (i)  c = CumSum (x, three) }""",
    "functions": """(float[N,4] x) => (float[N,4] y) { a = local.twice (x)  y = local.thrice (a) }""",
}
FUNCTIONS = """
    <opset_import: ["" : 18, "local" : 1], domain: "local"> twice (a) => (b) { b = Add (a, a) }
    <opset_import: ["" : 18, "local" : 1], domain: "local"> thrice (a) => (b) { c = local.twice (a)  b = Add (a, c) }"""


WEIGHTS = {
    "convolution": {"w": (4, 3, 3, 3), "b": (4,)},
    "attention": {"q": (8, 8), "k": (8, 8), "v": (8, 8)},
    "recurrent": {"w": (1, 12, 4), "r": (1, 12, 3), "b": (1, 24)},
    "quantised": {"w": (4, 3)},
}


def model_named(name: str) -> ModelProto:
    """One of the right models; its weights are random."""
    functions = FUNCTIONS if name == "functions" else ""
    model = parser.parse_model(
        f'<ir_version: 10, opset_import: ["" : 18, "local" : 1]> {name} {TEXTS[name]} {functions}'
    )
    random = np.random.default_rng(0)
    for weight, shape in WEIGHTS.get(name, {}).items():
        model.graph.initializer.append(numpy_helper.from_array(random.normal(size=shape).astype(np.float32), weight))
    return model


# What is chosen

BAD_NAMES = [
    "", " ", "x", "y", "nowhere", "a/b", "..", "../../etc/passwd", "\x00", "a\nb", "\x1b[31mred", "\u202eevil",
    "é" * 300,     "import os; os.system('x')", "'''", '"""', "{0}", "%s", "self", "class", "ops", "__init__", "None",
]  # fmt: skip
NUMBERS = [0, 1, -1, 2, 3, 7, 255, -(2**31), 2**31, 2**33, 2**40, 2**62, 2**63 - 1, -(2**63)]
REALS = [0.0, -0.0, 1e-45, 1e38, -1e38, math.nan, math.inf, -math.inf, 0.5]


def graphs_of(model: ModelProto) -> Iterator[GraphProto]:
    """The graph and its sub-graphs."""
    waiting = [model.graph]
    while waiting:
        graph = waiting.pop()
        yield graph
        waiting += [a.g for node in graph.node for a in node.attribute if a.type == AttributeProto.GRAPH]


def _graph(model: ModelProto, random: Random) -> GraphProto:
    return random.choice(list(graphs_of(model)))


def _node(model: ModelProto, random: Random) -> NodeProto:
    nodes = [node for graph in graphs_of(model) for node in graph.node]
    return random.choice(nodes) if nodes else model.graph.node.add(op_type="Relu", input=["x"], output=["unread"])


def _names(model: ModelProto) -> list[str]:
    names = [name for graph in graphs_of(model) for node in graph.node for name in (*node.input, *node.output)]
    return [*names, *BAD_NAMES]


# Faults


def another_input(model: ModelProto, random: Random) -> None:
    """Another value is read: of a later node (a circle), of an inner graph, or none that there is."""
    node = _node(model, random)
    if node.input:
        node.input[random.randrange(len(node.input))] = random.choice(_names(model))


def another_output(model: ModelProto, random: Random) -> None:
    """An output has a name that something else has, or no name."""
    node = _node(model, random)
    if node.output:
        node.output[random.randrange(len(node.output))] = random.choice(_names(model))


def number_of_inputs(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    inputs = list(node.input)
    del node.input[:]
    node.input.extend(inputs[: random.randrange(len(inputs) + 1)] + random.sample(_names(model), random.randrange(3)))


def number_of_outputs(model: ModelProto, random: Random) -> None:
    node = _node(model, random)
    outputs = list(node.output)
    del node.output[:]
    node.output.extend(
        outputs[: random.randrange(len(outputs) + 1)] + random.sample(_names(model), random.randrange(3))
    )


def another_operator(model: ModelProto, random: Random) -> None:
    _node(model, random).op_type = random.choice([*OPERATORS, *BAD_NAMES, "NoSuchOperator"])


def another_domain(model: ModelProto, random: Random) -> None:
    _node(model, random).domain = random.choice(
        ["com.microsoft", "ai.onnx.ml", "ai.onnx.training", "tensorflow", "local", *BAD_NAMES]
    )


def another_opset(model: ModelProto, random: Random) -> None:
    if not model.opset_import or random.random() < 0.3:
        del model.opset_import[:]
    else:
        random.choice(model.opset_import).version = random.choice([*range(-1, 30), *NUMBERS])
    if random.random() < 0.3:
        model.ir_version = random.choice(NUMBERS)


def another_type(model: ModelProto, random: Random) -> None:
    """An input, an output or a value of another element type, or of none."""
    graph = _graph(model, random)
    values = [*graph.input, *graph.output, *graph.value_info]
    if values:
        value = random.choice(values)
        if random.random() < 0.2:
            value.ClearField("type")
        elif random.random() < 0.2:
            value.type.sequence_type.elem_type.tensor_type.elem_type = random.randrange(24)
        else:
            value.type.tensor_type.elem_type = random.choice([*range(24), 99])


def another_shape(model: ModelProto, random: Random) -> None:
    """An input, an output or a value of other extents or another rank, or of none."""
    graph = _graph(model, random)
    values = [*graph.input, *graph.output, *graph.value_info]
    if not values:
        return
    value = random.choice(values)
    if not value.type.HasField("tensor_type"):
        return
    value.type.tensor_type.ClearField("shape")
    if random.random() < 0.8:
        value.type.tensor_type.shape.SetInParent()
        for _ in range(random.randrange(6)):
            dim = value.type.tensor_type.shape.dim.add()
            if random.random() < 0.5:
                dim.dim_value = random.choice([*NUMBERS, 3, 4, 5])
            elif random.random() < 0.8:
                dim.dim_param = random.choice(["N", *BAD_NAMES])


def declared_value(model: ModelProto, random: Random) -> None:
    """A value is declared that there is, or is not, with a shape that may be wrong."""
    shape = [random.choice(NUMBERS[:6]) for _ in range(random.randrange(4))]
    info = helper.make_tensor_value_info(random.choice(_names(model)), random.randrange(1, 17), shape)
    _graph(model, random).value_info.append(info)


def another_initializer(model: ModelProto, random: Random) -> None:
    """An initializer of other dimensions, type or data than it says."""
    found = [tensor for graph in graphs_of(model) for tensor in graph.initializer]
    if not found:
        return
    tensor = random.choice(found)
    match random.randrange(7):
        case 0:
            tensor.data_type = random.choice([*range(28), 99])
        case 1:
            del tensor.dims[:]
            tensor.dims.extend(random.choice(NUMBERS) for _ in range(random.randrange(5)))
        case 2:
            tensor.raw_data = tensor.raw_data[: random.randrange(len(tensor.raw_data) + 1)]
        case 3:
            tensor.raw_data += bytes(random.randrange(40))
        case 4:
            tensor.data_location = TensorProto.EXTERNAL
            for key in ("location", "offset", "length", "checksum"):
                if random.random() < 0.7:
                    value = random.choice([*BAD_NAMES, *map(str, NUMBERS), "/etc/hostname", "weights.bin"])
                    tensor.external_data.add(key=key, value=value)
        case 5:
            tensor.name = random.choice(_names(model))
        case 6:
            values = [random.choice(NUMBERS) for _ in range(math.prod(d for d in tensor.dims if 0 < d < 9) or 1)]
            tensor.CopyFrom(numpy_helper.from_array(np.array(values, np.int64), tensor.name))


def another_attribute(model: ModelProto, random: Random) -> None:
    """An attribute of an absurd value, of another type, twice, or left out; or one that the operator does not have."""
    node = _node(model, random)
    if node.attribute and random.random() < 0.15:
        del node.attribute[random.randrange(len(node.attribute))]
        return
    schema = onnx.defs.get_schema(node.op_type) if onnx.defs.has(node.op_type) else None
    names = [attribute.name for attribute in node.attribute] + list(schema.attributes if schema else ())
    name = random.choice([*names, *names, *names, *BAD_NAMES[1:]])
    for old in [attribute for attribute in node.attribute if attribute.name == name]:
        if random.random() < 0.8:
            node.attribute.remove(old)
    made = node.attribute.add(name=name)
    match random.randrange(8):
        case 0:
            made.type, made.i = AttributeProto.INT, random.choice(NUMBERS)
        case 1:
            made.type, made.f = AttributeProto.FLOAT, random.choice(REALS)
        case 2:
            made.type, made.s = AttributeProto.STRING, random.choice(BAD_NAMES).encode()
        case 3:
            made.type = AttributeProto.INTS
            made.ints.extend(random.choice(NUMBERS) for _ in range(random.randrange(5)))
        case 4:
            made.type = AttributeProto.FLOATS
            made.floats.extend(random.choice(REALS) for _ in range(random.randrange(5)))
        case 5:
            made.type = AttributeProto.TENSOR
            made.t.CopyFrom(numpy_helper.from_array(np.array([random.choice(NUMBERS)] * random.randrange(3), np.int64)))
        case 6:
            made.type = AttributeProto.GRAPH
            made.g.ParseFromString(random.choice(list(graphs_of(model))).SerializeToString())
        case 7:
            made.type, made.s = (
                random.choice([*range(14), AttributeProto.STRING]),
                bytes(random.randrange(256) for _ in range(5)),
            )


def shadowed(model: ModelProto, random: Random) -> None:
    """A sub-graph has a value of the name of an outer one."""
    inner = [graph for graph in graphs_of(model) if graph is not model.graph]
    names = [*(value.name for value in model.graph.input), *(tensor.name for tensor in model.graph.initializer)]
    if inner and names:
        graph, name = random.choice(inner), random.choice(names)
        if random.random() < 0.5 and graph.node:
            random.choice(graph.node).output[0] = name
        else:
            graph.initializer.append(numpy_helper.from_array(np.ones(3, np.float32), name))


def ends(model: ModelProto, random: Random) -> None:
    """Inputs and outputs that are missing, are there twice, or have other names."""
    graph = _graph(model, random)
    values = random.choice([graph.input, graph.output])
    match random.randrange(4):
        case 0 if values:
            del values[random.randrange(len(values))]
        case 1 if values:
            values.append(random.choice(values))
        case 2 if values:
            random.choice(values).name = random.choice(_names(model))
        case _:
            values.add(name=random.choice(_names(model)))


def larger(model: ModelProto, random: Random) -> None:
    """A node that makes a tensor of terabytes out of numbers of a few bytes."""
    number, count = random.choice([2**31, 2**33, 10**12]), random.randrange(1000)
    wanted = numpy_helper.from_array(np.array([number], np.int64), f"huge{count}")
    scalar = numpy_helper.from_array(np.array(number, np.int64), f"huge{count}")
    one = numpy_helper.from_array(np.array(1, np.int64), f"one{count}")
    names = [name for node in model.graph.node for name in node.output if name] or ["x"]
    made = f"made{count}"
    match random.randrange(5):
        case 0:
            model.graph.initializer.extend([scalar, one])
            model.graph.node.append(helper.make_node("Range", [one.name, scalar.name, one.name], [made]))
        case 1:
            model.graph.initializer.append(wanted)
            model.graph.node.append(helper.make_node("ConstantOfShape", [wanted.name], [made]))
        case 2:
            vector = numpy_helper.from_array(np.ones(3, np.float32), f"one{count}")
            model.graph.initializer.extend([wanted, vector])
            model.graph.node.append(helper.make_node("Tile", [vector.name, wanted.name], [made]))
        case 3:
            vector = numpy_helper.from_array(np.ones(1, np.float32), f"one{count}")
            model.graph.initializer.extend([wanted, vector])
            model.graph.node.append(helper.make_node("Expand", [vector.name, wanted.name], [made]))
        case 4:
            sizes = numpy_helper.from_array(np.array([number, number], np.int64), f"huge{count}")
            vector = numpy_helper.from_array(np.ones(1, np.float32), f"one{count}")
            model.graph.initializer.extend([sizes, vector])
            model.graph.node.append(helper.make_node("Pad", [vector.name, sizes.name], [made]))
    model.graph.output.add(name=made) if random.random() < 0.5 else model.graph.node.append(
        helper.make_node("Add", [made, random.choice(names)], [f"{made}_added"])
    )


def functions(model: ModelProto, random: Random) -> None:
    """A function that calls itself, is there twice, has another name or other parameters."""
    if not model.functions:
        function = model.functions.add(name=random.choice([*OPERATORS, "f"]), domain=random.choice(["", "local"]))
        function.input.append("a")
        function.output.append("b")
        function.opset_import.add(domain="", version=18)
        function.node.append(helper.make_node(random.choice([*OPERATORS, "f"]), ["a"], ["b"], domain=function.domain))
        return
    function = random.choice(model.functions)
    match random.randrange(5):
        case 0:
            function.node.append(helper.make_node(function.name, ["a"], ["recursion"], domain=function.domain))
        case 1:
            model.functions.append(function)
        case 2:
            function.name = random.choice([*OPERATORS, *BAD_NAMES])
        case 3:
            function.input.append(random.choice(BAD_NAMES))
        case 4:
            function.node[0].input[0] = random.choice(_names(model))


def texts(model: ModelProto, random: Random) -> None:
    """Control characters, code and long texts where a model has names and comments."""
    text = random.choice(BAD_NAMES)
    match random.randrange(6):
        case 0:
            model.doc_string = model.producer_name = text
        case 1:
            model.metadata_props.add(key=text, value=random.choice(BAD_NAMES))
        case 2:
            _node(model, random).name = text
        case 3:
            node = _node(model, random)
            node.doc_string = text
            node.metadata_props.add(key="pkg.torch.onnx.name_scopes", value=f"['', '{text}']")
            node.metadata_props.add(key="pkg.torch.onnx.class_hierarchy", value=f"['{text}', '{text}']")
        case 4:
            _graph(model, random).name = text
        case 5:
            rename(model, random.choice(_names(model)), text)


def rename(model: ModelProto, old: str, new: str) -> None:
    """Give a value another name, wherever it stands."""
    for graph in graphs_of(model):
        for node in graph.node:
            for names in (node.input, node.output):
                for i, name in enumerate(names):
                    if name == old:
                        names[i] = new
        for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            if value.name == old:
                value.name = new


def order(model: ModelProto, random: Random) -> None:
    """Nodes in another order, twice, or left out."""
    graph = _graph(model, random)
    nodes = list(graph.node)
    random.shuffle(nodes)
    del graph.node[:]
    graph.node.extend(nodes[: random.randrange(1, len(nodes) + 1) if nodes else 0])
    if nodes and random.random() < 0.3:
        graph.node.append(random.choice(nodes))


FAULTS: tuple[Callable[[ModelProto, Random], None], ...] = (
    another_attribute, another_attribute, another_attribute, another_domain, another_initializer, another_initializer,
    another_input, another_input, another_operator, another_operator, another_opset, another_output, another_shape,
    another_type, declared_value, ends, functions, larger, number_of_inputs, number_of_outputs, order, shadowed, texts,
)  # fmt: skip


@st.composite
def wrong_models(draw: st.DrawFn) -> bytes:
    """The bytes of a model that is wrong somewhere."""
    model = model_named(draw(st.sampled_from(sorted(TEXTS))))
    faults = draw(st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4))
    random = draw(st.randoms(use_true_random=False))
    for fault in faults:
        fault(model, random)
    return model.SerializeToString()
