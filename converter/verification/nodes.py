"""Nodes: run an instrumented script statement by statement, and compare every node with its reference.

The outputs of a node are replaced by their reference before a consumer reads them, so that every node has the source's
inputs and a difference is caused by the node itself. The same happens when a statement raises. Variables are deleted
after their last use, so that memory does not grow with the model's depth.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx_ir as ir

from converter.base.weight_steps import apply
from converter.graph import all_graphs, map_external_data
from converter.graph.fusions import FusedOperator
from converter.verification.instrument import AFTER, BEFORE, MODEL, SCRIPT
from converter.verification.job import NodePlan, PlannedWeight
from converter.verification.per_node_cells import RUN_CELL, split_into_cells
from converter.verification.prober import RAISED, Note, Prober
from converter.verification.reference import Reference


def compare_node_outputs(
    folder: Path,
    plan: NodePlan,
    feeds: Sequence[Any],
    operators: Iterable[FusedOperator],
    note: Note,
    graph_mode: bool = False,
    edge: bool = False,
) -> list[Any] | None:
    """Compare the nodes of an instrumented script, and pass each comparison to `note` at once.

    Args:
        folder: holds the script and its graph.
        plan: what `Instrumented.write` returned.
        feeds: the inputs, in order.
        operators: the operators that ONNX does not have.
        note: called with `reached`, a node's number before it runs, and with `node` and `number`, its comparison.
        graph_mode: compile each node by itself, instead of running it in PyNative mode.
        edge: whether the inputs are edge inputs.

    Returns:
        The script's outputs when the outputs of the compared nodes are replaced by their references; None if an
        output could not be computed because a node raised.
    """
    import mindspore as ms

    from converter.verification.arrays import to_mindspore, to_numpy

    ms.set_context(mode=ms.GRAPH_MODE if graph_mode else ms.PYNATIVE_MODE)
    model = ir.load(folder / MODEL)
    map_external_data(model, plan.base_dir)
    prober = Prober(plan.probes, Reference(model, operators), note, edge)
    script = folder / SCRIPT
    if graph_mode:
        script = script.with_stem("cells")
        script.write_text(split_into_cells((folder / SCRIPT).read_text(encoding="utf-8")), encoding="utf-8")
    module, net = _network(script, plan.weights, model)

    def run_cell(number: int, *inputs: Any) -> Any:
        return getattr(module, f"NodeCell{number}")(net)(*inputs)

    namespace = {**vars(module), "self": net, BEFORE: prober.before, AFTER: prober.after, RUN_CELL: run_cell}
    construct = _construct(script)
    names = [argument.arg for argument in construct.args.args[1:]]
    namespace.update(zip(names, map(to_mindspore, feeds), strict=True))
    results = _run(construct.body, namespace, prober)
    if any(result is RAISED for result in results):
        return None
    return [to_numpy(result) for result in results]


def _network(script: Path, weights: Mapping[str, PlannedWeight], model: ir.Model) -> tuple[Any, Any]:
    """The script's module and its network, with the graph's constants as parameters."""
    from converter.verification import network
    from converter.verification.arrays import to_mindspore

    net = network.load(script, None)
    constants = {name: value for graph in all_graphs(model) for name, value in graph.initializers.items()}
    for parameter in net.get_parameters():
        weight = weights[parameter.name]
        tensor = constants[weight.tensor].const_value
        assert tensor is not None
        parameter.set_data(to_mindspore(apply(weight.steps, tensor.numpy())))
    return sys.modules[type(net).__module__], net


def _construct(script: Path) -> ast.FunctionDef:
    tree = ast.parse(script.read_text(encoding="utf-8"))
    network = next(
        node for node in tree.body if isinstance(node, ast.ClassDef)
    )  # the others are Cells of one node each
    return next(node for node in network.body if isinstance(node, ast.FunctionDef) and node.name == "construct")


def _run(body: Sequence[ast.stmt], namespace: dict[str, Any], prober: Prober) -> tuple[Any, ...]:
    """Execute statements one by one; return the values of the final `return`."""
    *statements, end = body
    last = {name.id: index for index, statement in enumerate(body) for name in _names(statement)}
    for index, statement in enumerate(statements):
        try:
            exec(compile(ast.Module([statement], []), SCRIPT, "exec"), namespace)
        except Exception as error:
            prober.failed(error)
            namespace.update(dict.fromkeys(_stored(statement), RAISED))
            _after(statement, namespace, prober)
        for name in set(_stored(statement)) | {name.id for name in _names(statement)}:
            if last[name] == index and name not in _KEPT:
                namespace.pop(name, None)
    assert isinstance(end, ast.Return)
    assert end.value is not None
    try:
        result = eval(compile(ast.Expression(end.value), SCRIPT, "eval"), namespace)
    except Exception as error:
        prober.failed(error)
        return (RAISED,)
    return result if isinstance(result, tuple) else (result,)


_KEPT = frozenset({"self", BEFORE, AFTER, RUN_CELL})


def _names(statement: ast.stmt) -> Iterator[ast.Name]:
    return (node for node in ast.walk(statement) if isinstance(node, ast.Name))


def _stored(statement: ast.stmt) -> Iterator[str]:
    return (name.id for name in _names(statement) if isinstance(name.ctx, ast.Store))


def _after(statement: ast.stmt, namespace: dict[str, Any], prober: Prober) -> None:
    """End the node if the failed statement is its call of `_after_`; its outputs become `RAISED`."""
    call = getattr(statement, "value", None)
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == AFTER):
        return
    number, made = ast.literal_eval(call.args[0]), call.args[1]
    results = prober.after(number, [RAISED] * len(made.elts))  # type: ignore[attr-defined]
    targets = list(_stored(statement))
    namespace.update(zip(targets, results if len(targets) > 1 else [results], strict=False))
