"""The terminal's view of an inspection: ends, operators, scopes, and the command that converts the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from converter.base.messages import tr
from converter.base.messages.composed import translated
from converter.commands import terminal
from converter.commands.terminal import printable, table

if TYPE_CHECKING:
    from converter.frontends import Endpoint
    from converter.report import Inspection

_MOST_OPERATORS = 24
_MOST_POINTS = 12
_MOST_SCOPES = 16
_DEEPEST_SCOPE = 3


def print_inspection(inspection: Inspection) -> None:
    """Print what the page shows, cut short where there is much of it."""
    from rich.cells import set_cell_size

    console = terminal.console()

    def say(label: str, *lines: str) -> None:
        for line in lines:
            console.print(f"{set_cell_size(label, 13)} {printable(line)}")
            label = ""

    total, left = len(inspection.records), sum(not record.converted for record in inspection.records)
    weights = inspection.weights
    elements, size = (sum(weight[key] for weight in weights) for key in ("elements", "bytes"))
    say(tr("Model"), inspection.source.description)
    say(tr("Inputs"), *map(_end, inspection.inputs))
    say(tr("Outputs"), *map(_end, inspection.outputs))
    say(tr("Notes"), *map(translated, inspection.notes))
    say(tr("Parameters"), f"{len(weights)}, {elements:,} {tr('elements')}, {_bytes(size)}")
    say(
        tr("Would convert"),
        tr("{done} of {total} {unit} ({rate})").format(
            done=total - left, total=total, unit=tr("nodes"), rate=f"{inspection.rate:.2%}"
        ),
    )
    operators = inspection.operators
    rows = [(o.operator, str(o.nodes), str(o.converted), translated(o.became)) for o in operators[:_MOST_OPERATORS]]
    console.print(table((tr("operator"), tr("nodes"), tr("would convert"), tr("becomes, or what to do")), rows))
    if len(operators) > _MOST_OPERATORS:
        say("", tr("and {number} more operators: see the page").format(number=len(operators) - _MOST_OPERATORS))
    if inspection.cut_points:
        points = inspection.cut_points[:_MOST_POINTS]
        console.print(
            table((tr("could be cut at"), tr("as"), tr("what it is")), [(p.value, p.side, p.why) for p in points])
        )
    scopes = list(_scopes(inspection.scopes.as_dict()["scopes"]))
    if scopes:
        console.print(table((tr("scope"), tr("class"), tr("nodes"), tr("parameter elements")), scopes[:_MOST_SCOPES]))
        if len(scopes) > _MOST_SCOPES:
            say("", tr("and {number} more scopes: see the page").format(number=len(scopes) - _MOST_SCOPES))
    say(tr("Written"), *map(str, inspection.files))


def _end(end: Endpoint) -> str:
    shape = tr("of any rank") if end.shape is None else f"({', '.join(map(str, end.shape))})"
    return f"{end.name}  {'/'.join((*end.container, str(end.dtype)))} {shape}"


def _scopes(found: Sequence[dict[str, Any]], around: tuple[str, ...] = ()) -> Iterator[tuple[str, str, str, str]]:
    for scope in found:
        path = (*around, scope["name"])
        yield ".".join(path), scope["kind"], str(scope["nodes"]), f"{scope['elements']:,}"
        if len(path) < _DEEPEST_SCOPE:
            yield from _scopes(scope["scopes"], path)


def _bytes(size: float) -> str:
    units = ["B", "KB", "MB", "GB", "TB"]
    while size >= 1000 and len(units) > 1:
        size /= 1000
        del units[0]
    return f"{size:.3g} {units[0]}"
