"""What `match` prints: both lists, the mapping, and what was written; or the same as JSON."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from converter.artifacts import TensorSpec
from converter.commands import terminal
from converter.commands.weights import words
from converter.commands.weights.match import Matched, Settings

if TYPE_CHECKING:
    from converter.commands.weights.comparing import Comparison
from converter.weights import Pairing, mapping_file

_LABELS = {"certain": "Certain", "likely": "Likely", "ambiguous": "Ambiguous", "missing": "Missing"}


def print_matched(found: Matched, settings: Settings) -> None:
    """Print a match for a reader."""
    terminal.print_table(("tensor", "shape", "type"), [_row(each) for each in found.source])
    _line("Source", f"{settings.source}, {found.kind}: {words.count(len(found.source), 'tensor')}")
    print()
    terminal.print_table(
        ("parameter", "shape", "type", "layer"), [(*_row(each.array), each.layer) for each in found.network]
    )
    _line("Network", f"{settings.network}: {words.count(len(found.network), 'parameter')}")
    print()
    terminal.print_table(
        ("parameter", "made of", "confidence", "because"),
        [_pairing_row(pairing) for pairing in found.proposal.pairings],
    )
    counts: Counter[str] = Counter(pairing.confidence for pairing in found.proposal.pairings)
    for confidence, label in _LABELS.items():
        if counts[confidence]:
            _line(label, f"{counts[confidence]} of {words.count(len(found.network), 'parameter')}")
    if found.proposal.unused:
        names = [each.name for each in found.proposal.unused]
        _line("Not used", f"{words.count(len(names), 'tensor')}: {words.some(names)}")
    if found.undecided and found.error is None:
        _line("Left out", words.some([pairing.parameter.array.name for pairing in found.undecided]))
    if found.comparison is not None:
        _print_comparison(found.comparison)
    for file in found.files:
        _line("Written", str(file))


def _print_comparison(found: Comparison) -> None:
    if not found.loaded:
        _line("Beware", "the source network has other weights than the file, and keeps those that the call gave it")
    for number, each in enumerate(found.outputs):
        _line("Output", f"{number}: {each.line()}")
    if found.first is not None:
        first = found.first
        _line("First", f"layer that differs: {first.layer} (source: {first.source}): {first.difference.line()}")
    elif found.layers:
        _line("Layers", f"{found.layers} compared, none differs")


def as_json(found: Matched) -> dict[str, Any]:
    """A match as plain data."""
    return {
        "kind": found.kind,
        "source": [_plain(each) for each in found.source],
        "network": [_plain(each.array) | {"layer": each.layer} for each in found.network],
        "mapping": [_plain_pairing(pairing) for pairing in found.proposal.pairings],
        "unused": [each.name for each in found.proposal.unused],
        "comparison": found.comparison and _plain_comparison(found.comparison),
        "files": list(map(str, found.files)),
    }


def _plain(array: TensorSpec) -> dict[str, Any]:
    return {"name": array.name, "shape": list(array.shape), "data_type": array.dtype}


def _plain_comparison(found: Comparison) -> dict[str, Any]:
    first = found.first
    return {
        "same": found.same,
        "loaded": found.loaded,
        "outputs": [each.as_dict() for each in found.outputs],
        "layers": found.layers,
        "first_difference": first
        and {"layer": first.layer, "source": first.source, "difference": first.difference.as_dict()},
    }


def _plain_pairing(pairing: Pairing) -> dict[str, Any]:
    return {
        "parameter": pairing.parameter.array.name,
        "parts": [{"source": part.source.name, "transform": list(part.steps)} for part in pairing.parts],
        "confidence": pairing.confidence,
        "reason": pairing.reason,
        "others": list(pairing.others),
    }


def _pairing_row(pairing: Pairing) -> tuple[str, ...]:
    made_of = " + ".join(map(mapping_file.part_text, pairing.parts))
    others = f"; or {', '.join(pairing.others)}" if pairing.others else ""
    return pairing.parameter.array.name, made_of, pairing.confidence, pairing.reason + others


def _row(array: TensorSpec) -> tuple[str, str, str]:
    return array.name, words.shape(array), array.dtype


def _line(label: str, text: str) -> None:
    print(f"{label:<10} {terminal.printable(text)}")
