"""Nodes: run an instrumented script statement by statement, and compare every node with its reference.

The outputs of a node are replaced by their reference before a consumer reads them, so that every node has the source's
inputs and a difference is caused by the node itself. The same happens when a statement raises. Variables are deleted
after their last use, so that memory does not grow with the model's depth.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

import onnx_ir as ir

from converter.base.weight_steps import apply
from converter.graph import all_graphs, map_external_data
from converter.graph.fusions import FusedOperator
from converter.verification.instrument import AFTER, BEFORE, MODEL, SCRIPT
from converter.verification.job import NodePlan, PlannedWeight
from converter.verification.per_node_cells import RUN_CELL, construct_in, split_into_cells
from converter.verification.prober import RAISED, Note, Prober
from converter.verification.reference import Reference


class Nodes:
    """The nodes of an instrumented script, loaded once and compared on any number of inputs.

    Args:
        folder: holds the script and its graph.
        plan: what `Instrumented.write` returned.
        operators: the operators that ONNX does not have.
        graph_mode: compile each node by itself, instead of running it in PyNative mode.

    `inaccurate` are the nodes that the source's runtime computed inaccurately in the last comparison.
    """

    def __init__(
        self, folder: Path, plan: NodePlan, operators: Iterable[FusedOperator], graph_mode: bool = False
    ) -> None:
        self.inaccurate: Collection[str] = ()
        model = ir.load(folder / MODEL)
        map_external_data(model, plan.base_dir)
        self._probes = plan.probes
        self._reference = Reference(model, operators)
        self._graph_mode = graph_mode
        script = folder / SCRIPT
        if graph_mode:
            script = script.with_stem("cells")
            script.write_text(split_into_cells((folder / SCRIPT).read_text(encoding="utf-8")), encoding="utf-8")
        self._module, self._net = _network(script, plan.weights, model)
        construct = construct_in(ast.parse(script.read_text(encoding="utf-8")))
        self._inputs = [argument.arg for argument in construct.args.args[1:]]
        self._steps = _steps_of(construct.body)
        end = construct.body[-1]
        assert isinstance(end, ast.Return)
        assert end.value is not None
        self._end = compile(ast.Expression(end.value), SCRIPT, "eval")

    def compare(self, feeds: Sequence[Any], note: Note, edge: bool = False) -> list[Any] | None:
        """Compare the nodes, and pass each comparison to `note` at once.

        Args:
            feeds: the inputs, in order.
            note: called with `reached`, a node's number before it runs, and with `node` and `number`, its comparison.
            edge: whether the inputs are edge inputs.

        Returns:
            The script's outputs when the outputs of the compared nodes are replaced by their references; None if an
            output could not be computed because a node raised.
        """
        import mindspore as ms

        from converter.verification.arrays import to_mindspore, to_numpy

        ms.set_context(mode=ms.GRAPH_MODE if self._graph_mode else ms.PYNATIVE_MODE)
        prober = Prober(self._probes, self._reference, note, edge)
        self.inaccurate = prober.inaccurate
        probes = {BEFORE: prober.before, AFTER: prober.after, RUN_CELL: self._run_cell}
        namespace = {**vars(self._module), "self": self._net, **probes}
        namespace.update(zip(self._inputs, map(to_mindspore, feeds), strict=True))
        for step in self._steps:
            step.run(namespace, prober)
        try:
            result = eval(self._end, namespace)
        except Exception as error:
            prober.failed(error)
            return None
        results = result if isinstance(result, tuple) else (result,)
        if any(each is RAISED for each in results):
            return None
        return [to_numpy(each) for each in results]

    def _run_cell(self, number: int, *inputs: Any) -> Any:
        return getattr(self._module, f"NodeCell{number}")(self._net)(*inputs)


@dataclass(frozen=True)
class _Step:
    """A statement of the script.

    Attributes:
        code: the statement, compiled.
        stored: the variables that it sets.
        dropped: the variables that no later statement reads.
        ends: number and count of outputs of the node, if the statement is its call of `_after_`.
    """

    code: CodeType
    stored: Sequence[str]
    dropped: Sequence[str]
    ends: tuple[int, int] | None

    def run(self, namespace: dict[str, Any], prober: Prober) -> None:
        """Execute it. What it sets becomes `RAISED` if it raises; if it ends a node, what the node's outputs become."""
        try:
            exec(self.code, namespace)
        except Exception as error:
            prober.failed(error)
            namespace.update(dict.fromkeys(self.stored, RAISED))
            if self.ends is not None:
                number, count = self.ends
                results = prober.after(number, [RAISED] * count)
                namespace.update(zip(self.stored, results if len(self.stored) > 1 else [results], strict=False))
        for name in self.dropped:
            namespace.pop(name, None)


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


def _steps_of(body: Sequence[ast.stmt]) -> list[_Step]:
    """The statements before the final `return`."""
    last = {name.id: index for index, statement in enumerate(body) for name in _names(statement)}
    steps = []
    for index, statement in enumerate(body[:-1]):
        names = dict.fromkeys(name.id for name in _names(statement))
        steps.append(
            _Step(
                code=compile(ast.Module([statement], []), SCRIPT, "exec"),
                stored=[name.id for name in _names(statement) if isinstance(name.ctx, ast.Store)],
                dropped=[name for name in names if last[name] == index and name not in _KEPT],
                ends=_node_ended_by(statement),
            )
        )
    return steps


_KEPT = frozenset({"self", BEFORE, AFTER, RUN_CELL})


def _names(statement: ast.stmt) -> Iterator[ast.Name]:
    return (node for node in ast.walk(statement) if isinstance(node, ast.Name))


def _node_ended_by(statement: ast.stmt) -> tuple[int, int] | None:
    call = getattr(statement, "value", None)
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == AFTER):
        return None
    return ast.literal_eval(call.args[0]), len(call.args[1].elts)  # type: ignore[attr-defined]
