"""The report as text: a line for every node, the rate, the proof; and the docstring of the script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import onnx_ir as ir

from converter.frontends.source import Endpoint, Source
from converter.report.facts import Facts
from converter.script.program import Record


def docstring(source: Source, graph: ir.Graph, name: str, checkpoint: str | None) -> str:
    """The script's docstring: where it came from, its inputs and outputs, how to load the checkpoint.

    Args:
        source: the model.
        graph: its normalised graph, for the outputs' shapes.
        name: NAME, the script's stem.
        checkpoint: the checkpoint's file name; None when the network has no parameters.
    """
    load = f'ms.load_param_into_net(net, ms.load_checkpoint("{checkpoint}"), strict_load=True)'
    if checkpoint and not checkpoint.endswith(".ckpt"):
        kind = checkpoint.rpartition(".")[2]
        load = f'ms.load_param_into_net(net, ms.load_checkpoint("{checkpoint}", format="{kind}"), strict_load=True)'
    return "\n".join(
        [
            f"{name}, translated from {source.description}.",
            "",
            "Inputs",
            *_ends(source.inputs),
            "Outputs",
            *_ends([_inferred(end, value) for end, value in zip(source.outputs, graph.outputs, strict=True)]),
            "",
            "    net = MindSporeModel()",
            f"    {load}" if checkpoint else "    # The network has no parameters, so there is no checkpoint to load.",
        ]
    )


def _inferred(end: Endpoint, value: ir.Value) -> Endpoint:
    """An output with the shape that the normalised graph has for it."""
    if value.shape is None:
        return end
    return replace(end, shape=tuple(dim if isinstance(dim, int) else dim.value or "?" for dim in value.shape))


def _ends(ends: Sequence[Endpoint]) -> list[str]:
    width = max((len(end.name) for end in ends), default=0)
    return [f"    {end.name:<{width}}  {_container(end)}{end.dtype} {_shape(end)}" for end in ends]


def _container(end: Endpoint) -> str:
    return "".join({"sequence": "list of ", "optional": "None or "}[kind] for kind in end.container)


def _shape(end: Endpoint) -> str:
    return "of any rank" if end.shape is None else f"({', '.join(map(str, end.shape))})"


def text_report(facts: Facts) -> str:
    """Write `report_of_NAME.txt`: a line for every node, the rate, and the proof."""
    proof = facts.proof
    lines = ["[Start Convert]", *(_line(record, facts) for record in facts.program.records)]
    lines += ["[Convert Over]", f"Converted Rate: {facts.rate:.2%}.", ""]
    lines += [f"[Verification] {facts.verdict}.", *(proof.lines() if proof else ())]
    first = proof.first_difference if proof else None
    record = facts.record_of(first) if first else None
    if record is not None:
        line, column = facts.position(record)
        lines.append(f"it stands in the script at line {line}:{column}")
    return "\n".join(lines) + "\n"


def _line(record: Record, facts: Facts) -> str:
    line, column = facts.position(record)
    node = f"'{record.operator}' ({record.name})"
    if not record.converted:
        return f"line {line}:{column}: [UnConvert] {node} didn't convert. {record.became}"
    note = f" {record.note}" if record.note else ""
    return f"line {line}:{column}: [Convert] {node} is converted to {record.became}.{note}"
