"""Conditions whose answer is known: keep the branch that runs, with Switch, Merge and If gone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from converter.frontends.tensorflow import graph as graphs
from converter.frontends.tensorflow.dropout import RATE
from converter.frontends.tensorflow.training.dropout import dropout_behind
from converter.frontends.tensorflow.training.flow import Flow
from converter.frontends.tensorflow.training.scalars import Numbers, Scalars

if TYPE_CHECKING:
    from tensorflow.core.framework.graph_pb2 import GraphDef
    from tensorflow.core.framework.node_def_pb2 import NodeDef


def lower_conditions(graph: GraphDef, switches: Numbers | None = None) -> None:
    """Write each If whose condition is known as Switch and Merge, with the nodes of its two functions between them.

    So do TensorFlow 1 and 2 have one form. The nodes of a branch get the prefix `IF/then/` or `IF/else/`. Without
    `switches`, this is done for every If.
    """
    functions = {function.signature.name: function for function in graph.library.function}
    with _functions_of(graph):
        _lower_all(graph, functions, switches)


@contextlib.contextmanager
def _functions_of(graph: GraphDef) -> Iterator[None]:
    """Let TensorFlow know the functions of a graph: a body may call others."""
    import tensorflow as tf

    with tf.Graph().as_default():
        tf.import_graph_def(type(graph)(library=graph.library, versions=graph.versions), name="")
        yield


def _lower_all(graph: GraphDef, functions: Mapping[str, Any], switches: Numbers | None) -> None:
    pending = True
    while pending:  # a branch may hold another If
        pending = False
        scalars = Scalars(Flow(graph), switches or {})
        for node in [node for node in graph.node if node.op in ("If", "StatelessIf")]:
            names = [node.attr[f"{branch}_branch"].func.name for branch in ("then", "else")]
            known = switches is None or scalars.value(node.input[0]) is not None
            if known and all(name in functions for name in names):
                _lower(graph, node, [functions[name] for name in names])
                pending = True


def _lower(graph: GraphDef, node: NodeDef, functions: Iterable[Any]) -> None:
    """Replace one If; its outputs are Merge nodes, the first of which has its name."""
    condition, *arguments = [name for name in node.input if name[0] != "^"]
    types = list(node.attr["Tin"].list.type)
    results: list[list[str]] = []
    switches = []
    for k, (argument, dtype) in enumerate(zip(arguments, types, strict=True)):
        switch = graph.node.add(op="Switch", name=f"{node.name}/argument_{k}", input=[argument, condition])
        switch.attr["T"].type = dtype
        switches.append(switch.name)
    for branch, function in zip(("then", "else"), functions, strict=True):
        ends = [f"{name}:{1 if branch == 'then' else 0}" for name in switches]
        pivot = _pivot(graph, node.name, condition, branch)
        results.append(_inlined(graph, function, f"{node.name}/{branch}", ends, types, pivot))
    outputs = list(node.attr["Tout"].list.type)
    name = node.name
    names = [name if k == 0 else f"{name}/output_{k}" for k in range(len(outputs))]
    for reader in graph.node:
        for i, tensor in enumerate(reader.input):
            source, index = graphs.split(tensor.removeprefix("^"))
            if source == name and index and tensor[0] != "^":
                reader.input[i] = names[index]
    graph.node.remove(node)
    for k, dtype in enumerate(outputs):
        merge = graph.node.add(op="Merge", name=names[k], input=[results[1][k], results[0][k]])
        merge.attr["T"].type = dtype
        merge.attr["N"].i = 2


def _pivot(graph: GraphDef, name: str, condition: str, branch: str) -> str:
    """Add a node that runs where a branch does."""
    from tensorflow.core.framework.types_pb2 import DT_BOOL

    switch = graph.node.add(op="Switch", name=f"{name}/{branch}_switch", input=[condition, condition])
    pivot = graph.node.add(op="Identity", name=f"{name}/{branch}_pivot")
    pivot.input.append(f"{switch.name}:{1 if branch == 'then' else 0}")
    for node in (switch, pivot):
        node.attr["T"].type = DT_BOOL
    return pivot.name


def _inlined(
    graph: GraphDef, function: Any, prefix: str, arguments: list[str], types: list[int], pivot: str
) -> list[str]:
    """Add the nodes of a function, which read these arguments; return the tensors that it returns.

    A node that reads nothing runs when the node `pivot` does.
    """
    from tensorflow.python.framework.function_def_to_graph import function_def_to_graph_def

    body, tensors = function_def_to_graph_def(function)
    places = {arg.name: k for k, arg in enumerate(function.signature.input_arg)}

    def renamed(tensor: str) -> str:
        control = "^" if tensor[0] == "^" else ""
        source, index = graphs.split(tensor.removeprefix("^"))
        return f"{control}{prefix}/{source}" + (f":{index}" if index else "")

    for inner in body.node:
        node = graph.node.add()
        if inner.name in places:
            k = places[inner.name]
            node.name, node.op = f"{prefix}/{inner.name}", "Identity"
            node.input.append(arguments[k])
            node.attr["T"].type = types[k]
            continue
        node.CopyFrom(inner)
        node.name, node.device = f"{prefix}/{inner.name}", ""
        node.input[:] = [renamed(tensor) for tensor in inner.input] or [f"^{pivot}"]
    return [renamed(tensors[function.ret[arg.name]]) for arg in function.signature.output_arg]


def take_branches(graph: GraphDef, switches: Numbers) -> None:
    """Remove each Switch and Merge whose condition is known, and the nodes of the branches that do not run.

    A dropout in a branch that does not run is kept, if the other branch passes its input on.
    """
    flow = Flow(graph)
    scalars = Scalars(flow, switches)
    answers = {
        node.name: bool(value)
        for node in graph.node
        if node.op == "Switch" and (value := scalars.value(node.input[1])) is not None and not value.ndim
    }
    dead = _dead(flow, answers)
    renamed: dict[tuple[str, int], str] = {}
    for node in graph.node:
        if node.name in dead:
            continue
        if node.name in answers:
            renamed[node.name, int(answers[node.name])] = node.name
            _become_identity(node, node.input[0])
        elif node.op == "Merge":
            alive = [source for source in node.input if source[0] != "^" and not _is_dead(source, dead, answers)]
            others = [source for source in node.input if source[0] != "^" and source not in alive]
            if len(alive) == 1 and others:
                dropout = next(filter(None, (dropout_behind(flow, source) for source in others)), None)
                _become_identity(node, alive[0])
                if dropout is not None and _passed(flow, dropout.input[0]) == _passed(flow, alive[0]):
                    node.attr[RATE].CopyFrom(dropout.attr[RATE])
    kept = [node for node in graph.node if node.name not in dead]
    for node in kept:
        inputs = [name for name in node.input if name[0] != "^" or name[1:] not in dead]
        node.input[:] = [renamed.get(graphs.split(name), name) if name[0] != "^" else name for name in inputs]
    rest = [type(node).FromString(node.SerializeToString()) for node in kept]
    del graph.node[:]
    graph.node.extend(rest)


def _dead(flow: Flow, answers: Mapping[str, bool]) -> set[str]:
    """The nodes that do not run."""
    dead: set[str] = set()
    behind: dict[str, list[str]] = {}
    for node in flow.graph.node:
        for name in node.input:
            behind.setdefault(graphs.split(name.removeprefix("^"))[0], []).append(node.name)
    waiting = [reader for name in answers for reader in behind.get(name, ())]
    while waiting:
        name = waiting.pop()
        node = flow.nodes[name]
        if name in dead or not _dies(node, dead, answers):
            continue
        dead.add(name)
        waiting += behind.get(name, ())
    return dead


def _dies(node: NodeDef, dead: set[str], answers: Mapping[str, bool]) -> bool:
    states = [_is_dead(name, dead, answers) for name in node.input if name[0] != "^"]
    controls = [name[1:] in dead for name in node.input if name[0] == "^"]
    return any(controls) or (all(states) and bool(states) if node.op == "Merge" else any(states))


def _is_dead(tensor: str, dead: set[str], answers: Mapping[str, bool]) -> bool:
    name, index = graphs.split(tensor)
    return name in dead or (name in answers and bool(index) != answers[name])


def _become_identity(node: NodeDef, source: str) -> None:
    dtype = node.attr["T"].type
    node.op = "Identity"
    controls = [name for name in node.input if name[0] == "^"]
    node.input[:] = [source, *controls]
    node.attr.clear()
    node.attr["T"].type = dtype


def _passed(flow: Flow, tensor: str) -> str:
    """The tensor that Switch, Merge and Identity nodes pass on."""
    name, index = graphs.split(tensor)
    while flow.nodes[name].op in ("Switch", "Identity"):
        name, index = graphs.split(flow.nodes[name].input[0])
    return f"{name}:{index}"
