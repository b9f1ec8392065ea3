"""The report as text: a line for every node, the rate, the proof; and the docstring of the script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import onnx_ir as ir

from converter.emit import Script
from converter.program import Program, Record
from converter.source import End, Source
from converter.verification import Comparison


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


def _inferred(end: End, value: ir.Value) -> End:
    """An output with the shape that the normalised graph has for it."""
    if value.shape is None:
        return end
    return replace(end, shape=tuple(dim if isinstance(dim, int) else dim.value or "?" for dim in value.shape))


def _ends(ends: Sequence[End]) -> list[str]:
    width = max((len(end.name) for end in ends), default=0)
    return [f"    {end.name:<{width}}  {_container(end)}{end.dtype} {_shape(end)}" for end in ends]


def _container(end: End) -> str:
    return "".join({"sequence": "list of ", "optional": "None or "}[kind] for kind in end.container)


def _shape(end: End) -> str:
    return "of any rank" if end.shape is None else f"({', '.join(map(str, end.shape))})"


def write(program: Program, script: Script, proof: Comparison | None) -> str:
    """Write `report_of_NAME.txt`: a line for every node, the rate, and the proof."""
    lines = ["[Start Convert]"]
    lines += [_line(record, script) for record in program.records]
    converted = sum(record.converted for record in program.records)
    rate = converted / len(program.records) if program.records else 1.0
    lines += ["[Convert Over]", f"Converted Rate: {rate:.2%}.", ""]
    lines += ["[Verification] not verified."] if proof is None else [f"[Verification] {proof.verdict}.", *proof.lines()]
    return "\n".join(lines) + "\n"


def _line(record: Record, script: Script) -> str:
    line, column = script.position(record.anchor) or script.entry
    node = f"'{record.operator}' ({record.name})"
    if not record.converted:
        return f"line {line}:{column}: [UnConvert] {node} didn't convert. {record.became}"
    note = f" {record.note}" if record.note else ""
    return f"line {line}:{column}: [Convert] {node} is converted to {record.became}.{note}"
